"""Contrasted accuracy on SCUBA and SCUFO: does a classifier need the motion?

SCUBA shows an actor over another background, SCUFO one such frame repeated. A network
that recognises the action is correct on the first and cannot know on the second.
`data_prep.background_swap` makes both; a video and its twin share the id up to `|`.
"""

import dataclasses

import numpy as np

from smad_jax import errors
from smad_jax.evaluation import accuracy, predictions

SCUBA, SCUFO = "scuba", "scufo"


@dataclasses.dataclass(frozen=True)
class Result:
    """Shares of the pairs, 0 to 1.

    Attributes:
        scuba: Correct on the moving video.
        scufo: Correct on its frozen twin.
        contrasted: Correct on the first and wrong on the second.
        num_pairs: Number of pairs.
    """

    scuba: float
    scufo: float
    contrasted: float
    num_pairs: int


def contrast(
    moving: predictions.Predictions, frozen: predictions.Predictions
) -> Result:
    """Returns the accuracies on SCUBA, on SCUFO, and contrasted.

    Args:
        moving: Of SCUBA.
        frozen: Of SCUFO, in any order; pairs with an unreadable video are left out.

    Raises:
        DataError: if ids do not belong to such videos, or no video has a twin.
    """
    row_of = {_source(id): row for row, id in enumerate(frozen.ids.tolist())}
    twin = np.array([row_of.get(_source(id), -1) for id in moving.ids.tolist()], int)
    rows = np.flatnonzero(twin >= 0)
    readable = (moving.probabilities[rows].sum(axis=1) > 0) & (
        frozen.probabilities[twin[rows]].sum(axis=1) > 0
    )
    rows = rows[readable]
    if not len(rows):
        raise errors.DataError("no video of SCUBA has a twin in SCUFO")
    first = accuracy.hits(moving.probabilities[rows], moving.labels[rows])
    second = accuracy.hits(frozen.probabilities[twin[rows]], moving.labels[rows])
    return Result(
        scuba=float(first.mean()),
        scufo=float(second.mean()),
        contrasted=float((first & ~second).mean()),
        num_pairs=len(rows),
    )


def _source(id: str) -> str:
    """The id of the video that a test video was made from.

    Raises:
        DataError: if the id does not name it.
    """
    source, mark, _ = id.rpartition("|")
    if not mark:
        raise errors.DataError(
            f"{id!r} is no video of SCUBA or SCUFO: their ids name the video and the "
            "background, 'video|background'; data_prep.background_swap makes them"
        )
    return source
