"""Predictions of a network on a test set, stored as NPZ files; NumPy alone.

`predict` makes them; every measure of accuracy and bias is computed from them, on any
machine and without JAX.
"""

import dataclasses
import pathlib

import numpy as np

from smad_jax.base import file_io


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predictions for every video of a split, in the split's order.

    Attributes:
        ids: [V] names of the videos.
        labels: [V] int, true actions.
        probabilities: [V, K]; a row of zeros for a video that could not be read.
        features: [V, D], mean over the views; zeros for such a video.
    """

    ids: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    features: np.ndarray

    @property
    def answers(self) -> np.ndarray:
        """[V] int, the likeliest class; -1 for a video that could not be read."""
        read = self.probabilities.any(axis=1)
        return np.where(read, self.probabilities.argmax(axis=1), -1)

    @property
    def unreadable(self) -> int:
        """How many videos could not be read; they count as wrong."""
        return int((self.answers < 0).sum())

    def save(self, path: pathlib.Path) -> None:
        """Writes an NPZ file with one array a field."""
        file_io.write_npz(path, dataclasses.asdict(self))

    @staticmethod
    def load(path: pathlib.Path) -> "Predictions":
        """Reads an NPZ file that `save` wrote.

        Raises:
            DataError: if it is no such file.
        """
        broken = f"{path} holds no predictions of a run; test the run again"
        with file_io.npz(path, broken) as arrays:
            return Predictions(**arrays)
