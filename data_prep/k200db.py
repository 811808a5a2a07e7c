"""Re-distributed splits: rare scenes of each action to test, the rest to train.

    python -m data_prep.k200db --data-root R --dataset kinetics400 --split train

Reads a split and its scene pseudo-labels and writes the splits `k200db-train` and
`k200db-val` beside it (App. A.1). Whole factor labels go to one side or the other,
so that no scene of an action's training videos is met again in its test. Where the
data set has an official validation split, `k200-val` is its part in these classes.
"""

import argparse
import dataclasses
import difflib
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data_prep import z_frequency
from smad_jax import errors
from smad_jax.data import catalog


class Redistribution(NamedTuple):
    """A split by one factor, as rows of the input.

    Attributes:
        train: Rows ordered by class and id.
        val: Rows ordered by class and id; V is 50 or a few more for each class.
        num_unlabelled: Videos left out because their factor label is missing.
        short: Classes that have fewer training videos than asked for.
    """

    train: np.ndarray
    val: np.ndarray
    num_unlabelled: int
    short: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How many videos of each class go where.

    Attributes:
        val: At least so many; the last factor label taken goes whole.
        train: Exactly so many, drawn from the rest.
        allow_short: Whether a smaller rest is taken whole instead of being an error.
    """

    val: int = 50
    train: int = 400
    allow_short: bool = False


def most_frequent_classes(counts: Mapping[str, int], num_classes: int) -> list[str]:
    """Returns the classes with most videos, sorted by name: that is their numbering.

    Equal counts go by name.

    Raises:
        DataError: if there are fewer than `num_classes`.
    """
    if num_classes > len(counts):
        raise errors.DataError(
            f"{num_classes} classes were asked for, but there are {len(counts)}; give "
            "--num-classes a smaller number"
        )
    by_size = sorted(counts, key=lambda name: (-counts[name], name))
    return sorted(by_size[:num_classes])


def held_out_labels(counts: np.ndarray, num_val: int) -> list[int]:
    """Returns the rarest factor labels that together have at least `num_val` videos.

    Args:
        counts: [Z] videos of one class that have each label.
        num_val: Videos wanted.

    Returns:
        Labels from rare to frequent; equal counts go by label. All labels, if even
        they are too few.
    """
    present = np.flatnonzero(counts)
    order = present[np.argsort(counts[present], kind="stable")]
    before = np.cumsum(counts[order]) - counts[order]
    return order[before < num_val].tolist()


def redistribute(
    ids: Sequence[str] | np.ndarray,
    actions: np.ndarray,
    factors: np.ndarray,
    classes: Sequence[str],
    sizes: Sizes,
    *,
    seed: int,
) -> Redistribution:
    """Returns train and val of a split by one factor (App. A.1).

    The order of the videos has no influence, the seed only on train. Each class draws
    from a random stream of its own, so other classes have no influence either.

    Args:
        ids: [V] video ids.
        actions: [V] int, positions in `classes`; negative for other classes' videos.
        factors: [V] int, hard labels of the factor; negative where missing.
        classes: [K] names.
        sizes: Videos of each class.
        seed: Of the choice of training videos.

    Raises:
        DataError: if an id comes twice or a class cannot be split so.
    """
    order = z_frequency.order_by_id(ids)
    actions, factors = np.asarray(actions), np.asarray(factors)
    counts = z_frequency.label_counts(
        np.where(actions >= 0, actions, len(classes)),
        factors,
        num_classes=len(classes) + 1,
    )
    listed = order[(actions[order] >= 0) & (factors[order] >= 0)]
    groups = z_frequency.by_class(actions[listed], len(classes))
    train, val, short, faults = [], [], [], []
    for label, name in enumerate(classes):
        rows = listed[groups[label]]
        held = np.isin(factors[rows], held_out_labels(counts[label], sizes.val))
        pool = rows[~held]
        if fault := _fault(name, len(rows), len(pool), sizes):
            faults.append(fault)
        if len(pool) < sizes.train:
            short.append(name)
        chosen = z_frequency.class_generator(seed, name).permutation(len(pool))[
            : sizes.train
        ]
        train.append(pool[np.sort(chosen)])
        val.append(rows[held])
    if faults:
        raise errors.DataError(
            f"{len(faults)} of {len(classes)} classes cannot be split: "
            f"{'; '.join(faults[:5])}{'; ...' if len(faults) > 5 else ''}"
        )
    num_unlabelled = int(((actions >= 0) & (factors < 0)).sum())
    return Redistribution(
        np.concatenate(train), np.concatenate(val), num_unlabelled, tuple(short)
    )


def _fault(name: str, num_videos: int, pool_size: int, sizes: Sizes) -> str:
    """Why a class cannot be split, empty if it can."""
    if num_videos < sizes.val:
        return f"{name!r} has {num_videos} videos, but {sizes.val} go to validation"
    if pool_size == 0:
        return (
            f"{name!r} has too few different labels: all {num_videos} videos would go "
            "to validation; leave the class out (--classes)"
        )
    if pool_size < sizes.train and not sizes.allow_short:
        return (
            f"{name!r} has {pool_size} videos left to train on, but {sizes.train} were "
            "asked for (--allow-short takes what is there)"
        )
    return ""


def read_classes(path: pathlib.Path, known: Sequence[str]) -> list[str]:
    """Returns the class names of a file, one a line, sorted.

    Raises:
        DataError: if there is no such file, or it names an unknown class or one twice.
    """
    if not path.is_file():
        raise errors.DataError(f"no class list at {path}")
    names = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        name = line.rpartition("\t")[2].strip()
        if not name:
            continue
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


def write_splits(chosen: argparse.Namespace) -> list[str]:
    """Writes the splits that the command line asks for; returns what there is to say.

    Raises:
        DataError: if data are missing or a class cannot be split so.
    """
    folder = chosen.data_root / chosen.dataset
    source = catalog.open_split(
        chosen.data_root, chosen.dataset, chosen.split, aspects=(chosen.aspect,)
    )
    factors = z_frequency.hard_labels(source, chosen.aspect)
    if chosen.classes:
        classes = read_classes(chosen.classes, source.classes)
    else:
        usable = np.bincount(source.labels, minlength=len(source.classes))
        counts = dict(zip(source.classes, usable.tolist(), strict=True))
        classes = most_frequent_classes(counts, chosen.num_classes)
    actions = z_frequency.renumber(source.labels, source.classes, classes)
    sizes = Sizes(chosen.val_per_class, chosen.train_per_class, chosen.allow_short)
    parts = redistribute(source.ids, actions, factors, classes, sizes, seed=chosen.seed)
    lines = []
    if parts.num_unlabelled:
        lines.append(
            f"{parts.num_unlabelled} videos without {chosen.aspect} label left out"
        )
    if parts.short:
        lines.append(
            f"{len(parts.short)} classes have fewer than {sizes.train} videos to train "
            "on: "
            f"{', '.join(parts.short[:10])}"
        )
    for name, rows in (("train", parts.train), ("val", parts.val)):
        ids = [source.ids[row] for row in rows]
        catalog.write_split(
            folder, f"{chosen.name}-{name}", ids, actions[rows], classes
        )
        lines.append(
            z_frequency.describe_part(
                f"{chosen.name}-{name}", rows, actions, factors, chosen.seed
            )
        )
    return lines + _restrict_official(chosen, folder, classes)


def _restrict_official(
    chosen: argparse.Namespace, folder: pathlib.Path, classes: Sequence[str]
) -> list[str]:
    """Writes these classes' part of the official validation split, if it is there."""
    path = folder / "splits" / f"{chosen.official_val}.txt"
    if not path.is_file():
        return [f"no split {chosen.official_val!r}, so no {chosen.val_name!r}"]
    official = catalog.open_split(chosen.data_root, chosen.dataset, chosen.official_val)
    actions = z_frequency.renumber(official.labels, official.classes, classes)
    rows = np.flatnonzero(actions >= 0)
    ids = [official.ids[row] for row in rows]
    catalog.write_split(folder, chosen.val_name, ids, actions[rows], classes)
    return [
        f"{chosen.val_name}: {len(rows)} of {len(official)} videos of "
        f"{chosen.official_val!r}"
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.k200db",
        description="Writes splits whose validation shows each action in rare scenes.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data-root", type=pathlib.Path, required=True, help="folder of the data sets")
    add("--dataset", required=True, help="name of the data set")
    add("--split", default="train", help="split to re-distribute")
    add("--aspect", default="scene", help="factor whose pseudo-labels decide")
    add("--num-classes", type=int, default=200, help="classes with most videos")
    add("--classes", type=pathlib.Path, help="class names, one a line, instead")
    add("--val-per-class", type=int, default=50, help="at least")
    add("--train-per-class", type=int, default=400, help="exactly")
    add("--allow-short", action="store_true", help="take smaller classes whole")
    add("--seed", type=int, default=0, help="of the choice of training videos")
    add("--name", default="k200db", help="the splits are called NAME-train, NAME-val")
    add("--official-val", default="val", help="official validation split")
    add("--val-name", default="k200-val", help="name of its part in these classes")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    try:
        lines = write_splits(_parser().parse_args(arguments))
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
