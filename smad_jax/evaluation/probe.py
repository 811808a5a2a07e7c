"""Accuracy of a fresh linear classifier of an aspect on frozen features (Sec. 3).

An adversary at chance at the end of training proves little: it may lag behind the
features. A classifier trained afterwards, on fixed features, is the test.
"""

import dataclasses
import warnings

import numpy as np
from sklearn import exceptions, linear_model, model_selection

from smad_jax import errors
from smad_jax.evaluation import rates

_MAX_ITERATIONS = 300


@dataclasses.dataclass(frozen=True)
class Result:
    """Accuracy of a probe on the held-out half of the videos.

    Attributes:
        accuracy: On the held-out half, 0 to 1.
        low: Lower end of its 95 % interval over these videos (Wilson).
        high: The upper end.
        majority: Accuracy of always predicting the most frequent label.
        chance: One over the number of labels that occur.
        num_train: Videos that the probe is trained on.
        num_test: Videos in the held-out half.
        num_labels: Labels that occur.
    """

    accuracy: float
    low: float
    high: float
    majority: float
    chance: float
    num_train: int
    num_test: int
    num_labels: int


def evaluate(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    max_videos: int = 0,
    strength: float = 1.0,
    seed: int = 0,
) -> Result:
    """Returns the accuracy of logistic regression, trained on half of the videos.

    Features are scaled to mean 0 and deviation 1 on the training half.

    Args:
        features: [V, D].
        labels: [V] int; videos with a negative (unknown) label or without features, a
            row of zeros, are left out.
        max_videos: The most videos to use, drawn at random; 0 for all.
        strength: C, the weight of the loss against the norm of the weights.
        seed: Random seed of the halves.

    Raises:
        DataError: if the arrays do not match, or fewer than two labels occur twice.
    """
    features, labels = np.asarray(features), np.asarray(labels)
    if features.ndim != 2 or len(features) != len(labels):
        raise errors.DataError(
            f"features {list(features.shape)} must be [V, D] with one label for each "
            f"video, but there are {len(labels)}"
        )
    rows = np.flatnonzero((labels >= 0) & features.any(axis=1))
    num_usable = len(rows)
    if 0 < max_videos < len(rows):
        rows = np.random.default_rng(seed).choice(rows, max_videos, replace=False)
    num_used = len(rows)
    _, codes, counts = np.unique(labels[rows], return_inverse=True, return_counts=True)
    # a label of one video cannot be both trained on and tested
    rows, codes = rows[counts[codes] > 1], codes[counts[codes] > 1]
    num_labels = int((counts > 1).sum())
    if num_labels < 2:
        raise errors.DataError(
            f"a probe needs at least two labels with two videos each; {num_used} of "
            f"the {num_usable} videos with features and a label are used, and "
            f"{num_labels} of their labels have two; use more videos, or another split"
        )
    train, test = _halves(codes, num_labels, seed)
    predicted = _fit_and_predict(
        features[rows[train]], codes[train], features[rows[test]], strength
    )
    found = rates.rate(predicted == codes[test])
    most_frequent = np.bincount(codes[train]).argmax()
    return Result(
        accuracy=found.share,
        low=found.low,
        high=found.high,
        majority=float((codes[test] == most_frequent).mean()),
        chance=1 / num_labels,
        num_train=len(train),
        num_test=len(test),
        num_labels=num_labels,
    )


def _halves(
    codes: np.ndarray, num_labels: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train and test on, with every label in both if possible."""
    enough = len(codes) // 2 >= num_labels
    train, test = model_selection.train_test_split(
        np.arange(len(codes)),
        test_size=0.5,
        random_state=seed,
        stratify=codes if enough else None,
    )
    return np.asarray(train), np.asarray(test)


def _fit_and_predict(
    features: np.ndarray, codes: np.ndarray, others: np.ndarray, strength: float
) -> np.ndarray:
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1)
    probe = linear_model.LogisticRegression(C=strength, max_iter=_MAX_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        probe.fit((features - mean) / deviation, codes)
    return np.asarray(probe.predict((others - mean) / deviation))
