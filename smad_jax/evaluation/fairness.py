"""Independence, separation and sufficiency of predictions (Table 4), as NMI.

Y is the action, Y' the prediction and S the label of an aspect, such as the scene:
three [V] int arrays. Negative numbers are unknown, and such videos are left out. NMI is
taken within each group and averaged over the groups by size; a group with either side
constant counts as 0, as does one of a single video.

These estimates from counts are too high where groups are small: with 48 videos of each
class, predictions independent of the scene still show a separation of about 0.3.
Compare sets of one size, and read each value beside its control.
"""

import dataclasses

import numpy as np

from smad_jax import errors
from smad_jax.evaluation import contingency, information

Averaging = contingency.Averaging

NUM_PERMUTATIONS = 10  # behind each control, which is their mean
_INTERVAL = (2.5, 97.5)  # percentiles


@dataclasses.dataclass(frozen=True)
class Measured:
    """One measure with its interval and control.

    Attributes:
        value: Of the given videos.
        low: Lower end of its 95 % interval over videos; NaN without a bootstrap.
            Drawing with repeats raises every NMI, so the interval is the bootstrap's
            spread around the value. It does not show by how much the value itself is
            too high; the control does.
        high: The upper end.
        control: Its mean with the aspect labels permuted within each group: the value
            by chance.
    """

    value: float
    low: float
    high: float
    control: float


@dataclasses.dataclass(frozen=True)
class Measures:
    """Table 4 of one set of predictions; lower is fairer.

    Attributes:
        independence: NMI(Y', S).
        oracle: NMI(Y, S), the independence of perfect predictions.
        amplified: Independence minus oracle, the bias that the model adds.
        separation: Mean over y of NMI(Y', S | Y = y).
        sufficiency: Mean over y' of NMI(Y, S | Y' = y').
        num_videos: Number of videos with all three labels.
    """

    independence: Measured
    oracle: Measured
    amplified: Measured
    separation: Measured
    sufficiency: Measured
    num_videos: int


def independence(
    predicted: np.ndarray,
    aspect: np.ndarray,
    *,
    mean: information.Mean = "arithmetic",
) -> float:
    """Returns NMI(Y', S), 0 to 1; with the labels for Y' it is the oracle.

    Args:
        predicted: [V] int.
        aspect: [V] int.
        mean: The mean of the two entropies that divides; the paper names none.

    Raises:
        DataError: if lengths differ or no video has both labels.
        ValueError: for arrays of another kind.
    """
    predicted, aspect = _known(predicted=predicted, aspect=aspect)
    return information.normalized_mutual_information(predicted, aspect, mean=mean)


def separation(
    label: np.ndarray,
    predicted: np.ndarray,
    aspect: np.ndarray,
    *,
    mean: information.Mean = "arithmetic",
    average: Averaging = "groups",
) -> float:
    """Returns the mean over classes of NMI(Y', S | Y = y), by their share of videos.

    Args:
        label: [V] int, the true actions.
        predicted: [V] int.
        aspect: [V] int.
        mean: The mean of the two entropies that divides.
        average: `groups` for the mean of the groups' NMI, `ratio` for I(Y', S | Y)
            over the mean of H(Y' | Y) and H(S | Y); the paper does not specify.

    Raises:
        DataError: if lengths differ or no video has all labels.
        ValueError: for arrays of another kind, or another mean or average.
    """
    table = _table(label, predicted, aspect, mean, average)
    return table.measure(table.counts, "separation")


def sufficiency(
    label: np.ndarray,
    predicted: np.ndarray,
    aspect: np.ndarray,
    *,
    mean: information.Mean = "arithmetic",
    average: Averaging = "groups",
) -> float:
    """Returns the mean over predictions of NMI(Y, S | Y' = y'); see `separation`.

    Classes that are never predicted form no group.
    """
    table = _table(label, predicted, aspect, mean, average)
    return table.measure(table.counts, "sufficiency")


def measures(
    label: np.ndarray,
    predicted: np.ndarray,
    aspect: np.ndarray,
    *,
    num_bootstrap: int,
    seed: int,
    mean: information.Mean = "arithmetic",
    average: Averaging = "groups",
) -> Measures:
    """Returns all measures with intervals and controls.

    Args:
        label: [V] int, the true actions.
        predicted: [V] int.
        aspect: [V] int.
        num_bootstrap: Draws of V videos with repeats behind the intervals; 0 for none.
        seed: Random seed of the draws and the controls.
        mean: See `separation`.
        average: See `separation`.

    Raises:
        DataError: if lengths differ or no video has all labels.
        ValueError: for arrays of another kind, or another mean or average.
    """
    table = _table(label, predicted, aspect, mean, average)
    rng = np.random.default_rng(seed)
    draws = [table.measure_all(table.draw(rng)) for _ in range(num_bootstrap)]
    # one permutation for all measures: it lowers the noise of independence - oracle
    controls = [
        contingency.amplified(
            {
                name: table.control(name, np.random.default_rng((seed, number)))
                for name in contingency.KINDS
            }
        )
        for number in range(NUM_PERMUTATIONS)
    ]
    found = {
        name: Measured(
            value,
            *_interval(name, value, np.array([draw[name] for draw in draws])),
            float(np.mean([control[name] for control in controls])),
        )
        for name, value in table.measure_all(table.counts).items()
    }
    return Measures(**found, num_videos=table.num_videos)


def _interval(name: str, value: float, drawn: np.ndarray) -> tuple[float, float]:
    """The percentiles of bootstrap draws, shifted so that their mean is the value.

    Unshifted, their mean is higher than the value, by the bias of counting.
    """
    if len(drawn) < 2:
        return float("nan"), float("nan")
    low, high = np.percentile(drawn, _INTERVAL) - drawn.mean() + value
    least = -1.0 if name == "amplified" else 0.0  # the one that is a difference
    return float(np.clip(low, least, 1.0)), float(np.clip(high, least, 1.0))


def _table(
    label: np.ndarray,
    predicted: np.ndarray,
    aspect: np.ndarray,
    mean: information.Mean,
    average: Averaging,
) -> contingency.Table:
    """The table of the videos that have all three labels."""
    return contingency.Table(
        *_known(label=label, predicted=predicted, aspect=aspect),
        mean=mean,
        average=average,
    )


def _known(**labels: np.ndarray) -> list[np.ndarray]:
    """The labels of the videos that have all of them, as int64.

    Raises:
        DataError: if lengths differ or there is no such video.
        ValueError: for arrays of another kind.
    """
    arrays = {name: np.asarray(values) for name, values in labels.items()}
    for name, values in arrays.items():
        if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
            raise ValueError(
                f"{name} must be [V] integers, but it is {list(values.shape)} "
                f"{values.dtype}"
            )
    sizes = {name: len(values) for name, values in arrays.items()}
    if len(set(sizes.values())) > 1:
        counts = ", ".join(f"{size} of {name}" for name, size in sizes.items())
        raise errors.DataError(f"each video needs every label, but there are {counts}")
    known = np.logical_and.reduce([values >= 0 for values in arrays.values()])
    if not known.any():
        raise errors.DataError(f"no video has labels of {' and '.join(arrays)}")
    return [values[known].astype(np.int64) for values in arrays.values()]
