"""The ARAS test sets: every action in scenes rare for it (Sec. 6.1, Table 3).

    python -m data_prep.aras --data-root R --list LIST --names NAMES

LIST is `aras_test_balance.txt` of the ARAS data set, NAMES its `k400_actions.txt`; the
clips are those of its `aras_clips`, stored by `build_records` as the data set `aras`.
Writes the splits `aras104`, with the class numbers of the Kinetics data set, and
`aras64`, the clips of K200db's classes with their numbers. The list repeats clips of
small classes (1038 lines, 921 clips); the paper counts the repeats, `--unique` drops
them. `--against` names lists that were trained on, as kinetics400/train; clips that
show the same as one of their videos are dropped.
"""

import argparse
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data_prep.bias import near_duplicates
from data_prep.lists import wanted_videos
from smad_jax import errors
from smad_jax.commands import command_line
from smad_jax.data import catalog, records


class Line(NamedTuple):
    """One line of the list: the clip's path and its action."""

    path: str
    action: str


def read_list(path: pathlib.Path, names: Sequence[str]) -> list[Line]:
    """Returns the lines of the balanced list, repeats included.

    Args:
        path: The list, `aras_clips/class_folder/clip.mp4 label` a line.
        names: The action of each label.

    Raises:
        DataError: naming the line, if a label is not that of an action.
    """
    lines = []
    for entry in wanted_videos.read_list(path):
        if not entry.label.isdecimal() or int(entry.label) >= len(names):
            raise errors.DataError(
                f"{entry.where}: label {entry.label!r} must be 0 to {len(names) - 1}, "
                f"the position of one of the {len(names)} names"
            )
        lines.append(Line(entry.id, names[int(entry.label)]))
    return lines


def find_ids(lines: Sequence[Line], known: Sequence[str]) -> dict[str, str]:
    """Returns the stored id of each listed path that has a record.

    Ids are the listed paths, or what follows their first folder `aras_clips`.

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
) -> str:
    """Writes the part of `lines` in `classes` as a split; returns its one-line report.

    Args:
        folder: The data set's folder.
        name: The split's name.
        lines: The wanted clips.
        id_of: The stored id of each path; clips without one are left out.
        classes: Class names of the training data; a blank may be `_` there.

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
    report = (
        f"{name}: {len(rows)} lines, {len(set(ids))} clips, {len(set(labels))} classes"
    )
    if len(rows) < len(wanted):
        report += f"; {len(wanted) - len(rows)} lines left out, their clips are missing"
    return report


def write_splits(chosen: argparse.Namespace) -> list[str]:
    """Writes the splits that the command line asks for; returns what there is to say.

    Raises:
        DataError: if data are missing or malformed.
    """
    folder, kinetics = (
        chosen.data_root / name for name in (chosen.dataset, chosen.kinetics)
    )
    catalog.read_dataset_file(folder)
    all_classes = catalog.read_dataset_file(kinetics).classes
    lines = read_list(chosen.list, wanted_videos.read_classes(chosen.names))
    if chosen.unique:
        lines = list(dict.fromkeys(lines))
    id_of = find_ids(lines, records.RecordReader(folder, "videos").ids)
    report = [write_split(folder, "aras104", lines, id_of, all_classes)]
    if chosen.against:
        seen, report = _seen(chosen)
        lines = [line for line in lines if id_of.get(line.path) not in seen]
        report.append(write_split(folder, "aras104", lines, id_of, all_classes))
    if not (kinetics / "splits" / f"{chosen.k200}.txt").is_file():
        return [*report, f"no split {chosen.k200!r} in {kinetics}, so no 'aras64'"]
    classes = catalog.read_classes(kinetics, chosen.k200)
    return [*report, write_split(folder, "aras64", lines, id_of, classes)]


def _seen(chosen: argparse.Namespace) -> tuple[set[str], list[str]]:
    """Ids of clips that show the same as a training video, and what there is to say."""
    split = catalog.open_split(chosen.data_root, chosen.dataset, "aras104")
    _, first = np.unique(np.array(split.ids), return_index=True)  # lines repeat clips
    screened = near_duplicates.leave_out(
        chosen.data_root,
        split,
        np.sort(first),
        chosen.against,
        report="aras104",
        num_jobs=chosen.jobs,
    )
    kept = {split.ids[row] for row in screened.rows}
    return set(split.ids) - kept, screened.lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.aras",
        description="Writes the ARAS test splits in the training data's class numbers.",
    )
    add, path = parser.add_argument, pathlib.Path
    add("--data-root", type=path, required=True, help="folder of the data sets")
    add("--dataset", default="aras", help="data set of the clips (default: aras)")
    add("--list", type=path, required=True, help="aras_test_balance.txt")
    add("--names", type=path, required=True, help="k400_actions.txt, in label order")
    add("--kinetics", default="kinetics400", help="data set trained on")
    add("--k200", default="k200db-train", help="its split with K200db's classes")
    add("--unique", action="store_true", help="each clip once")
    near_duplicates.add_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    return command_line.run(lambda: "\n".join(write_splits(chosen)))


if __name__ == "__main__":
    sys.exit(main())
