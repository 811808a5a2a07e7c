"""Thirds of a web data set by how usual the scene is for the action (App. B).

    python -m data_prep.omnidebias --data-root R --dataset insvideo --split positive

Reads a split and its scene pseudo-labels, ranks the media of each action class by the
frequency of their scene in that class, and writes five splits beside it: `web-bias`,
`web-mid` and `web-unbias`, the thirds from usual to unusual; `web-rand`, of a third's
size, drawn at random; `web-all`. OmniDebias trains on the unbiased one (Sec. 5.2).
`--against` names lists that will be tested on, as kinetics400/val: what shows the same
as one of their videos is in no part. `teacher_filter` does that too; once is enough.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.bias import near_duplicates, z_frequency
from smad_jax import errors
from smad_jax.commands import command_line
from smad_jax.data import catalog, selection


class Parts(NamedTuple):
    """Parts of a web data set, as rows of the input, ordered by class.

    Attributes:
        bias: Media whose scene is the most frequent of their class; in each class, as
            in the next two, from frequent to rare.
        mid: Those between.
        unbias: Those whose scene is the rarest.
        rand: A random choice, in each class as many as in `bias`.
        all: Every medium that has a class and a scene.
    """

    bias: np.ndarray
    mid: np.ndarray
    unbias: np.ndarray
    rand: np.ndarray
    all: np.ndarray


def divide(
    ids: Sequence[str] | np.ndarray,
    actions: np.ndarray,
    factors: np.ndarray,
    classes: Sequence[str],
    *,
    seed: int,
) -> Parts:
    """Returns the thirds by z-frequency, a random third, and all (App. B).

    Frequencies are counted among the media given, not in the training set. The parts
    are of equal size, so a factor label may stand on both sides of a cut: of n media of
    a class, floor(n / 3), then up to floor(2n / 3), then the rest; what does not divide
    goes to the later parts. Equal frequencies go by factor label, equal labels by id.
    The order of the input has no influence, the seed only on `rand`, and other classes
    have none on a class.

    Args:
        ids: [V] ids.
        actions: [V] int, positions in `classes`; negative for other classes' media.
        factors: [V] int, hard labels of the factor; negative where missing, and then
            the medium is in no part.
        classes: [K] names.
        seed: Of `rand`.

    Raises:
        DataError: if an id comes twice.
    """
    order = z_frequency.order_by_id(ids)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    actions, factors = np.asarray(actions), np.asarray(factors)
    usable = np.flatnonzero((actions >= 0) & (factors >= 0))
    ranked = usable[z_frequency.rank(actions[usable], factors[usable], place[usable])]
    groups = z_frequency.by_class(actions[ranked], len(classes))
    found: list[list[np.ndarray]] = [[] for _ in Parts._fields]
    for label, name in enumerate(classes):
        rows = ranked[groups[label]]
        first, second = len(rows) // 3, 2 * len(rows) // 3
        # drawn from a sequence that the input's order does not decide
        drawn = z_frequency.class_generator(seed, name).permutation(len(rows))[:first]
        parts = Parts(
            bias=rows[:first],
            mid=rows[first:second],
            unbias=rows[second:],
            rand=rows[np.sort(drawn)],
            all=rows,
        )
        for place, part in enumerate(parts):
            found[place].append(part)
    return Parts(*(np.concatenate(parts) for parts in found))


def write_splits(chosen: argparse.Namespace) -> list[str]:
    """Writes the splits that the command line asks for; returns what there is to say.

    Raises:
        DataError: if data are missing or too few to be divided.
    """
    source = catalog.open_split(
        chosen.data_root, chosen.dataset, chosen.split, aspects=(chosen.aspect,)
    )
    classes = _classes(chosen, source)
    actions = z_frequency.renumber(source.labels, source.classes, classes)
    factors = selection.hard_labels(source, chosen.aspect)
    usable = np.flatnonzero((actions >= 0) & (factors >= 0))
    screened = near_duplicates.leave_out(
        chosen.data_root,
        source,
        usable,
        chosen.against,
        report=chosen.name,
        num_jobs=chosen.jobs,
    )
    remaining = np.full_like(actions, -1)
    remaining[screened.rows] = actions[screened.rows]
    parts = divide(source.ids, remaining, factors, classes, seed=chosen.seed)
    if empty := [name for name, rows in parts._asdict().items() if not len(rows)]:
        raise errors.DataError(
            f"{len(parts.all)} media of {chosen.dataset}/{chosen.split} have one of "
            f"the {len(classes)} classes and a label for {chosen.aspect!r}; no class "
            f"has enough of them for {', '.join(empty)}"
        )
    lines = [
        f"{count} media {reason} left out"
        for count, reason in (
            (int((actions < 0).sum()), "of other classes"),
            (int(((actions >= 0) & (factors < 0)).sum()), f"without {chosen.aspect}"),
        )
        if count
    ]
    lines += screened.lines
    for part, rows in parts._asdict().items():
        name = f"{chosen.name}-{part}"
        catalog.write_split(
            chosen.data_root / chosen.dataset,
            name,
            [source.ids[row] for row in rows],
            actions[rows],
            classes,
        )
        lines.append(
            z_frequency.describe_part(name, rows, remaining, factors, chosen.seed)
        )
    return lines


def _classes(chosen: argparse.Namespace, source: catalog.Split) -> tuple[str, ...]:
    """Class names in the numbering that the splits shall have.

    Raises:
        DataError: if there is no such training split, or it shares no class.
    """
    if not chosen.target:
        return source.classes
    dataset, _, split = chosen.target.rpartition("/")
    if not dataset or not split:
        raise errors.ConfigError(
            f"--target must be DATASET/SPLIT, but it is {chosen.target!r}"
        )
    # opened, since a split that is not there would pass for one without own classes
    classes = catalog.open_split(chosen.data_root, dataset, split).classes
    if not set(classes) & set(source.classes):
        raise errors.DataError(
            f"{chosen.target} and {chosen.dataset}/{chosen.split} share no class; the "
            f"first are {classes[0]!r} and {source.classes[0]!r}"
        )
    return classes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.omnidebias",
        description="Divides web media by how usual their scene is for the action.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data-root", type=pathlib.Path, required=True, help="folder of the data sets")
    add("--dataset", required=True, help="name of the web data set")
    add("--split", default="positive", help="split to divide")
    add("--aspect", default="scene", help="factor whose pseudo-labels decide")
    add("--target", help="DATASET/SPLIT whose classes, and their numbers, to take")
    add("--seed", type=int, default=0, help="of the random part")
    add("--name", default="web", help="the splits are called NAME-bias and so on")
    near_duplicates.add_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    return command_line.run(lambda: "\n".join(write_splits(chosen)))


if __name__ == "__main__":
    sys.exit(main())
