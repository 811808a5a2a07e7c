"""The order of videos in an endless training stream."""

import zlib

import numpy as np


def stream_seed(seed: int, name: str) -> int:
    """Returns a seed for the stream called `name` that differs from other streams'.

    Two streams of equal length and seed would otherwise have the same order.
    """
    sequence = np.random.SeedSequence([seed % 2**32, zlib.crc32(name.encode())])
    return int(sequence.generate_state(1)[0])


def balanced_probabilities(labels: np.ndarray, class_power: float) -> np.ndarray:
    """Returns the probability of each video when classes are balanced: [V], sum 1.

    A class is drawn in proportion to its share of the videos to the power
    `class_power`, then one of its videos uniformly (OmniSource, with 0.5). At 1 all
    videos are equally likely, at 0 all classes.

    Args:
        labels: [V] class of each video, at least one video.
        class_power: From 0 to 1.
    """
    _, class_of, counts = np.unique(labels, return_inverse=True, return_counts=True)
    of_class = (counts / len(labels)) ** class_power
    of_class /= of_class.sum()
    return (of_class / counts)[class_of]


class EpochOrder:
    """Position in the endless stream to a row of the split, in a new order each epoch.

    An epoch is V positions. With a class power of 1 it holds each video once; otherwise
    it is V draws with replacement, by `balanced_probabilities`. Both are functions of
    seed and epoch alone.

    Grain's own shuffle needs no memory, but 2.5 ms for each row of a small split.
    """

    def __init__(self, labels: np.ndarray, seed: int, class_power: float = 1.0):
        """Stores the [V] labels of the split, which matter only to balancing."""
        self._num_rows = len(labels)
        self._seed = seed
        self._probabilities = (
            None if class_power == 1 else balanced_probabilities(labels, class_power)
        )
        self._orders: dict[int, np.ndarray] = {}  # of the newest epochs

    def __call__(self, position: int, _: int) -> int:
        """Returns the row of the split at `position`."""
        epoch, place = divmod(position, self._num_rows)
        return int(self._order(epoch)[place])

    def _order(self, epoch: int) -> np.ndarray:
        order = self._orders.get(epoch)
        if order is None:
            rng = np.random.default_rng((self._seed % 2**32, epoch))
            if self._probabilities is None:
                order = rng.permutation(self._num_rows)
            else:
                order = rng.choice(
                    self._num_rows, self._num_rows, p=self._probabilities
                )
            # a new dict: other threads read and replace the old one meanwhile
            orders = {**self._orders, epoch: order}
            self._orders = {key: orders[key] for key in sorted(orders)[-2:]}
        return order
