"""A file of features: one vector a video, its views one after the other (Sec. 6.2).

Ten clips of 512 features are a vector of 5120 in the paper.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from smad_jax import errors
from smad_jax.base import file_io


@dataclasses.dataclass(frozen=True)
class Features:
    """Features of V videos.

    Attributes:
        ids: [V] names of the videos.
        labels: [V] int, positions in `classes`.
        classes: [K] names.
        features: [V, N * D] float32, block n being view n's in temporal order; zeros
            for a video that could not be read.
        num_views: N.
        dataset: Name of the data set's folder; empty in files without it.
    """

    ids: np.ndarray
    labels: np.ndarray
    classes: np.ndarray
    features: np.ndarray
    num_views: int
    dataset: str = ""

    def save(self, path: pathlib.Path) -> None:
        """Writes an NPZ file."""
        file_io.write_npz(path, dataclasses.asdict(self))

    @staticmethod
    def load(path: pathlib.Path) -> "Features":
        """Reads an NPZ file that `save` wrote.

        Raises:
            DataError: if it is no such file.
        """
        makes = "python -m smad_jax features makes such a file"
        if not path.is_file():
            raise errors.DataError(f"no features at {path}; {makes}")
        with file_io.npz(path, f"{path} is no file of features; {makes}") as content:
            found = Features(
                ids=content["ids"],
                labels=content["labels"],
                classes=content["classes"],
                features=content["features"],
                num_views=int(content["num_views"]),
                dataset=str(content["dataset"]) if "dataset" in content else "",
            )
        if found.features.ndim != 2 or not (
            len(found.features) == len(found.ids) == len(found.labels)
        ):
            raise errors.DataError(
                f"{path}: features {list(found.features.shape)} must be [V, D] with an "
                f"id and a label for each of the V videos"
            )
        bad = ~np.isfinite(found.features).all(axis=1)
        if bad.any():
            raise errors.DataError(
                f"{path}: the features of {bad.sum()} videos are not finite, for "
                f"instance of {str(found.ids[bad.argmax()])!r}; extract them again"
            )
        return found

    def rows_of(self, ids: Sequence[str]) -> np.ndarray:
        """Returns the row of each of these videos.

        Raises:
            DataError: naming one that has no features.
        """
        row_of = {id: row for row, id in enumerate(self.ids.tolist())}
        missing = [id for id in ids if id not in row_of]
        if missing:
            raise errors.DataError(
                f"{len(missing)} of {len(ids)} videos have no features, for instance "
                f"{missing[0]!r}; extract the features of a split that has all of "
                "them, or pass the files of several splits"
            )
        return np.array([row_of[id] for id in ids], np.int64)


def concatenated(views: np.ndarray) -> np.ndarray:
    """Returns [V, N * D] float32 of the views' features [V, N, D]."""
    return views.reshape(len(views), -1).astype(np.float32)


def merged(parts: Sequence[Features]) -> Features:
    """Returns the videos of several files; of a repeated video, the first.

    Raises:
        DataError: if their vectors or classes differ.
    """
    first = parts[0]
    for part in parts[1:]:
        if part.features.shape[1] != first.features.shape[1]:
            raise errors.DataError(
                f"features have {part.features.shape[1]} numbers in one file and "
                f"{first.features.shape[1]} in another; extract both with one network "
                "and number of views"
            )
        if part.classes.tolist() != first.classes.tolist():
            raise errors.DataError("the files of features have different classes")
    ids = np.concatenate([part.ids for part in parts])
    _, rows = np.unique(ids, return_index=True)
    rows = np.sort(rows)
    return Features(
        ids=ids[rows],
        labels=np.concatenate([part.labels for part in parts])[rows],
        classes=first.classes,
        features=np.concatenate([part.features for part in parts])[rows],
        num_views=first.num_views,
        dataset=first.dataset if len({part.dataset for part in parts}) == 1 else "",
    )
