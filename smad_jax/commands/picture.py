"""`picture`: clips of a run's test set with the mask of its actionness."""

import argparse
import pathlib

from smad_jax import errors
from smad_jax.base import file_io


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    add = parser.add_argument
    add("run_folder", type=pathlib.Path, metavar="RUN", help="folder of a run")
    add("--set", default="rare", help="test set")
    add("--out", type=pathlib.Path, help="PNG file to write (default: in the folder)")


def run(*, run_folder: pathlib.Path, set: str, out: pathlib.Path | None) -> str:
    """Draws the picture; returns where it is.

    Raises:
        UserError: if the run has no examples or no class names, or `out` is no PNG.
    """
    from smad_jax.evaluation import predict
    from smad_jax.experiment import run_labels
    from smad_jax.reporting import figures

    path = run_folder / "predictions" / f"{set}_examples.npz"
    if not path.is_file():
        end = "_examples.npz"
        known = [file.name.removesuffix(end) for file in path.parent.glob(f"*{end}")]
        hint = f"--set can be {', '.join(sorted(known))}" if known else "test it first"
        raise errors.DataError(f"{run_folder} has no examples of {set!r}; {hint}")
    target = out or run_folder / f"actionness_{set}.png"
    if target.suffix.lower() != ".png":
        raise errors.ConfigError(f"--out must end in .png, not {target}")
    file_io.check(target)
    labels = run_labels.read(run_folder)
    if labels is None:
        raise errors.DataError(
            f"{run_folder} has no class names (labels.json); train and test it again"
        )
    drawn = figures.actionness(predict.Examples.load(path), labels.classes, target)
    return f"picture: {drawn}"
