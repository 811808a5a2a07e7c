"""Reads soft labels computed elsewhere from CSV or NPZ, checked row by row."""

import difflib
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.base import file_io, tables

_ID_NAMES = ("id", "ids", "video", "path", "name", "filename", "file")
_TOLERANCE = 0.01  # of a row's sum, since files often round to two or three digits


class Labels(NamedTuple):
    """Soft labels of V videos: ids, and [V, Z] float32 rows that sum to one."""

    ids: list[str]
    values: np.ndarray


def read_csv(
    path: pathlib.Path,
    *,
    num_labels: int | None = None,
    usual: int | None = None,
) -> Labels:
    """Returns the labels of a table, `id,p0,p1,...` or `id,label`, maybe with a header.

    Columns that the header numbers, from 0 or from 1, are put in the order of their
    numbers: programs sort names as text, so that `p_10` stands before `p_2`.

    Args:
        path: The file, in any form that `tables.read` knows.
        num_labels: Z; None for the number of columns.
        usual: Z of hard labels where `num_labels` is None.

    Raises:
        DataError: naming file and line, if a row breaks a rule, or if the numbers of
            the columns are others.
    """
    if not path.is_file():
        raise errors.DataError(f"no file of labels at {path}")
    first = tables.header(path)
    known = any(name.lower() in _ID_NAMES for name in first)
    named = known or not any(map(_is_number, first))
    unknown = [name.lower() for name in first if name not in tables.INDEX_NAMES]
    texts = _ID_NAMES if known else unknown[:1]
    frame = tables.read(path, texts=texts if named else ("0",), named=named)
    id_name = next((n for n in frame.names if n.lower() in _ID_NAMES), frame.names[0])
    columns = [name for name in frame.names if name != id_name]
    if not columns:
        raise errors.DataError(f"{path}: expected `id,p0,p1,...`, found {first}")
    if not len(frame):
        raise errors.DataError(f"{path} holds no labels")
    start, first_line = f"{path}, line", frame.first_line
    if len(columns) == 1:
        values = frame.numbers(columns, np.float64)[:, 0].tolist()
        num_labels = num_labels or usual
        rows = [
            _one_hot(value, num_labels, f"{start} {line}")
            for line, value in enumerate(values, first_line)
        ]
    else:
        order = _ordered(path, columns) if named else columns
        rows = list(frame.numbers(order, np.float64))
    ids = frame.texts(id_name).tolist()
    return _checked_labels(ids, rows, start, first_line, num_labels)


def _ordered(path: pathlib.Path, columns: Sequence[str]) -> Sequence[str]:
    """Columns in the order of their numbers, or as they are if they have none."""
    numbered = tables.by_number(columns)
    if numbered is None:
        return columns
    start = numbered.numbers[0]
    if start > 1 or numbered.numbers[-1] != start + len(columns) - 1:
        raise errors.DataError(
            f"{path}: the columns must be numbered from 0 or from 1 without a gap, but "
            f"they are {', '.join(map(str, numbered.numbers[:5]))}, ..."
        )
    return numbered.names


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def _one_hot(label: float, num_labels: int | None, where: str) -> np.ndarray:
    if num_labels is None:
        raise errors.DataError(
            f"{where}: hard labels do not state their number; give --num-labels"
        )
    if label != int(label if np.isfinite(label) else -1) or not 0 <= label < num_labels:
        raise errors.DataError(
            f"{where}: label {label:g} must be a whole number from 0 to "
            f"{num_labels - 1}"
        )
    return np.eye(num_labels)[int(label)]


def _checked_labels(
    ids: list[str],
    rows: Sequence[np.ndarray],
    start: str,
    first: int,
    num_labels: int | None,
) -> Labels:
    """The labels, if each id comes once and each row is a distribution.

    `start` and the row's number, from `first`, begin a message: `FILE, line 3`.
    """
    seen: dict[str, int] = {}
    for number, id in enumerate(ids, first):
        if not id or id in seen:
            rule = f"comes twice, first as {seen[id]}" if id else "is empty"
            raise errors.DataError(f"{start} {number}: id {id!r} {rule}")
        seen[id] = number
    checked = [
        _checked(row, num_labels, f"{start} {number}")
        for number, row in enumerate(rows, first)
    ]
    return Labels(ids, np.stack(checked))


def _checked(row: np.ndarray, num_labels: int | None, where: str) -> np.ndarray:
    """`row` as float32, if it is a distribution over `num_labels` labels."""
    if num_labels is not None and len(row) != num_labels:
        raise errors.DataError(
            f"{where}: {len(row)} probabilities, but the aspect has {num_labels} labels"
        )
    if not np.isfinite(row).all():
        raise errors.DataError(
            f"{where}: probability {int(np.argmin(np.isfinite(row)))} is not finite"
        )
    if row.min() < 0 or abs(row.sum() - 1) > _TOLERANCE:
        raise errors.DataError(
            f"{where}: probabilities must be at least 0 and sum to 1, but the least is "
            f"{row.min():g} and the sum {row.sum():g}"
        )
    return (row / row.sum()).astype(np.float32)


def read_npz(path: pathlib.Path, *, num_labels: int | None = None) -> Labels:
    """Returns the labels of an NPZ with `ids` [V] and `probabilities` [V, Z].

    Raises:
        DataError: naming file and row, if a row breaks a rule.
    """
    if not path.is_file():
        raise errors.DataError(f"no file of labels at {path}")
    fault = f"{path} must be an NPZ with `ids` and `probabilities`"
    with file_io.npz(path, fault) as content:
        ids = content["ids"].tolist()
        values = content["probabilities"].astype(np.float64)
    if values.ndim != 2 or len(values) != len(ids) or not ids:
        raise errors.DataError(
            f"{path}: {len(ids)} ids need probabilities [{len(ids)}, Z], but they are "
            f"{list(values.shape)}"
        )
    ids = [id.decode() if isinstance(id, bytes) else str(id) for id in ids]
    return _checked_labels(ids, list(values), f"{path}, row", 0, num_labels)


def check_ids(ids: Iterable[str], known: Sequence[str]) -> None:
    """Checks that every id is that of a stored video.

    Raises:
        DataError: naming the first unknown id and the nearest known one.
    """
    stored = set(known)
    unknown = [id for id in ids if id not in stored]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise errors.DataError(
            f"{len(unknown)} labels belong to no stored video, the first to "
            f"{unknown[0]!r}{hint}"
        )
