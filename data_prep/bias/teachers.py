"""What a network predicts of a split, as another program or a run stored it."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.data import catalog


class Answers(NamedTuple):
    """A teacher's predictions of V media.

    Attributes:
        ids: [V] ids.
        probabilities: [V, K]; a row of zeros for an unreadable medium.
        classes: [K] names.
    """

    ids: list[str]
    probabilities: np.ndarray
    classes: tuple[str, ...]


def read_answers(path: pathlib.Path, classes: Sequence[str]) -> Answers:
    """Returns the predictions in an NPZ file: `ids`, `probabilities`, maybe `classes`.

    The files in `predictions/` of a run's folder have this form. `classes` are [K]
    names where the file has none.

    Raises:
        DataError: if it is not such a file.
    """
    if not path.is_file():
        raise errors.DataError(f"no file of predictions at {path}")
    fault = f"{path} must be an NPZ with `ids` and `probabilities`"
    with file_io.npz(path, fault) as content:
        ids, values = content["ids"].tolist(), content["probabilities"]
        if "classes" in content:
            classes = content["classes"].tolist()
    if values.shape != (len(ids), len(classes)):
        raise errors.DataError(
            f"{path}: {len(ids)} ids and {len(classes)} classes need probabilities "
            f"[{len(ids)}, {len(classes)}], but they are {list(values.shape)}"
        )
    if not np.isfinite(values).all():
        raise errors.DataError(f"{path}: a probability is not finite")
    return Answers(ids, values, tuple(classes))


def rows_of(answers: Answers, split: catalog.Split) -> np.ndarray:
    """Returns [V], the row of `answers` for each video of the split.

    Raises:
        DataError: if one has no prediction.
    """
    row_of = {id: row for row, id in enumerate(answers.ids)}
    missing = [id for id in split.ids if id not in row_of]
    if missing:
        raise errors.DataError(
            f"{len(missing)} of {len(split)} videos of {split.dataset}/{split.name} "
            f"have no prediction, {missing[0]!r} among them"
        )
    return np.array([row_of[id] for id in split.ids])
