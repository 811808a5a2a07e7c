"""Reads labels made elsewhere, soft or hard or tags, from a table or NPZ.

Hard labels and tags are numbers or words. Each row is checked.
"""

import difflib
import math
import pathlib
import re
import unicodedata
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.base import file_io, tables

_ID_NAMES = ("id", "ids", "video", "path", "name", "filename", "file")
_TOLERANCE = 0.01  # of a row's sum, since files often round to two or three digits


class Labels(NamedTuple):
    """Labels of V videos.

    Attributes:
        ids: [V] of the videos.
        values: [V, Z] float32, rows that sum to one; of tags, zeros and ones.
        names: [Z] of the labels, if the file has them.
    """

    ids: list[str]
    values: np.ndarray
    names: tuple[str, ...] = ()


class Rules(NamedTuple):
    """What is known of the labels before their file is read.

    Attributes:
        num_labels: Z; None for as many as the file shows.
        usual: Z of hard labels given as numbers, where `num_labels` is None.
        names: [Z] names of the labels, for files that have words; empty for any words.
        tags: Whether a video has any number of labels.
    """

    num_labels: int | None = None
    usual: int | None = None
    names: tuple[str, ...] = ()
    tags: bool = False


def read_csv(path: pathlib.Path, rules: Rules, known: Collection[str] = ()) -> Labels:
    """Returns the labels of a table, `id,p0,p1,...` or `id,label`, maybe with a header.

    Columns that the header numbers, from 0 or from 1, are put in the order of their
    numbers: programs sort names as text, so that `p_10` stands before `p_2`. A video
    whose cells are empty has no label.

    Args:
        path: The file, in any form that `tables.read` knows.
        rules: What is known of the labels.
        known: Ids of videos, which show that the first line is no header.

    Raises:
        DataError: naming file and line, if a row breaks a rule, or if the numbers of
            the columns are others.
    """
    if not path.is_file():
        raise errors.DataError(f"no file of labels at {path}")
    first = tables.header(path)
    has_id = any(name.lower() in _ID_NAMES for name in first)
    named = has_id or not (any(map(_is_number, first)) or set(first) & set(known))
    unknown = [name.lower() for name in first if name not in tables.INDEX_NAMES]
    texts = _ID_NAMES if has_id else unknown[:1]
    frame = tables.read(path, texts=texts if named else ("0",), named=named)
    id_name = next((n for n in frame.names if n.lower() in _ID_NAMES), frame.names[0])
    columns = [name for name in frame.names if name != id_name]
    if not columns:
        raise errors.DataError(f"{path}: expected `id,p0,p1,...`, found {first}")
    if not len(frame):
        raise errors.DataError(f"{path} holds no labels")
    ids = frame.texts(id_name).tolist()
    where = [f"{path}, line {frame.first_line + row}" for row in range(len(ids))]
    if len(columns) == 1:
        both = (id_name.lower(), columns[0].lower())
        cells = tables.read(path, texts=both, named=named).texts(columns[0])
        return _of_cells(ids, cells.tolist(), where, rules)
    order = _ordered(path, columns) if named else columns
    names = tuple(order) if named and not tables.by_number(columns) else ()
    rows = frame.numbers(order, np.float64)
    empty = np.all([frame.columns[n].is_null().to_numpy() for n in order], axis=0)
    kept = np.flatnonzero(~empty)
    if not len(kept):
        raise errors.DataError(f"{where[0]}: no label here or below, only empty cells")
    return _of_rows(
        [ids[row] for row in kept], rows[kept], [where[row] for row in kept], rules
    )._replace(names=rules.names or names)


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


def _of_cells(
    ids: list[str], cells: Sequence[str], where: Sequence[str], rules: Rules
) -> Labels:
    """The labels in a column of words or numbers, of tags several in a cell."""
    rows = [row for row, cell in enumerate(cells) if cell]
    if not rows:
        raise errors.DataError(f"{where[0]}: no label here or below, only empty cells")
    ids = [ids[row] for row in rows]
    where = [where[row] for row in rows]
    if rules.tags:
        parts = [
            [word.strip() for word in re.split("[|;,]", cells[row]) if word.strip()]
            for row in rows
        ]
    else:
        parts = [[cells[row]] for row in rows]
    flat = [
        (word, place)
        for words, place in zip(parts, where, strict=True)
        for word in words
    ]
    number_of, names = _numbers(flat, rules)
    values = np.zeros((len(ids), len(names) or rules.num_labels or rules.usual or 0))
    if not names and not values.shape[1]:
        values = np.zeros((len(ids), 1 + max(number_of.values())))
    for row, words in enumerate(parts):
        values[row, [number_of[word] for word in words]] = 1
    return _of_rows(ids, values, where, rules)._replace(names=names)


