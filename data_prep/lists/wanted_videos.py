"""Wanted videos and their classes, read from lists and checked.

Labels are numbers from 0 or class names. Errors name file, line, value and rule.
`list_formats` reads other forms of lists, `class_folders` reads folders.
"""

import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from smad_jax import errors
from smad_jax.base import tables

_HIGHEST_LABEL = 999_999  # larger numbers are ids, so another column
# What parts of a data set are called in cells and folders, and their name here.
PARTS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}


class Frames(NamedTuple):
    """A video that is a folder of images: T frames, from the one of number `first` on.

    The folder is relative to the folder of videos.
    """

    folder: str
    first: int
    num_frames: int


class Entry(NamedTuple):
    """One wanted video.

    Attributes:
        id: Its path, relative to the folder of videos.
        label: Class name or number, as written.
        where: File and line of the list.
        split: `train`, `val` or another name; empty where the list names none.
        frames: Its frames, if it is a folder of images.
    """

    id: str
    label: str
    where: str
    split: str = ""
    frames: Frames | None = None


class Source(NamedTuple):
    """The wanted videos.

    Attributes:
        splits: By name of the split, in the order of the lists.
        hold_out: Whether a part of `train` becomes `val`.
        classes: Class names in order, where the lists have them.
        notes: Remarks of the reader of the lists.
    """

    splits: Mapping[str, Sequence[Entry]]
    hold_out: bool = False
    classes: Sequence[str] | None = None
    notes: Sequence[str] = ()


class Resolved(NamedTuple):
    """The wanted videos, every rule checked.

    Attributes:
        classes: Class names in order.
        label_of: The class number of each id, in the order of the lists.
        splits: The ids of each split, each once.
        frames: Frames of the ids that are folders of images.
    """

    classes: list[str]
    label_of: dict[str, int]
    splits: dict[str, list[str]]
    frames: dict[str, Frames]


def numbered_lines(path: pathlib.Path) -> Iterator[tuple[str, str]]:
    """Yields `FILE, line N` and the text of each line that is not blank.

    Raises:
        DataError: if the file cannot be read, or naming a line that is not UTF-8.
    """
    for number, text in tables.lines(path):
        yield f"{path}, line {number}", text


def resolve(
    root: pathlib.Path,
    source: Source,
    classes: Sequence[str] | None,
    *,
    all_classes: bool = True,
) -> Resolved:
    """Returns the wanted videos with their class numbers, every rule checked.

    Ids are relative to `root`. `classes` are names in order; without, those of the
    lists or of the labels count. With `all_classes`, each needs a training video.

    Raises:
        DataError: if a path leads out of `root`, a label is unknown or out of range, a
            video has two labels or is in training and validation, or a class has no
            training video.
    """
    everything = [entry for entries in source.splits.values() for entry in entries]
    names, number_of = _number_classes(everything, classes or source.classes)
    label_of: dict[str, int] = {}
    first: dict[str, Entry] = {}
    frames: dict[str, Frames] = {}
    splits: dict[str, dict[str, Entry]] = {}
    for split, entries in source.splits.items():
        members = splits.setdefault(split, {})
        for entry in entries:
            id = _inside(root, entry, entry.id)
            label = number_of[entry.label]
            if label_of.setdefault(id, label) != label:
                raise errors.DataError(
                    f"{entry.where}: {id!r} has label {entry.label!r}, but "
                    f"{first[id].label!r} in {first[id].where}; one video has one label"
                )
            if entry.frames:
                folder = _inside(root, entry, entry.frames.folder)
                frames[id] = entry.frames._replace(folder=folder)
            first.setdefault(id, entry)
            members.setdefault(id, entry)
    for split, members in splits.items():
        if split.startswith("train"):
            _check_apart(members, splits.get(split.replace("train", "val"), {}))
            if all_classes:
                check_classes(names, (label_of[id] for id in members))
    return Resolved(
        names, label_of, {split: list(ids) for split, ids in splits.items()}, frames
    )


def _check_apart(train: Mapping[str, Entry], val: Mapping[str, Entry]) -> None:
    """Raises DataError if a video is in both."""
    for id, entry in train.items():
        if id in val:
            raise errors.DataError(
                f"{entry.where}: {id!r} is in the validation list too; keep it in one"
            )


def check_classes(names: Sequence[str], labels: Iterable[int], after: str = "") -> None:
    """Raises DataError if a class is not among the labels of the training videos.

    Class `names` are in order; `after` begins the message.
    """
    present = set(labels)
    if empty := [name for label, name in enumerate(names) if label not in present]:
        hint = ""
        if 0 not in present and names == [str(label) for label in range(len(names))]:
            hint = "; labels count from 0; does the list count from 1?"
        raise errors.DataError(
            f"{after}{len(empty)} of {len(names)} classes have no training video: "
            f"{', '.join(map(repr, empty[:5]))}{', ...' * (len(empty) > 5)}{hint}"
        )


def _number_classes(
    entries: Sequence[Entry], classes: Sequence[str] | None
) -> tuple[list[str], dict[str, int]]:
    """Class names, and the class number of each label as written."""
    labels = {entry.label: entry for entry in reversed(entries)}
    if all(re.fullmatch(r"-?\d+", label) for label in labels) and not (
        classes and set(labels) <= set(classes)
    ):
        numbers = {label: int(label) for label in labels}
        highest = len(classes) - 1 if classes else _HIGHEST_LABEL
        for label, number in numbers.items():
            if not 0 <= number <= highest:
                rule = "at least 0" if number < 0 and not classes else f"0 to {highest}"
                raise errors.DataError(
                    f"{labels[label].where}: label {number} of {labels[label].id!r} "
                    f"must be {rule}; labels count from 0"
                )
        count = max(numbers.values()) + 1
        return list(classes or map(str, range(count))), numbers
    if not classes:
        numeric = [label for label in labels if re.fullmatch(r"-?\d+", label)]
        if numeric:
            entry = next(e for label, e in labels.items() if label not in numeric)
            raise errors.DataError(
                f"{entry.where}: {entry.id!r} has the class {entry.label!r}, but "
                f"{labels[numeric[0]].where} has the number {numeric[0]}; use names or "
                "numbers for all, or give the names with --classes"
            )
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


def _inside(root: pathlib.Path, entry: Entry, path: str) -> str:
    """A path of an entry, relative to `root` and inside it."""
    name = os.path.normpath(path)
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
            f"{entry.where}: {path!r} lies outside of {root}; paths are relative "
            "to the folder of videos"
        )
    if "\n" in name or "\r" in name:
        raise errors.DataError(f"{entry.where}: {name!r} holds a line break")
    return pathlib.PurePath(name).as_posix()
