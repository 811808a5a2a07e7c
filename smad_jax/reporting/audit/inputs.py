"""Predictions, labels and pseudo-labels from files of any origin.

A table has one value for each id: a class, by number or by name, or a distribution.
It is read from CSV (also with tabs or semicolons), NPZ, a split list or the TFRecords
of our data sets. Invalid rows are refused with their line or id; repeated ones are
counted, so that the page can report them.
"""

import pathlib
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.base import file_io, tables
from smad_jax.data import aspect_records, catalog

_TOLERANCE = 0.01  # of sums of probabilities; float16 labels pass
_ROUNDING = 0.0005  # of each, if three digits are printed
_OUR_COLUMNS = ("id", "prediction", "label")  # also in capitals
_OURS = {"problem", "class_1", "p_1"}  # columns that our `predict` writes


class Table(NamedTuple):
    """The values of V ids in a file, each id once.

    Attributes:
        path: The file.
        ids: [V] str.
        answers: [V] str or int, a class for each; None if the file has distributions.
        shares: [V, Z], rows that sum to one, or to zero for an unknown value.
        names: [Z] names of the columns of `shares`; empty if they are only numbered.
        repeated: How many rows repeated an earlier one and were dropped.
        numbers: [Z] rising numbers in which the names end, after one prefix; empty if
            they do not, or if the columns are called 0, 1, 2, ...
    """

    path: pathlib.Path
    ids: np.ndarray
    answers: np.ndarray | None
    shares: np.ndarray | None
    names: tuple[str, ...]
    repeated: int
    numbers: tuple[int, ...] = ()

    @property
    def hard(self) -> np.ndarray:
        """[V] the answers; of distributions the likeliest column, -1 if unknown.

        An unknown answer in text is empty.
        """
        if self.shares is None:
            return np.asarray(self.answers)
        return np.where(self.shares.any(axis=1), self.shares.argmax(axis=1), -1)


def _composed(table: Table) -> Table:
    """The table with its text composed: programs write accents in two ways."""
    answers = table.answers
    if answers is not None and answers.dtype.kind not in "iu":
        found, inverse = np.unique(answers.astype(str), return_inverse=True)
        plain = [unicodedata.normalize("NFC", value) for value in found]
        answers = np.array(plain, str)[inverse]
    names = tuple(unicodedata.normalize("NFC", name) for name in table.names)
    return table._replace(answers=answers, names=names)


def read(path: pathlib.Path, column: str) -> Table:
    """Returns the table in a file.

    Args:
        path: `.csv`, `.tsv`, `.npz`, `.txt` (a split list), an aspect's `.tfrecord`, or
            the folder of one of our data sets, where `column` names the aspect.
        column: The column to read, `prediction`, `label` or an aspect's name. If the
            file lacks it, the only column beside the id is read, or all of them
            together as a distribution.

    Raises:
        DataError: if the file is missing or breaks a rule, naming the id or line.
    """
    if path.is_dir():
        table = _read_record(path, column)
    elif not path.is_file():
        raise errors.DataError(f"no file at {path}")
    elif path.suffix == ".tfrecord":
        table = _read_record(path.parent.parent, path.stem)
    elif path.suffix == ".npz":
        table = _read_npz(path, column)
    elif path.suffix == ".txt":
        table = _read_list(path)
    else:
        table = _read_csv(path, column)
    if not len(table.ids):
        raise errors.DataError(f"{path} has no rows")
    _check_shares(table)
    return _without_repeats(_composed(table))


def of_arrays(name: str, ids: np.ndarray, values: np.ndarray) -> Table:
    """Returns the table of arrays.

    Args:
        name: What they are, for messages.
        ids: [V] str.
        values: [V] classes by number or name, or [V, Z] distributions.

    Raises:
        DataError: if they break a rule.
    """
    table = _table(pathlib.Path(name), name, ids.astype(str), values)
    _check_shares(table)
    return _without_repeats(_composed(table))


def has_labels(path: pathlib.Path) -> bool:
    """Returns whether a file of predictions holds the true labels too."""
    if path.suffix == ".npz" and path.is_file():
        with file_io.npz(path, _no_npz(path)) as arrays:
            return bool({"label", "labels"} & set(arrays))
    if path.suffix in (".txt", ".tfrecord") or not path.is_file():
        return False
    return "label" in [name.lower() for name in tables.header(path)]


