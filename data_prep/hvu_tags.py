"""HVU's tags of event, attribute and concept as labels of aspects (Sec. 5.1).

    python -m data_prep.hvu_tags --data-root R --dataset kinetics400 \
        --annotations HVU_Train_V1.0.csv HVU_Val_V1.0.csv \
        --tags HVU_Tags_Categories_V1.0.csv

Joins HVU's annotations to the videos of a data set by YouTube id and times and writes
`aspects/{event,attribute,context}.tfrecord`, multi-hot, with the tags' names beside
them. The paper's *context* is HVU's *concept*. A video that HVU gives no tag of a
category is not annotated for it: it has no label there and is masked in training.
"""

import argparse
import collections
import dataclasses
import fractions
import json
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data_prep.lists import list_readers
from smad_jax import aspect_table, errors
from smad_jax.commands import command_line
from smad_jax.data import catalog, records, video

CATEGORIES = {"event": "event", "attribute": "attribute", "context": "concept"}

_NAME = re.compile(r"(?P<id>[\w-]{11})_(?P<start>\d{6})_(?P<end>\d{6})")


class Clip(NamedTuple):
    """One annotated clip.

    Attributes:
        names: How its file may be called, without extension.
        tags: By category, the positions of its tags among the category's.
        where: File and line, or item.
    """

    names: tuple[str, ...]
    tags: Mapping[str, frozenset[int]]
    where: str


class Annotations(NamedTuple):
    """What annotation files say.

    Attributes:
        clips: Annotated clips.
        unknown: Tags that are in no category, with the clips that have them.
    """

    clips: list[Clip]
    unknown: collections.Counter[str]


@dataclasses.dataclass(frozen=True)
class Joined:
    """The labels of one aspect.

    Attributes:
        ids: [V] videos that have a label.
        values: [V, Z] float16, 1 where a tag is given, else 0.
    """

    ids: list[str]
    values: np.ndarray


def read_tags(path: pathlib.Path) -> dict[str, list[str]]:
    """Returns the tags of each category, sorted: that is their numbering.

    Args:
        path: HVU's csv with the columns `Tag,Category`, or a JSON object of lists by
            category, whose order is kept.

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
            f"{path} has no tags of {', '.join(missing)}; there is: "
            f"{', '.join(sorted(tags))}"
        )
    return tags


def read_annotations(
    paths: Iterable[pathlib.Path], tags: Mapping[str, Sequence[str]]
) -> Annotations:
    """Returns the annotated clips of csv files of HVU, or of JSON lists made of them.

    Args:
        paths: The files. A csv has the columns `Tags,youtube_id,time_start,time_end`
            with `|` between tags; a JSON list has objects of `filename` or `frame_dir`
            and `label`, which holds numbers of tags by category.
        tags: Of each category, in order.

    Raises:
        DataError: naming file, line, value and rule of what is malformed.
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
            start, end = (_seconds(text, where) for text in times)
            clips.append(Clip(_names(id, start, end), _frozen(found), where))
    if not clips:
        raise errors.DataError("the annotations hold no clip")
    return Annotations(clips, unknown)


def match(clips: Iterable[Clip], ids: Iterable[str]) -> dict[str, Clip]:
    """Returns the clip of each video that is annotated.

    A csv gives seconds, as Kinetics' files are named; HVU's own files, and so the JSON
    lists, are named in tenths of a second. Either is met in the other.

    Args:
        clips: Annotated clips.
        ids: Paths of videos.

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
    """Returns the labels of one category, of the videos that have a tag of it.

    Args:
        found: The clip of each annotated video.
        category: HVU's name.
        num_labels: Z.
        ids: Paths of videos, in the order wanted.
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
    extensions = (*video.EXTENSIONS, *video.IMAGE_EXTENSIONS)
    stem, dot, extension = name.rpartition(".")
    return stem if f"{dot}{extension.lower()}" in extensions else name


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
    except (OSError, ValueError) as error:
        raise errors.DataError(f"cannot read the tags {path}: {error}") from error
    if not isinstance(content, dict) or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names)
        for names in content.values()
    ):
        raise errors.DataError(f"{path} must hold lists of tags by category")
    return content


def _seconds(text: str, where: str) -> fractions.Fraction:
    try:
        return fractions.Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise errors.DataError(f"{where}: {text!r} is no time in seconds") from error


def write(chosen: argparse.Namespace) -> list[str]:
    """Writes what the command line asks for; returns what there is to say.

    Raises:
        DataError: if data are missing or malformed, or no video is annotated.
    """
    folder = chosen.data_root / chosen.dataset
    catalog.read_dataset_file(folder)
    ids = records.RecordReader(folder, "videos").ids
    tags = read_tags(chosen.tags)
    annotations = read_annotations(chosen.annotations, tags)
    found = match(annotations.clips, ids)
    if not found:
        raise errors.DataError(
            f"none of the {len(ids)} videos of {folder} is annotated; they must be "
            f"named as Kinetics or HVU name clips, as {annotations.clips[0].names[0]}, "
            f"but there is {ids[0]!r}"
        )
    used = {clip.where for clip in found.values()}
    lines = [
        f"{len(annotations.clips)} annotated clips, "
        f"{sum(clip.where not in used for clip in annotations.clips)} of them without "
        f"a video; {len(ids)} videos, {len(ids) - len(found)} of them not annotated"
    ]
    for name, category in CATEGORIES.items():
        labels = join(found, category, len(tags[category]), ids)
        if not labels.ids:
            lines.append(f"{name}: no video has a tag of it, nothing written")
            continue
        known = aspect_table.get(name)
        aspect = dataclasses.replace(known, num_labels=len(tags[category]))
        catalog.add_aspect(folder, aspect, labels.ids, labels.values, tags[category])
        lines.append(
            f"{name}: {len(labels.ids)} videos, {aspect.num_labels} tags, "
            f"{labels.values.sum(dtype=np.float64) / len(labels.ids):.1f} a video"
        )
        if aspect.num_labels != known.num_labels:
            lines.append(f"  the paper's HVU has {known.num_labels} tags of it")
    if annotations.unknown:
        most = ", ".join(f"{tag!r}" for tag, _ in annotations.unknown.most_common(5))
        lines.append(
            f"{len(annotations.unknown)} tags, {annotations.unknown.total()} times, "
            f"are in no category and were passed over, {most} most often"
        )
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.hvu_tags",
        description="Joins HVU's tags of event, attribute and concept to a data set.",
    )
    add, path = parser.add_argument, pathlib.Path
    add("--data-root", type=path, required=True, help="folder of the data sets")
    add("--dataset", required=True, help="data set of the videos")
    add(
        "--annotations",
        type=path,
        nargs="+",
        required=True,
        help="csv of HVU, or JSON lists made of them",
    )
    add(
        "--tags",
        type=path,
        required=True,
        help="csv of HVU's tags and categories, or a JSON label map",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    return command_line.run(lambda: "\n".join(write(chosen)))


if __name__ == "__main__":
    sys.exit(main())
