"""Divides web data into thirds by the frequency of the scene in its action (App. B).

    python -m data_prep.omnidebias --data-root R --dataset insvideo --split positive

Reads a split and its scene pseudo-labels, ranks the media of each action class by the
frequency of their scene in that class, and writes five splits beside it: `web-bias`,
`web-mid` and `web-unbias`, the thirds from usual to unusual; `web-rand`, a random
third; `web-all`. OmniDebias trains on the unbiased one (Sec. 5.2). `--against` names
test lists, as kinetics400/val: near-duplicates of their videos are in no part.
`teacher_filter` removes them too; once is enough.
"""

import argparse
import dataclasses
import pathlib
import sys
from typing import NamedTuple

import numpy as np

from data_prep.bias import near_duplicates, thirds, z_frequency
from data_prep.lists import command_options
from smad_jax import errors
from smad_jax.base import command_line
from smad_jax.data import catalog, selection

HELP = "divide web media by the frequency of their scene in the action"


@dataclasses.dataclass(frozen=True)
class Options:
    """The choices of a division.

    Attributes:
        split: Split to divide.
        aspect: Aspect whose pseudo-labels decide.
        target: Split, DATASET/SPLIT, whose classes and class numbers are used.
        seed: Random seed of the part `rand`.
        name: Prefix of the splits, NAME-bias and so on.
        against: Lists, DATASET/SPLIT each, whose near-duplicates are left out.
        jobs: Videos hashed at once, for --against.
    """

    split: str = "positive"
    aspect: str = "scene"
    target: str | None = None
    seed: int = 0
    name: str = "web"
    against: tuple[str, ...] = ()
    jobs: int = 2


class Written(NamedTuple):
    """The parts written, media left out by reason, and a line on each list compared."""

    parts: list[z_frequency.PartNmi]
    left_out: dict[str, int]
    duplicates: list[str]


def write_splits(data_root: pathlib.Path, dataset: str, options: Options) -> Written:
    """Writes the thirds, the random third and all of a web data set.

    Raises:
        ConfigError: if `target` or `against` is not DATASET/SPLIT.
        DataError: if data are missing or too few to be divided.
    """
    source = catalog.open_split(
        data_root, dataset, options.split, aspects=(options.aspect,)
    )
    classes = _classes(data_root, source, options.target)
    actions = z_frequency.renumber(source.labels, source.classes, classes)
    factors = selection.hard_labels(source, options.aspect)
    usable = np.flatnonzero((actions >= 0) & (factors >= 0))
    screened = near_duplicates.leave_out(
        data_root,
        source,
        usable,
        options.against,
        report=options.name,
        num_jobs=options.jobs,
    )
    remaining = np.full_like(actions, -1)
    remaining[screened.rows] = actions[screened.rows]
    parts = thirds.divide(source.ids, remaining, factors, classes, seed=options.seed)
    if empty := [name for name, rows in parts._asdict().items() if not len(rows)]:
        raise errors.DataError(
            f"{len(parts.all)} media of {dataset}/{options.split} have one of the "
            f"{len(classes)} classes and a label for {options.aspect!r}; no class has "
            f"enough of them for {', '.join(empty)}"
        )
    measured = []
    for part, rows in parts._asdict().items():
        name = f"{options.name}-{part}"
        ids = [source.ids[row] for row in rows]
        catalog.write_split(data_root / dataset, name, ids, actions[rows], classes)
        measured.append(
            z_frequency.measure_part(name, rows, remaining, factors, options.seed)
        )
    left_out = {
        "of other classes": int((actions < 0).sum()),
        f"without {options.aspect}": int(((actions >= 0) & (factors < 0)).sum()),
    }
    return Written(measured, left_out, screened.lines)


def _classes(
    data_root: pathlib.Path, source: catalog.Split, target: str | None
) -> tuple[str, ...]:
    """Class names in the numbering that the splits get.

    Raises:
        DataError: if there is no such training split, or it shares no class.
    """
    if not target:
        return source.classes
    # opened, since a missing split would read as one without classes of its own
    classes = command_options.open_place(data_root, target, "--target").classes
    if not set(classes) & set(source.classes):
        raise errors.DataError(
            f"{target} and {source.dataset}/{source.name} share no class; the first "
            f"are {classes[0]!r} and {source.classes[0]!r}"
        )
    return classes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    command_options.add_dataset(parser)
    command_options.add_options(parser, Options)


def run(*, data_root: pathlib.Path, dataset: str, options: Options) -> str:
    """Writes the parts; returns their sizes."""
    written = write_splits(data_root, dataset, options)
    return "\n".join(
        [
            *(f"{n} media {why} left out" for why, n in written.left_out.items() if n),
            *written.duplicates,
            *map(str, written.parts),
        ]
    )


main = command_line.Program("python -m data_prep.omnidebias", HELP, add_arguments, run)

if __name__ == "__main__":
    sys.exit(main())
