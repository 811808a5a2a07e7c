"""Boxes around people, guesses where there are none, and clips with them painted out.

SDN needs clips without people. Each box is filled with the mean colour of its frame; in
a video without boxes, people are guessed from motion and colour.
"""

import json
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import cv2
import numpy as np

from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.data import transforms

MIN_SCORE = 0.3  # as in SDN's public code

# [T, H, W, 3] frames, the numbers [T] of the frames that they show, and the video's id
# to the frames without people
Paint = Callable[[np.ndarray, np.ndarray, str], np.ndarray]

_SIDE = 64  # pixels of the short side on which people are guessed
_BINS = 8  # of each colour
_FAR = 2**20  # pixels, beyond any video


class Boxes(NamedTuple):
    """The boxes of one video with a high enough score to be painted.

    Attributes:
        id: The video's.
        frames: [N] int32, the frame of each.
        corners: [N, 4] int32: x1, y1, x2, y2 in pixels of the stored video, rounded
            outwards; x2 and y2 are the first column and row outside.
        share: Share of the frames with a box, 0 to 1. A painted box has at least the
            least score; a box that counts here is above it.
    """

    id: str
    frames: np.ndarray
    corners: np.ndarray
    share: float


def read_boxes(
    path: str | os.PathLike[str], *, min_score: float = MIN_SCORE
) -> dict[str, Boxes]:
    """Returns the boxes of every video in a file, by id.

    A JSON file holds `{id: [[[x1, y1, x2, y2, score], ...], ...]}`, a list of boxes for
    every frame of the video, which may be empty. An NPZ file holds an array [F, P, 5]
    for each id: F frames of up to P boxes, padded with zeros.

    Args:
        path: The file, `*.json` or `*.npz`.
        min_score: The least score of a box to paint.

    Raises:
        DataError: if the file is missing or malformed.
    """
    path = pathlib.Path(path)
    if not path.is_file() or path.suffix not in (".json", ".npz"):
        raise errors.DataError(
            f"no file of boxes, .json or .npz, at {path}; write one from the output "
            "of a person detector, or leave data.masked.boxes empty"
        )
    found = {}
    try:
        for id, frames in _entries(path):
            found[id] = _boxes(id, frames, min_score)
    except (errors.UserError, PermissionError):
        raise  # their own messages are enough
    except file_io.BROKEN as error:
        raise errors.DataError(
            f"{path} must have a list of frames for each id, each a list of boxes x1, "
            f"y1, x2, y2, score with x1 <= x2 and y1 <= y2: {error}"
        ) from error
    return found


def paint_boxes(frames: np.ndarray, numbers: np.ndarray, boxes: Boxes) -> np.ndarray:
    """Returns the clip with its boxes painted over.

    Args:
        frames: [T, H, W, 3] uint8, of the size that the boxes refer to.
        numbers: [T] their numbers in the video.
        boxes: Of the video.
    """
    return paint(frames, box_mask(frames.shape[:3], numbers, boxes))


