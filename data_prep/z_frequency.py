"""How often each label of a factor occurs inside each action class (App. A.1).

The z-frequency of a video is the share of its class that has the same label of the
factor Z: 164 of 989 'abseiling' videos show a rope bridge, so each of them has
0.166. Shared by every script that cuts data by it. Also the normalised mutual
information of Table 10. All functions take V labels at once, millions if need be.
"""

import numpy as np

from smad_jax import errors


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
