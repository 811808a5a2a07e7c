"""Reads videos or images from one folder a class, the simplest form of a data set."""

import collections
import itertools
import pathlib
import unicodedata
from collections.abc import Sequence

from data_prep.lists import wanted_videos
from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.data import video


def find_videos(
    root: pathlib.Path, extensions: Sequence[str] = video.EXTENSIONS
) -> wanted_videos.Source:
    """Returns the videos in the class folders of `root`, in order of their names.

    Folders `train` and `val`, `Train` and `test`, `videos_train` and the like are parts
    of the data set that hold the class folders. A part for testing becomes the split
    for validation if there is none, else a split of its own. For images give
    `video.IMAGE_EXTENSIONS`.

    Raises:
        DataError: if there are none, or the parts hold videos but no class folders.
    """
    notes: list[str] = []
    parts = _parts(root, extensions, notes)
    if parts.keys() == {"train", "test"}:
        parts = {"train": parts["train"], "val": parts["test"]}
        notes.append(f"the folder {parts['val'].name!r} is the split for validation")
    elif "test" in parts:
        notes.append(
            "the folder of test videos becomes the split 'test', which training and "
            "validation leave out"
        )
    splits = {
        split: _in_classes(root, part, extensions, notes)
        for split, part in (parts or {"train": root}).items()
    }
    if not splits["train"]:
        raise errors.DataError(
            f"no class folder in {parts.get('train', root)} holds one of "
            f"{', '.join(extensions)}; give a list of `relative/path label` lines with "
            "--list, or --images for folders of images"
        )
    entries = itertools.chain.from_iterable(splits.values())
    classes = sorted({entry.label for entry in entries}, key=_natural)
    notes += _alike(classes)
    return wanted_videos.Source(
        splits, hold_out="val" not in splits, classes=classes, notes=notes
    )


def _parts(
    root: pathlib.Path, extensions: Sequence[str], notes: list[str]
) -> dict[str, pathlib.Path]:
    """The folders that are parts of a data set, by split; none if all are classes.

    A folder called `train` may be a class, of railways: the parts, the one for training
    among them, hold folders, and no other folder holds such files.
    """
    found: dict[str, pathlib.Path] = {}
    others = []
    for folder in file_io.visible_folders(root):
        name = folder.name.lower().removeprefix("videos_").removesuffix("_videos")
        split = wanted_videos.PARTS.get(name)
        if split is None:
            if any(p.suffix.lower() in extensions for p in file_io.files_below(folder)):
                return {}
            others.append(folder.name)  # of annotations, say
        elif split in found or not file_io.visible_folders(folder):
            return {}
        else:
            found[split] = folder
    if "train" not in found:
        return {}
    notes += _without_files(root, others)
    return found


def _natural(name: str) -> tuple[int, int, str]:
    """Puts 2 before 10, where names are numbers."""
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


def _alike(classes: Sequence[str]) -> list[str]:
    """Notes on classes whose names differ in capitals or accents' form alone."""
    same: dict[str, list[str]] = {}
    for name in classes:
        plain = unicodedata.normalize("NFC", name).casefold()
        same.setdefault(plain, []).append(name)
    return [
        f"{', '.join(map(repr, names))} are {len(names)} classes; rename the folders "
        "if they should be one"
        for names in same.values()
        if len(names) > 1
    ]


def _in_classes(
    root: pathlib.Path,
    part: pathlib.Path,
    extensions: Sequence[str],
    notes: list[str],
) -> list[wanted_videos.Entry]:
    """The files of these extensions in the class folders of `part`.

    Other files, and folders without any, are counted in `notes`.
    """
    entries = []
    others: collections.Counter[str] = collections.Counter()
    empty = []
    for folder in file_io.visible_folders(part):
        before = len(entries)
        for path in sorted(file_io.files_below(folder)):
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
            f"ignored {others.total()} files in the class folders of {part}, "
            f"which are none of {' '.join(extensions)}: {counts}"
        )
    loose = [p for p in part.iterdir() if p.suffix.lower() in extensions]
    if loose:
        notes.append(
            f"ignored {len(loose)} files in {part} that are in no class folder, as "
            f"{min(loose).name!r}"
        )
    notes += _without_files(part, empty)
    return entries


def _without_files(folder: pathlib.Path, names: Sequence[str]) -> list[str]:
    """A note on the folders in a folder that hold no videos, if there are any."""
    if not names:
        return []
    return [
        f"ignored {len(names)} folders in {folder} without such files: "
        f"{', '.join(map(repr, names[:8]))}{', ...' * (len(names) > 8)}"
    ]
