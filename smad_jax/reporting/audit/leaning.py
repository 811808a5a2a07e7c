"""Which classes lean on which scenes, and the groups that suffer from it.

Groups are small, so they are pooled too: over the thirds of rarity, and over classes.

All counts are tables of class by label of an aspect, so the cost grows with V + K Z and
not with their product. With several aspects the videos of a class are cut into strata
whose other aspects are equally rare, S in all, so that no aspect is blamed for another.
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
        held: [S, Z] videos of a stratum with a label.
        missed: [S] those of a stratum that are not classified correctly.
        confused: [S, K] videos of a stratum that are classified as another class.
    """

    shown: np.ndarray
    right: np.ndarray
    mistaken: np.ndarray
    held: np.ndarray
    missed: np.ndarray
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

    def rows(
        self, labels: np.ndarray, predicted: np.ndarray, values: np.ndarray
    ) -> np.ndarray:
        """Returns the [n] rows of these mistakes; arguments as for `count`."""
        here = (predicted == self.label) & (values == self.value)
        return np.flatnonzero(here & (labels != self.label))


@dataclasses.dataclass(frozen=True)
class Pool:
    """Videos of all classes with one label of an aspect.

    Attributes:
        value: The label of the aspect.
        rate: Their accuracy.
        expected: What it would be if each stratum were as accurate with this label as
            over all labels, 0 to 1.
        extra: How many mistakes there are beyond that.
        wrong: [n] rows of the misclassified videos.
    """

    value: int
    rate: rates.Rate
    expected: float
    extra: float
    wrong: np.ndarray


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
    strata: np.ndarray | None = None,
) -> Counts:
    """Counts videos that have a label of the aspect.

    Args:
        labels: [V] int.
        predicted: [V] int, -1 for no prediction.
        values: [V] int, -1 for no label.
        num_classes: K.
        num_values: Z.
        strata: [V] int, each inside one class; None for the classes themselves.
    """
    strata = labels if strata is None else np.unique(strata, return_inverse=True)[1]

    def table(
        rows: np.ndarray, first: np.ndarray, second: np.ndarray, width: int
    ) -> np.ndarray:
        height = int(strata.max()) + 1 if first is strata else num_classes
        cells = first[rows] * width + second[rows]
        return np.bincount(cells, minlength=height * width).reshape(height, width)

    known = values >= 0
    right = known & (labels == predicted)
    wrong = known & (labels != predicted) & (predicted >= 0)
    return Counts(
        shown=table(known, labels, values, num_values),
        right=table(right, labels, values, num_values),
        mistaken=table(wrong, predicted, values, num_values),
        held=table(known, strata, values, num_values),
        missed=table(known & ~right, strata, values, num_values).sum(axis=1),
        confused=table(wrong, strata, predicted, num_classes),
    )


def leans(counts: Counts, limit: int) -> tuple[list[Lean], int]:
    """Returns the leans that exceed chance, those with most extra mistakes first.

    A class may be confused with another everywhere and also have a label more often.
    So mistakes are compared with what the overall confusion of each stratum predicts
    for its videos with the label, summed over strata as Cochran, Mantel and Haenszel
    do.
    One in twenty leans may be chance (Benjamini and Hochberg's rule over all pairs of
    class and label with at least ten videos of other classes).

    Args:
        counts: Of the model.
        limit: The largest number of leans returned.

    Returns:
        The leans, and their number without the limit.
    """
    others = _others(counts)
    share = counts.confused / np.maximum(counts.held.sum(axis=1, keepdims=True), 1)
    expected = share.T @ counts.held
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

    Each stratum of another class adds the smaller of two counts: how often it is
    confused with the class, and how many of its videos have the label.
    """
    found = np.zeros(len(label), np.int64)
    for confused, held in zip(counts.confused, counts.held, strict=True):
        found += np.minimum(confused[label], held[value])
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


def hard_values(
    counts: Counts, labels: np.ndarray, predicted: np.ndarray, values: np.ndarray
) -> list[Pool]:
    """Returns labels of an aspect with more mistakes than their classes explain.

    As for `leans`, hard classes may simply have a label more often; the test and the
    false discovery rate are the same. The label with most extra mistakes comes first.

    Args:
        counts: Of the arrays that follow, which are those of `count`.
        labels: [V] int.
        predicted: [V] int.
        values: [V] int.
    """
    shown = counts.shown.sum(axis=0)
    hits = shown - counts.right.sum(axis=0)
    of_stratum = counts.missed[:, None]
    share = of_stratum / np.maximum(counts.held.sum(axis=1, keepdims=True), 1)
    mean = (share * counts.held).sum(axis=0)
    trials = np.minimum(of_stratum, counts.held).sum(axis=0)
    tested = np.flatnonzero(shown >= _ENOUGH)
    p_values = rates.more_than_expected(hits[tested], trials[tested], mean[tested])
    kept = tested[rates.discoveries(p_values)]
    return [
        Pool(
            value=int(value),
            rate=rates.of(shown[value] - hits[value], shown[value]),
            expected=float(1 - mean[value] / shown[value]),
            extra=float(hits[value] - mean[value]),
            wrong=np.flatnonzero((values == value) & (predicted != labels)),
        )
        for value in kept[np.argsort(-(hits - mean)[kept], kind="stable")]
    ]
