"""Stores HVU's tags of event, attribute and concept as labels of aspects (Sec. 5.1).

    python -m data_prep.hvu_tags --data-root R --dataset kinetics400 \
        --annotations HVU_Train_V1.0.csv HVU_Val_V1.0.csv \
        --tags HVU_Tags_Categories_V1.0.csv

Joins HVU's annotations to the videos of a data set by YouTube id and times and writes
`aspects/{event,attribute,context}.tfrecord`, multi-hot, with the tags' names beside
them. The paper's *context* is HVU's *concept*. A video without a tag of a category is
not annotated for it: it has no label there and is masked in training.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.labels import hvu
from data_prep.lists import command_options
from smad_jax import errors
from smad_jax.base import aspect_names, command_line
from smad_jax.data import catalog, records

HELP = "store HVU's tags of event, attribute and concept beside a data set's videos"


class AspectTags(NamedTuple):
    """Tags of one aspect: videos that have one, tags known, and given in total."""

    aspect: str
    num_videos: int
    num_tags: int
    total: float


class Written(NamedTuple):
    """The tags written, and the numbers of clips and videos without a match."""

    annotations: hvu.Annotations
    num_unmatched: int
    num_videos: int
    num_annotated: int
    aspects: list[AspectTags]


def write(
    data_root: pathlib.Path,
    dataset: str,
    annotations: Sequence[pathlib.Path],
    tags: pathlib.Path,
) -> Written:
    """Writes the tags of each aspect beside a data set's videos.

    `annotations` are files for `hvu.read_annotations`, `tags` one for `hvu.read_tags`.

    Raises:
        DataError: if data are missing or malformed, or no video is annotated.
    """
    folder = data_root / dataset
    catalog.read_dataset_file(folder)
    ids = records.RecordReader(folder, "videos").ids
    names = hvu.read_tags(tags)
    read = hvu.read_annotations(annotations, names)
    found = hvu.match(read.clips, ids)
    if not found:
        raise errors.DataError(
            f"none of the {len(ids)} videos of {folder} is annotated; they must be "
            f"named as Kinetics or HVU name clips, as {read.clips[0].names[0]}, but "
            f"the first is {ids[0]!r}"
        )
    aspects = []
    for name, category in hvu.CATEGORIES.items():
        num_tags = len(names[category])
        labels = hvu.join(found, category, num_tags, ids)
        if labels.ids:
            aspect = dataclasses.replace(aspect_names.get(name), num_labels=num_tags)
            catalog.add_aspect(
                folder, aspect, labels.ids, labels.values, names[category]
            )
        total = float(labels.values.sum(dtype=np.float64))
        aspects.append(AspectTags(name, len(labels.ids), num_tags, total))
    used = {clip.where for clip in found.values()}
    unmatched = sum(clip.where not in used for clip in read.clips)
    return Written(read, unmatched, len(ids), len(found), aspects)


def summary(written: Written) -> str:
    """Returns the numbers of a join as lines of text."""
    lines = [
        f"{len(written.annotations.clips)} annotated clips, "
        f"{written.num_unmatched} of them without a video; {written.num_videos} "
        f"videos, {written.num_videos - written.num_annotated} of them not annotated"
    ]
    for name, num_videos, num_tags, total in written.aspects:
        if not num_videos:
            lines.append(f"{name}: no video has a tag of it, nothing written")
            continue
        lines.append(
            f"{name}: {num_videos} videos, {num_tags} tags, {total / num_videos:.1f} a "
            "video"
        )
        if num_tags != (expected := aspect_names.get(name).num_labels):
            lines.append(f"  the paper's HVU has {expected} tags of it")
    if unknown := written.annotations.unknown:
        most = ", ".join(f"{tag!r}" for tag, _ in unknown.most_common(5))
        lines.append(
            f"{len(unknown)} tags, {unknown.total()} times, are in no category and "
            f"were ignored; most often {most}"
        )
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add, path = parser.add_argument, pathlib.Path
    command_options.add_dataset(parser)
    add(
        "--annotations",
        type=path,
        nargs="+",
        required=True,
        help="CSV files of HVU, or JSON lists made of them",
    )
    add(
        "--tags",
        type=path,
        required=True,
        help="CSV of HVU's tags and categories, or a JSON label map",
    )


def run(
    *,
    data_root: pathlib.Path,
    dataset: str,
    annotations: Sequence[pathlib.Path],
    tags: pathlib.Path,
) -> str:
    """Writes the tags; returns their numbers."""
    return summary(write(data_root, dataset, annotations, tags))


main = command_line.Program("python -m data_prep.hvu_tags", HELP, add_arguments, run)

if __name__ == "__main__":
    sys.exit(main())