def _read_csv(path: pathlib.Path, column: str) -> Table:
    """The table of a CSV file with a header."""
    texts = (*_OUR_COLUMNS, "class_1", column.lower())
    frame = tables.read(path, texts=texts)
    names = {n.lower() if n.lower() in _OUR_COLUMNS else n: n for n in frame.names}
    if len(names) < len(frame.names):
        lower = [name.lower() for name in frame.names]
        alike = [n for n in frame.names if lower.count(n.lower()) > 1]
        raise errors.DataError(
            f"{path} has columns that differ in capitals only: {', '.join(alike)}"
        )
    wanted = _columns(path, tuple(names), column)
    ids = frame.texts(names["id"])
    if len(wanted) == 1:
        name = names[wanted[0]]
        if name.lower() not in texts:  # read again as text: 007 and 10:20 are names
            frame = tables.read(path, texts=("id", name.lower()))
        return Table(path, ids, frame.texts(name), None, (), 0)
    numbered = tables.by_number(wanted)
    try:
        shares = frame.numbers(numbered.names if numbered else wanted)
    except errors.DataError as error:
        raise errors.DataError(
            f"{error}; the {len(wanted)} columns beside `id` must hold probabilities, "
            f"and a column of labels must be called `{column}`"
        ) from error
    if numbered is None:
        return Table(path, ids, None, shares, tuple(wanted), 0)
    if numbered.names == tuple(map(str, range(len(wanted)))):
        return Table(path, ids, None, shares, (), 0)
    return Table(path, ids, None, shares, numbered.names, 0, numbered.numbers)


def _columns(path: pathlib.Path, header: Sequence[str], column: str) -> list[str]:
    """Names of the requested column, or of the columns of probabilities."""
    if "id" not in header:
        raise errors.DataError(
            f"{path} must begin with a header that names the columns `id` and "
            f"`{column}` (or one column of probabilities for each class), but it "
            f"begins with {','.join(header)[:80]!r}"
        )
    if column == "prediction" and column not in header and _OURS <= set(header):
        column = "class_1"
    elif column not in ("prediction", *header) and "label" in header:
        column = "label"  # of an aspect
    if column in header:
        return [column]
    wanted = [name for name in header if name not in _OUR_COLUMNS]
    if len(wanted) < 2 and (column == "prediction" or not wanted):
        raise errors.DataError(
            f"{path} has neither a column `{column}` nor one of probabilities for "
            f"each class; its columns: {', '.join(header)}"
        )
    return wanted


def _read_list(path: pathlib.Path) -> Table:
    """The table of a split list: `id label` lines, with blanks allowed in the id."""
    ids, answers = [], []
    for number, line in tables.lines(path):
        id, _, answer = line.rstrip().rpartition(" ")
        if not id:
            raise errors.DataError(f"{path}, line {number}: expected `id label`")
        ids.append(id)
        answers.append(answer)
    return Table(path, np.array(ids, str), np.array(answers, str), None, (), 0)


def _read_npz(path: pathlib.Path, column: str) -> Table:
    """The table of an NPZ file, whose array names may be singular or plural."""
    with file_io.npz(path, _no_npz(path)) as arrays:
        found = {name.removesuffix("s"): name for name in arrays}
        id_name = found.get("id")
        names = [column.removesuffix("s"), "probabilitie", "value", "label"]
        if column in ("prediction", "label"):
            names = names[: 3 if column == "prediction" else 1]
        name = next((found[w] for w in names if w in found), None)
        if id_name is None or name is None:
            raise errors.DataError(
                f"{path} must hold `ids` and `{column}s` or `probabilities`, but it "
                f"holds {', '.join(sorted(arrays)) or 'nothing'}"
            )
        ids, values = arrays[id_name].astype(str), arrays[name]
        classes = tuple(map(str, arrays["classes"])) if "classes" in arrays else ()
    return _table(path, name, ids, values, classes)


