"""Features of whole splits, and what linear classifiers make of them (Table 5)."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.data import catalog
from smad_jax.data.embedded import benchmark
from smad_jax.evaluation import features as feature_files
from smad_jax.evaluation import linear_svm
from smad_jax.experiment import places, trained


def extract_features(
    network: trained.TrainedNetwork, place: str
) -> feature_files.Features:
    """Returns the features of every video of a split, all views side by side.

    Args:
        network: From `load_run`.
        place: DATASET/SPLIT.

    Raises:
        DataError: if the split is missing, or too many videos are unreadable.
    """
    split = network.open_split(place)
    folder = network.dataset_folder(place)
    found = network.features(split)
    return feature_files.Features(
        ids=found.ids,
        labels=found.labels,
        classes=np.asarray(split.classes),
        features=feature_files.concatenated(found.features),
        num_views=found.features.shape[1],
        dataset="/".join(folder.parts[-place.count("/") :]),  # may be in another's
    )


class Fold(NamedTuple):
    """An SVM trained on one list and tested on another, numbers as in `svm`."""

    train: str
    test: str
    c: float
    accuracy: float
    num_train: int
    num_test: int


def svm(
    videos: feature_files.Features,
    train: Sequence[str],
    test: Sequence[str],
    data_root: pathlib.Path,
    *,
    c: float = 1.0,
    seed: int = 0,
) -> list[Fold]:
    """Returns the accuracy of a linear SVM for each pair of lists.

    Args:
        videos: Features of all their videos.
        train: DATASET/SPLIT of every list to train on; its unreadable videos are
            left out.
        test: The test list of each.
        data_root: Folder of the data sets.
        c: Weight of the loss; 0 to choose it on a held-out tenth.
        seed: Random seed of the solver and the held-out tenth.

    Raises:
        ConfigError: if there are not as many lists of one kind as of the other.
        DataError: if a list or the features of a video are missing.
    """
    if len(train) != len(test):
        raise errors.ConfigError(
            f"lists to train and test on go in pairs, not {len(train)} and {len(test)}"
        )
    found = []
    for train_place, test_place in zip(train, test, strict=True):
        rows, labels = _rows(videos, train_place, data_root)
        readable = videos.features[rows].any(axis=1)
        rows, labels = rows[readable], labels[readable]
        learnt = videos.features[rows]
        test_rows, test_labels = _rows(videos, test_place, data_root)
        chosen = c or linear_svm.choose_c(learnt, labels, seed=seed)
        accuracy = linear_svm.accuracy(
            learnt,
            labels,
            videos.features[test_rows],
            test_labels,
            c=chosen,
            seed=seed,
        )
        found.append(
            Fold(train_place, test_place, chosen, accuracy, len(rows), len(test_rows))
        )
    return found


def _rows(
    videos: feature_files.Features, place: str, data_root: pathlib.Path
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and labels of the videos of a list."""
    dataset, name = places.divided(place)
    if dataset in benchmark.EDITIONS:  # its draw is the one of the features
        dataset = videos.dataset or dataset
    split = catalog.open_split(data_root, dataset, name)
    return videos.rows_of(split.ids), split.labels
