"""Videos of each action divided so that training and test show different things.

The rule of K200db (App. A.1): whole factor labels go to one side or the other, the
rarest to validation. For K200-both-split, by two factors at once, the paper has one
sentence; what is here is our reading.
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from data_prep.bias import z_frequency
from smad_jax import errors


class Redistribution(NamedTuple):
    """A split by one factor or by two, as rows of the input.

    Attributes:
        train: Rows ordered by class and id.
        val: Rows ordered by class and id; 50 or a few more of each class by one
            factor, 50 by two.
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
        draw = z_frequency.class_generator(seed, name)
        train.append(_draw(pool, sizes.train, draw))
        val.append(rows[held])
    _refuse(faults, len(classes))
    num_unlabelled = int(((actions >= 0) & (factors < 0)).sum())
    return Redistribution(
        np.concatenate(train), np.concatenate(val), num_unlabelled, tuple(short)
    )


def redistribute_both(
    ids: Sequence[str] | np.ndarray,
    actions: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    classes: Sequence[str],
    sizes: Sizes,
    *,
    mode: Literal["strict", "remaining"] = "strict",
    seed: int,
) -> Redistribution:
    """Returns train and val of K200-both-split, by two factors at once.

    The videos that either factor's own split holds out are candidates; validation is
    drawn from them, exactly `sizes.val` of each class. Of the rest, `strict` trains
    on those that are no candidates, so that a training video shares neither its first
    nor its second label with the held-out ones of its class; `remaining`, the literal
    reading, on all that were not drawn.

    Args:
        ids: [V] video ids; their order has no influence.
        actions: [V] int, positions in `classes`; negative for other classes' videos.
        first: [V] int, hard labels of one factor; negative where missing.
        second: [V] int, of the other.
        classes: [K] names.
        sizes: Videos of each class.
        mode: What may be trained on.
        seed: Of the choice of videos; each class has a random stream of its own.

    Raises:
        DataError: if an id comes twice or a class cannot be split so.
    """
    if mode not in ("strict", "remaining"):
        raise ValueError(f"unknown mode {mode!r}; known: strict, remaining")
    order = z_frequency.order_by_id(ids)
    actions, factors = np.asarray(actions), (np.asarray(first), np.asarray(second))
    counts = [
        z_frequency.label_counts(
            np.where(actions >= 0, actions, len(classes)),
            factor,
            num_classes=len(classes) + 1,
        )
        for factor in factors
    ]
    complete = (actions >= 0) & (factors[0] >= 0) & (factors[1] >= 0)
    listed = order[complete[order]]
    groups = z_frequency.by_class(actions[listed], len(classes))
    train, val, short, faults = [], [], [], []
    for label, name in enumerate(classes):
        rows = listed[groups[label]]
        candidate = np.zeros(len(rows), bool)
        for factor, table in zip(factors, counts, strict=True):
            rare = held_out_labels(table[label], sizes.val)
            candidate |= np.isin(factor[rows], rare)
        draw = z_frequency.class_generator(seed, name)
        drawn = _draw(rows[candidate], sizes.val, draw)
        pool = rows[~candidate] if mode == "strict" else rows[~np.isin(rows, drawn)]
        if fault := _fault(name, int(candidate.sum()), len(pool), sizes):
            faults.append(fault)
        if len(pool) < sizes.train:
            short.append(name)
        train.append(_draw(pool, sizes.train, draw))
        val.append(drawn)
    _refuse(faults, len(classes))
    num_unlabelled = int(((actions >= 0) & ~complete).sum())
    return Redistribution(
        np.concatenate(train), np.concatenate(val), num_unlabelled, tuple(short)
    )


def _draw(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """So many of the rows, or all where there are fewer, in their order."""
    return rows[np.sort(rng.permutation(len(rows))[:count])]


def _refuse(faults: Sequence[str], num_classes: int) -> None:
    """Raises DataError if some class cannot be split."""
    if faults:
        raise errors.DataError(
            f"{len(faults)} of {num_classes} classes cannot be split: "
            f"{'; '.join(faults[:5])}{'; ...' if len(faults) > 5 else ''}"
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
