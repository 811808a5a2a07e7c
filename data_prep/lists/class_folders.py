"""Reads videos or images from one folder a class, the simplest form of a data set."""

import collections
import pathlib
from collections.abc import Sequence

from data_prep.lists import wanted_videos
from smad_jax import errors
from smad_jax.data import video

_SPLIT_FOLDERS = (
    ("train", "val"),
    ("train", "validation"),
    ("videos_train", "videos_val"),
)


def find_videos(
    root: pathlib.Path, extensions: Sequence[str] = video.EXTENSIONS
) -> wanted_videos.Source:
    """Returns the videos in the class folders of `root`, in order of their names.

    Where `root` holds `train` and `val` folders (or `videos_train` and `videos_val`),
    the class folders are in those. For images give `video.IMAGE_EXTENSIONS`.

    Raises:
        DataError: if there are none.
    """
    parts = {"train": ""}
    for train, val in reversed(_SPLIT_FOLDERS):
        if (root / train).is_dir() and (root / val).is_dir():
            parts = {"train": train, "val": val}
    notes: list[str] = []
    splits = {
        split: _in_classes(root, part, extensions, notes)
        for split, part in parts.items()
    }
    if not splits["train"]:
        raise errors.DataError(
            f"no class folder in {root} holds one of {', '.join(extensions)}; give a "
            "list of `relative/path label` lines with --list, or --images for folders "
            "of images"
        )
    return wanted_videos.Source(splits, hold_out="val" not in splits, notes=notes)


def _in_classes(
    root: pathlib.Path, part: str, extensions: Sequence[str], notes: list[str]
) -> list[wanted_videos.Entry]:
    """The files of these extensions in the class folders of `root / part`.

    Other files, and folders without any, are counted in `notes`.
    """
    entries = []
    others: collections.Counter[str] = collections.Counter()
    empty = []
    folders = (root / part).iterdir()
    for folder in sorted(
        path for path in folders if path.is_dir() and not path.name.startswith(".")
    ):
        before = len(entries)
        for path in sorted(folder.rglob("*")):
            if path.is_dir():
                continue
            if path.suffix.lower() in extensions:
                id = path.relative_to(root).as_posix()
                entries.append(wanted_videos.Entry(id, folder.name, str(path)))
            else:
                others[path.suffix.lower() or "no extension"] += 1
        if len(entries) == before:
            empty.append(folder.name)
    if others:
        counts = ", ".join(f"{count} {kind}" for kind, count in others.most_common(8))
        notes.append(
            f"ignored {others.total()} files in the class folders of {root / part}, "
            f"which are none of {' '.join(extensions)}: {counts}"
        )
    if empty:
        notes.append(
            f"ignored {len(empty)} folders in {root / part} without such files: "
            f"{', '.join(map(repr, empty[:8]))}{', ...' * (len(empty) > 8)}"
        )
    return entries
