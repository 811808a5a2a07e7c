"""Which classes lean on which scenes, and the groups that suffer from it.

Groups are small, so they are pooled too: over the thirds of rarity, and over classes.

All counts are tables of class by label of an aspect, so the cost grows with V + K Z and
not with their product.

Mistakes are compared with those that other traits of the videos predict: their class,
and their label of every other aspect. What exceeds chance must exceed each of these
predictions, so no aspect is blamed for what another explains.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from smad_jax.evaluation import groups, rates

_ENOUGH = 10  # videos of other classes; of fewer a share means nothing


class Trait(NamedTuple):
    """What one trait of the videos, with S values, predicts about mistakes.

    Attributes:
        held: [S, Z] videos of a trait with a label of the aspect.
        wrong: [S, Z] those of them that are not classified correctly.
        missed: [S] those of a trait that are not classified correctly.
        confused: [S, K] videos of a trait that are classified as another class.
        expected: [K, Z] mistakes that there would be, given the trait, if the label
            did not matter.
    """

    held: np.ndarray
    wrong: np.ndarray
    missed: np.ndarray
    confused: np.ndarray
    expected: np.ndarray


@dataclasses.dataclass(frozen=True)
class Counts:
    """Counts of videos for one model and aspect.

    Attributes:
        shown: [K, Z] videos of a class with a label.
        right: [K, Z] those of them that are classified correctly.
        mistaken: [K, Z] videos of *other* classes with the label that are classified
            as the class.
        traits: The class first, then the other aspects.
        frequency: [K, Z] number of videos that decides what is usual.
        usual: [K, Z] bool, whether a label is usual for a class: less than a third of
            its videos have a more frequent one, and beyond chance a larger share of
            them has the label than of other classes' videos.
    """

    shown: np.ndarray
    right: np.ndarray
    mistaken: np.ndarray
    traits: tuple[Trait, ...]
    frequency: np.ndarray
    usual: np.ndarray


@dataclasses.dataclass(frozen=True)
class Lean:
    """A class that is predicted too often with one label of an aspect.

    Attributes:
        label: The class.
        value: The label of the aspect.
        here: Among videos of other classes with that label, the share classified as
            the class.
        expected: That share if the label did not matter, 0 to 1; the largest that a
            trait predicts.
        extra: How many mistakes there are beyond the expected share.
        p: One-sided, see `rates.more_than_expected`.
        usual: Whether the label is usual for the class.
        own_share: Share of the class's videos that have the label, 0 to 1; like
            `usual`, by the counts that decide what is usual. NaN without videos.
        others_share: The same of the videos of all other classes.
        before_share: Share of the class's videos that have a more frequent label.
        there: Accuracy of the class itself with the label.
        elsewhere: Accuracy of the class itself with all others.
    """

    label: int
    value: int
    here: rates.Rate
    expected: float
    extra: float
    p: float
    usual: bool
    own_share: float
    others_share: float
    before_share: float
    there: rates.Rate
    elsewhere: rates.Rate

    @property
    def follows_label(self) -> bool:
        """Whether the label stands for the class: it is usual, and no harder there."""
        return self.usual and not self.there.share < self.elsewhere.share

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
        expected: What it would be if each class were as accurate with this label as
            with all others, or each label of another aspect, 0 to 1; the lowest.
        extra: How many mistakes there are beyond that.
        tested: How many there are beyond the mean of the test. That mean counts this
            label too, as `Lean.expected` does, and is closer to what is found.
        wrong: [n] rows of the misclassified videos.
    """

    value: int
    rate: rates.Rate
    expected: float
    extra: float
    tested: float
    wrong: np.ndarray


@dataclasses.dataclass(frozen=True)
class Group:
    """Videos of one class with one label of an aspect.

    Attributes:
        label: The class.
        value: The label of the aspect.
        rate: Its accuracy.
        class_rate: The accuracy of the class with all other labels.
        wrong: [n] rows of its misclassified videos.
    """

    label: int
    value: int
    rate: rates.Rate
    class_rate: rates.Rate
    wrong: np.ndarray


