"""A folder of weights: `weights.npz`, and `weights.json`, which describes them.

`import` writes it, `export` reads it and a run can start from it. Plain NumPy, without
pickles; the JSON is written last, so that a folder without it is incomplete.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.models import recognizer, resnet
from smad_jax.torch_weights import convert, networks
from smad_jax.training import checkpoint

Tree = networks.Tree
_FORMAT = "smad_jax weights 1"
_STEM = "backbone/conv1/kernel"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Where weights come from.

    Attributes:
        network: What they belong to.
        layout: The table of `names` that fitted their file.
        source: Name of that file.
        sha256: Of its bytes.
        left_out: Allowed names of the file that are not in the network.
        inflated: Paths of kernels inflated from those of images.
    """

    network: networks.Network
    layout: str = ""
    source: str = ""
    sha256: str = ""
    left_out: tuple[str, ...] = ()
    inflated: tuple[str, ...] = ()


def manifest_of(imported: convert.Imported, source: pathlib.Path) -> Manifest:
    """Describes what was imported from the file `source`."""
    with open(source, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Manifest(
        imported.network,
        imported.table,
        source.name,
        digest,
        imported.left_out,
        tuple(row.ours for row in imported.rows if row.note),
    )


def save_weights(
    folder: pathlib.Path, arrays: convert.Arrays, manifest: Manifest
) -> None:
    """Writes arrays, by their flat paths, and where they come from.

    Raises:
        ConfigError: if the folder is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise errors.ConfigError(f"{folder} exists; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "weights.npz", "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    content = {"format": _FORMAT, **dataclasses.asdict(manifest)}
    file_io.write_json(folder / "weights.json", content)


def load_weights(folder: pathlib.Path) -> tuple[Tree, Tree]:
    """Returns parameters and batch statistics as nested dicts of NumPy arrays.

    They are named as by `train_state.split`.

    Raises:
        DataError: if the folder is missing, incomplete or damaged.
    """
    return networks.unflatten(load_arrays(folder)[0])


def load_model(folder: pathlib.Path) -> recognizer.Recognizer:
    """Returns the network of the weights in a folder, with these weights.

    Raises:
        DataError: if the folder is missing, incomplete or damaged.
    """
    arrays, manifest = load_arrays(folder)
    return networks.assemble(manifest.network, arrays)


def load_arrays(folder: pathlib.Path) -> tuple[convert.Arrays, Manifest]:
    """Returns the arrays under flat paths, and where they come from.

    Args:
        folder: Of `save_weights`, or of a run, whose newest checkpoint is read.

    Raises:
        DataError: if the folder is missing, incomplete or damaged.
    """
    if (folder / "checkpoints").is_dir() and (folder / "config.json").is_file():
        return _load_run(folder)
    try:
        content = json.loads((folder / "weights.json").read_text("utf-8"))
        if content.pop("format") != _FORMAT:
            raise errors.DataError(f"{folder} is of an unknown format")
        network = networks.Network(**content.pop("network"))
        if network.shortcut not in (None, *resnet.SHORTCUTS):
            raise errors.DataError(f"unknown shortcut {network.shortcut!r}")
        manifest = Manifest(network, **content)
        with (
            open(folder / "weights.npz", "rb") as file,
            np.load(file, allow_pickle=False) as arrays,
        ):
            return {path: arrays[path] for path in arrays.files}, manifest
    except FileNotFoundError as error:
        raise errors.DataError(
            f"neither a run nor weights in {folder}; python main.py --config "
            f"configs/NAME.py --workdir {folder} makes a run, python -m "
            "smad_jax.torch_weights import CKPT --model NAME --out "
            f"{folder} makes weights of a PyTorch checkpoint"
        ) from error
    except (errors.UserError, PermissionError):
        raise  # their own messages are enough
    except file_io.BROKEN as error:
        raise errors.DataError(
            f"the weights in {folder} are damaged: {error}"
        ) from error


def _load_run(workdir: pathlib.Path) -> tuple[convert.Arrays, Manifest]:
    """Reads the model of a run's newest checkpoint without building it."""
    path = workdir / "config.json"
    with file_io.reading(path, "copy the run again"):
        config = file_io.read_json(path, "copy the run again")
        model, sampling = config["model"], config["data"]["sampling"]
        name, shortcut = str(model["name"]), model.get("shortcut")
        seen = sampling.get("input", "rgb")
    step, *parts = checkpoint.read_trained(workdir / "checkpoints")
    arrays = {
        path.removeprefix("model/"): array
        for part in parts
        for path, array in part.items()
        if path.startswith("model/")
    }
    network = networks.Network(name, len(arrays["head/bias"]), shortcut, seen)
    return arrays, Manifest(network, source=f"step {step} of {workdir.name}")


def initialise(
    params: Tree,
    batch_stats: Tree,
    folder: pathlib.Path,
    *,
    allow: Sequence[str] = (),
    fresh: Sequence[str] = (),
) -> tuple[Tree, Tree]:
    """Returns the trees of a fresh model with the weights of a folder.

    Where the model sees RGB and differences and the weights are for RGB, the stem's
    filters serve both.

    Args:
        params: Of the model, from `train_state.split`.
        batch_stats: Of the model, from `train_state.split`.
        folder: Of `save_weights`, or of a run.
        allow: Patterns of paths that may be missing on either side or differ in
            shape, and then stay fresh: `head/*` for other classes, `saar/*` for
            weights of a model without SAAR.
        fresh: Patterns of paths that always stay fresh: `head/*` where other classes
            may be as many.

    Returns:
        New trees of the same paths, shapes and dtypes.

    Raises:
        DataError: naming what does not fit and is not allowed, or SAAR if nothing
            else differs.
    """
    arrays, manifest = load_arrays(folder)
    arrays = {
        path: array
        for path, array in arrays.items()
        if not convert.is_allowed((path,), fresh)
    }
    own = networks.flatten(params, batch_stats)
    if (stem := arrays.get(_STEM)) is not None:
        if own[_STEM].shape[-2] == 2 * stem.shape[-2]:
            arrays[_STEM] = np.concatenate([stem, stem], axis=-2)
    problems = {path: "missing in the weights" for path in own.keys() - arrays.keys()}
    problems |= {path: "unknown to the model" for path in arrays.keys() - own.keys()}
    for path in own.keys() & arrays.keys():
        theirs, ours = arrays[path].shape, own[path].shape
        if theirs != ours:
            problems[path] = f"{theirs} in the weights but {ours} in the model"
    unfit = {
        path: what
        for path, what in sorted(problems.items())
        if not convert.is_allowed((path,), (*allow, *fresh))
    }
    if unfit and all(path.startswith("saar/") for path in unfit):
        if unfit.keys().isdisjoint(arrays):
            raise _saar_differs(folder, "without", "with", False, allow)
        if unfit.keys().isdisjoint(own):
            raise _saar_differs(folder, "with", "without", True, allow)
    if unfit:
        lines = [f"  {path} is {what}" for path, what in unfit.items()]
        raise errors.DataError(
            f"{folder} ({manifest.network.name}) does not fit:\n"
            + "\n".join(convert.shortened(lines))
            + "\nallow what is meant to start fresh by name, as in "
            "--config.init.allow=\"('head/*',)\""
        )
    filled = {
        path: value
        if path in problems
        else jnp.asarray(arrays[path], jax.dtypes.canonicalize_dtype(value.dtype))
        for path, value in own.items()
    }
    return networks.unflatten(filled)


def _saar_differs(
    folder: pathlib.Path, there: str, here: str, saar: bool, allow: Sequence[str]
) -> errors.DataError:
    """Returns the error about weights that differ from the model by SAAR alone."""
    return errors.DataError(
        f"{folder} is {there} SAAR, but the model is {here}; add "
        f"--config.model.saar={saar} (saar={'on' if saar else 'off'} in the "
        "argument of configs that take it), or go without its weights by "
        f'--config.init.allow="{(*allow, "saar/*")}"'
    )
