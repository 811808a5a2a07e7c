"""Numbers that both sides of a comparison start from, and how results are stored.

Neither PyTorch nor JAX is imported: the same draws feed both, and a golden file
holds enough of each result to recognise it without holding all of it.
"""

import math
import zlib

import numpy as np

ENTRIES = 12  # of an array that a golden file keeps


def normal(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers that depend on `name` and `shape` alone."""
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)


def weights(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """A network's array: no zeros or ones that could hide an error.

    Args:
        path: Ours, such as `backbone/layer1/0/bn1/scale`.
        shape: Ours, channels last.
    """
    drawn = normal(path, shape)
    leaf = path.rpartition("/")[2]
    if leaf == "kernel":
        return drawn * math.sqrt(2 / math.prod(shape[:-1]))
    if leaf in ("scale", "var"):
        return 0.5 + np.abs(drawn)
    return 0.3 * drawn


def digest(array: np.ndarray) -> np.ndarray:
    """What a golden file keeps of an array: a small one whole, [N] float64.

    Of a large one a few entries, divided by its root mean square, the logarithm of that
    root, and two projections on random directions, which see any entry and any exchange
    of two.
    """
    flat = np.asarray(array, np.float64).ravel()
    if flat.size <= 4 * ENTRIES:
        return flat
    chosen = np.random.default_rng(flat.size).choice(flat.size, ENTRIES, replace=False)
    size = np.sqrt(np.mean(flat**2))
    directions = normal("digest", (2, flat.size)) / np.sqrt(flat.size)
    unit = flat / (size or 1.0)
    return np.concatenate([[np.log(size or 1.0)], directions @ unit, unit[chosen]])
