"""Matches the tensors of a checkpoint with the arrays of a network, name by name.

Strict both ways: what is left over on either side or has another shape is an error,
unless the caller allows it by name. Networks that load what happens to fit end up half
random.
"""

import dataclasses
import fnmatch
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from smad_jax import errors
from smad_jax.torch_weights import names, networks, wrappers

Arrays = dict[str, np.ndarray]

_SHOWN = 10  # lines of an error: of another network's file hundreds would differ


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the map between a checkpoint and a network."""

    theirs: str
    their_shape: tuple[int, ...]
    ours: str
    our_shape: tuple[int, ...]
    note: str = ""

    def __str__(self) -> str:
        note = f"  {self.note}" if self.note else ""
        return (
            f"{self.theirs} {_text(self.their_shape)} -> "
            f"{self.ours} {_text(self.our_shape)}{note}"
        )


@dataclasses.dataclass(frozen=True)
class Imported:
    """The arrays of a network, and how they were found.

    Attributes:
        arrays: Under flat paths, float32.
        network: What they belong to.
        table: Which table of `names` fitted.
        rows: The map, in the order of the network.
        left_out: Allowed names of the file that are not in the network.
        tensors: Of the file, under the names of the table, for `verify`.
        notes: What was removed from the names of the file, in sentences.
    """

    arrays: Arrays
    network: networks.Network
    table: str
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]
    tensors: Mapping[str, np.ndarray]
    notes: tuple[str, ...] = ()


def to_network(
    tensors: Mapping[str, np.ndarray],
    model: str,
    *,
    layout: str | None = None,
    allow: Sequence[str] = (),
) -> Imported:
    """Turns the tensors of a state dict into the arrays of a network.

    The number of classes is that of the file's head. Two-dimensional kernels are
    inflated for the networks of `names.INFLATED`.

    Args:
        tensors: By their names, without a common prefix.
        model: Name of an action model or labeller.
        layout: Of the names; by default the one that fits most names.
        allow: Patterns (`fc.*`, `head/*`) of names of either side that may be left
            over or differ in shape; such arrays are not in the result.

    Raises:
        ConfigError: if model or layout is unknown.
        DataError: naming what does not fit.
    """
    tables = names.tables(model, layout)
    kept = {name: t for name, t in tensors.items() if not _is_counter(name)}
    shortcut = None
    # Shortcut A has no parameters, and a file does not name its network.
    if model == "resnet3d_18" and not any(".downsample." in name for name in kept):
        shortcut = "A"
    shapes = networks.shapes(networks.Network(model, None, shortcut))
    table, (kept, notes) = _best_table(kept, shapes, tables)
    theirs = names.translate(shapes, table)
    head = kept.get(theirs["head/kernel"])
    num_classes = None if head is None or head.ndim != 2 else len(head)
    network = networks.Network(model, num_classes, shortcut)
    shapes = networks.with_classes(shapes, num_classes)
    arrays, rows, problems = {}, [], []
    for path, name in theirs.items():
        if name not in kept:
            problems.append((path, name, "missing in the file"))
            continue
        tensor = kept[name]
        array = _to_ours(tensor, shapes[path], inflate=model in names.INFLATED)
        if array is None:
            what = f"is {_text(tensor.shape)}, but {path} is {_text(shapes[path])}"
            problems.append((path, name, what))
            continue
        note = "" if array.size == tensor.size else f"inflated to {len(array)} frames"
        arrays[path] = array
        rows.append(Row(name, tensor.shape, path, array.shape, note))
    unknown = kept.keys() - set(theirs.values())
    problems += [("", name, "unknown to the model") for name in sorted(unknown)]
    _raise_for(problems, allow, f"the file does not fit {model} as {table}")
    left_out = tuple(sorted(kept.keys() - {row.theirs for row in rows}))
    if theirs["head/kernel"] in left_out:
        network = dataclasses.replace(network, num_classes=None)
    return Imported(arrays, network, table, tuple(rows), left_out, kept, notes)


def _best_table(
    tensors: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    tables: Sequence[str],
) -> tuple[str, wrappers.Unwrapped]:
    """Returns the table with the most names of the file, and its tensors unwrapped.

    Raises:
        DataError: if the file can be unwrapped for none of the tables.
    """
    fits, refusals = [], []
    for table in tables:
        theirs = names.translate(shapes, table)
        wanted, head = set(theirs.values()), theirs["head/kernel"].rpartition(".")[0]
        try:
            found = wrappers.unwrap(tensors, wanted, head)
            fits.append((len(found.tensors.keys() & wanted), table, found))
        except errors.DataError as error:
            refusals.append(error)
    if not fits:
        raise refusals[0]
    return max(fits, key=lambda fit: fit[0])[1:]


def to_tensors(
    arrays: Mapping[str, np.ndarray],
    network: networks.Network,
    layout: str,
    *,
    allow: Sequence[str] = (),
) -> Arrays:
    """Turns the arrays of a network into the tensors of a state dict.

    Args:
        arrays: Under flat paths.
        network: What they belong to.
        layout: How to name them.
        allow: Patterns of our paths that may be left out or missing.

    Returns:
        In the order of their names. The counters of batch norm are zero.

    Raises:
        ConfigError: if the network has no such layout.
        DataError: naming arrays that have no name in it, or are missing.
    """
    table = names.tables(network.name, layout)[0]
    if network.name in names.INFLATED and layout != "mmaction2":
        raise errors.ConfigError(
            f"{layout} has networks of images only; export {network.name} as mmaction2"
        )
    shapes = networks.shapes(network)
    theirs = names.translate(shapes, table)
    problems = [
        (path, "", f"has no name in {layout}") for path in arrays if path not in theirs
    ]
    problems += [
        (path, name, "is missing")
        for path, name in theirs.items()
        if path not in arrays
    ]
    problems += [
        (path, theirs[path], f"is {_text(arrays[path].shape)}, not {_text(shape)}")
        for path, shape in shapes.items()
        if path in arrays and arrays[path].shape != shape
    ]
    _raise_for(problems, allow, f"the weights do not fit {network.name} as {layout}")
    flat = network.name in names.IMAGES
    bad = {path for path, _, _ in problems}
    tensors = {
        name: _to_theirs(np.asarray(arrays[path]), flat=flat)
        for path, name in theirs.items()
        if path not in bad
    }
    for counter in names.counters({n: n for n in tensors}):
        tensors[counter] = np.zeros((), np.int64)
    return dict(sorted(tensors.items()))


def _is_counter(name: str) -> bool:
    return name.rpartition(".")[2] == names.COUNTER


def _raise_for(
    problems: Iterable[tuple[str, str, str]], allow: Sequence[str], summary: str
) -> None:
    """Raises DataError with the problems (our path, their name, what) not allowed."""
    lines = [
        f"  {name or path} {what}" + (f" ({path})" if name and path else "")
        for path, name, what in problems
        if not is_allowed((path, name), allow)
    ]
    if lines:
        raise errors.DataError(
            "\n".join([f"{summary}:", *shortened(lines)])
            + "\nallow what is meant to differ with --allow NAME, such as 'fc.*'"
        )


def shortened(lines: Sequence[str]) -> list[str]:
    """Returns the first lines of a long list, and how many more there are."""
    rest = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"  and {rest} more"] if rest > 0 else [])]


def is_allowed(candidates: Iterable[str], allow: Sequence[str]) -> bool:
    """Returns whether any of the names fits one of the allowed patterns."""
    return any(
        fnmatch.fnmatchcase(name, pattern)
        for name in candidates
        if name
        for pattern in allow
    )


def _to_ours(
    tensor: np.ndarray, shape: tuple[int, ...], *, inflate: bool
) -> np.ndarray | None:
    """Reorders a tensor to a float32 array of this shape; None if it does not fit."""
    if not np.issubdtype(tensor.dtype, np.floating):
        return None
    if tensor.ndim == 5:
        array = tensor.transpose(2, 3, 4, 1, 0)
    elif tensor.ndim == 4 and len(shape) == 5:
        array = tensor.transpose(2, 3, 1, 0)[None]
        # Divided, so that a clip of equal frames gives what the image gives.
        if inflate and shape[0] > 1:
            array = np.repeat(array.astype(np.float32) / shape[0], shape[0], axis=0)
    elif tensor.ndim == 2:
        array = tensor.T
    else:
        array = tensor
    if array.shape != shape:
        return None
    return np.ascontiguousarray(array, np.float32)


def _to_theirs(array: np.ndarray, *, flat: bool) -> np.ndarray:
    """Reorders an array to a tensor; flat kernels lose their axis of time."""
    if array.ndim == 5:
        array = array.transpose(4, 3, 0, 1, 2)
        array = array[:, :, 0] if flat else array
    elif array.ndim == 2:
        array = array.T
    return np.ascontiguousarray(array)


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