def count(
    labels: np.ndarray,
    predicted: np.ndarray,
    values: np.ndarray,
    num_classes: int,
    num_values: int,
    others: Sequence[np.ndarray] = (),
    *,
    usual: np.ndarray | None = None,
) -> Counts:
    """Counts videos that have a label of the aspect.

    Args:
        labels: [V] int.
        predicted: [V] int, -1 for no prediction.
        values: [V] int, -1 for no label.
        num_classes: K.
        num_values: Z.
        others: [V] int each, the labels of other aspects.
        usual: [K, Z] number of videos of each class and label that decide what is
            usual, for instance in training; None counts these videos.
    """
    known = values >= 0
    right, answered = labels == predicted, predicted >= 0
    wrong = known & ~right & answered
    traits = [labels, *map(_frequent, others)]
    shown = _table(labels[known], values[known], num_classes, num_values)
    frequency = shown if usual is None else usual
    return Counts(
        shown=shown,
        right=_table(
            labels[known & right], values[known & right], num_classes, num_values
        ),
        mistaken=_table(predicted[wrong], values[wrong], num_classes, num_values),
        traits=tuple(
            _trait(
                trait[known],
                labels[known],
                predicted[known],
                values[known],
                num_classes,
                num_values,
            )
            for trait in traits
        ),
        frequency=frequency,
        usual=_usual(frequency),
    )


def _usual(frequency: np.ndarray) -> np.ndarray:
    """[K, Z] bool: `Counts.usual`, by the number of videos of each."""
    videos = frequency.sum(axis=1, keepdims=True)
    low, _ = rates.wilson(frequency, np.broadcast_to(videos, frequency.shape))
    others = frequency.sum(axis=0) - frequency
    often = low * np.maximum(frequency.sum() - videos, 1) > others
    return often & (3 * _before(frequency) < videos)


