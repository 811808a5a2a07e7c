"""Parts of a split and controls: fewer videos, other classes, labels dealt out."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from smad_jax import errors
from smad_jax.data import catalog

_ROWS = 1 << 16  # of labels looked at in one go


def few_videos(split: catalog.Split, count: int) -> catalog.Split:
    """Returns at most `count` videos, evenly spaced over the list."""
    rows = np.unique(np.linspace(0, len(split) - 1, count).astype(int))
    return rows_of(split, rows)


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
    """Returns the split in another numbering of classes, found by their names.

    Videos of a class that has no such name are left out. An underscore in a name is as
    good as a blank.

    Args:
        split: Its labels are positions in `split.classes`.
        classes: [K] names of the wanted numbering.

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
            f"{split.dataset}/{split.name} shares no class with what is wanted; its "
            f"first is {split.classes[0]!r}, the first wanted is {classes[0]!r}"
        )
    renumbered = dataclasses.replace(split, labels=labels, classes=tuple(classes))
    return rows_of(renumbered, np.flatnonzero(labels >= 0))


def hard_labels(split: catalog.Split, aspect: str) -> np.ndarray:
    """Returns [V] int64: the likeliest label, the lowest of ties, -1 where missing."""
    values, mask = split.aspect_labels[aspect], split.aspect_mask[aspect]
    # numbers that are not negative are in the order of their bits, which compare faster
    if values.dtype == np.float16:
        values = values.view(np.int16)
    likeliest = np.empty(len(values), np.int64)
    for first in range(0, len(values), _ROWS):  # a mapped file is never whole in memory
        likeliest[first : first + _ROWS] = values[first : first + _ROWS].argmax(axis=1)
    return np.where(mask, likeliest, -1)


def hold_out(
    split: catalog.Split, share: float, seed: int
) -> tuple[catalog.Split, catalog.Split]:
    """Divides a split in two at random, each class as nearly as can be by the share.

    Args:
        split: To be divided.
        share: Of the videos to hold out, above 0 and below 1.
        seed: Of the draw.

    Returns:
        What is left and what is held out, in the order of the split.

    Raises:
        ConfigError: if nothing would be held out.
    """
    drawn = np.random.default_rng([seed, 0x401D]).permutation(len(split))
    drawn = drawn[np.argsort(split.labels[drawn], kind="stable")]
    # of the ranking by class every place at which another whole video is due
    due = np.diff(np.floor(share * np.arange(len(split) + 1) + 1e-9)) > 0
    if not due.any():
        raise errors.ConfigError(
            f"data.holdout={share} of {len(split)} videos is not one; raise it"
        )
    return rows_of(split, np.sort(drawn[~due])), rows_of(split, np.sort(drawn[due]))


def shuffle_aspects(split: catalog.Split, seed: int) -> catalog.Split:
    """Returns the split with every video's aspect labels dealt to another video.

    A control: the heads see labels of the same kind and frequency that say nothing
    about their video. All aspects of a video move together.
    """
    order = np.random.default_rng([seed, 0x5AAD]).permutation(len(split))
    return dataclasses.replace(
        split,
        aspect_labels={k: v[order] for k, v in split.aspect_labels.items()},
        aspect_mask={k: v[order] for k, v in split.aspect_mask.items()},
    )


def without_labels(split: catalog.Split) -> catalog.Split:
    """Returns the different videos of a split, with no label of any kind.

    What a method may know of a test set that it trains on. Lists that repeat videos
    (ARAS fills small classes so) give each of them once. Everything counts as one
    class, so a video that cannot be read is replaced by any other.
    """
    rows = np.sort(np.unique(np.asarray(split.ids), return_index=True)[1])
    return dataclasses.replace(
        split,
        ids=tuple(split.ids[row] for row in rows),
        labels=np.zeros(len(rows), np.int32),
        classes=("unlabelled",),
        aspects={},
        aspect_labels={},
        aspect_mask={},
        positions=split.positions[rows],
    )


def _plain(name: str) -> str:
    return name.replace("_", " ").strip()
