"""Weights of PyTorch models, in and out."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from smad_jax import errors
from smad_jax.torch_weights import convert, files, reference, saving, verify, weights

# Above it a stage is not the reference's; rounding leaves some 1e-6.
_TOLERANCE = 1e-4


def import_weights(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    model: str,
    *,
    layout: str | None = None,
    foreign: Sequence[str] = (),
    allow: Sequence[str] = (),
) -> convert.Imported:
    """Writes the weights of a PyTorch file into a folder, and returns them.

    Args:
        checkpoint: The file, `.pth` or `.safetensors`; none of its code is run.
        out: The folder.
        model: Name of the network.
        layout: Naming scheme of its tensors; None to detect it.
        foreign: Classes in the file to skip, such as `trainer.*`.
        allow: Names of either side that may be left over or differ, such as `fc.*`.

    Raises:
        ConfigError: if the network has no such layout.
        DataError: if the file is missing or does not fit.
    """
    path = pathlib.Path(checkpoint)
    found = _read(path, model, layout, foreign, allow)
    manifest = weights.manifest_of(found, path)
    weights.save_weights(pathlib.Path(out), found.arrays, manifest)
    return found


def _read(
    path: pathlib.Path,
    model: str,
    layout: str | None,
    foreign: Sequence[str],
    allow: Sequence[str],
) -> convert.Imported:
    state_dict = files.read(path, foreign=foreign)
    try:
        imported = convert.to_network(
            state_dict.tensors, model, layout=layout, allow=allow
        )
    except errors.DataError as error:
        raise errors.DataError(f"{path}: {error}") from error
    notes = (*filter(None, [state_dict.note]), *imported.notes)
    return dataclasses.replace(imported, notes=notes)


def export_weights(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    layout: str,
    *,
    allow: Sequence[str] = (),
) -> int:
    """Writes a folder of weights, or a run's, as a PyTorch file.

    Args:
        folder: From `import_weights`, or of a run.
        out: The file, `.pth` or `.safetensors`.
        layout: Naming scheme of its tensors.
        allow: Names of either side that may be left over or differ.

    Returns:
        Number of tensors written.

    Raises:
        UserError: if there are no weights, or they do not fit the layout.
    """
    out = pathlib.Path(out)
    arrays, manifest = weights.load_arrays(pathlib.Path(folder))
    tensors = convert.to_tensors(arrays, manifest.network, layout, allow=allow)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".safetensors":
        saving.write_safetensors(out, tensors)
    else:
        saving.write_pth(out, _wrapped(tensors, layout))
    return len(tensors)


def _wrapped(tensors: convert.Arrays, layout: str) -> saving.Content:
    """Returns a file's content as the tools of the layout expect it."""
    if layout == "mmaction2":
        return {"meta": {"exported_by": "smad_jax"}, "state_dict": tensors}
    if layout == "hara":
        named = {f"module.{name}": tensor for name, tensor in tensors.items()}
        return {"epoch": 0, "arch": "resnet-18", "state_dict": named}
    return tensors


def verify_weights(
    checkpoint: str | os.PathLike[str],
    model: str,
    *,
    layout: str | None = None,
    foreign: Sequence[str] = (),
    allow: Sequence[str] = (),
) -> tuple[list[verify.Difference], bool]:
    """Compares the network with PyTorch's, stage by stage.

    The arguments and errors are those of `import_weights`.

    Returns:
        The difference of each stage, and whether all are within rounding.
    """
    reference.import_torch()
    found = _read(pathlib.Path(checkpoint), model, layout, foreign, allow)
    differences = verify.compare(found)
    return differences, max(one.relative for one in differences) <= _TOLERANCE
