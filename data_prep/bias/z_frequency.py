"""Frequency of each label of a factor inside each action class (App. A.1).

The z-frequency of a video is the share of its class that has the same label of the
factor Z: 164 of 989 'abseiling' videos show a rope bridge, so each of them has 0.166.
The commands that divide data by it (`k200db`, `omnidebias`) also share what follows:
class numbers, random parts for comparison, and the normalised mutual information of
Tables 10 and 12. All functions take V labels at once, millions if need be.
"""

import hashlib
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.evaluation import information


def _integers(name: str, labels: np.ndarray) -> np.ndarray:
    """`labels` as a checked [V] int64 array."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{name} labels must be [V] integers, but they are "
            f"{list(labels.shape)} {labels.dtype}"
        )
    return labels.astype(np.int64)


def label_counts(
    actions: np.ndarray,
    factors: np.ndarray,
    *,
    num_classes: int | None = None,
    num_labels: int | None = None,
) -> np.ndarray:
    """Returns [K, Z] int64: videos of each action that have each factor label.

    Of [V] int actions and factors; a negative factor label is missing and counts
    nowhere. K and Z are by default the largest label plus one.

    Raises:
        DataError: if the lengths differ or a label is out of range.
    """
    actions, factors = _integers("action", actions), _integers("factor", factors)
    if len(actions) != len(factors):
        raise errors.DataError(
            f"{len(actions)} action labels but {len(factors)} factor labels; each "
            "video needs one of both"
        )
    num_classes = _size("action", actions, num_classes)
    num_labels = _size("factor", factors, num_labels)
    if actions.min(initial=0) < 0:
        raise errors.DataError(f"action label {actions.min()} is negative")
    known = factors >= 0
    cell = actions[known] * num_labels + factors[known]
    counts = np.bincount(cell, minlength=num_classes * num_labels)
    return counts.reshape(num_classes, num_labels)


def _size(name: str, labels: np.ndarray, size: int | None) -> int:
    """The number of labels, by default the largest plus one."""
    largest = int(labels.max(initial=-1))
    if size is None:
        return largest + 1
    if largest >= size:
        raise errors.DataError(
            f"{name} label {largest} must be below the number of labels, {size}"
        )
    return size


def z_frequency(actions: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Returns [V] float64: the share of each video's class that has its factor label.

    Of [V] int actions and factors. A video with a negative (missing) factor label has
    frequency 0 and does not count in its class.
    """
    counts = label_counts(actions, factors)
    if not counts.size:
        return np.zeros(len(actions))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    factors = np.asarray(factors)
    return np.where(factors >= 0, share[np.asarray(actions), factors], 0.0)


def rank(actions: np.ndarray, factors: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Returns [V] rows by class, within it from frequent to rare factor labels.

    Equal frequencies are ordered by factor label, equal labels by id, so the order of
    the input has no influence.
    """
    frequency = z_frequency(actions, factors)
    return np.lexsort((np.asarray(ids), factors, -frequency, actions))


def normalized_mutual_information(actions: np.ndarray, factors: np.ndarray) -> float:
    """Returns I(Y; Z) over the arithmetic mean of both entropies, 0..1 (Table 10).

    It is 0 where either factor is constant. Videos whose factor label is missing
    (negative) are left out. Larger is more biased. It grows as the set shrinks, so
    compare sets of one size only.
    """
    actions, factors = _integers("action", actions), _integers("factor", factors)
    known = factors >= 0
    if not known.any():
        return 0.0
    return information.normalized_mutual_information(actions[known], factors[known])


def renumber(
    labels: np.ndarray, classes: Sequence[str], chosen: Sequence[str]
) -> np.ndarray:
    """Returns [V] labels as positions in `chosen`, -1 for classes not in it.

    `labels` are [V] int, positions in `classes`.
    """
    place = {name: label for label, name in enumerate(chosen)}
    table = np.array([place.get(name, -1) for name in classes])
    return table[labels]


def order_by_id(ids: Sequence[str] | np.ndarray) -> np.ndarray:
    """Returns [V] rows in the order of their ids.

    `ids` are strings, or an array of `str` or UTF-8 bytes, which needs far less memory.

    Raises:
        DataError: naming the first id that comes twice.
    """
    names = _as_bytes(np.asarray(ids))
    order = np.argsort(names, kind="stable")
    ordered = names[order]
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twice):
        first = str(np.asarray(ids)[order[twice[0]]])
        raise errors.DataError(
            f"id {first!r} comes twice; one video belongs to one part only"
        )
    return order


def _as_bytes(names: np.ndarray) -> np.ndarray:
    """ASCII strings at one byte a letter, others unchanged; the order is the same."""
    width = names.dtype.itemsize // 4
    if names.dtype.kind != "U" or not width:
        return names
    letters = np.ascontiguousarray(names).view(np.uint32).reshape(len(names), width)
    if letters.max(initial=0) > 127:
        return names
    return letters.astype(np.uint8).view(f"S{width}")[:, 0]


def by_class(actions: np.ndarray, num_classes: int) -> list[np.ndarray]:
    """Returns the rows of each of K classes, in their order.

    `actions` are [V] int, negative for videos of no class.
    """
    order = np.argsort(actions, kind="stable")
    cuts = np.searchsorted(actions[order], np.arange(num_classes + 1))
    return [order[first:last] for first, last in itertools.pairwise(cuts.tolist())]


def class_generator(seed: int, name: str) -> np.random.Generator:
    """Returns a random generator that depends on the seed and one class's name only."""
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng((seed, int.from_bytes(digest[:8], "big")))


def random_control(actions: np.ndarray, rows: np.ndarray, *, seed: int) -> np.ndarray:
    """Returns as many rows of each class as `rows` has, drawn from all videos.

    `actions` are [V] int, negative for videos that may not be drawn.
    """
    return draw_per_class(actions, np.bincount(actions[rows]), seed=seed)


def draw_per_class(actions: np.ndarray, sizes: np.ndarray, *, seed: int) -> np.ndarray:
    """Returns random rows of each class, `sizes` [K] int or all where there are fewer.

    `actions` are [V] int, negative for videos that may not be drawn.
    """
    shuffled = np.random.default_rng(seed).permutation(len(actions))
    drawn = by_class(actions[shuffled], len(sizes))
    return shuffled[
        np.concatenate([part[:size] for part, size in zip(drawn, sizes, strict=True)])
    ]


class PartNmi(NamedTuple):
    """Size of a part, its NMI of action and label, and that of a random part."""

    name: str
    num_videos: int
    nmi: float
    random_nmi: float

    def __str__(self) -> str:
        """Returns the numbers as one line."""
        return (
            f"{self.name}: {self.num_videos} videos; NMI of action and label "
            f"{self.nmi:.3f}, of a random part of this size {self.random_nmi:.3f}"
        )


def measure_part(
    name: str, rows: np.ndarray, actions: np.ndarray, factors: np.ndarray, seed: int
) -> PartNmi:
    """Returns size and NMI of a part, beside a random one of its size, drawn by `seed`.

    `rows` are among those with an action and a factor label. Actions are [V] int,
    negative for other classes' videos, factors [V] int, negative where missing.
    """
    usable = np.where(factors >= 0, actions, -1)
    control = random_control(usable, rows, seed=seed)
    here, random = (
        normalized_mutual_information(actions[part], factors[part])
        for part in (rows, control)
    )
    return PartNmi(name, len(rows), here, random)
