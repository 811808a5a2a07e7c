"""Which classes lean on which scenes, and the groups that pay for it.

Everything is counted in [K, Z] tables, class by value of an aspect, so the cost grows
with the number of videos plus K Z, not with their product.
"""

import dataclasses

import numpy as np

from smad_jax.evaluation import groups, rates

_ENOUGH = 10  # videos of other classes, before a share of them means anything


@dataclasses.dataclass(frozen=True)
class Counts:
    """Videos of one model and aspect, counted.

    Attributes:
        shown: [K, Z] videos of a class that show a value.
        right: [K, Z] how many of them are recognised.
        mistaken: [K, Z] videos of *other* classes that show the value and are taken
            for the class.
    """

    shown: np.ndarray
    right: np.ndarray
    mistaken: np.ndarray


@dataclasses.dataclass(frozen=True)
class Lean:
    """A class that is answered too often where a value is shown.

    Attributes:
        label: The class.
        value: The value of the aspect.
        here: Among videos of other classes with the value, the share taken for it.
        elsewhere: The same share where the value is not shown.
        extra: How many more mistakes that is than at the rate of elsewhere.
        p: One-sided, of Fisher's exact test.
    """

    label: int
    value: int
    here: rates.Rate
    elsewhere: rates.Rate
    extra: float
    p: float


@dataclasses.dataclass(frozen=True)
class Group:
    """Videos of one class with one value of an aspect.

    Attributes:
        label: The class.
        value: The value.
        rate: Its accuracy.
        class_rate: The accuracy of the class with all other values.
        wrong: [n] rows of its videos that are got wrong.
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
) -> Counts:
    """Counts videos that have a label of the aspect.

    Args:
        labels: [V] int.
        predicted: [V] int, -1 for no answer.
        values: [V] int, -1 for no label.
        num_classes: K.
        num_values: Z.
    """

    def table(rows: np.ndarray, of: np.ndarray) -> np.ndarray:
        cells = of[rows] * num_values + values[rows]
        counts = np.bincount(cells, minlength=num_classes * num_values)
        return counts.reshape(num_classes, num_values)

    known = values >= 0
    right = known & (labels == predicted)
    wrong = known & (labels != predicted) & (predicted >= 0)
    return Counts(table(known, labels), table(right, labels), table(wrong, predicted))


def leans(counts: Counts, limit: int) -> tuple[list[Lean], int]:
    """Returns the leans that are more than chance, most extra mistakes first.

    One in twenty of them may be chance (Benjamini and Hochberg's rule over all pairs
    of class and value that occur). A value needs ten videos of other classes.

    Args:
        counts: Of the model.
        limit: How many are returned at most.

    Returns:
        The leans, and how many there are without the limit.
    """
    others = counts.shown.sum(axis=0) - counts.shown  # [K, Z], of other classes
    all_others = others.sum(axis=1, keepdims=True)
    all_mistaken = counts.mistaken.sum(axis=1, keepdims=True)
    outside = np.maximum(all_others - others, 1)
    base = (all_mistaken - counts.mistaken) / outside
    extra = counts.mistaken - others * base
    tested = (others >= _ENOUGH) & (all_others > others)
    row, column = np.nonzero(tested)
    p_values = np.ones(len(row))
    worth = (counts.mistaken[tested] > 1) & (extra[tested] > 0)
    y, z = row[worth], column[worth]
    p_values[worth] = rates.more_than_chance(
        counts.mistaken[y, z], others[y, z], all_mistaken[y, 0], all_others[y, 0]
    )
    kept = np.flatnonzero(rates.discoveries(p_values))
    order = kept[np.argsort(-extra[row[kept], column[kept]], kind="stable")]
    found = [
        Lean(
            label=int(row[i]),
            value=int(column[i]),
            here=rates.of(
                counts.mistaken[row[i], column[i]], others[row[i], column[i]]
            ),
            elsewhere=rates.of(
                all_mistaken[row[i], 0] - counts.mistaken[row[i], column[i]],
                all_others[row[i], 0] - others[row[i], column[i]],
            ),
            extra=float(extra[row[i], column[i]]),
            p=float(p_values[i]),
        )
        for i in order[:limit]
    ]
    return found, len(kept)


def worst_groups(
    labels: np.ndarray, predicted: np.ndarray, values: np.ndarray, *, limit: int
) -> list[Group]:
    """Returns what `groups.worst_groups` lists, with the rows that are got wrong.

    Args:
        labels: [V] int.
        predicted: [V] int, -1 for no answer.
        values: [V] int, -1 for no label.
        limit: How many groups at most.
    """
    found = groups.group_accuracy(labels, predicted, values)
    others, others_right = groups.elsewhere(found)
    return [
        Group(
            label=int(found.label[row]),
            value=int(found.secondary[row]),
            rate=rates.of(found.num_correct[row], found.num_videos[row]),
            class_rate=rates.of(others_right[row], others[row]),
            wrong=np.flatnonzero(
                (labels == found.label[row])
                & (values == found.secondary[row])
                & (predicted != labels)
            ),
        )
        for row in groups.worst_groups(found, count=limit)
    ]
