"""Classification of features by a linear SVM (Sec. 6.2, Table 5).

Scikit-learn's LinearSVC: one against the rest, squared hinge loss, vectors of length 1.
The paper names neither loss nor C; C is 1 by default, or chosen on a held-out tenth of
the training videos.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn import exceptions, model_selection, svm

from smad_jax import errors
from smad_jax.evaluation import few_shot

SEARCHED_C = (0.01, 0.1, 1.0, 10.0, 100.0)
_MAX_ITERATIONS = 10_000


def predict(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    *,
    c: float = 1.0,
    seed: int = 0,
) -> np.ndarray:
    """Returns [V'] int, the predicted labels of test videos.

    Args:
        train_features: [V, D], any scale.
        train_labels: [V] int, two classes or more.
        test_features: [V', D].
        c: Weight of the loss against the norm of the weights.
        seed: Random seed of the solver.

    Raises:
        DataError: if the arrays do not match or have only one class.
        ConfigError: if C is not positive.
    """
    _check(train_features, train_labels, test_features)
    if not c > 0:
        raise errors.ConfigError(f"C must be above 0, but it is {c}")
    machine = svm.LinearSVC(
        C=c,
        loss="squared_hinge",
        dual="auto",
        max_iter=_MAX_ITERATIONS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # at a large C the last digits take long and change hardly any prediction
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        machine.fit(few_shot.normalize(train_features), train_labels)
    return np.asarray(machine.predict(few_shot.normalize(test_features)))


def accuracy(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    *,
    c: float = 1.0,
    seed: int = 0,
) -> float:
    """Returns the accuracy of `predict` on the test videos, 0 to 1.

    An unreadable video, a row of zeros in `test_features`, counts as wrong.
    """
    predicted = predict(train_features, train_labels, test_features, c=c, seed=seed)
    readable = np.asarray(test_features).any(axis=1)
    return float(((predicted == test_labels) & readable).mean())


def choose_c(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    candidates: Sequence[float] = SEARCHED_C,
    seed: int = 0,
) -> float:
    """Returns the best C on a held-out tenth of the training videos.

    Ties go to the smallest. The tenth is drawn class by class.

    Args:
        features: [V, D] of the training videos.
        labels: [V] int.
        candidates: The values to try.
        seed: Random seed of the tenth.

    Raises:
        DataError: if the videos are too few to hold out some of every class.
    """
    try:
        kept, held = model_selection.train_test_split(
            np.arange(len(labels)), test_size=0.1, random_state=seed, stratify=labels
        )
    except ValueError as error:
        raise errors.DataError(
            f"a tenth of {len(labels)} videos cannot be held out to choose C: {error}"
        ) from error
    found = {
        c: accuracy(
            features[kept], labels[kept], features[held], labels[held], c=c, seed=seed
        )
        for c in sorted(candidates)
    }
    return max(found, key=lambda c: found[c])


def _check(
    train_features: np.ndarray, train_labels: np.ndarray, test_features: np.ndarray
) -> None:
    shapes = [np.shape(array) for array in (train_features, test_features)]
    if any(len(shape) != 2 for shape in shapes) or shapes[0][1] != shapes[1][1]:
        raise errors.DataError(
            f"features for training and test must be [V, D] with the same D, not "
            f"{list(shapes[0])} and {list(shapes[1])}"
        )
    if len(train_labels) != len(train_features):
        raise errors.DataError(
            f"{len(train_features)} videos to train on have {len(train_labels)} labels"
        )
    if len(np.unique(train_labels)) < 2:
        raise errors.DataError("training videos must have at least two classes")
