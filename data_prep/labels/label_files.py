"""Reads soft labels computed elsewhere from CSV or NPZ, checked row by row."""

import csv
import difflib
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from smad_jax import errors, file_io

_TOLERANCE = 0.01  # of a row's sum, since files often round to two or three digits


class Labels(NamedTuple):
    """Soft labels of V videos: ids, and [V, Z] float32 rows that sum to one."""

    ids: list[str]
    values: np.ndarray


def read_csv(path: pathlib.Path, *, num_labels: int | None = None) -> Labels:
    """Returns the labels of a CSV, `id,p0,p1,...` or `id,label`, maybe with a header.

    Args:
        path: The file.
        num_labels: Z; required for hard labels.

    Raises:
        DataError: naming file and line, if a row breaks a rule.
    """
    ids, rows = [], []
    width, first_line = 0, {}
    for line, row in csv_rows(path):
        where = f"{path}, line {line}"
        if not width:
            width = len(row)
            if width < 2:
                raise errors.DataError(f"{where}: expected `id,p0,p1,...`, found {row}")
        if len(row) != width:
            raise errors.DataError(
                f"{where}: {len(row)} columns, but the rows before have {width}"
            )
        if (id := row[0]) in first_line:
            raise errors.DataError(
                f"{where}: id {id!r} was on line {first_line[id]} before"
            )
        first_line[id] = line
        numbers = _numbers(row[1:], where)
        if width == 2:
            numbers = _one_hot(numbers[0], num_labels, where)
        ids.append(id)
        rows.append(_checked(numbers, num_labels, where))
    if not ids:
        raise errors.DataError(f"{path} holds no labels")
    return Labels(ids, np.stack(rows))


def csv_rows(path: pathlib.Path) -> Iterator[tuple[int, list[str]]]:
    """Yields line number and cells of each row except a header."""
    if not path.is_file():
        raise errors.DataError(f"no file of labels at {path}")
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        for number, row in enumerate(reader):
            if not row or (number == 0 and row[0].strip().lower() == "id"):
                continue
            yield reader.line_num, [cell.strip() for cell in row]


def _numbers(cells: Sequence[str], where: str) -> np.ndarray:
    try:
        return np.array([float(cell) for cell in cells])
    except ValueError as error:
        raise errors.DataError(f"{where}: {error}") from error


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
        ids, values = content["ids"].tolist(), content["probabilities"]
    if values.ndim != 2 or len(values) != len(ids) or not ids:
        raise errors.DataError(
            f"{path}: {len(ids)} ids need probabilities [{len(ids)}, Z], but they are "
            f"{list(values.shape)}"
        )
    ids = [id.decode() if isinstance(id, bytes) else str(id) for id in ids]
    seen: set[str] = set()
    for row, id in enumerate(ids):
        if id in seen:
            raise errors.DataError(f"{path}, row {row}: id {id!r} comes twice")
        seen.add(id)
    rows = [
        _checked(value.astype(np.float64), num_labels, f"{path}, row {row}")
        for row, value in enumerate(values)
    ]
    return Labels(ids, np.stack(rows))


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
