"""A data set from a folder of videos."""

import os
import pathlib

from data_prep.lists import class_folders
from data_prep.records import build
from smad_jax import errors
from smad_jax.data import catalog, video
from smad_jax.data.embedded import benchmark

# Names that configs give to other data, and what ends a name on their command line.
_TAKEN_NAMES = (*benchmark.DRAWN, "k200db", "k200both", "minikinetics", "k400")
_NAME_ENDS = ",=:/"


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
        ConfigError: if the data set exists, or configs cannot name it.
        DataError: if there are no such folders, or too little can be read.
    """
    check_name(name)
    root = pathlib.Path(videos)
    endings = video.IMAGE_EXTENSIONS if images else video.EXTENSIONS
    source = class_folders.find_videos(root, endings)
    out = pathlib.Path(data_root)
    built = build.build(root, source, name=name, out=out)
    return catalog.read_dataset_file(built.folder)


def check_name(name: str) -> None:
    """Raises ConfigError if `name` is no folder or configs cannot name it."""
    draws = tuple(f"{drawn}-seed" for drawn in benchmark.DRAWN)
    if name in _TAKEN_NAMES or name.startswith(draws):
        raise errors.ConfigError(
            f"the name {name!r} means other data in configs; choose another name"
        )
    wrong = [mark for mark in _NAME_ENDS if mark in name]
    if wrong or name.startswith((".", "-")) or not name.strip() or "\n" in name:
        raise errors.ConfigError(
            f"the name {name!r} must be a plain folder name that configs can name: no "
            "',', '=', ':', '/' or line break, no '.' or '-' in front"
        )
