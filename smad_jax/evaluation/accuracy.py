"""Accuracies from finished predictions."""

import numpy as np


def hits(probabilities: np.ndarray, labels: np.ndarray, k: int = 1) -> np.ndarray:
    """Returns [V] bool: whether the label is among the k likeliest classes.

    Ties go to the lower class index. A row of zeros, which stands for a video
    that could not be read, never counts as a hit.

    Args:
        probabilities: [V, K].
        labels: [V] int.
        k: How many guesses a video has.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    found = (best == labels[:, None]).any(axis=1)
    return found & (probabilities.sum(axis=1) > 0)


def top_k(probabilities: np.ndarray, labels: np.ndarray, k: int = 1) -> float:
    """Returns the share of `hits` among all videos, between 0 and 1."""
    return float(hits(probabilities, labels, k).mean())


def mean_class(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Returns top-1 accuracy averaged over the classes that occur in `labels`."""
    found = hits(probabilities, labels)
    return float(
        np.mean([found[labels == label].mean() for label in np.unique(labels)])
    )


def summary(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Returns `top1`, `top5` (from six classes on) and `mean_class`."""
    values = {
        "top1": top_k(probabilities, labels),
        "mean_class": mean_class(probabilities, labels),
    }
    if probabilities.shape[1] > 5:
        values["top5"] = top_k(probabilities, labels, 5)
    return values
