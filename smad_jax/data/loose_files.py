"""The videos and images of a folder that is no data set, opened as a split."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np

from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.data import catalog, records, video


def open_files(place: str | os.PathLike[str]) -> catalog.Split:
    """Returns the videos and images of a folder, or one file, as an unlabelled split.

    Raises:
        DataError: if there is none.
    """
    place = pathlib.Path(place)
    if not place.exists():
        raise errors.DataError(f"{place} is neither a folder nor a file")
    folder = place if place.is_dir() else place.parent
    ids = [place.name]
    if place.is_dir():
        ids = sorted(
            str(path.relative_to(folder))
            for path in file_io.files_below(folder)
            if path.suffix.lower() in video.ALL_EXTENSIONS
        )
    if not ids:
        raise errors.DataError(
            f"no videos in {folder}; files with these endings are used: "
            f"{' '.join(video.ALL_EXTENSIONS)}"
        )
    return catalog.Split(
        dataset=str(folder),
        name="",
        ids=tuple(ids),
        labels=np.zeros(len(ids), np.int32),
        classes=("",),
        aspects={},
        aspect_labels={},
        aspect_mask={},
        reader=_Files(folder, ids),
        positions=np.arange(len(ids)),
    )


class _Files:
    """The videos of a folder, in place of a data set's records."""

    def __init__(self, folder: pathlib.Path, ids: Sequence[str]) -> None:
        self._folder = folder
        self._ids = ids

    def video(self, position: int) -> records.VideoRecord:
        """Returns the file at `position`; its frames are counted when it is opened.

        Raises:
            VideoError: if it cannot be read.
        """
        id = self._ids[position]
        try:
            content = (self._folder / id).read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            raise video.VideoError("missing", reason) from error
        return records.VideoRecord(id, content, 0, 0)

    def jpeg_frames(self, position: int) -> None:
        """Returns None: files are read whole."""
