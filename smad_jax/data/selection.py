"""Parts of a split and controls: fewer videos, other classes, permuted labels."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from smad_jax import errors
from smad_jax.data import catalog

_ROWS = 1 << 16  # of labels processed at a time


def few_videos(split: catalog.Split, count: int) -> catalog.Split:
    """Returns at most `count` videos, evenly spaced over the list."""
    rows = np.unique(np.linspace(0, len(split) - 1, count).astype(int))
    return rows_of(split, rows)


def across_classes(split: catalog.Split, count: int) -> catalog.Split:
    """Returns at most `count` videos of as many classes as possible, in class order.

    With more classes than that, evenly spaced classes give their first video each.
    """
    order = np.argsort(split.labels, kind="stable")
    classes, start = np.unique(split.labels[order], return_index=True)
    if len(classes) > count:
        return rows_of(
            split, order[start[np.linspace(0, len(classes) - 1, count).astype(int)]]
        )
    sizes = np.diff([*start, len(order)])
    rank = np.arange(len(order)) - np.repeat(start, sizes)
    chosen = np.sort(np.argsort(rank, kind="stable")[:count])
    return rows_of(split, order[chosen])


def rows_of(split: catalog.Split, rows: np.ndarray) -> catalog.Split:
    """Returns the videos in the given rows, in their order."""
    return dataclasses.replace(
        split,
        ids=tuple(split.ids[row] for row in rows),
        labels=split.labels[rows],
        positions=split.positions[rows],
        aspect_labels={k: v[rows] for k, v in split.aspect_labels.items()},
        aspect_mask={k: v[rows] for k, v in split.aspect_mask.items()},
    )


def with_classes(split: catalog.Split, classes: Sequence[str]) -> catalog.Split:
    """Returns the split in another numbering of classes, matched by name.

    Videos of other classes are left out. Underscores in names count as blanks.

    Args:
        split: Its labels are positions in `split.classes`.
        classes: [K] names in the new numbering.

    Raises:
        DataError: if no class of the split is among them.
    """
    if tuple(classes) == split.classes:
        return split
    number_of = {_plain(name): number for number, name in enumerate(classes)}
    table = np.array([number_of.get(_plain(name), -1) for name in split.classes])
    labels = table[split.labels].astype(np.int32)
    if (labels < 0).all():
        raise errors.DataError(
            f"{split.dataset}/{split.name} has none of the classes needed; its first "
            f"is {split.classes[0]!r}, the first one needed {classes[0]!r}"
        )
    renumbered = dataclasses.replace(split, labels=labels, classes=tuple(classes))
    return rows_of(renumbered, np.flatnonzero(labels >= 0))


def hard_labels(split: catalog.Split, aspect: str) -> np.ndarray:
    """Returns [V] int64: the likeliest label, the lowest of ties, -1 where missing."""
    values, mask = split.aspect_labels[aspect], split.aspect_mask[aspect]
    # non-negative floats are ordered like their bits, which compare faster
    if values.dtype == np.float16:
        values = values.view(np.int16)
    likeliest = np.empty(len(values), np.int64)
    for first in range(0, len(values), _ROWS):  # a mapped file is never whole in memory
        likeliest[first : first + _ROWS] = values[first : first + _ROWS].argmax(axis=1)
    return np.where(mask, likeliest, -1)


def hold_out(
    split: catalog.Split,
    share: float,
    seed: int,
    together: Sequence[Sequence[str]] = (),
) -> tuple[catalog.Split, catalog.Split]:
    """Divides a split in two at random, each class as close to `share` as possible.

    Args:
        split: The split to divide.
        share: Of the videos to hold out, above 0 and below 1.
        seed: Random seed.
        together: Groups of ids, as of copies, that stay on the side of their first,
            which is the remaining one if a class would be held out as a whole.

    Returns:
        The remaining and the held-out videos, in the order of the split.

    Raises:
        ConfigError: if nothing would be held out.
    """
    drawn = np.random.default_rng([seed, 0x401D]).permutation(len(split))
    drawn = drawn[np.argsort(split.labels[drawn], kind="stable")]
    # the places in the ranking by class where the share reaches another whole video
    due = np.diff(np.floor(share * np.arange(len(split) + 1) + 1e-9)) > 0
    if not due.any():
        raise errors.ConfigError(
            f"data.holdout={share} of {len(split)} videos is less than one; raise it"
        )
    held = np.zeros(len(split), bool)
    held[drawn[due]] = True
    row_of = {id: row for row, id in enumerate(split.ids)} if together else {}
    for ids in together:
        rows = [row_of[id] for id in ids if id in row_of]
        held[rows] = held[rows[:1]]
        left = np.bincount(split.labels[~held], minlength=len(split.classes))
        if (left[split.labels[rows]] == 0).any():
            held[rows] = False
    return rows_of(split, np.flatnonzero(~held)), rows_of(split, np.flatnonzero(held))


def shuffle_aspects(split: catalog.Split, seed: int) -> catalog.Split:
    """Returns the split with the aspect labels permuted among its videos.

    A control: the heads see labels of the same kind and frequency that are independent
    of their video. All aspects of a video move together.
    """
    order = np.random.default_rng([seed, 0x5AAD]).permutation(len(split))
    return dataclasses.replace(
        split,
        aspect_labels={k: v[order] for k, v in split.aspect_labels.items()},
        aspect_mask={k: v[order] for k, v in split.aspect_mask.items()},
    )


def without_labels(split: catalog.Split) -> catalog.Split:
    """Returns the distinct videos of a split, without any labels.

    This is what a method may know of a test set that it trains on. A repeated video
    (ARAS fills small classes with repeats) occurs once. All videos are of one class, so
    an unreadable video is replaced by any other.
    """
    rows = np.sort(np.unique(np.asarray(split.ids), return_index=True)[1])
    split = dataclasses.replace(split, aspects={}, aspect_labels={}, aspect_mask={})
    return dataclasses.replace(
        rows_of(split, rows),
        labels=np.zeros(len(rows), np.int32),
        classes=("unlabelled",),
    )


def _plain(name: str) -> str:
    return name.replace("_", " ").strip()
