r"""Writes re-distributed splits: rare scenes of each action to test, the rest to train.

    python -m data_prep.k200db --data-root R --dataset kinetics400 --split train
    python -m data_prep.k200db --data-root R --dataset kinetics400 --name k200both \
        --second-aspect object

The first reads a split and its scene pseudo-labels and writes the splits `k200db-train`
and `k200db-val` beside it (App. A.1). Whole factor labels go to one side, so no scene
of an action's training videos appears in its test videos. Where the data set has an
official validation split, `k200-val` is its part in these classes. The second command
writes K200-both-split (Table 8), by scene and object at once.
"""

import argparse
import dataclasses
import difflib
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data_prep.bias import redistribution, z_frequency
from data_prep.lists import command_options
from smad_jax import errors
from smad_jax.base import command_line, tables
from smad_jax.data import catalog, selection

HELP = "write splits whose validation shows each action in rare scenes"


@dataclasses.dataclass(frozen=True)
class Options:
    """The choices of a re-distribution.

    Attributes:
        split: Split to re-distribute.
        aspect: Aspect whose pseudo-labels decide.
        second_aspect: Second aspect, for a split by both.
        mode: With two aspects, train on the videos that neither could hold out
            (strict), or on all but the validation videos (remaining).
        num_classes: Number of classes; those with the most videos are used.
        classes: File of the names of the classes, one per line, in place of a number.
        val_per_class: Least number of validation videos per class.
        train_per_class: Exact number of training videos per class.
        allow_short: Accept classes with fewer training videos.
        seed: Random seed of the choice of training videos.
        name: Prefix of the splits, NAME-train and NAME-val.
        official_val: Official validation split.
        val_name: Name of the official validation split cut to these classes.
    """

    split: str = "train"
    aspect: str = "scene"
    second_aspect: str = ""
    mode: redistribution.Mode = "strict"
    num_classes: int = 200
    classes: pathlib.Path | None = None
    val_per_class: int = 50
    train_per_class: int = 400
    allow_short: bool = False
    seed: int = 0
    name: str = "k200db"
    official_val: str = "val"
    val_name: str = "k200-val"


class Written(NamedTuple):
    """The splits that were written, `parts` measured by each aspect.

    Attributes:
        short: Classes with fewer training videos than wanted.
        official: Videos of the official validation split in these classes, and in all;
            None where there is no such split.
    """

    classes: list[str]
    num_unlabelled: int
    short: tuple[str, ...]
    parts: list[z_frequency.PartNmi]
    official: tuple[int, int] | None


def most_frequent_classes(counts: Mapping[str, int], num_classes: int) -> list[str]:
    """Returns the classes with most videos, equal counts by name, sorted by name.

    Raises:
        DataError: if there are fewer than `num_classes`.
    """
    if num_classes > len(counts):
        raise errors.DataError(
            f"--num-classes {num_classes} is more than the {len(counts)} classes of "
            "the split"
        )
    by_size = sorted(counts, key=lambda name: (-counts[name], name))
    return sorted(by_size[:num_classes])


def read_classes(path: pathlib.Path, known: Sequence[str]) -> list[str]:
    """Returns the class names of a file, one per line, sorted.

    Raises:
        DataError: if there is no such file, or it names an unknown class or one twice.
    """
    names = []
    for number, line in tables.lines(path):
        name = line.rpartition("\t")[2].strip()
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise errors.DataError(
                f"{path}, line {number}: no class is called {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else "")
            )
        if name in names:
            raise errors.DataError(f"{path}, line {number}: {name!r} comes twice")
        names.append(name)
    return sorted(names)


def write_splits(data_root: pathlib.Path, dataset: str, options: Options) -> Written:
    """Writes the re-distributed splits of a data set.

    Raises:
        ConfigError: if both aspects are the same.
        DataError: if data are missing or a class cannot be split.
    """
    aspects = tuple(filter(None, (options.aspect, options.second_aspect)))
    if len(set(aspects)) < len(aspects):
        raise errors.ConfigError(
            f"--second-aspect must not be --aspect, {aspects[0]!r}"
        )
    source = catalog.open_split(data_root, dataset, options.split, aspects=aspects)
    factors = {name: selection.hard_labels(source, name) for name in aspects}
    if options.classes:
        classes = read_classes(options.classes, source.classes)
    else:
        usable = np.bincount(source.labels, minlength=len(source.classes))
        counts = dict(zip(source.classes, usable.tolist(), strict=True))
        classes = most_frequent_classes(counts, options.num_classes)
    actions = z_frequency.renumber(source.labels, source.classes, classes)
    sizes = redistribution.Sizes(
        options.val_per_class, options.train_per_class, options.allow_short
    )
    first, *second = factors.values()
    parts = redistribution.redistribute(
        source.ids,
        actions,
        first,
        classes,
        sizes,
        seed=options.seed,
        second=second[0] if second else None,
        mode=options.mode,
    )
    measured = []
    for part, rows in (("train", parts.train), ("val", parts.val)):
        name = f"{options.name}-{part}"
        ids = [source.ids[row] for row in rows]
        catalog.write_split(data_root / dataset, name, ids, actions[rows], classes)
        for aspect, factor in factors.items():
            by = f" by {aspect}" if options.second_aspect else ""
            measured.append(
                z_frequency.measure_part(
                    f"{name}{by}", rows, actions, factor, options.seed
                )
            )
    official = _restrict_official(data_root, dataset, options, classes)
    return Written(classes, parts.num_unlabelled, parts.short, measured, official)


def _restrict_official(
    data_root: pathlib.Path, dataset: str, options: Options, classes: Sequence[str]
) -> tuple[int, int] | None:
    """Writes the part of the official validation split in these classes, if any."""
    folder = data_root / dataset
    if not (folder / "splits" / f"{options.official_val}.txt").is_file():
        return None
    official = catalog.open_split(data_root, dataset, options.official_val)
    actions = z_frequency.renumber(official.labels, official.classes, classes)
    rows = np.flatnonzero(actions >= 0)
    ids = [official.ids[row] for row in rows]
    catalog.write_split(folder, options.val_name, ids, actions[rows], classes)
    return len(rows), len(official)


def summary(written: Written, options: Options) -> str:
    """Returns the sizes and NMIs as lines of text."""
    lines = []
    if written.num_unlabelled:
        aspects = " or ".join(filter(None, (options.aspect, options.second_aspect)))
        lines.append(
            f"{written.num_unlabelled} videos without {aspects} label left out"
        )
    if written.short:
        lines.append(
            f"{len(written.short)} classes have fewer than {options.train_per_class} "
            f"videos to train on: {', '.join(written.short[:10])}"
        )
    lines += map(str, written.parts)
    if written.official is None:
        lines.append(f"no split {options.official_val!r}, so no {options.val_name!r}")
    else:
        part, whole = written.official
        lines.append(
            f"{options.val_name}: {part} of {whole} videos of {options.official_val!r}"
        )
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    command_options.add_dataset(parser)
    command_options.add_options(parser, Options)


def run(*, data_root: pathlib.Path, dataset: str, options: Options) -> str:
    """Writes the splits; returns their sizes."""
    return summary(write_splits(data_root, dataset, options), options)


main = command_line.Program("python -m data_prep.k200db", HELP, add_arguments, run)

if __name__ == "__main__":
    sys.exit(main())
