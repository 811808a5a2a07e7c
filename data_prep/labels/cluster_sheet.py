"""A picture of each cluster of appearance, so that people can name it."""

import pathlib

import cv2
import numpy as np

from data_prep.labels import appearance, label_files
from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.data import video

_SIDE = 96  # pixels of a picture
_CAPTION = 22


def draw(
    videos: appearance.Videos,
    labels: label_files.Labels,
    aspect: str,
    path: pathlib.Path,
    *,
    columns: int = 8,
) -> None:
    """Writes a PNG file with a row for each label: the videos that are surest of it.

    Args:
        videos: The labelled videos.
        labels: Their soft labels; ids are those of `videos`.
        aspect: Its name, which captions rows as `scene 0`, `scene 1`, ...
        path: File to write.
        columns: Videos in a row, at most.
    """
    place = {id: position for position, id in enumerate(videos.ids)}
    hard = labels.values.argmax(axis=1)
    rows = []
    for number in range(labels.values.shape[1]):
        members = np.flatnonzero(hard == number)
        surest = members[np.argsort(-labels.values[members, number], kind="stable")]
        row = np.full((_CAPTION + _SIDE + 6, columns * (_SIDE + 4), 3), 255, np.uint8)
        noun = "video" if len(members) == 1 else "videos"
        text = f"{aspect} {number}: {len(members):,} {noun}"
        cv2.putText(row, text, (2, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0))
        for column, member in enumerate(surest[:columns]):
            left = column * (_SIDE + 4)
            picture = _middle_frame(videos, place[labels.ids[member]])
            row[_CAPTION : _CAPTION + _SIDE, left : left + _SIDE] = picture
            # around it: a white frame must not look like a missing picture
            corners = (left, _CAPTION), (left + _SIDE - 1, _CAPTION + _SIDE - 1)
            cv2.rectangle(row, *corners, (128, 128, 128))
        rows.append(row)
    sheet = cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR)
    with file_io.whole(path) as partial:
        partial.write_bytes(cv2.imencode(".png", sheet)[1].tobytes())


def _middle_frame(videos: appearance.Videos, position: int) -> np.ndarray:
    """[_SIDE, _SIDE, 3] uint8 RGB, the centre of a frame; grey if it is unreadable."""
    try:
        content = videos.video(position).video
        count = video.probe(content).num_frames
        frame = video.decode(content, np.array([max(0, count // 2)]))[0]
    except (video.VideoError, errors.DataError):
        return np.full((_SIDE, _SIDE, 3), 128, np.uint8)
    side = min(frame.shape[:2])
    top, left = ((length - side) // 2 for length in frame.shape[:2])
    square = np.ascontiguousarray(frame[top : top + side, left : left + side])
    how = cv2.INTER_AREA if side > _SIDE else cv2.INTER_NEAREST
    return cv2.resize(square, (_SIDE, _SIDE), interpolation=how)
