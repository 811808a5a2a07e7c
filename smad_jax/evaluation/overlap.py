"""How much the scenes of training and test have in common (Fig. 3).

The paper names the axis and gives no formula. Here the overlap of a class is the sum
over scenes of the smaller of both shares, and the axis is the mean over classes: 0 for
disjoint scenes in every class, 1 for equal distributions.
"""

import numpy as np

from smad_jax import errors


def overlap(train: np.ndarray, test: np.ndarray) -> float:
    """Returns the mean over classes of sum_z min(P_train(z | y), P_test(z | y)).

    Args:
        train: [K, Z] videos of each class and scene.
        test: [K, Z]; a class missing in either is left out.

    Raises:
        DataError: if no class occurs in both.
    """
    both = (train.sum(axis=1) > 0) & (test.sum(axis=1) > 0)
    if not both.any():
        raise errors.DataError("training and test videos have no class in common")
    shares = [t[both] / t[both].sum(axis=1, keepdims=True) for t in (train, test)]
    return float(np.minimum(*shares).sum(axis=1).mean())


def num_per_class(labels: np.ndarray, head: np.ndarray, *, most: int) -> int:
    """Returns how many videos of each class a mixture can have, at most `most`.

    Every class must have that many from the head and from the tail, so that all
    mixtures have one size.

    Args:
        labels: [V] int.
        head: [V] bool, whether a video shows a scene that training has for its class.
        most: 50 in the paper's validation set.

    Raises:
        DataError: if a class lacks either.
    """
    classes = np.unique(labels)
    counts = [
        [int((labels[head == side] == y).sum()) for y in classes] for side in (1, 0)
    ]
    scarce = min(map(min, counts))
    if not scarce:
        side = "usual" if 0 in counts[0] else "rare"
        label = classes[counts[0 if 0 in counts[0] else 1].index(0)]
        raise errors.DataError(
            f"class {label} has no test video with {side} scenes; the overlap can "
            "only be varied where every class has both kinds"
        )
    return min(scarce, most)


def mixture(
    labels: np.ndarray,
    head: np.ndarray,
    share: float,
    *,
    per_class: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns rows of a test set with a given share of usual scenes in every class.

    Args:
        labels: [V] int.
        head: [V] bool.
        share: Of videos from the head, 0 to 1.
        per_class: Videos of each class, from `num_per_class`.
        rng: Source of the draw.
    """
    usual = round(per_class * share)
    taken = np.where(head, usual, per_class - usual)
    # shuffle within each class and side, then take the first of each
    kind = 2 * labels + head
    order = np.lexsort((rng.random(len(labels)), kind))
    _, start, count = np.unique(kind[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(start, count)
    return order[place < taken[order]]