def box_mask(shape: tuple[int, ...], numbers: np.ndarray, boxes: Boxes) -> np.ndarray:
    """Returns the mask of the boxes, [T, H, W] bool.

    Args:
        shape: T, H and W of the clip, of the size that the boxes refer to.
        numbers: [T] numbers of its frames in the video.
        boxes: Of the video.

    Raises:
        DataError: if a box begins right of its frame or below it.
    """
    mask = np.zeros(shape, bool)
    for place, number in enumerate(numbers):
        for x1, y1, x2, y2 in boxes.corners[boxes.frames == number]:
            if x1 >= shape[2] or y1 >= shape[1]:
                raise errors.DataError(
                    f"a box of {boxes.id!r} from ({x1}, {y1}) to ({x2}, {y2}) is "
                    f"outside its frame of {shape[2]} x {shape[1]}; boxes must be in "
                    "pixels of the stored video"
                )
            mask[place, max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = True
    return mask


def paint(frames: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns the frames, each filled with its mean colour where `mask` is true.

    The mean is that of the whole frame before painting, rounded.

    Args:
        frames: [T, H, W, 3] uint8.
        mask: [T, H, W] bool.
    """
    mean = np.rint(frames.mean(axis=(1, 2), keepdims=True)).astype(frames.dtype)
    return np.where(mask[..., None], mean, frames)


def guess_people(frames: np.ndarray) -> np.ndarray:
    """Returns a guess of where people are: [T, H, W] bool, without a detector.

    Actions are usually filmed away from the edge. People are the colours that are more
    frequent among the pixels there that change most than among all others; without
    motion, as in an image, the colours that the edge lacks. On the embedded benchmark
    (300 videos of draw 1001) this covers 83 % of the actors and 16 % of the rest, as
    `python -m tests.benchmarks.people` prints.

    Args:
        frames: [T, H, W, 3] uint8, in temporal order.
    """
    height, width = frames.shape[1:3]
    small = transforms.resize_short_side(frames, min(_SIDE, height, width))
    edge = [size // 6 for size in small.shape[1:3]]
    inside = np.zeros(small.shape[:-1], bool)
    inside[
        :, edge[0] : small.shape[1] - edge[0], edge[1] : small.shape[2] - edge[1]
    ] = True
    change = _blur(small.astype(np.float32).std(axis=0).max(axis=-1))  # [H, W]
    moving = inside & (change > change.mean()) if change.any() else inside
    mask = np.stack([_blur(share) > 0.5 for share in _colour_shares(small, moving)])
    return np.stack(
        [
            cv2.resize(part, (width, height), interpolation=cv2.INTER_NEAREST)
            for part in mask.astype(np.uint8)
        ]
    ).astype(bool)


class Painter:
    """Paints people out of clips, by their boxes or by a guess."""

    def __init__(self, boxes: Mapping[str, Boxes]):
        self._boxes = boxes

    def __call__(self, frames: np.ndarray, numbers: np.ndarray, id: str) -> np.ndarray:
        """Returns the frames, [T, H, W, 3] with numbers [T] of video `id`, painted."""
        if id in self._boxes:
            return paint_boxes(frames, numbers, self._boxes[id])
        return paint(frames, guess_people(frames))


def _entries(path: pathlib.Path) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yields every id of a file with its boxes, [P, 5] float32 a frame."""
    if path.suffix == ".npz":
        with np.load(path) as file:
            for id in file:
                frames = file[id]
                if frames.ndim != 3 or frames.shape[2] != 5:
                    raise ValueError(f"{id!r} is {frames.shape}, expected [F, P, 5]")
                yield id, list(frames.astype(np.float32))
        return
    listed = json.loads(path.read_text("utf-8"))
    if not isinstance(listed, dict):
        raise ValueError(f"it holds a {type(listed).__name__}")
    for id, frames in listed.items():
        # without the default an empty list would have no second axis
        arrays = [np.array(boxes or np.zeros((0, 5)), np.float32) for boxes in frames]
        if wrong := [array.shape for array in arrays if array.shape[1:] != (5,)]:
            raise ValueError(f"{id!r} has {wrong[0]} in a frame, expected [P, 5]")
        yield id, arrays


def _boxes(id: str, frames: list[np.ndarray], min_score: float) -> Boxes:
    """Boxes of a video from those of each frame, [P, 5] float32."""
    number = np.repeat(np.arange(len(frames)), [len(boxes) for boxes in frames])
    joined = np.concatenate([*frames, np.zeros((0, 5), np.float32)])
    corners, scores = joined[:, :4], joined[:, 4]
    sizes = corners[:, 2:] - corners[:, :2]
    # comparisons that NaN fails too
    if not ((np.abs(joined) < _FAR).all() and (sizes >= 0).all()):
        raise ValueError(
            "a box has a coordinate that is no number, or ends before it begins"
        )
    # compared in float32, in which the file's 0.3 equals the limit 0.3
    sure = number[scores > np.float32(min_score)]
    kept = (scores >= np.float32(min_score)) & (sizes > 0).all(axis=1)
    outwards = np.concatenate(
        [np.floor(corners[kept, :2]), np.ceil(corners[kept, 2:])], axis=1
    )
    share = len(np.unique(sure)) / len(frames) if frames else 0.0
    return Boxes(id, number[kept].astype(np.int32), outwards.astype(np.int32), share)


def _colour_shares(frames: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The share of each pixel's colour that belongs to the chosen pixels.

    Args:
        frames: [T, H, W, 3] uint8.
        chosen: [T, H, W] bool, or without T.

    Returns:
        [T, H, W] float32, above 0.5 for colours more frequent among the chosen.
    """
    chosen = np.broadcast_to(chosen, frames.shape[:-1])
    steps = (frames // (256 // _BINS)).astype(np.int64)
    colour = (steps[..., 0] * _BINS + steps[..., 1]) * _BINS + steps[..., 2]
    among, outside = (
        np.bincount(colour[part], minlength=_BINS**3) / max(1, part.sum())
        for part in (chosen, ~chosen)
    )
    share = among / np.maximum(among + outside, 1e-12)
    return share[colour].astype(np.float32)


def _blur(picture: np.ndarray) -> np.ndarray:
    """[H, W] averaged over squares of about an eighth of the height."""
    side = max(1, picture.shape[0] // 8) | 1
    return cv2.blur(picture, (side, side))
