"""Writes the ARAS test splits: every action in scenes rare for it (Sec. 6.1, Table 3).

    python -m data_prep.aras --data-root R --list LIST --names NAMES

LIST is `aras_test_balance.txt` of the ARAS data set, NAMES its `k400_actions.txt`; the
clips are those of `aras_clips`, stored by `build_records` as the data set `aras`. The
split `aras104` has the class numbers of the Kinetics data set; `aras64` has the clips
and numbers of K200db's classes. The list repeats clips of small classes (1038 lines,
921 clips); the paper counts the repeats, `--unique` drops them. `--against` names
training lists, as kinetics400/train: near-duplicates of their videos are dropped.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data_prep.bias import near_duplicates
from data_prep.lists import command_options, delimited
from smad_jax import errors
from smad_jax.base import command_line
from smad_jax.data import catalog, label_names, records

HELP = "write the ARAS test splits in the training data's class numbers"


@dataclasses.dataclass(frozen=True)
class Options:
    """The choices of the splits.

    Attributes:
        list_file: The list aras_test_balance.txt.
        names: The file k400_actions.txt, in label order.
        dataset: Name of the data set of clips.
        kinetics: Name of the data set of training.
        k200: Split of that data set with K200db's classes.
        unique: Count each clip once.
        against: Lists, DATASET/SPLIT each, whose near-duplicates are left out.
        jobs: Videos hashed at once, for --against.
    """

    list_file: pathlib.Path
    names: pathlib.Path
    dataset: str = "aras"
    kinetics: str = "kinetics400"
    k200: str = "k200db-train"
    unique: bool = False
    against: tuple[str, ...] = ()
    jobs: int = 2


class Line(NamedTuple):
    """One line of the list: the clip's path and its action."""

    path: str
    action: str


class Written(NamedTuple):
    """Numbers of a split that was written; `num_missing` lines have no stored clip."""

    name: str
    num_lines: int
    num_clips: int
    num_classes: int
    num_missing: int

    def __str__(self) -> str:
        """Returns the numbers as one line."""
        missing = (
            f"; {self.num_missing} lines left out, their clips are missing"
            if self.num_missing
            else ""
        )
        return (
            f"{self.name}: {self.num_lines} lines, {self.num_clips} clips, "
            f"{self.num_classes} classes{missing}"
        )


class Result(NamedTuple):
    """The splits that were written, and a line for each list compared with."""

    splits: list[Written]
    duplicates: list[str]


def read_list(path: pathlib.Path, names: Sequence[str]) -> list[Line]:
    """Returns the lines `aras_clips/class_folder/clip.mp4 label`, repeats included.

    Raises:
        DataError: naming the line, if a label is not that of an action.
    """
    lines = []
    for entry in delimited.read_list(path):
        if not entry.label.isdecimal() or int(entry.label) >= len(names):
            raise errors.DataError(
                f"{entry.where}: label {entry.label!r} must be 0 to {len(names) - 1}, "
                f"the position of one of the {len(names)} names"
            )
        lines.append(Line(entry.id, names[int(entry.label)]))
    return lines


def find_ids(lines: Sequence[Line], known: Sequence[str]) -> dict[str, str]:
    """Returns the stored id of each listed path that has a record.

    Ids are the listed paths, with or without their first folder `aras_clips`.

    Raises:
        DataError: if there is none.
    """
    stored = set(known)
    found = {}
    for path in dict.fromkeys(line.path for line in lines):
        below = path.partition("/")[2]
        if path in stored or below in stored:
            found[path] = path if path in stored else below
    if not found:
        raise errors.DataError(
            f"no record has the id {lines[0].path!r} or that of another listed clip; "
            "build the data set with --videos aras_clips"
        )
    return found


def write_split(
    folder: pathlib.Path,
    name: str,
    lines: Sequence[Line],
    id_of: Mapping[str, str],
    classes: Sequence[str],
) -> Written:
    """Writes the lines whose action is in `classes`, with blanks or `_`, as a split.

    Clips without a stored id are left out.

    Raises:
        DataError: if no clip is left.
    """
    number_of = {name.replace("_", " "): label for label, name in enumerate(classes)}
    wanted = [line for line in lines if line.action.replace("_", " ") in number_of]
    rows = [line for line in wanted if line.path in id_of]
    if not rows:
        raise errors.DataError(
            f"{name}: no listed clip has one of the {len(classes)} training classes"
        )
    labels = [number_of[line.action.replace("_", " ")] for line in rows]
    ids = [id_of[line.path] for line in rows]
    catalog.write_split(folder, name, ids, labels, classes)
    missing = len(wanted) - len(rows)
    return Written(name, len(rows), len(set(ids)), len(set(labels)), missing)


def write_splits(data_root: pathlib.Path, options: Options) -> Result:
    """Writes `aras104`, and `aras64` where K200db's classes are known.

    Raises:
        DataError: if data are missing or malformed.
    """
    folder, kinetics = data_root / options.dataset, data_root / options.kinetics
    catalog.read_dataset_file(folder)
    all_classes = catalog.read_dataset_file(kinetics).classes
    names = label_names.read(options.names)
    lines = read_list(options.list_file, names)
    if options.unique:
        lines = list(dict.fromkeys(lines))
    id_of = find_ids(lines, records.RecordReader(folder, "videos").ids)
    splits = [write_split(folder, "aras104", lines, id_of, all_classes)]
    duplicates = []
    if options.against:
        seen, duplicates = _seen(data_root, options)
        lines = [line for line in lines if id_of.get(line.path) not in seen]
        splits = [write_split(folder, "aras104", lines, id_of, all_classes)]
    if (kinetics / "splits" / f"{options.k200}.txt").is_file():
        classes = catalog.read_classes(kinetics, options.k200)
        splits.append(write_split(folder, "aras64", lines, id_of, classes))
    return Result(splits, duplicates)


def _seen(data_root: pathlib.Path, options: Options) -> tuple[set[str], list[str]]:
    """Ids of clips that show the same as a training video, and a line for each list."""
    split = catalog.open_split(data_root, options.dataset, "aras104")
    _, first = np.unique(np.array(split.ids), return_index=True)  # lines repeat clips
    screened = near_duplicates.leave_out(
        data_root,
        split,
        np.sort(first),
        options.against,
        report="aras104",
        num_jobs=options.jobs,
    )
    kept = {split.ids[row] for row in screened.rows}
    return set(split.ids) - kept, screened.lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    command_line.add_data_root(parser)
    command_options.add_options(parser, Options)


def run(*, data_root: pathlib.Path, options: Options) -> str:
    """Writes the splits; returns their sizes."""
    result = write_splits(data_root, options)
    lines = [*result.duplicates, *map(str, result.splits)]
    if len(result.splits) == 1:
        kinetics = data_root / options.kinetics
        lines.append(f"no split {options.k200!r} in {kinetics}, so no 'aras64'")
    return "\n".join(lines)


main = command_line.Program("python -m data_prep.aras", HELP, add_arguments, run)

if __name__ == "__main__":
    sys.exit(main())
