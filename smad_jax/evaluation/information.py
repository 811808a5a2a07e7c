"""Entropy and mutual information of labels, in nats (Tables 4, 10 and 12, Sec. 5.2).

Functions count V labels at once, millions if need be, without a Python object for each.
What the labels mean, actions or pseudo-scenes, is up to the caller. Estimates are the
plain ones from counts: mutual information is too high where videos are few, so compare
sets of one size.
"""

from typing import Literal, NamedTuple, get_args

import numpy as np

Mean = Literal["arithmetic", "geometric", "min", "max"]
MEANS: tuple[Mean, ...] = get_args(Mean)

# Up to so many cells for each label a table of all pairs beats sorting the pairs.
_TABLE_CELLS = 4
_SMALL_TABLE = 1 << 20


def entropy(labels: np.ndarray) -> float:
    """Returns the entropy of the distribution of `labels`, in nats.

    Args:
        labels: [V] int, V at least 1; only equality matters.

    Raises:
        ValueError: for another array.
    """
    return _entropy(_coded("labels", labels).counts)


def mutual_information(a: np.ndarray, b: np.ndarray) -> float:
    """Returns I(A; B) = H(A) + H(B) - H(A, B) in nats, at least 0.

    Args:
        a: [V] int.
        b: [V] int, of the same videos.

    Raises:
        ValueError: for other arrays or different lengths.
    """
    return _measures(a, b).information


def normalized_mutual_information(
    a: np.ndarray, b: np.ndarray, *, mean: Mean = "arithmetic"
) -> float:
    """Returns I(A; B) over a mean of H(A) and H(B), 0 to 1 (Table 10).

    0 if either or both are constant; for both scikit-learn returns 1.

    Args:
        a: [V] int.
        b: [V] int, of the same videos.
        mean: One of `MEANS`. The paper names none; its numbers fit `arithmetic` and
            `geometric`.

    Raises:
        ValueError: for another mean or other arrays.
    """
    if mean not in MEANS:
        raise ValueError(f"unknown mean {mean!r}; known: {', '.join(MEANS)}")
    found = _measures(a, b)
    if min(found.first, found.second) == 0:
        return 0.0
    middle = float(mean_of(np.array(found.first), np.array(found.second), mean))
    return min(found.information / middle, 1.0)  # above 1 by rounding only


def mean_of(first: np.ndarray, second: np.ndarray, mean: Mean) -> np.ndarray:
    """Returns the mean of entropies of one shape, none below 0."""
    if mean == "arithmetic":
        return (first + second) / 2
    if mean == "geometric":
        return np.sqrt(np.maximum(first, 0) * np.maximum(second, 0))
    return {"min": np.minimum, "max": np.maximum}[mean](first, second)


def group_entropies(
    labels: np.ndarray, groups: np.ndarray, *, num_groups: int
) -> np.ndarray:
    """Returns [G] entropies of the labels inside each group, in nats; NaN if empty.

    With actions as groups and pseudo-scenes as labels this is H(S | Y = y). Sec. 5.2
    reports its plain mean over classes: 3.02 for Kinetics, 2.79 for Google's images.

    Args:
        labels: [V] int.
        groups: [V] int, 0..G - 1.
        num_groups: G.

    Raises:
        ValueError: for other arrays.
    """
    coded = _coded("labels", labels)
    groups = _integers("groups", groups)
    _check_lengths(coded.codes, groups)
    if groups.min() < 0 or groups.max() >= num_groups:
        raise ValueError(
            f"groups must be 0 to {num_groups - 1}, but they are {groups.min()} to "
            f"{groups.max()}"
        )
    sizes = np.bincount(groups, minlength=num_groups)
    cells, counts = _cells(groups, coded.codes, num_groups, len(coded.counts))
    owners = cells // len(coded.counts)
    # H = log n - sum(c log c) / n, so that one pass over the cells serves all groups
    weighted = np.bincount(
        owners, weights=counts * np.log(counts), minlength=num_groups
    )
    filled = np.maximum(sizes, 1)
    found = np.maximum(np.log(filled) - weighted / filled, 0.0)
    return np.where(sizes > 0, found, np.nan)


class _Coded(NamedTuple):
    """Labels as [V] numbers 0..Z - 1, and the [Z] counts of each, all above 0."""

    codes: np.ndarray
    counts: np.ndarray


class _Measures(NamedTuple):
    """Entropies of both labels, and their mutual information, in nats."""

    first: float
    second: float
    information: float


def _measures(a: np.ndarray, b: np.ndarray) -> _Measures:
    first, second = _coded("first labels", a), _coded("second labels", b)
    _check_lengths(first.codes, second.codes)
    _, counts = _cells(first.codes, second.codes, len(first.counts), len(second.counts))
    entropies = _entropy(first.counts), _entropy(second.counts)
    information = sum(entropies) - _entropy(counts)
    # from 0 to the smaller entropy; only rounding leaves that range
    return _Measures(*entropies, float(np.clip(information, 0.0, min(entropies))))


def _entropy(counts: np.ndarray) -> float:
    """Entropy in nats of the distribution that positive counts describe."""
    if len(counts) == 1:
        return 0.0  # exactly
    share = counts / counts.sum()
    return float(-(share * np.log(share)).sum())


def _coded(name: str, labels: np.ndarray) -> _Coded:
    """Labels by number, without the numbers that do not occur."""
    labels = _integers(name, labels)
    low, high = int(labels.min()), int(labels.max())
    if high - low >= max(_TABLE_CELLS * len(labels), _SMALL_TABLE):
        _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
        return _Coded(codes, counts)
    counts = np.bincount(labels - low)  # counts without a sort
    present = counts > 0
    number_of = np.cumsum(present) - 1
    return _Coded(number_of[labels - low], counts[present])


def _cells(
    a: np.ndarray, b: np.ndarray, num_a: int, num_b: int
) -> tuple[np.ndarray, np.ndarray]:
    """Filled cells of the table of counts, as a * num_b + b, and the counts in them."""
    cell = a * num_b + b
    if num_a * num_b > max(_TABLE_CELLS * len(cell), _SMALL_TABLE):
        return np.unique(cell, return_counts=True)
    counts = np.bincount(cell)
    cells = np.flatnonzero(counts)
    return cells, counts[cells]


def _integers(name: str, labels: np.ndarray) -> np.ndarray:
    """`labels` as a checked [V] int64 array."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{name} must be [V] integers, but they are {list(labels.shape)} "
            f"{labels.dtype}"
        )
    if not len(labels):
        raise ValueError(f"{name} must have at least one video")
    return labels.astype(np.int64)


def _check_lengths(a: np.ndarray, b: np.ndarray) -> None:
    if len(a) != len(b):
        raise ValueError(
            f"each video needs both labels, but there are {len(a)} and {len(b)}"
        )