def _before(frequency: np.ndarray) -> np.ndarray:
    """[K, Z] videos of a class that have a more frequent label."""
    order = np.argsort(-frequency, axis=1, kind="stable")
    ranked = np.take_along_axis(frequency, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    # labels that are equally frequent have equally many before them
    tied = np.zeros_like(ranked, bool)
    tied[:, 1:] = ranked[:, 1:] == ranked[:, :-1]
    before = np.maximum.accumulate(np.where(tied, 0, before), axis=1)
    found = np.zeros_like(ranked)
    np.put_along_axis(found, order, before, axis=1)
    return found


def _table(
    first: np.ndarray, second: np.ndarray, height: int, width: int
) -> np.ndarray:
    """[height, width] counts of pairs."""
    cells = np.bincount(first * width + second, minlength=height * width)
    return cells.reshape(height, width)


def _frequent(labels: np.ndarray) -> np.ndarray:
    """[V] int from 0; all labels of too few videos are one, and so are missing ones."""
    _, place, size = np.unique(labels, return_inverse=True, return_counts=True)
    return np.where((size[place] < _ENOUGH) | (labels < 0), 0, place + 1)


def _trait(
    trait: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    values: np.ndarray,
    num_classes: int,
    num_values: int,
) -> Trait:
    """What a [V] trait from 0 predicts; the other arguments are those of `count`."""
    size = int(trait.max(initial=-1)) + 1
    wrong = labels != predicted
    taken = wrong & (predicted >= 0)
    held = _table(trait, values, size, num_values)
    confused = _table(trait[taken], predicted[taken], size, num_classes)
    # a video of a class cannot be mistaken for it, and is left out of the expectation
    own = _table(trait, labels, size, num_classes)
    others = held.sum(axis=1, keepdims=True) - own
    share = confused / np.maximum(others, 1)
    expected = share.T @ held
    np.subtract.at(expected, (labels, values), share[trait, labels])
    failed = _table(trait[wrong], values[wrong], size, num_values)
    return Trait(held, failed, failed.sum(axis=1), confused, expected)


def leans(counts: Counts, limit: int) -> tuple[list[Lean], int]:
    """Returns the leans that exceed chance, those with most extra mistakes first.

    A class may be confused with another everywhere and also have a label more often.
    So mistakes are compared with what the overall confusion of each class predicts for
    its videos with the label, summed over classes as Cochran, Mantel and Haenszel do,
    and with what each other aspect predicts alike; the largest p-value counts. One in
    twenty leans may be chance (Benjamini and Hochberg's rule over all pairs of
    class and label with at least ten videos of other classes).

    Args:
        counts: Of the model.
        limit: The largest number of leans returned.

    Returns:
        The leans, and their number without the limit.
    """
    others = _others(counts)
    tested = others >= _ENOUGH
    row, column = np.nonzero(tested)
    hits = counts.mistaken[tested]
    mean = np.max([trait.expected for trait in counts.traits], axis=0)[tested]
    p_values = np.ones(len(row))
    worth = np.flatnonzero(hits >= np.maximum(mean + 1, 2))
    pairs = row[worth], column[worth]
    p_values[worth] = np.max(
        [
            rates.more_than_expected(
                hits[worth], _trials(trait, *pairs), trait.expected[pairs]
            )
            for trait in counts.traits
        ],
        axis=0,
    )
    kept = np.flatnonzero(rates.discoveries(p_values))
    order = kept[np.argsort(-(hits - mean)[kept], kind="stable")]
    shown, right = counts.shown, counts.right
    rest, rest_right = (c.sum(axis=1, keepdims=True) - c for c in (shown, right))
    often, often_other, before = _shares(counts.frequency)
    found = [
        Lean(
            label=int(row[i]),
            value=int(column[i]),
            here=rates.of(hits[i], others[cell]),
            expected=float(mean[i] / others[cell]),
            extra=float(hits[i] - mean[i]),
            p=float(p_values[i]),
            usual=bool(counts.usual[cell]),
            own_share=float(often[cell]),
            others_share=float(often_other[cell]),
            before_share=float(before[cell]),
            there=rates.of(right[cell], shown[cell]),
            elsewhere=rates.of(rest_right[cell], rest[cell]),
        )
        for i in order[:limit]
        for cell in [(row[i], column[i])]
    ]
    return found, len(kept)


def _shares(frequency: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[K, Z] each: `Lean.own_share`, `others_share` and `before_share`."""
    videos = frequency.sum(axis=1, keepdims=True)
    others = frequency.sum(axis=0) - frequency, frequency.sum() - videos
    with np.errstate(invalid="ignore"):  # NaN without videos
        return frequency / videos, others[0] / others[1], _before(frequency) / videos


def num_tested(counts: Counts) -> tuple[int, int]:
    """Returns how many pairs `leans` tests, and how many could occur."""
    others = _others(counts)
    return int((others >= _ENOUGH).sum()), int((others > 0).sum())


def _others(counts: Counts) -> np.ndarray:
    """[K, Z] videos of other classes with a label."""
    return counts.shown.sum(axis=0) - counts.shown


def _trials(trait: Trait, label: np.ndarray, value: np.ndarray) -> np.ndarray:
    """[n] number of trials whose sum is a class's mistakes with a label.

    Each value of the trait adds the smaller of two counts: how often it is confused
    with the class, and how many of its videos have the label.
    """
    found = np.zeros(len(label), np.int64)
    for confused, held in zip(trait.confused, trait.held, strict=True):
        found += np.minimum(confused[label], held[value])
    return found


def worst_groups(
    labels: np.ndarray, predicted: np.ndarray, values: np.ndarray, *, limit: int
) -> list[Group]:
    """Returns groups that are less accurate than the rest of their class beyond chance.

    They come from `groups.worst_groups`, with their misclassified rows.

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
            wrong=np.flatnonzero(
                (labels == found.label[row])
                & (values == found.aspect[row])
                & (predicted != labels)
            ),
        )
        for row, sure in zip(*groups.worst_groups(found, count=limit), strict=True)
        if sure
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
    enough = np.flatnonzero(shown >= _ENOUGH)
    means, elsewhere, p_values = [], [], []
    for trait in counts.traits:
        missed, videos = trait.missed[:, None], trait.held.sum(axis=1, keepdims=True)
        means.append((missed / np.maximum(videos, 1) * trait.held).sum(axis=0))
        trials = np.minimum(missed, trait.held).sum(axis=0)
        p_values.append(
            rates.more_than_expected(hits[enough], trials[enough], means[-1][enough])
        )
        rest, rest_missed = videos - trait.held, missed - trait.wrong
        # a trait that always has the label is no evidence, and is as good as it is
        share = np.where(rest, rest_missed, trait.wrong) / np.maximum(
            np.where(rest, rest, trait.held), 1
        )
        elsewhere.append((share * trait.held).sum(axis=0))
    mean, other, p_values = (np.max(of, axis=0) for of in (means, elsewhere, p_values))
    extra = hits - other
    kept = enough[rates.discoveries(p_values)]
    return [
        Pool(
            value=int(value),
            rate=rates.of(shown[value] - hits[value], shown[value]),
            expected=float(1 - other[value] / shown[value]),
            extra=float(extra[value]),
            tested=float((hits - mean)[value]),
            wrong=np.flatnonzero((values == value) & (predicted != labels)),
        )
        for value in kept[np.argsort(-extra[kept], kind="stable")]
        if extra[value] > 0
    ]


def unexplained(pools: Sequence[Pool], leans: Sequence[Lean]) -> list[Pool]:
    """Returns the labels whose mistakes no single pair accounts for.

    A pair does if its label stands for its class, or if it has half of the excess.
    """
    told = {lean.value for lean in leans if lean.follows_label}
    most = {pool.value: pool.tested / 2 for pool in pools}
    told |= {lean.value for lean in leans if lean.extra >= most.get(lean.value, np.inf)}
    return [pool for pool in pools if pool.value not in told]
