"""Classification of features by a linear SVM (Sec. 6.2, Table 5).

One against the rest with squared hinge loss on vectors of length 1; scikit-learn's
LinearSVC does the work. The paper names neither loss nor C; C = 1 is the default here,
and a search on a held-out tenth of the training videos an option.
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
        seed: Of the order in which the solver takes the videos.

    Raises:
        DataError: if the arrays do not go together or one class is all there is.
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
        # at a large C the last digits take long and change no prediction worth it
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
    """Returns the share of test videos that `predict` gets right, 0 to 1.

    A row of zeros in `test_features`, of a video that could not be read, is wrong.
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
    """Returns the C that is best on a held-out tenth of the training videos.

    The smallest of equally good ones. The tenth is drawn class by class.

    Args:
        features: [V, D] of the training videos.
        labels: [V] int.
        candidates: The values to try.
        seed: Of the tenth.

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
            f"features to train and test on must be [V, D] with one D, but they are "
            f"{list(shapes[0])} and {list(shapes[1])}"
        )
    if len(train_labels) != len(train_features):
        raise errors.DataError(
            f"{len(train_features)} videos to train on have {len(train_labels)} labels"
        )
    if len(np.unique(train_labels)) < 2:
        raise errors.DataError("videos to train on must be of two classes or more")
