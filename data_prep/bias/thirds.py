"""Thirds of web data, from usual to unusual scenes of each action (App. B)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.bias import z_frequency


class Parts(NamedTuple):
    """Parts of a web data set, as rows of the input, ordered by class.

    Attributes:
        bias: Media whose scene is most frequent in their class; in a class, as in the
            next two, from frequent to rare.
        mid: Media between.
        unbias: Media whose scene is rarest.
        rand: A random choice of each class, as many as in `bias`.
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

    Frequencies are counted among the media given, not in the training set. A class of n
    media is cut at floor(n / 3) and floor(2n / 3), so a factor label may stand on both
    sides of a cut. Equal frequencies are ordered by factor label, equal labels by id.
    The order of the input and other classes have no influence, the seed only on `rand`.

    Args:
        ids: [V] ids, each once, or DataError is raised.
        actions: [V] int, positions in `classes`; negative for other classes' media.
        factors: [V] int, hard labels; a medium without one (negative) is in no part.
        classes: [K] names.
        seed: Random seed of `rand`.
    """
    order = z_frequency.order_by_id(ids)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    actions, factors = np.asarray(actions), np.asarray(factors)
    usable = np.flatnonzero((actions >= 0) & (factors >= 0))
    ranked = usable[z_frequency.rank(actions[usable], factors[usable], place[usable])]
    groups = z_frequency.by_class(actions[ranked], len(classes))
    found = []
    for label, name in enumerate(classes):
        rows = ranked[groups[label]]
        first, second = len(rows) // 3, 2 * len(rows) // 3
        # positions in the ranking are drawn, so the input's order has no influence
        drawn = z_frequency.class_generator(seed, name).permutation(len(rows))[:first]
        found.append(
            Parts(
                bias=rows[:first],
                mid=rows[first:second],
                unbias=rows[second:],
                rand=rows[np.sort(drawn)],
                all=rows,
            )
        )
    return Parts(*map(np.concatenate, zip(*found, strict=True)))
