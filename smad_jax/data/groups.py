"""Groups of training videos by action and rarity, for methods that balance groups.

Actions and scenes make mostly empty pairs. A group is an action and a third of its
videos instead: those whose scene, or another aspect, is frequent with that action,
those between, and those whose is rare (z-frequency, App. A.1).
"""

import dataclasses

import numpy as np

from smad_jax.aspect_table import Aspect
from smad_jax.data import catalog, selection

NAME = "group"
THIRDS = 3


def whole_label_thirds(labels: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Returns the third that each video's factor label has in its class.

    The videos of a class are ranked from its most frequent factor label to its rarest,
    equally frequent ones by number. A label is in the third in which the first of its
    videos stands, and all its videos with it, so that thirds are of different size:
    unlike the thirds of App. B, which cut through labels, they tell apart only what
    can be told apart.

    Args:
        labels: [V] int, classes.
        factors: [V] int, hard labels of the factor; negative where missing.

    Returns:
        [V] int: 0 frequent, 1 between, 2 rare; -1 where the factor is missing.
    """
    thirds = np.full(len(labels), -1)
    for label in np.unique(labels):
        rows = np.flatnonzero((labels == label) & (factors >= 0))
        if not len(rows):
            continue
        counts = np.bincount(factors[rows])
        order = np.argsort(-counts, kind="stable")
        first = np.cumsum(counts[order]) - counts[order]
        third = np.empty(len(counts), int)
        third[order] = THIRDS * first // len(rows)
        thirds[rows] = third[factors[rows]]
    return thirds


def with_groups(split: catalog.Split, aspect: str) -> catalog.Split:
    """Returns the split with its groups as one more aspect, named `group`.

    Args:
        split: Opened with the labels of `aspect`.
        aspect: By whose frequency in each class its videos are grouped.

    Returns:
        The split, whose group labels [V, 3 K] are 1 at three times the class plus the
        third, and masked where a video has no label of the aspect.
    """
    mask = split.aspect_mask[aspect]
    factors = selection.hard_labels(split, aspect)
    thirds = whole_label_thirds(split.labels, factors)
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
