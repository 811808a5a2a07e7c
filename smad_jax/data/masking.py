"""Clips with the people painted out as a stream beside the training set (SDN).

The videos of that stream and how people are found in them; `people` paints.
"""

import dataclasses
from typing import Annotated, Literal, NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.data import catalog, people, selection
from smad_jax.sections import Range


@dataclasses.dataclass(frozen=True)
class MaskedStream:
    """The stream as configured; the section `data.masked`.

    Attributes:
        boxes: Path of a file for `people.read_boxes`; empty for none.
        without_boxes: What becomes of a video that the file does not list: `guess`
            where people are, or `leave_out` the video.
        turns: `alternate`, an update on a masked batch after each on a training batch;
            or `joint`, one on the sum of their losses.
        batch_size: Videos of a batch; 0 for as many as of the training set.
        min_score: The least score of a box that is painted.
        min_share: The least part of a video's frames that must have a box, 0 to 1.
    """

    boxes: str = ""
    without_boxes: Literal["guess", "leave_out"] = "guess"
    turns: Literal["alternate", "joint"] = "alternate"
    batch_size: Annotated[int, Range(least=0)] = 0
    min_score: Annotated[float, Range(least=0, most=1)] = people.MIN_SCORE
    min_share: Annotated[float, Range(least=0, most=1)] = 0.7


class Masked(NamedTuple):
    """What the stream is made of.

    Attributes:
        split: Its videos.
        paint: Paints the people out of one.
        num_guessed: How many of its videos have no boxes.
        turns: See `MaskedStream`.
    """

    split: catalog.Split
    paint: people.Painter
    num_guessed: int
    turns: str


def open_masked(train: catalog.Split, stream: MaskedStream) -> Masked | None:
    """Returns the masked part of a training split; None if no video belongs to it.

    Args:
        train: The training split.
        stream: Which of its videos, and how.

    Raises:
        DataError: if the file of boxes cannot be read, or is of other videos.
    """
    boxes = {}
    if stream.boxes:
        boxes = people.read_boxes(stream.boxes, min_score=stream.min_score)
    guess = stream.without_boxes == "guess"
    listed = np.array([id in boxes for id in train.ids])
    if stream.boxes and not listed.any():
        theirs, ours = (repr(next(iter(ids), "")) for ids in (boxes, train.ids))
        raise errors.DataError(
            f"{stream.boxes} has boxes of none of the {len(train):,} training videos; "
            f"it must name them by their ids, as {ours}, but it has ids as {theirs}"
        )
    kept = np.array(
        [
            boxes[id].share >= stream.min_share if id in boxes else guess
            for id in train.ids
        ]
    )
    if not kept.any():
        return None
    return Masked(
        selection.rows_of(train, np.flatnonzero(kept)),
        people.Painter({id: boxes[id] for id in train.ids if id in boxes}),
        int((kept & ~listed).sum()),
        stream.turns,
    )
