"""How often each label of a factor occurs inside each action class (App. A.1).

The z-frequency of a video is the share of its class that has the same label of the
factor Z: 164 of 989 'abseiling' videos show a rope bridge, so each of them has
0.166. Here is also what else the scripts share that cut data by it (`k200db`,
`omnidebias`): hard labels, class numbers, random parts to compare with, and the
normalised mutual information of Tables 10 and 12. All functions take V labels at once,
millions if need be.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from smad_jax import errors
from smad_jax.data import catalog


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

    Args:
        actions: [V] int, 0..K - 1.
        factors: [V] int, 0..Z - 1; a negative label is missing and counts nowhere.
        num_classes: K, by default the largest action plus one.
        num_labels: Z, by default the largest label plus one.

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
    """Number of labels, given or found."""
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

    Args:
        actions: [V] int.
        factors: [V] int; where it is negative (missing) the frequency is 0, and the
            video does not count in its class.
    """
    counts = label_counts(actions, factors)
    if not counts.size:
        return np.zeros(len(actions))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    factors = np.asarray(factors)
    return np.where(factors >= 0, share[np.asarray(actions), factors], 0.0)


def rank(actions: np.ndarray, factors: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Returns [V] rows ordered by class, in it from frequent to rare factor labels.

    Equal frequencies go by factor label, equal labels by id, so the order of the
    input has no influence.
    """
    frequency = z_frequency(actions, factors)
    return np.lexsort((np.asarray(ids), factors, -frequency, actions))


def _entropy(counts: np.ndarray) -> float:
    """Entropy in nats of the distribution that counts describe."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def normalized_mutual_information(actions: np.ndarray, factors: np.ndarray) -> float:
    """Returns I(Y; Z) over the mean of both entropies, 0 to 1 (Table 10).

    Arithmetic mean; 0 where either factor is constant, which carries no information.
    Videos whose factor label is missing (negative) are left out. Larger is more
    biased. It grows when the set shrinks, so compare sets of one size only.
    """
    counts = label_counts(actions, factors)
    if not counts.sum():
        return 0.0
    action_entropy = _entropy(counts.sum(axis=1))
    factor_entropy = _entropy(counts.sum(axis=0))
    if action_entropy == 0 or factor_entropy == 0:
        return 0.0
    information = action_entropy + factor_entropy - _entropy(counts.ravel())
    return max(information, 0.0) / (0.5 * (action_entropy + factor_entropy))


def hard_labels(split: catalog.Split, aspect: str) -> np.ndarray:
    """Returns [V] int64: the likeliest label, the lowest on ties, -1 where missing."""
    likeliest = np.argmax(split.aspect_labels[aspect], axis=1)
    return np.where(split.aspect_mask[aspect], likeliest, -1)


def renumber(
    labels: np.ndarray, classes: Sequence[str], chosen: Sequence[str]
) -> np.ndarray:
    """Returns [V] labels as positions in `chosen`, -1 for classes that are not there.

    Args:
        labels: [V] int, positions in `classes`.
        classes: Names of the numbering there is.
        chosen: Names of the numbering wanted.
    """
    place = {name: label for label, name in enumerate(chosen)}
    table = np.array([place.get(name, -1) for name in classes])
    return table[labels]


def check_unique(ids: Sequence[str]) -> None:
    """Does nothing if every id is there once.

    Raises:
        DataError: naming the first that is not.
    """
    ordered = np.sort(np.asarray(ids))
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        raise errors.DataError(
            f"id {str(twice[0])!r} comes twice; one video belongs to one part only"
        )


def class_generator(seed: int, name: str) -> np.random.Generator:
    """Returns the random numbers of the class called `name`, its own ones."""
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng((seed, int.from_bytes(digest[:8], "big")))


def random_control(actions: np.ndarray, rows: np.ndarray, *, seed: int) -> np.ndarray:
    """Returns as many rows of each class as `rows` has, drawn from all videos.

    Args:
        actions: [V] int; negative for videos that may not be drawn.
        rows: Rows of the part to compare with.
        seed: Of the draw.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(actions))
    parts = []
    for label, size in enumerate(np.bincount(actions[rows])):
        parts.append(shuffled[actions[shuffled] == label][:size])
    return np.concatenate(parts)


def describe_part(
    name: str, rows: np.ndarray, actions: np.ndarray, factors: np.ndarray, seed: int
) -> str:
    """Returns one line: size and NMI of a part, beside a random one of its size.

    Args:
        name: What to call the part.
        rows: Its rows, among those with an action and a factor label.
        actions: [V] int, negative for other classes' videos.
        factors: [V] int, negative where missing.
        seed: Of the random part.
    """
    usable = np.where(factors >= 0, actions, -1)
    control = random_control(usable, rows, seed=seed)
    here, random = (
        normalized_mutual_information(actions[part], factors[part])
        for part in (rows, control)
    )
    return (
        f"{name}: {len(rows)} videos; NMI of action and label {here:.3f}, "
        f"of a random part of this size {random:.3f}"
    )