def _numbers(
    cells: Sequence[tuple[str, str]], rules: Rules
) -> tuple[dict[str, int], tuple[str, ...]]:
    """The number of each label as written, and the names of all if they have any.

    Cells come with their place in the file. Words are numbered in alphabetical order,
    and numbers of an aspect whose Z is unknown by their rank, unless names are given.
    """
    place_of = dict(reversed(cells))
    if rules.names and set(place_of) <= set(rules.names):
        return {name: n for n, name in enumerate(rules.names)}, rules.names
    words = [word for word in place_of if not _is_number(word)]
    if words and rules.names:
        wrong = next(word for word, _ in cells if word not in rules.names)
        near = difflib.get_close_matches(wrong, rules.names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise errors.DataError(
            f"{place_of[wrong]}: label {wrong!r} is not among the {len(rules.names)} "
            f"names{hint}"
        )
    if words and len(words) < len(place_of):
        number = next(word for word in place_of if word not in words)
        raise errors.DataError(
            f"{place_of[words[0]]}: label {words[0]!r} is a word, but "
            f"{place_of[number]} has the number {number}; use words or numbers for all"
        )
    limit = len(rules.names) or rules.num_labels or rules.usual
    if words:
        return {name: n for n, name in enumerate(sorted(words))}, tuple(sorted(words))
    numbers = {word: _whole(word, limit, place) for word, place in place_of.items()}
    ranked = sorted(set(numbers.values()))
    if limit or ranked == list(range(len(ranked))):
        return numbers, rules.names
    rank_of = {number: rank for rank, number in enumerate(ranked)}
    return {w: rank_of[n] for w, n in numbers.items()}, tuple(map(str, ranked))


def _whole(cell: str, limit: int | None, where: str) -> int:
    """The whole number in a cell, below `limit` if there is one."""
    label = float(cell.replace(",", "."))
    whole = math.isfinite(label) and label == int(label)
    if not whole or label < 0 or (limit and label >= limit):
        most = f"from 0 to {limit - 1}" if limit else "of at least 0"
        raise errors.DataError(
            f"{where}: label {label:g} must be a whole number {most}"
        )
    return int(label)


def _of_rows(
    ids: list[str], rows: np.ndarray, where: Sequence[str], rules: Rules
) -> Labels:
    """The labels [V, Z], if each id comes once and each row is what it has to be."""
    seen: dict[str, str] = {}
    for id, place in zip(ids, where, strict=True):
        if not id or id in seen:
            rule = f"comes twice, first in {seen[id]}" if id else "is empty"
            raise errors.DataError(f"{place}: id {id!r} {rule}")
        seen[id] = place
    if rows.shape[1] < 2:
        raise errors.DataError(
            f"{where[0]}: an aspect needs two labels or more, but the file has one"
        )
    check = _checked_tags if rules.tags else _checked
    num_labels = len(rules.names) or rules.num_labels
    checked = [
        check(row, num_labels, place) for row, place in zip(rows, where, strict=True)
    ]
    return Labels(ids, np.stack(checked), rules.names)


def _checked_size(row: np.ndarray, num_labels: int | None, where: str) -> None:
    if num_labels is not None and len(row) != num_labels:
        raise errors.DataError(
            f"{where}: {len(row)} probabilities, but the aspect has {num_labels} labels"
        )
    if not np.isfinite(row).all():
        raise errors.DataError(
            f"{where}: probability {int(np.argmin(np.isfinite(row)))} is not finite"
        )


def _checked_tags(row: np.ndarray, num_labels: int | None, where: str) -> np.ndarray:
    """`row` as float32, if it holds zeros and ones."""
    _checked_size(row, num_labels, where)
    if not np.isin(row, (0, 1)).all():
        raise errors.DataError(
            f"{where}: tags are 0 or 1, but one is "
            f"{row[np.argmin(np.isin(row, (0, 1)))]:g}"
        )
    return row.astype(np.float32)


def _checked(row: np.ndarray, num_labels: int | None, where: str) -> np.ndarray:
    """`row` as float32, if it is a distribution over `num_labels` labels."""
    _checked_size(row, num_labels, where)
    if row.min() < 0 or abs(row.sum() - 1) > _TOLERANCE:
        raise errors.DataError(
            f"{where}: probabilities must be at least 0 and sum to 1, but the least is "
            f"{row.min():g} and the sum {row.sum():g}"
        )
    return (row / row.sum()).astype(np.float32)


def read_npz(path: pathlib.Path, rules: Rules) -> Labels:
    """Returns the labels of an NPZ with `ids` [V] and `probabilities` [V, Z].

    In place of those it may hold `labels` [V], words or numbers; or `tags` [V, Z].

    Raises:
        DataError: naming file and row, if a row breaks a rule.
    """
    if not path.is_file():
        raise errors.DataError(f"no file of labels at {path}")
    fault = f"{path} must be an NPZ with `ids` and `probabilities`"
    with file_io.npz(path, fault) as content:
        ids = [
            id.decode() if isinstance(id, bytes) else str(id)
            for id in content["ids"].tolist()
        ]
        hard = "labels" in content and content["labels"].ndim == 1
        name = "labels" if hard else "tags" if "tags" in content else "probabilities"
        values = content[name].astype(str if hard else np.float64)
    if values.ndim != 2 - hard or len(values) != len(ids) or not ids:
        raise errors.DataError(
            f"{path}: {len(ids)} ids need {name} [{len(ids)}{'' if hard else ', Z'}], "
            f"but they are {list(values.shape)}"
        )
    where = [f"{path}, row {row}" for row in range(len(ids))]
    if hard:
        return _of_cells(ids, values.tolist(), where, rules)
    return _of_rows(ids, values, where, rules)


def stored_ids(ids: Sequence[str], known: Sequence[str]) -> list[str]:
    """Returns the ids as the stored videos have them; accents may be written otherwise.

    Raises:
        DataError: naming the first id that is no video's, and the nearest known one.
    """
    stored = {unicodedata.normalize("NFC", id): id for id in known}
    stored |= {id: id for id in known}
    found = [
        stored.get(id) or stored.get(unicodedata.normalize("NFC", id)) for id in ids
    ]
    unknown = [id for id, there in zip(ids, found, strict=True) if there is None]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise errors.DataError(
            f"{len(unknown)} labels belong to no stored video, the first to "
            f"{unknown[0]!r}{hint}"
        )
    return [id for id in found if id is not None]
