"""Labels of an aspect on disk: records of an id and a row of float16.

`<data set>/aspects/<aspect>.tfrecord` holds one record for each labelled video. Rows of
millions of videos do not fit in memory, so they are read in blocks.
"""

import contextlib
import itertools
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.data import records, tf_example

_BLOCK = 4096  # rows at a time
_FIELD = "values"
_ITEM = 2  # bytes of a float16


class AspectValues(NamedTuple):
    """Labels of one aspect: ids and the [V, Z] float16 array, row i for id i."""

    ids: list[str]
    values: np.ndarray


class AspectReader:
    """The labels of one aspect of a data set, in the order of its records.

    Attributes:
        ids: [V] ids of the labelled videos.
        num_labels: Z; 0 if V is 0.

    Raises:
        DataError: if the file is missing or damaged.
    """

    def __init__(self, folder: str | os.PathLike[str], aspect: str):
        self._where = f"labels of {aspect!r} in {os.fspath(folder)}"
        self._reader = records.RecordReader(pathlib.Path(folder) / "aspects", aspect)
        self.ids = self._reader.ids
        with contextlib.closing(self._reader):
            first = self._reader[0] if self.ids else fields(np.zeros(0))
        self.num_labels = len(self._row(first)) // _ITEM

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields all rows in order, [at most 4096, Z] float16 at a time.

        Raises:
            DataError: if a record is damaged, its row has another length or a value is
                not finite.
        """
        empty = tf_example.encode(fields(np.zeros(self.num_labels)))
        size = _ITEM * self.num_labels
        key = bytes((0x0A, len(_FIELD))) + _FIELD.encode()  # with its tag and length
        head = empty[empty.index(key) : len(empty) - size]
        payloads, start = self._reader.payloads(), 0
        while block := list(itertools.islice(payloads, _BLOCK)):
            rows = [
                # decoding is the slowest part, and the row comes last in a record
                payload[-size:]
                if payload[-size - len(head) : -size] == head
                else self._row(self._decoded(payload), size)
                for payload in block
            ]
            values = np.frombuffer(b"".join(rows), "<f2").reshape(len(rows), -1)
            if not np.isfinite(values).all():
                row = start + int(np.argmin(np.isfinite(values).all(axis=1)))
                raise errors.DataError(
                    f"{self._where} must be finite, those of {self.ids[row]!r} are "
                    "not; label the data set again"
                )
            yield values
            start += len(rows)

    def _decoded(self, payload: bytes) -> tf_example.Fields:
        try:
            return tf_example.decode(payload)
        except ValueError as error:
            raise errors.DataError(f"{self._where} hold another record") from error

    def _row(self, record: tf_example.Fields, size: int | None = None) -> bytes:
        """The row of a record, of `size` bytes if given."""
        row = record.get(_FIELD)
        if (
            not isinstance(row, bytes)
            or len(row) % _ITEM
            or size not in (None, len(row))
        ):
            raise errors.DataError(f"{self._where} must be float16 rows of one length")
        return row


def fields(row: np.ndarray) -> tf_example.Fields:
    """Returns the fields of the record of a row [Z], without its id."""
    return {_FIELD: row.astype("<f2").tobytes()}


def read(folder: str | os.PathLike[str], aspect: str) -> AspectValues:
    """Returns the ids and all labels of one aspect of a data set.

    Raises:
        DataError: if the file is missing, damaged, or its rows differ in length.
    """
    reader = AspectReader(folder, aspect)
    blocks = [np.zeros((0, reader.num_labels), "<f2"), *reader.blocks()]
    return AspectValues(reader.ids, np.concatenate(blocks))


def write(
    folder: str | os.PathLike[str], aspect: str, ids: Sequence[str], values: np.ndarray
) -> pathlib.Path:
    """Writes `<folder>/aspects/<aspect>.tfrecord`, one record an id; returns its path.

    Args:
        folder: The data set's folder.
        aspect: Its name, `scene` for instance.
        ids: [V] video ids, each once. Other videos have no label (they are masked).
        values: [V, Z] distributions or multi-hot rows; stored as float16.

    Raises:
        DataError: if the shapes disagree, a value is not finite or an id is repeated.
    """
    values = np.asarray(values)
    if values.ndim != 2 or len(values) != len(ids):
        raise errors.DataError(
            f"labels of {aspect!r} must be [{len(ids)}, Z], one row for each id, but "
            f"they are {list(values.shape)}"
        )
    stored = values.astype("<f2")
    if not np.isfinite(stored).all():
        row = int(np.argmin(np.isfinite(stored).all(axis=1)))
        raise errors.DataError(
            f"labels of {aspect!r} must be finite, those of {ids[row]!r} are not"
        )
    path = pathlib.Path(folder) / "aspects" / f"{aspect}.tfrecord"
    with records.ShardWriter(path) as writer:
        for id, row in zip(ids, stored, strict=True):
            writer.write(id, fields(row))
    return path
