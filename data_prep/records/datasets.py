"""A data set from a folder of videos."""

import os
import pathlib

from data_prep.lists import class_folders
from data_prep.records import build
from smad_jax.data import catalog, video


def build_dataset(
    videos: str | os.PathLike[str],
    name: str,
    data_root: str | os.PathLike[str],
    *,
    images: bool = False,
) -> catalog.DatasetFile:
    """Stores the videos of class folders as a data set; a part of each class is `val`.

    Lists in place of class folders, and more options, are those of `build_records`.

    Args:
        videos: A folder with one folder of videos for each class.
        name: The data set's name, which a config's argument repeats.
        data_root: Folder of the data sets.
        images: The files are images.

    Raises:
        ConfigError: if the data set exists.
        DataError: if there are no such folders, or too little can be read.
    """
    root = pathlib.Path(videos)
    endings = video.IMAGE_EXTENSIONS if images else video.EXTENSIONS
    source = class_folders.find_videos(root, endings)
    out = pathlib.Path(data_root)
    built = build.build(root, source, name=name, out=out)
    return catalog.read_dataset_file(built.folder)
