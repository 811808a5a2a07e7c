"""Random numbers of the embedded benchmark, one independent stream per video.

A video depends only on the seed, its set and its position in the set, so it is the same
however many videos are rendered together.
"""

from collections.abc import Sequence

import numpy as np


class Draws:
    """Random numbers for V videos at once, each row from its own stream."""

    def __init__(self, generators: Sequence[np.random.Generator]):
        self._generators = list(generators)

    @classmethod
    def of(cls, seed: int, stream: int, positions: np.ndarray) -> "Draws":
        """Returns the draws of the videos at `positions` [V] of one stream."""
        return cls(
            [np.random.default_rng((seed, stream, int(place))) for place in positions]
        )

    def __len__(self):
        return len(self._generators)

    def take(self, rows: np.ndarray) -> "Draws":
        """Returns the draws of some of the videos; their streams stay shared."""
        return Draws([self._generators[row] for row in rows])

    def uniform(self, low: float, high: float, *shape: int) -> np.ndarray:
        """Returns [V, *shape] float32, uniform in `low`..`high`."""
        values = [g.random(shape, dtype=np.float32) for g in self._generators]
        return low + (high - low) * np.asarray(values, np.float32)

    def normal(self, deviation: float, *shape: int) -> np.ndarray:
        """Returns [V, *shape] float32, normal with mean 0."""
        values = [g.standard_normal(shape, np.float32) for g in self._generators]
        return deviation * np.asarray(values, np.float32)
