"""Groups of training videos by action and rarity, for methods that balance groups.

Most pairs of action and scene have no videos. So a group is an action and one third of
its videos, by how frequent their scene, or another aspect, is with that action
(z-frequency, App. A.1): frequent, medium or rare.
"""

import dataclasses

import numpy as np

from smad_jax.base.aspect_table import Aspect
from smad_jax.data import catalog, selection

NAME = "group"
THIRDS = 3


def whole_label_thirds(labels: np.ndarray, aspect: np.ndarray) -> np.ndarray:
    """Returns each video's third by the rarity of its aspect label in its class.

    The videos of a class are ranked from its most frequent label to its rarest, ties by
    number. All videos of a label belong to the third of the first of them, so thirds
    differ in size. The thirds of App. B (`evaluation.groups.equal_thirds`) cut through
    labels, and so would separate videos with nothing to distinguish them.

    Args:
        labels: [V] int, classes.
        aspect: [V] int, hard labels; negative where missing.

    Returns:
        [V] int: 0 frequent, 1 medium, 2 rare; -1 where the label is missing.
    """
    thirds = np.full(len(labels), -1)
    for label in np.unique(labels):
        rows = np.flatnonzero((labels == label) & (aspect >= 0))
        if not len(rows):
            continue
        counts = np.bincount(aspect[rows])
        order = np.argsort(-counts, kind="stable")
        first = np.cumsum(counts[order]) - counts[order]
        third = np.empty(len(counts), int)
        third[order] = THIRDS * first // len(rows)
        thirds[rows] = third[aspect[rows]]
    return thirds


def with_groups(split: catalog.Split, aspect: str) -> catalog.Split:
    """Returns the split with its groups as one more aspect, named `group`.

    Args:
        split: Opened with the labels of `aspect`.
        aspect: The aspect whose frequency in each class groups the videos.

    Returns:
        The split with group labels [V, 3 K], one-hot at 3 * class + third, and masked
        where a video has no label of the aspect.
    """
    mask = split.aspect_mask[aspect]
    thirds = whole_label_thirds(split.labels, selection.hard_labels(split, aspect))
    count = THIRDS * len(split.classes)
    values = np.zeros((len(split), count), np.float16)
    rows = np.flatnonzero(mask)
    values[rows, THIRDS * split.labels[rows] + thirds[rows]] = 1
    source = f"class and third of the rarity of its {aspect}"
    return dataclasses.replace(
        split,
        aspects={**split.aspects, NAME: Aspect(NAME, "soft", count, source)},
        aspect_labels={**split.aspect_labels, NAME: values},
        aspect_mask={**split.aspect_mask, NAME: mask},
    )


def without_aspect(split: catalog.Split, aspect: str) -> catalog.Split:
    """Returns the split without the labels of one aspect."""
    kept = [name for name in split.aspects if name != aspect]
    return dataclasses.replace(
        split,
        aspects={name: split.aspects[name] for name in kept},
        aspect_labels={name: split.aspect_labels[name] for name in kept},
        aspect_mask={name: split.aspect_mask[name] for name in kept},
    )
