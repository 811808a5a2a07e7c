"""Divides the videos of each action so that training and test show different scenes.

The rule of K200db (App. A.1): whole factor labels go to one side, the rarest to
validation. K200-both-split, by two factors at once, is our reading of the paper's one
sentence about it.
"""

import dataclasses
import typing
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from data_prep.bias import z_frequency
from smad_jax import errors

Mode = Literal["strict", "remaining"]


class Redistribution(NamedTuple):
    """A split by one factor or by two, as rows of the input, ordered by class and id.

    Attributes:
        train: Rows to train on.
        val: By one factor 50 or a few more of each class, by two exactly 50.
        num_unlabelled: Videos left out because their factor label is missing.
        short: Classes that have fewer training videos than `Sizes.train`.
    """

    train: np.ndarray
    val: np.ndarray
    num_unlabelled: int
    short: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Videos of each class.

    Attributes:
        val: Least number for validation; the last factor label held out goes whole.
        train: Exact number for training, drawn from the rest.
        allow_short: Whether a smaller rest is taken whole instead of being an error.
    """

    val: int = 50
    train: int = 400
    allow_short: bool = False


def held_out_labels(counts: np.ndarray, num_val: int) -> list[int]:
    """Returns the rarest labels of a class that together have `num_val` videos or more.

    From `counts`, [Z] videos of each label. Labels come from rare to frequent, equal
    counts by label; all of them if they have fewer videos.
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
    second: np.ndarray | None = None,
    mode: Mode = "strict",
) -> Redistribution:
    """Returns train and val of a split by one factor (App. A.1), or by two at once.

    The order of the videos has no influence, and by one factor the seed only on train.
    Each class has a random generator of its own, so other classes have no influence.

    By two factors, the videos that either factor's own split holds out are candidates;
    validation is drawn from them, exactly `sizes.val` of each class (K200-both-split).

    Args:
        ids: [V] video ids.
        actions: [V] int, positions in `classes`; negative for other classes' videos.
        factors: [V] int, hard labels of the factor; negative where missing.
        classes: [K] names.
        sizes: Videos of each class.
        seed: Random seed of the choice of videos.
        second: [V] int, hard labels of another factor.
        mode: By two factors: `strict` trains on videos that are no candidates, so that
            a training video shares neither label with the held-out ones of its class;
            `remaining`, the literal reading, trains on all that were not drawn.

    Raises:
        DataError: if an id comes twice or a class cannot be split.
    """
    if mode not in typing.get_args(Mode):
        raise ValueError(f"unknown mode {mode!r}; known: strict, remaining")
    order = z_frequency.order_by_id(ids)
    actions = np.asarray(actions)
    both = [np.asarray(factors), *([] if second is None else [np.asarray(second)])]
    # other classes' videos are counted as one more class, since a negative one is wrong
    counted = np.where(actions >= 0, actions, len(classes))
    counts = [
        z_frequency.label_counts(counted, factor, num_classes=len(classes) + 1)
        for factor in both
    ]
    complete = (actions >= 0) & np.all([factor >= 0 for factor in both], axis=0)
    listed = order[complete[order]]
    groups = z_frequency.by_class(actions[listed], len(classes))
    train, val, short, faults = [], [], [], []
    for label, name in enumerate(classes):
        rows = listed[groups[label]]
        held = np.zeros(len(rows), bool)
        for factor, table in zip(both, counts, strict=True):
            held |= np.isin(factor[rows], held_out_labels(table[label], sizes.val))
        rng = z_frequency.class_generator(seed, name)
        kept, pool = rows[held], rows[~held]
        if second is not None:
            kept = _draw(kept, sizes.val, rng)
            pool = pool if mode == "strict" else rows[~np.isin(rows, kept)]
        if fault := _fault(name, int(held.sum()), len(pool), sizes):
            faults.append(fault)
        if len(pool) < sizes.train:
            short.append(name)
        train.append(_draw(pool, sizes.train, rng))
        val.append(kept)
    if faults:
        raise errors.DataError(
            f"{len(faults)} of {len(classes)} classes cannot be split: "
            f"{'; '.join(faults[:5])}{'; ...' if len(faults) > 5 else ''}"
        )
    num_unlabelled = int(((actions >= 0) & ~complete).sum())
    return Redistribution(
        np.concatenate(train), np.concatenate(val), num_unlabelled, tuple(short)
    )


def _draw(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` of the rows, or all where there are fewer, in their order."""
    return rows[np.sort(rng.permutation(len(rows))[:count])]


def _fault(name: str, num_held: int, pool_size: int, sizes: Sizes) -> str:
    """Why a class cannot be split, empty if it can."""
    if num_held < sizes.val:
        return f"{name!r} has {num_held} videos, but {sizes.val} go to validation"
    if pool_size == 0:
        return (
            f"{name!r} has too few different labels: all {num_held} videos would go to "
            "validation; leave the class out"
        )
    if pool_size < sizes.train and not sizes.allow_short:
        return (
            f"{name!r} has {pool_size} videos left to train on, fewer than "
            f"{sizes.train} (allow short classes to take them all)"
        )
    return ""
