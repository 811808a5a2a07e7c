"""Lists of videos and their classes, as people have them, read and checked.

A list file, class folders, or class folders in `train` and `val`; labels as numbers
from 0 or as class names. Every fault names its file, line, value and rule.
"""

import collections
import hashlib
import os
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from smad_jax import errors

EXTENSIONS = (
    ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .ogv .ts .webm .wmv".split()
)
IMAGE_EXTENSIONS = (".jpeg", ".jpg", ".png")
_SPLIT_FOLDERS = (
    ("train", "val"),
    ("train", "validation"),
    ("videos_train", "videos_val"),
)
_LIST_LINE = re.compile(
    rf"(?P<path>.*({'|'.join(map(re.escape, [*EXTENSIONS, *IMAGE_EXTENSIONS]))}))"
    r"\s*[\s,]\s*(?P<label>\S.*)",
    re.IGNORECASE,
)


class Entry(NamedTuple):
    """One wanted video: id, class name or number as written, and where that stands."""

    id: str
    label: str
    where: str


class Source(NamedTuple):
    """The wanted videos; `val` is None if some are to be held out of `train`."""

    train: list[Entry]
    val: list[Entry] | None


def read_list(path: pathlib.Path) -> list[Entry]:
    """Returns the entries of a list file, `relative/path label` a line.

    A comma or tab may stand between the two. Names may hold spaces; the label is what
    follows the file's extension, or the last space where there is none.

    Raises:
        DataError: naming file, line and rule.
    """
    entries = []
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.DataError(f"cannot read the list {path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        if match := _LIST_LINE.fullmatch(line.rstrip()):
            name, label = match["path"], match["label"]
        else:
            separators = [mark for mark in "\t ," if mark in line.strip()]
            name, _, label = line.rstrip().rpartition((separators or [" "])[0])
        if not name.strip() or not label.strip():
            raise errors.DataError(
                f"{where}: expected `relative/path label`, found {line!r}"
            )
        if re.fullmatch(r"-?\d+(\s+-?\d+)+", label):
            raise errors.DataError(
                f"{where}: {name!r} has the labels {label!r}; one video has one label"
            )
        entries.append(Entry(name, label.strip(), where))
    if not entries:
        raise errors.DataError(f"the list {path} is empty")
    return entries


def find_videos(root: pathlib.Path, extensions: Sequence[str] = EXTENSIONS) -> Source:
    """Returns the videos in the class folders of `root`, in order of their names.

    Where `root` holds `train` and `val` folders (or `videos_train` and `videos_val`),
    the class folders are looked for in those.

    Args:
        root: The folder.
        extensions: Of the files wanted, `IMAGE_EXTENSIONS` for images.

    Raises:
        DataError: if there are none.
    """
    for train, val in _SPLIT_FOLDERS:
        if (root / train).is_dir() and (root / val).is_dir():
            source = Source(
                _in_classes(root, train, extensions), _in_classes(root, val, extensions)
            )
            break
    else:
        source = Source(_in_classes(root, "", extensions), None)
    if not source.train:
        raise errors.DataError(
            f"no class folder in {root} holds one of {', '.join(extensions)}; give a "
            "list of `relative/path label` lines with --list, or --images for folders "
            "of images"
        )
    return source


def resolve(
    root: pathlib.Path, source: Source, classes: Sequence[str] | None
) -> tuple[list[str], dict[str, int], set[str]]:
    """Returns class names, the label of each id, and the ids of the `val` list.

    Args:
        root: The folder that all ids are relative to.
        source: The wanted videos.
        classes: Class names in order; None derives them from the labels.

    Raises:
        DataError: if a path leads out of `root`, a label is unknown or out of range, a
            video has two labels or stands in both lists, or a class has no video.
    """
    everything = [*source.train, *(source.val or [])]
    names, number_of = _number_classes(everything, classes)
    label_of: dict[str, int] = {}
    first: dict[str, Entry] = {}
    for entry in everything:
        id = _inside(root, entry)
        label = number_of[entry.label]
        if label_of.setdefault(id, label) != label:
            raise errors.DataError(
                f"{entry.where}: {id!r} has label {entry.label!r}, but "
                f"{first[id].where} says {first[id].label!r}; one video has one label"
            )
        first.setdefault(id, entry)
    held_out = {_inside(root, entry) for entry in source.val or []}
    for entry in source.train:
        if (id := _inside(root, entry)) in held_out:
            raise errors.DataError(
                f"{entry.where}: {id!r} is in the validation list too; a video may be "
                "in one of them only"
            )
    check_classes(names, (label_of[_inside(root, entry)] for entry in source.train))
    return names, label_of, held_out


def hold_out(label_of: Mapping[str, int], share: float) -> set[str]:
    """Returns the ids held out, about `share` of each class, by the hash of the id.

    A class of one video keeps it for training; a larger one gives up at least one.
    """
    by_class = collections.defaultdict(list)
    for id, label in label_of.items():
        by_class[label].append(id)
    chosen: set[str] = set()
    for ids in by_class.values() if share else ():
        ids.sort(key=lambda id: hashlib.sha256(id.encode()).digest())
        chosen.update(ids[: min(len(ids) - 1, max(1, round(share * len(ids))))])
    return chosen


def read_classes(path: pathlib.Path) -> list[str]:
    """Returns the class names of a file, one a line.

    Raises:
        DataError: if it cannot be read or names a class twice.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.DataError(
            f"cannot read the class names {path}: {error}"
        ) from error
    names = [line.strip() for line in lines if line.strip()]
    if len(set(names)) != len(names) or not names:
        twice = [name for name, n in collections.Counter(names).items() if n > 1]
        fault = f"has {twice[0]!r} twice" if twice else "is empty"
        raise errors.DataError(f"{path} must name each class once, but it {fault}")
    return names


def check_classes(names: Sequence[str], labels: Iterable[int], after: str = "") -> None:
    """Raises DataError if one of the classes `names` is not among `labels`.

    Args:
        names: Class names in order.
        labels: Class numbers of the training videos.
        after: Said first.
    """
    present = set(labels)
    if empty := [name for label, name in enumerate(names) if label not in present]:
        hint = ""
        if 0 not in present and names == [str(label) for label in range(len(names))]:
            hint = "; labels count from 0, does the list count from 1?"
        raise errors.DataError(
            f"{after}{len(empty)} of {len(names)} classes have no training video: "
            f"{', '.join(map(repr, empty[:5]))}{', ...' * (len(empty) > 5)}{hint}"
        )


def _in_classes(
    root: pathlib.Path, part: str, extensions: Sequence[str]
) -> list[Entry]:
    """The files of these extensions in the class folders of `root / part`."""
    entries = []
    top = root / part
    for folder in sorted(path for path in top.iterdir() if path.is_dir()):
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in extensions and not path.is_dir():
                id = path.relative_to(root).as_posix()
                entries.append(Entry(id, folder.name, str(path)))
    return entries


def _number_classes(
    entries: Sequence[Entry], classes: Sequence[str] | None
) -> tuple[list[str], dict[str, int]]:
    """Class names, and the class number of each label as written."""
    labels = {entry.label: entry for entry in reversed(entries)}
    if all(re.fullmatch(r"-?\d+", label) for label in labels) and not (
        classes and set(labels) <= set(classes)
    ):
        numbers = {label: int(label) for label in labels}
        count = len(classes) if classes else max(numbers.values()) + 1
        for label, number in numbers.items():
            if not 0 <= number < count:
                rule = f"0 to {count - 1}" if classes else "at least 0"
                raise errors.DataError(
                    f"{labels[label].where}: label {number} of {labels[label].id!r} "
                    f"must be {rule}; labels count from 0"
                )
        return list(classes or map(str, range(count))), numbers
    names = list(classes) if classes else sorted(labels)
    number_of = {name: number for number, name in enumerate(names)}
    plain = {name.replace("_", " "): number for name, number in number_of.items()}
    for label, entry in labels.items():
        if label not in number_of and label.replace("_", " ") not in plain:
            raise errors.DataError(
                f"{entry.where}: class {label!r} of {entry.id!r} is not among the "
                f"{len(names)} class names"
            )
    return names, {
        label: number_of.get(label, plain.get(label.replace("_", " "), -1))
        for label in labels
    }


def _inside(root: pathlib.Path, entry: Entry) -> str:
    """The id of an entry: its path relative to `root`, which it may not leave."""
    name = os.path.normpath(entry.id)
    if os.path.isabs(name):
        name = os.path.relpath(name, os.path.abspath(root))
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise errors.DataError(
            f"{entry.where}: the name {name!r} is not valid UTF-8; rename the file"
        ) from error
    if name.startswith("..") and pathlib.PurePath(name).parts[0] == "..":
        raise errors.DataError(
            f"{entry.where}: {entry.id!r} lies outside of {root}; paths are relative "
            "to --videos"
        )
    if "\n" in name or "\r" in name:
        raise errors.DataError(f"{entry.where}: {name!r} holds a line break")
    return pathlib.PurePath(name).as_posix()