def _table(
    path: pathlib.Path,
    name: str,
    ids: np.ndarray,
    values: np.ndarray,
    classes: tuple[str, ...] = (),
) -> Table:
    """The table of two arrays, `name` in messages."""
    if (
        ids.ndim != 1
        or values.ndim not in (1, 2)
        or len(values) != len(ids)
        or not (values.size or not len(ids))
        or values.dtype.kind not in ("iuf" if values.ndim == 2 else "iufU")
    ):
        raise errors.DataError(
            f"{path}: {name} must be [{ids.size}] numbers or names or [{ids.size}, "
            f"classes] numbers, one row for each id, but it is {list(values.shape)} "
            f"{values.dtype}"
        )
    if values.ndim == 2:
        if classes and not len(set(classes)) == len(classes) == values.shape[1]:
            raise errors.DataError(
                f"{path}: classes must be {values.shape[1]} different names, one for "
                f"each column of {name}, but there are {len(set(classes))}"
            )
        return Table(path, ids, None, values, classes, 0)
    if values.dtype.kind == "f":
        whole = np.isfinite(values) & (values == np.floor(values))
        if not whole.all():
            raise errors.DataError(f"{path}: {name} must be whole numbers or names")
        values = values.astype(np.int64)
    answers = values if values.dtype.kind in "iu" else values.astype(str)
    return Table(path, ids, answers, None, (), 0)


def _no_npz(path: pathlib.Path) -> str:
    return f"{path} is not an NPZ file of plain arrays, as np.savez writes it"


def _read_record(folder: pathlib.Path, aspect: str) -> Table:
    """The table of an aspect of one of our data sets."""
    try:
        found = aspect_records.read(folder, aspect)
    except errors.DataError as error:
        there = catalog.labelled_aspects(folder)
        if aspect in there:
            raise
        raise errors.DataError(
            f"{folder} has no labels of {aspect!r}; it has those of "
            f"{', '.join(there) or 'nothing'}"
        ) from error
    path = folder / "aspects" / f"{aspect}.tfrecord"
    return Table(path, np.array(found.ids, str), None, found.values, (), 0)


def _check_shares(table: Table) -> None:
    """Raises DataError unless all rows are distributions, naming the first other."""
    if table.shares is None:
        return
    sums = table.shares.sum(axis=1, dtype=np.float64)
    finite = np.isfinite(sums)
    low = table.shares.min(axis=1)
    tolerance = max(_TOLERANCE, _ROUNDING * table.shares.shape[1])
    bad = ~finite | (low < 0) | ((np.abs(sums - 1) > tolerance) & (sums != 0))
    if not bad.any():
        return
    row = int(np.argmax(bad))
    where = f"{table.path}: the row of {str(table.ids[row])!r}"
    if not finite[row]:
        raise errors.DataError(f"{where} holds NaN or infinity; write finite numbers")
    if low[row] < 0:
        raise errors.DataError(
            f"{where} holds {low[row]:.4g}; probabilities are from 0 to 1. For logits, "
            "take the softmax first"
        )
    if set(np.unique(table.shares[row])) <= {0, 1}:
        raise errors.DataError(
            f"{where} has {sums[row]:.0f} tags; the audit needs one label for each "
            "video, so pass a CSV file with a single tag each"
        )
    raise errors.DataError(
        f"{where} sums to {sums[row]:.4f}; the probabilities of all classes must sum "
        f"to 1, within {tolerance:g} ({int(bad.sum())} of {len(bad)} rows do not)"
    )


def _without_repeats(table: Table) -> Table:
    """Keeps the first of equal rows; raises DataError for contradicting ones."""
    _, first, group = np.unique(table.ids, return_index=True, return_inverse=True)
    if len(first) == len(table.ids):
        return table
    earlier = first[group]
    rows = table.hard[:, None] if table.shares is None else table.shares
    again = np.flatnonzero(earlier != np.arange(len(earlier)))
    if table.shares is not None:  # another batch size may change the last digits
        same = np.isclose(rows[again], rows[earlier[again]], rtol=1e-3, atol=1e-6)
    else:
        same = rows[again] == rows[earlier[again]]
    differs = again[~same.all(axis=1)]
    if len(differs):
        id = str(table.ids[differs[0]])
        raise errors.DataError(
            f"{table.path} has rows that contradict each other for {id!r}; keep one "
            "row for each id"
        )
    keep = np.sort(first)
    return table._replace(
        ids=table.ids[keep],
        answers=None if table.answers is None else table.answers[keep],
        shares=None if table.shares is None else table.shares[keep],
        repeated=len(again),
    )
