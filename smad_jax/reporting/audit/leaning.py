"""Which classes lean on which scenes, and the groups that suffer from it.

All counts are [K, Z] tables, class by label of an aspect, so the cost grows with
V + K Z and not with their product.
"""

import dataclasses

import numpy as np

from smad_jax.evaluation import groups, rates

_ENOUGH = 10  # videos of other classes; of fewer a share means nothing


@dataclasses.dataclass(frozen=True)
class Counts:
    """Counts of videos for one model and aspect.

    Attributes:
        shown: [K, Z] videos of a class with a label.
        right: [K, Z] those of them that are classified correctly.
        mistaken: [K, Z] videos of *other* classes with the label that are classified
            as the class.
        confused: [K, K] videos of the first class that are classified as the second.
    """

    shown: np.ndarray
    right: np.ndarray
    mistaken: np.ndarray
    confused: np.ndarray


@dataclasses.dataclass(frozen=True)
class Lean:
    """A class that is predicted too often with one label of an aspect.

    Attributes:
        label: The class.
        value: The label of the aspect.
        here: Among videos of other classes with that label, the share classified as
            the class.
        expected: That share if the label did not matter to any of these classes, 0
            to 1.
        extra: How many mistakes there are beyond the expected share.
        p: One-sided, see `rates.more_than_expected`.
    """

    label: int
    value: int
    here: rates.Rate
    expected: float
    extra: float
    p: float


@dataclasses.dataclass(frozen=True)
class Group:
    """Videos of one class with one label of an aspect.

    Attributes:
        label: The class.
        value: The label of the aspect.
        rate: Its accuracy.
        class_rate: The accuracy of the class with all other labels.
        sure: Whether its accuracy is lower than that beyond chance.
        wrong: [n] rows of its misclassified videos.
    """

    label: int
    value: int
    rate: rates.Rate
    class_rate: rates.Rate
    sure: bool
    wrong: np.ndarray


def count(
    labels: np.ndarray,
    predicted: np.ndarray,
    values: np.ndarray,
    num_classes: int,
    num_values: int,
) -> Counts:
    """Counts videos that have a label of the aspect.

    Args:
        labels: [V] int.
        predicted: [V] int, -1 for no prediction.
        values: [V] int, -1 for no label.
        num_classes: K.
        num_values: Z.
    """

    def table(
        rows: np.ndarray, first: np.ndarray, second: np.ndarray, width: int
    ) -> np.ndarray:
        cells = first[rows] * width + second[rows]
        counts = np.bincount(cells, minlength=num_classes * width)
        return counts.reshape(num_classes, width)

    known = values >= 0
    right = known & (labels == predicted)
    wrong = known & (labels != predicted) & (predicted >= 0)
    return Counts(
        shown=table(known, labels, values, num_values),
        right=table(right, labels, values, num_values),
        mistaken=table(wrong, predicted, values, num_values),
        confused=table(wrong, labels, predicted, num_classes),
    )


def leans(counts: Counts, limit: int) -> tuple[list[Lean], int]:
    """Returns the leans that exceed chance, those with most extra mistakes first.

    A class may be confused with another everywhere and also have a label more often.
    So mistakes are compared with what the overall confusion of each class predicts for
    its videos with the label, summed over classes as Cochran, Mantel and Haenszel do.
    One in twenty leans may be chance (Benjamini and Hochberg's rule over all pairs of
    class and label with at least ten videos of other classes).

    Args:
        counts: Of the model.
        limit: The largest number of leans returned.

    Returns:
        The leans, and their number without the limit.
    """
    others = _others(counts)
    share = counts.confused / np.maximum(counts.shown.sum(axis=1, keepdims=True), 1)
    expected = share.T @ counts.shown
    tested = others >= _ENOUGH
    row, column = np.nonzero(tested)
    hits, mean = counts.mistaken[tested], expected[tested]
    p_values = np.ones(len(row))
    worth = np.flatnonzero(hits >= np.maximum(mean + 1, 2))
    p_values[worth] = rates.more_than_expected(
        hits[worth], _trials(counts, row[worth], column[worth]), mean[worth]
    )
    kept = np.flatnonzero(rates.discoveries(p_values))
    order = kept[np.argsort(-(hits - mean)[kept], kind="stable")]
    found = [
        Lean(
            label=int(row[i]),
            value=int(column[i]),
            here=rates.of(hits[i], others[row[i], column[i]]),
            expected=float(mean[i] / others[row[i], column[i]]),
            extra=float(hits[i] - mean[i]),
            p=float(p_values[i]),
        )
        for i in order[:limit]
    ]
    return found, len(kept)


def num_tested(counts: Counts) -> tuple[int, int]:
    """Returns how many pairs `leans` tests, and how many could occur."""
    others = _others(counts)
    return int((others >= _ENOUGH).sum()), int((others > 0).sum())


def _others(counts: Counts) -> np.ndarray:
    """[K, Z] videos of other classes with a label."""
    return counts.shown.sum(axis=0) - counts.shown


def _trials(counts: Counts, label: np.ndarray, value: np.ndarray) -> np.ndarray:
    """[n] number of trials whose sum is a class's mistakes with a label.

    Each other class adds the smaller of two counts: how often it is confused with the
    class, and how many of its videos have the label.
    """
    found = np.zeros(len(label), np.int64)
    for confused, shown in zip(counts.confused, counts.shown, strict=True):
        found += np.minimum(confused[label], shown[value])
    return found


def worst_groups(
    labels: np.ndarray, predicted: np.ndarray, values: np.ndarray, *, limit: int
) -> list[Group]:
    """Returns the groups of `groups.worst_groups` with their misclassified rows.

    Args:
        labels: [V] int.
        predicted: [V] int, -1 for no prediction.
        values: [V] int, -1 for no label.
        limit: The largest number of groups.
    """
    found = groups.group_accuracy(labels, predicted, values)
    others, others_right = groups.elsewhere(found)
    return [
        Group(
            label=int(found.label[row]),
            value=int(found.aspect[row]),
            rate=rates.of(found.num_correct[row], found.num_videos[row]),
            class_rate=rates.of(others_right[row], others[row]),
            sure=bool(sure),
            wrong=np.flatnonzero(
                (labels == found.label[row])
                & (values == found.aspect[row])
                & (predicted != labels)
            ),
        )
        for row, sure in zip(*groups.worst_groups(found, count=limit), strict=True)
    ]
