"""Accuracies from finished predictions.

Videos have `probabilities` [V, K], `labels` [V] int and names, `ids` [V].
"""

import numpy as np


def hits(probabilities: np.ndarray, labels: np.ndarray, k: int = 1) -> np.ndarray:
    """Returns [V] bool: whether the label is among the k likeliest classes.

    Ties go to the lower class index. An unreadable video, a row of zeros, is never a
    hit, nor is a label that is no class.

    Args:
        probabilities: [V, K].
        labels: [V] int.
        k: Number of guesses for each video.
    """
    num_classes = probabilities.shape[1]
    known = (labels >= 0) & (labels < num_classes)
    own = probabilities[np.arange(len(labels)), np.where(known, labels, 0), None]
    lower = np.arange(num_classes) < labels[:, None]
    ahead = (probabilities > own) | ((probabilities == own) & lower)
    return known & (ahead.sum(axis=1) < k) & probabilities.any(axis=1)


def top_k(probabilities: np.ndarray, labels: np.ndarray, k: int = 1) -> float:
    """Returns the share of `hits` among all videos, 0 to 1; same arguments."""
    return float(hits(probabilities, labels, k).mean())


def mean_class(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Returns top-1 accuracy averaged over the classes that occur, 0 to 1."""
    found = hits(probabilities, labels)
    return float(
        np.mean([found[labels == label].mean() for label in np.unique(labels)])
    )


def summary(
    probabilities: np.ndarray, labels: np.ndarray, ids: np.ndarray
) -> dict[str, float]:
    """Returns `top1`, `top5` (from six classes on) and `mean_class`, 0 to 1.

    If the list repeats videos, as that of ARAS does, `top1_distinct` counts each once.
    """
    values = {
        "top1": top_k(probabilities, labels),
        "mean_class": mean_class(probabilities, labels),
    }
    if probabilities.shape[1] > 5:
        values["top5"] = top_k(probabilities, labels, 5)
    first = distinct(ids, labels)
    if len(first) < len(ids):
        values["top1_distinct"] = top_k(probabilities[first], labels[first])
    return values


def distinct(ids: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns [n] rows, in order: the first row of each pair of video and label."""
    _, codes = np.unique(ids, return_inverse=True)
    _, first = np.unique(np.stack([codes, labels]), axis=1, return_index=True)
    return np.sort(first)
