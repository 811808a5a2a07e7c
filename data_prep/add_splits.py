"""Adds splits to a data set from further lists of its videos.

    python -m data_prep.add_splits --data-root R --dataset kinetics400 --name mini \
        --list train_ytid_list.txt --val-list val_ytid_list.txt \
        --classes k200_actions.txt

No video is stored again. Lists have one of the forms of `list_formats` that name files,
not folders of frames, and the videos keep the names under which they were stored. The
splits `mini-train` and `mini-val` may number other classes than the data set; they use
its videos and aspect labels. Without `--classes`, numbers are the data set's.
"""

import argparse
import pathlib
import re
import sys
from collections.abc import Collection, Sequence
from typing import NamedTuple

from data_prep.lists import command_options, list_formats, wanted_videos
from smad_jax import errors
from smad_jax.base import command_line
from smad_jax.data import catalog, label_names, records

HELP = "add splits to a data set from lists of its videos"


class Added(NamedTuple):
    """A split that was written, and the listed videos that the data set lacks."""

    name: str
    num_videos: int
    num_absent: int


def add(
    folder: pathlib.Path,
    stored: Collection[str],
    source: wanted_videos.Source,
    *,
    name: str,
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
) -> list[Added]:
    """Writes the splits `<name>-<split>` of the lists into a data set's folder.

    `stored` are the ids of its videos; others in the lists are left out. Without
    `classes`, their names are those of the lists, of the data set where labels are
    numbers, or of the labels.

    Raises:
        ConfigError: if the name has other signs than letters, digits, `_`, `-`, `.` and
            `+`, or such a split exists and `overwrite` is not set.
        DataError: if there is no such data set, a list breaks a rule, or no video of a
            split is stored.
    """
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise errors.ConfigError(
            f"--name {name!r} must be of letters, digits, '_', '-', '.' and '+': it "
            "begins the splits' names"
        )
    facts = catalog.read_dataset_file(folder)
    stored = frozenset(stored)
    taken = [
        split
        for split in source.splits
        if (folder / "splits" / f"{name}-{split}.txt").exists()
    ]
    if taken and not overwrite:
        raise errors.ConfigError(
            f"{folder} has a split {name}-{taken[0]}; choose another --name, or pass "
            "--overwrite to replace it"
        )
    labels = {entry.label for entries in source.splits.values() for entry in entries}
    if not (classes or source.classes) and all(map(str.isdecimal, labels)):
        classes = facts.classes
    wanted = wanted_videos.resolve(folder, source, classes, all_classes=False)
    there = _stored_parts(folder, wanted, stored)
    for split, ids in there.items():
        catalog.write_split(
            folder,
            f"{name}-{split}",
            ids,
            [wanted.label_of[id] for id in ids],
            None if tuple(wanted.classes) == facts.classes else wanted.classes,
        )
    return [
        Added(f"{name}-{split}", len(ids), len(wanted.splits[split]) - len(ids))
        for split, ids in there.items()
    ]


def _stored_parts(
    folder: pathlib.Path, wanted: wanted_videos.Resolved, stored: Collection[str]
) -> dict[str, list[str]]:
    """The stored videos of each split, all checked before any is written."""
    there = {}
    for split, listed in wanted.splits.items():
        there[split] = ids = [id for id in listed if id in stored]
        if not ids:
            raise errors.DataError(
                f"{folder} has none of the {len(listed)} videos of {split!r}; the list "
                f"names them like {listed[0]!r}, the data set like "
                f"{min(stored, default='nothing')!r}"
            )
        if split.startswith("train"):
            wanted_videos.check_classes(
                wanted.classes,
                (wanted.label_of[id] for id in ids),
                f"of the videos in {folder}, ",
            )
    return there


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add, path = parser.add_argument, pathlib.Path
    command_options.add_dataset(parser)
    add("--name", required=True, help="prefix of the splits, NAME-train, NAME-val")
    listed = {"dest": "list_file", "metavar": "LIST", "help": "list of the videos"}
    add("--list", type=path, required=True, **listed)
    command_options.add_options(parser, command_options.Lists, "val_list", "classes")
    add("--overwrite", action="store_true", help="replace splits of that name")
    command_options.add_format(parser)


def run(
    *,
    data_root: pathlib.Path,
    dataset: str,
    name: str,
    list_file: pathlib.Path,
    val_list: pathlib.Path | None,
    classes: pathlib.Path | None,
    format: str,
    overwrite: bool,
) -> str:
    """Adds the splits of the lists; returns their sizes."""
    folder = data_root / dataset
    catalog.read_dataset_file(folder)  # first: its error names the building command
    ids = records.RecordReader(folder, "videos").ids
    source = list_formats.read(folder, list_file, val_list, format, stored=ids)
    added = add(
        folder,
        ids,
        source,
        name=name,
        classes=label_names.read(classes) if classes else None,
        overwrite=overwrite,
    )
    lines = list(source.notes)
    for split in added:
        absent = f", {split.num_absent} are not stored" if split.num_absent else ""
        lines.append(f"{dataset}/{split.name}: {split.num_videos} videos{absent}")
    return "\n".join(lines)


main = command_line.Program("python -m data_prep.add_splits", HELP, add_arguments, run)

if __name__ == "__main__":
    sys.exit(main())
