r"""Re-distributed splits: rare scenes of each action to test, the rest to train.

    python -m data_prep.k200db --data-root R --dataset kinetics400 --split train
    python -m data_prep.k200db --data-root R --dataset kinetics400 --name k200both \
        --second-aspect object

The first reads a split and its scene pseudo-labels and writes the splits `k200db-train`
and `k200db-val` beside it (App. A.1). Whole factor labels go to one side or the other,
so that no scene of an action's training videos is met again in its test. Where the
data set has an official validation split, `k200-val` is its part in these classes.
The second is K200-both-split (Table 8), by scene and object at once.
"""

import argparse
import difflib
import pathlib
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from data_prep.bias import redistribution, z_frequency
from smad_jax import errors
from smad_jax.commands import command_line
from smad_jax.data import catalog, selection


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
    aspects = tuple(filter(None, (chosen.aspect, chosen.second_aspect)))
    if len(set(aspects)) < len(aspects):
        raise errors.ConfigError(
            f"--second-aspect must not be --aspect, {aspects[0]!r}"
        )
    source = catalog.open_split(
        chosen.data_root, chosen.dataset, chosen.split, aspects=aspects
    )
    factors = {name: selection.hard_labels(source, name) for name in aspects}
    if chosen.classes:
        classes = read_classes(chosen.classes, source.classes)
    else:
        usable = np.bincount(source.labels, minlength=len(source.classes))
        counts = dict(zip(source.classes, usable.tolist(), strict=True))
        classes = most_frequent_classes(counts, chosen.num_classes)
    actions = z_frequency.renumber(source.labels, source.classes, classes)
    sizes = redistribution.Sizes(
        chosen.val_per_class, chosen.train_per_class, chosen.allow_short
    )
    videos = (source.ids, actions, factors[chosen.aspect])
    if chosen.second_aspect:
        parts = redistribution.redistribute_both(
            *videos,
            factors[chosen.second_aspect],
            classes,
            sizes,
            mode=chosen.mode,
            seed=chosen.seed,
        )
    else:
        parts = redistribution.redistribute(*videos, classes, sizes, seed=chosen.seed)
    lines = []
    if parts.num_unlabelled:
        lines.append(
            f"{parts.num_unlabelled} videos without {' or '.join(aspects)} label "
            "left out"
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
        lines += [
            z_frequency.describe_part(
                f"{chosen.name}-{name}"
                + (f" by {aspect}" if chosen.second_aspect else ""),
                rows,
                actions,
                factor,
                chosen.seed,
            )
            for aspect, factor in factors.items()
        ]
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
    add("--second-aspect", default="", help="another factor, to split by both")
    add(
        "--mode",
        choices=("strict", "remaining"),
        default="strict",
        help="by both: train on videos held out by neither, or on all not drawn",
    )
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
    chosen = _parser().parse_args(arguments)
    return command_line.run(lambda: "\n".join(write_splits(chosen)))


if __name__ == "__main__":
    sys.exit(main())
