"""Metrics of a run on Weights & Biases, beside TensorBoard; an optional package."""

import importlib
import json
import pathlib
import uuid
from collections.abc import Mapping

from smad_jax import errors


class WandbRun:
    """A run on Weights & Biases, which a training that resumes continues."""

    def __init__(self, project: str, folder: pathlib.Path) -> None:
        """Starts it, or continues that of the same folder.

        Args:
            project: Its name there.
            folder: Of the run; `config.json` in it is sent along.

        Raises:
            ConfigError: if the package is missing, or refuses to start.
        """
        try:
            # By name: the package is in no requirement, so a type checker misses it.
            wandb = importlib.import_module("wandb")
        except ModuleNotFoundError as error:
            raise errors.ConfigError(
                "training.wandb needs the package wandb; in the project's folder, pip "
                "install '.[wandb]' installs it"
            ) from error
        # In the folder, so that a training that resumes finds its run again, and a new
        # one in a folder of the same name does not continue an old one.
        known = folder / "wandb_id.txt"
        if not known.is_file():
            known.write_text(uuid.uuid4().hex, "utf-8")
        try:
            self._run = wandb.init(
                project=project,
                name=folder.name,
                id=known.read_text("utf-8"),
                resume="allow",
                dir=str(folder),
                config=json.loads((folder / "config.json").read_text("utf-8")),
            )
        except wandb.Error as error:
            raise errors.ConfigError(
                f"wandb does not start ({error}); run `wandb login`, or set "
                "WANDB_MODE=offline"
            ) from error

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Sends the metrics of a step; those that it has already are ignored there."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Sends the rest and ends the connection."""
        self._run.finish()
