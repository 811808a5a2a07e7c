"""More splits of a data set that is there, from lists; no video is stored again.

    python -m data_prep.add_splits --data-root R --dataset kinetics400 --name mini \
        --list train_ytid_list.txt --val-list val_ytid_list.txt \
        --classes k200_actions.txt

Lists are in one of the forms of `list_formats` that name files, not folders of frames,
and name videos as they were named when the data set was built. The splits are called
`mini-train` and `mini-val`, and may number other classes than the data set: its videos
and the labels of its aspects serve both. Without `--classes` numbers are the data
set's.
"""

import argparse
import pathlib
import re
import sys
from collections.abc import Collection, Sequence
from typing import NamedTuple

from data_prep import build_records
from data_prep.lists import list_formats, wanted_videos
from smad_jax import errors
from smad_jax.commands import command_line
from smad_jax.data import catalog, records


class Added(NamedTuple):
    """A split that was written.

    Attributes:
        name: Of it.
        num_videos: V.
        num_absent: Videos of the list that the data set does not have.
    """

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
    """Writes the splits `<name>-<split>` of the lists into a data set.

    Args:
        folder: The data set's.
        stored: Ids of its videos.
        source: The wanted videos; those that the data set lacks are left out.
        name: What the splits are called by.
        classes: Class names in order; None takes those of the lists, of the data set
            where labels are numbers, or of the labels.
        overwrite: Replace splits of these names.

    Raises:
        ConfigError: if there is such a split.
        DataError: if there is no such data set, a list breaks a rule, or nothing of a
            split is there.
    """
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
    there = {
        split: [id for id in ids if id in stored]
        for split, ids in wanted.splits.items()
    }
    for split, ids in there.items():  # all is checked before anything is written
        if not ids:
            raise errors.DataError(
                f"{folder} has none of the {len(wanted.splits[split])} videos of "
                f"{split!r}; the list names them like {wanted.splits[split][0]!r}, the "
                f"data set like {min(stored, default='nothing')!r}"
            )
        if split.startswith("train"):
            wanted_videos.check_classes(
                wanted.classes,
                (wanted.label_of[id] for id in ids),
                f"of the videos in {folder}, ",
            )
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


def run(chosen: argparse.Namespace) -> str:
    """Adds what the command line asks for; returns what there is to say.

    Raises:
        UserError: for whatever the user can put right.
    """
    if not re.fullmatch(r"\w[\w.+-]*", chosen.name):
        raise errors.ConfigError(
            f"--name {chosen.name!r} must be of letters, digits, '_', '-', '.' and "
            "'+', for it begins the splits' names"
        )
    folder = chosen.data_root / chosen.dataset
    catalog.read_dataset_file(folder)  # whose error says how to make it
    ids = records.RecordReader(folder, "videos").ids
    source = list_formats.read(
        folder, chosen.list, chosen.val_list, chosen.format, stored=ids
    )
    classes = wanted_videos.read_classes(chosen.classes) if chosen.classes else None
    lines = list(source.notes)
    added = add(
        folder,
        ids,
        source,
        name=chosen.name,
        classes=classes,
        overwrite=chosen.overwrite,
    )
    for split in added:
        absent = f", {split.num_absent} are not there" if split.num_absent else ""
        lines.append(
            f"{chosen.dataset}/{split.name}: {split.num_videos} videos{absent}"
        )
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.add_splits",
        description="Adds splits to a data set from lists; no video is stored again.",
    )
    add_flag, path = parser.add_argument, pathlib.Path
    add_flag("--data-root", type=path, required=True, help="folder of the data sets")
    add_flag("--dataset", required=True, help="whose videos")
    add_flag("--name", required=True, help="the splits become NAME-train, NAME-val")
    add_flag("--list", type=path, required=True, help="videos and their classes")
    add_flag("--val-list", type=path, help="those of `val`, where --list has none")
    add_flag("--classes", type=path, help="class names in order, one a line")
    add_flag("--overwrite", action="store_true", help="replace splits of that name")
    build_records.add_format(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    return command_line.run(lambda: run(chosen))


if __name__ == "__main__":
    sys.exit(main())
