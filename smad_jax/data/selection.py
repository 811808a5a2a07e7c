"""Parts and controls of a split: fewer videos, labels dealt out at random, or none."""

import dataclasses

import numpy as np

from smad_jax.data import catalog


def few_videos(split: catalog.Split, count: int) -> catalog.Split:
    """Returns at most `count` videos, evenly spaced over the list."""
    rows = np.unique(np.linspace(0, len(split) - 1, count).astype(int))
    return dataclasses.replace(
        split,
        ids=tuple(split.ids[row] for row in rows),
        labels=split.labels[rows],
        positions=split.positions[rows],
        aspect_labels={k: v[rows] for k, v in split.aspect_labels.items()},
        aspect_mask={k: v[rows] for k, v in split.aspect_mask.items()},
    )


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
