"""Reads videos or images from one folder per class, the simplest form."""

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
        DataError: if there are none, two folders are the same part, or a part holds
            videos but no class folders.
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

    Folders without such files do not count. A folder called `train` may be a class, of
    railways, if files lie in it, other folders hold files and no other is a part.

    Raises:
        DataError: if folders are parts, but one cannot be read as such.
    """
    found = collections.defaultdict(list)
    others, empty = [], []
    for folder in file_io.visible_folders(root):
        name = folder.name.lower().removeprefix("videos_").removesuffix("_videos")
        if not any(p.suffix.lower() in extensions for p in file_io.files_below(folder)):
            empty.append(folder.name)  # of annotations, say
        elif name in wanted_videos.PARTS:
            found[wanted_videos.PARTS[name]].append(folder)
        else:
            others.append(folder.name)
    train = found.get("train", [])
    is_class = not train or (len(found) == 1 and _loose(train[0], extensions))
    if not found or (others and is_class):
        return {}
    for split, folders in found.items():
        if len(folders) > 1:
            names = " and ".join(repr(folder.name) for folder in folders)
            raise errors.DataError(f"{root}: {names} are both {split!r}; keep one")
        below = file_io.files_below(folders[0])
        if all(p.parent == folders[0] for p in below if p.suffix.lower() in extensions):
            raise errors.DataError(
                f"{folders[0]} holds files but no class folders; sort them into one "
                "folder per class, or give a list of `relative/path label` lines with "
                "--list"
            )
    if others or not train:
        fault = f"other folders hold files too: {others[0]!r}" if others else "no train"
        raise errors.DataError(
            f"{root} holds the parts {', '.join(map(repr, found))} of a data set, but "
            f"{fault}; rename or move the folders, or give a list with --list"
        )
    notes += _without_files(root, empty)
    return {split: folder for split, (folder,) in found.items()}


def _loose(folder: pathlib.Path, extensions: Sequence[str]) -> list[pathlib.Path]:
    """The files of these extensions in a folder itself."""
    return [path for path in folder.iterdir() if path.suffix.lower() in extensions]


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
    if loose := _loose(part, extensions):
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
