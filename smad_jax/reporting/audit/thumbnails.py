"""Thumbnails of videos as data URIs, to be embedded in a page."""

import base64
import pathlib
from collections.abc import Iterable

import cv2
import numpy as np

from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.data import record_files, records, video

_SIDE = 96  # pixels of the shorter side, at most
_QUALITY = 70


def thumbnails(folder: pathlib.Path, ids: Iterable[str]) -> dict[str, str]:
    """Returns the middle frame of each video that is found and can be read.

    Args:
        folder: One of our data sets, or a folder of files named by id, with or without
            their extension, in any folder below.
        ids: Of the videos.

    Returns:
        By id, a JPEG of at most 96 pixels a side, as a data URI.

    Raises:
        DataError: if there is no such folder.
    """
    if not folder.is_dir():
        raise errors.DataError(f"no folder of videos at {folder}")
    is_dataset = any(any(folder.glob(f"videos*{end}")) for end in record_files.SHARDS)
    find = _stored if is_dataset else _files
    pictures = {}
    for id, content in find(folder, list(ids)).items():
        try:
            count = video.probe(content).num_frames
            frame = video.decode(content, np.array([max(0, count // 2)]))[0]
        except video.VideoError:
            continue  # the page shows the id alone
        pictures[id] = _data_uri(frame)
    return pictures


def _stored(folder: pathlib.Path, ids: list[str]) -> dict[str, bytes]:
    """Videos from a data set's records."""
    reader = records.RecordReader(folder)
    position = {id: place for place, id in enumerate(reader.ids)}
    found = {id: reader.video(position[id]).video for id in ids if id in position}
    reader.close()
    return found


def _files(folder: pathlib.Path, ids: list[str]) -> dict[str, bytes]:
    """Videos from files, found by path below the folder or by name."""
    paths: dict[str, pathlib.Path] = {}
    for path in sorted(file_io.files_below(folder)):
        if path.suffix.lower() in video.ALL_EXTENSIONS:
            below = path.relative_to(folder).as_posix()
            for name in (path.stem, path.name, below.removesuffix(path.suffix), below):
                paths.setdefault(name, path)
    # only names that the folder lists: an id such as ../x opens nothing
    return {id: paths[id].read_bytes() for id in ids if id in paths}


def _data_uri(frame: np.ndarray) -> str:
    """A [H, W, 3] uint8 RGB frame as a JPEG in base64."""
    height, width = frame.shape[:2]
    scale = _SIDE / min(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    bgr = np.ascontiguousarray(frame[..., ::-1])
    encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
