"""A stream of clips with people painted out, beside the training set (SDN).

This chooses the videos of the stream and the way to find people; `people` paints.
"""

import dataclasses
from typing import Annotated, Literal, NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.base.sections import Range
from smad_jax.data import catalog, people, selection


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
    """The opened stream.

    Attributes:
        split: Its videos.
        paint: Paints people out of a clip.
        num_guessed: Number of its videos without boxes.
        turns: See `MaskedStream`.
    """

    split: catalog.Split
    paint: people.Painter
    num_guessed: int
    turns: str


def open_masked(train: catalog.Split, stream: MaskedStream) -> Masked | None:
    """Returns the masked stream of a training split; None if it has no videos.

    Args:
        train: The training split.
        stream: The stream as configured.

    Raises:
        DataError: if the file of boxes cannot be read, or has other videos.
    """
    boxes = {}
    if stream.boxes:
        boxes = people.read_boxes(stream.boxes, min_score=stream.min_score)
    guess = stream.without_boxes == "guess"
    listed = np.array([id in boxes for id in train.ids])
    if stream.boxes and not listed.any():
        theirs, ours = (repr(next(iter(ids), "")) for ids in (boxes, train.ids))
        raise errors.DataError(
            f"{stream.boxes} has boxes for none of the {len(train):,} training videos; "
            f"it must use their ids, such as {ours}, but it has ids such as {theirs}"
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
