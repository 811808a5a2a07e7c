"""HVU's annotations and tags, joined to stored videos by YouTube id and times."""

import collections
import fractions
import json
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data_prep.lists import list_readers
from smad_jax import errors
from smad_jax.data import video

# The paper's names of aspects, and HVU's of their categories.
CATEGORIES = {"event": "event", "attribute": "attribute", "context": "concept"}

_NAME = re.compile(r"(?P<id>[\w-]{11})_(?P<start>\d{6})_(?P<end>\d{6})")


class Clip(NamedTuple):
    """One annotated clip.

    Attributes:
        names: Possible names of its file, without extension.
        tags: Positions of its tags among each category's.
        where: File and line, or item.
    """

    names: tuple[str, ...]
    tags: Mapping[str, frozenset[int]]
    where: str


class Annotations(NamedTuple):
    """Annotated clips, and numbers of clips by tag that is in no category."""

    clips: list[Clip]
    unknown: collections.Counter[str]


class Joined(NamedTuple):
    """[V] ids of the videos that have a tag, and [V, Z] float16, 1 for each tag."""

    ids: list[str]
    values: np.ndarray


def read_tags(path: pathlib.Path) -> dict[str, list[str]]:
    """Returns the tags of each category in the order of their numbers.

    From HVU's CSV with the columns `Tag,Category`, numbered alphabetically, or a JSON
    object of lists by category, numbered in their order.

    Raises:
        DataError: if it is malformed, names a tag twice or lacks a category.
    """
    if path.suffix == ".json":
        tags = _read_tags_json(path)
    else:
        tags = {}
        for where, (tag, category) in list_readers.csv_rows(path, ("tag", "category")):
            names = tags.setdefault(category.lower(), [])
            if not tag or tag in names:
                raise errors.DataError(
                    f"{where}: tag {tag!r} of {category!r} is empty or there twice"
                )
            names.append(tag)
        tags = {category: sorted(names) for category, names in tags.items()}
    if missing := [name for name in CATEGORIES.values() if not tags.get(name)]:
        raise errors.DataError(
            f"{path} has no tags of {', '.join(missing)}, only of "
            f"{', '.join(sorted(tags))}"
        )
    return tags


def read_annotations(
    paths: Iterable[pathlib.Path], tags: Mapping[str, Sequence[str]]
) -> Annotations:
    """Returns the annotated clips of HVU's CSV files, or of JSON lists made of them.

    A CSV has the columns `Tags,youtube_id,time_start,time_end` with `|` between tags. A
    JSON list has objects of `filename` or `frame_dir` and `label`, numbers of tags by
    category. `tags` are those of each category, in order.

    Raises:
        DataError: naming file, line, value and rule of a fault.
    """
    place = {
        tag: (category, number)
        for category, names in tags.items()
        for number, tag in enumerate(names)
        if category in CATEGORIES.values()
    }
    others = {
        tag
        for category, names in tags.items()
        if category not in CATEGORIES.values()
        for tag in names
    }
    unknown: collections.Counter[str] = collections.Counter()
    clips: list[Clip] = []
    for path in paths:
        if path.suffix == ".json":
            clips += _read_json(path, tags)
            continue
        columns = ("tags", "youtube_id", "time_start", "time_end")
        for where, (joined, id, *times) in list_readers.csv_rows(path, columns):
            names = [tag.strip() for tag in joined.split("|") if tag.strip()]
            unknown.update(set(names) - set(place) - others)
            found = collections.defaultdict(set)
            for category, number in (place[tag] for tag in names if tag in place):
                found[category].add(number)
            start, end = (list_readers.seconds(text, where) for text in times)
            clips.append(Clip(_names(id, start, end), _frozen(found), where))
    if not clips:
        raise errors.DataError("the annotations hold no clip")
    return Annotations(clips, unknown)


def match(clips: Iterable[Clip], ids: Iterable[str]) -> dict[str, Clip]:
    """Returns the clip of each video, by its path, that is annotated.

    A CSV gives seconds, as the names of Kinetics' files do; the names of HVU's own
    files, and so the JSON lists, give tenths of a second. Both match either.

    Raises:
        DataError: if one video has two annotations that differ.
    """
    ids_of: dict[str, list[str]] = {}
    for id in ids:
        ids_of.setdefault(_stem(id), []).append(id)
    found: dict[str, Clip] = {}
    for clip in clips:
        name = next((name for name in clip.names if name in ids_of), None)
        for id in ids_of.get(name, ()) if name else ():
            other = found.setdefault(id, clip)
            if other.tags != clip.tags:
                raise errors.DataError(
                    f"{clip.where}: {id!r} has other tags in {other.where}; one video "
                    "has one set of tags"
                )
    return found


def join(
    found: Mapping[str, Clip], category: str, num_labels: int, ids: Iterable[str]
) -> Joined:
    """Returns the labels of HVU's `category`, of the videos that have a tag of it.

    `found` has the clip of each annotated video, Z is `num_labels`. The labels keep the
    order of the paths `ids`.
    """
    rows = [id for id in ids if id in found and found[id].tags.get(category)]
    values = np.zeros((len(rows), num_labels), np.float16)
    for row, id in enumerate(rows):
        values[row, sorted(found[id].tags[category])] = 1
    return Joined(rows, values)


def _names(
    id: str, start: fractions.Fraction, end: fractions.Fraction
) -> tuple[str, ...]:
    """The names a clip's file may have, without extension."""
    names = []
    for unit in (1, 10):
        if (start * unit).denominator == (end * unit).denominator == 1:
            names.append(f"{id}_{int(start * unit):06}_{int(end * unit):06}")
    return (*names, id)


def _stem(id: str) -> str:
    name = pathlib.PurePath(id).name
    stem, dot, extension = name.rpartition(".")
    return stem if f"{dot}{extension.lower()}" in video.ALL_EXTENSIONS else name


def _read_json(path: pathlib.Path, tags: Mapping[str, Sequence[str]]) -> Iterator[Clip]:
    """The clips of a JSON list; its files are named in tenths of a second."""
    for where, item in list_readers.items(path):
        file, labels = item.get("filename", item.get("frame_dir")), item.get("label")
        if not isinstance(file, str) or not isinstance(labels, dict):
            raise errors.DataError(
                f"{where}: expected filename or frame_dir, and label: {item!r}"
            )
        found = {}
        for category, numbers in labels.items():
            if category not in CATEGORIES.values():
                continue
            count = len(tags[category])
            if not isinstance(numbers, list) or not all(
                isinstance(number, int) and 0 <= number < count for number in numbers
            ):
                raise errors.DataError(
                    f"{where}: tags of {category!r} must be numbers of 0 to "
                    f"{count - 1}, not {numbers!r}"
                )
            found[category] = numbers
        name = _stem(file)
        names = (name,)
        if parts := _NAME.fullmatch(name):
            times = (
                fractions.Fraction(int(parts[key]), 10) for key in ("start", "end")
            )
            names = (name, *_names(parts["id"], *times))
        yield Clip(names, _frozen(found), where)


def _frozen(tags: Mapping[str, Iterable[int]]) -> dict[str, frozenset[int]]:
    return {
        category: frozenset(numbers) for category, numbers in tags.items() if numbers
    }


def _read_tags_json(path: pathlib.Path) -> dict[str, list[str]]:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise errors.DataError(f"cannot read the tags {path}: {error}") from error
    if not isinstance(content, dict) or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names)
        for names in content.values()
    ):
        raise errors.DataError(f"{path} must hold lists of tags by category")
    return content
