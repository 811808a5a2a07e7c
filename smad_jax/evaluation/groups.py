"""Where a classifier fails: by class, by class and scene, by rarity (Sec. 3).

A group is a class together with a label of an aspect, such as the scene. All labels
are [V] int arrays. A negative class or aspect label is unknown and belongs to no group;
a negative prediction, of an unreadable video, is wrong.
"""

from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.evaluation import rates

MIN_VIDEOS = 10  # of fewer videos the accuracy of a group is mostly noise
THIRDS = ("usual", "medium", "rare")


class Groups(NamedTuple):
    """The groups that occur, by class and then by aspect label; all are [G].

    Attributes:
        label: Class of each group.
        aspect: Aspect label of each.
        num_videos: Videos in each.
        num_correct: Correctly classified videos in each.
    """

    label: np.ndarray
    aspect: np.ndarray
    num_videos: np.ndarray
    num_correct: np.ndarray

    @property
    def accuracy(self) -> np.ndarray:
        """Accuracy of each group, [G], 0 to 1."""
        return self.num_correct / self.num_videos

    def take(self, rows: np.ndarray) -> "Groups":
        """Returns some of the groups, by [n] positions or a [G] mask."""
        return Groups(*(column[rows] for column in self))


class Spread(NamedTuple):
    """Equalised odds: how much the accuracy of a class depends on the aspect label.

    Attributes:
        label: [n] classes with at least two groups that are large enough.
        deviation: [n] standard deviation of P(Y' = y | Y = y, S = s) over s.
        mean: Their mean; NaN if there is none.
        chance: The same mean with the aspect labels permuted within each class. Groups
            are small, so their accuracies differ even by chance.
    """

    label: np.ndarray
    deviation: np.ndarray
    mean: float
    chance: float


class Third(NamedTuple):
    """Accuracy of the videos whose scene is about equally usual for their class.

    Attributes:
        name: One of `THIRDS`.
        num_videos: Videos in it.
        accuracy: Their accuracy; NaN without videos.
        worst_label: Class of the lowest accuracy in it; -1 without videos.
        worst_accuracy: That accuracy.
    """

    name: str
    num_videos: int
    accuracy: float
    worst_label: int
    worst_accuracy: float


def group_accuracy(
    label: np.ndarray, predicted: np.ndarray, aspect: np.ndarray
) -> Groups:
    """Returns every group that occurs, with its counts of videos.

    Raises:
        DataError: if the lengths differ.
    """
    label, predicted, aspect = _same_length(label, predicted, aspect)
    known = (label >= 0) & (aspect >= 0)
    num_labels = int(aspect.max(initial=0)) + 1
    found, group = np.unique(
        label[known] * num_labels + aspect[known], return_inverse=True
    )
    right = (label == predicted)[known]
    size = len(found)
    return Groups(
        *np.divmod(found, num_labels),
        np.bincount(group, minlength=size),
        np.bincount(group[right], minlength=size),
    )


class Worst(NamedTuple):
    """Groups of low accuracy, the worst first.

    Attributes:
        rows: [n] positions of the groups.
        sure: [n] bool, whether a group is low beyond chance.
    """

    rows: np.ndarray
    sure: np.ndarray


def worst_groups(
    groups: Groups, *, count: int = 10, min_videos: int = MIN_VIDEOS
) -> Worst:
    """Returns groups of low accuracy.

    A group is listed if it is less accurate than all videos and than its class with
    other aspect labels; otherwise the class itself is hard. A class with one label is
    compared with all other videos. A group is sure if a one-sided exact test holds at a
    false discovery rate of one in twenty (Benjamini and Hochberg's rule). Sure groups
    come first, then those with the lowest upper end of the 95 % interval of accuracy,
    so that a few unlucky videos do not rank before a large group.

    Args:
        groups: From `group_accuracy`.
        count: The largest number of groups.
        min_videos: Smaller groups are ignored; if all are smaller, the largest count.
    """
    if not len(groups.label):
        return Worst(np.zeros(0, np.int64), np.zeros(0, bool))
    large = np.flatnonzero(groups.num_videos >= _enough(groups, min_videos))
    whole, right = groups.num_videos.sum(), groups.num_correct.sum()
    others, others_right = elsewhere(groups)
    alone = others == 0
    found, size = groups.num_correct[large], groups.num_videos[large]
    with_rest = np.where(alone, right, groups.num_correct + others_right)[large]
    all_of_it = np.where(alone, whole, groups.num_videos + others)[large]
    p_values = rates.fewer_than_chance(found, size, with_rest, all_of_it)
    # multiplied crosswise: a division would round
    low = (found * whole < right * size) & (found * all_of_it < with_rest * size)
    sure = rates.discoveries(p_values)
    _, upper = rates.wilson(found, size)
    order = np.lexsort((upper, ~sure))
    listed = order[low[order]][:count]
    return Worst(large[listed], sure[listed])


def worst_group(groups: Groups, *, min_videos: int = MIN_VIDEOS) -> int:
    """Returns the position of the group of lowest accuracy; of ties the largest.

    Args:
        groups: From `group_accuracy`, at least one.
        min_videos: Smaller groups are ignored; if all are smaller, the largest count.
    """
    large = np.flatnonzero(groups.num_videos >= _enough(groups, min_videos))
    order = np.lexsort((-groups.num_videos[large], groups.accuracy[large]))
    return int(large[order[0]])


def _enough(groups: Groups, min_videos: int) -> int:
    """The size that a group must have, at most that of the largest."""
    return min(min_videos, int(groups.num_videos.max()))


def elsewhere(groups: Groups) -> tuple[np.ndarray, np.ndarray]:
    """Returns the counts of the rest of each group's class: videos, and correct ones.

    Both are [G] int arrays.
    """
    _, owner = np.unique(groups.label, return_inverse=True)
    videos, right = (
        np.bincount(owner, column)[owner].astype(np.int64) - column
        for column in (groups.num_videos, groups.num_correct)
    )
    return videos, right


def worst_class(label: np.ndarray, predicted: np.ndarray) -> tuple[int, float]:
    """Returns the class of lowest accuracy and that accuracy; of ties the lowest.

    Raises:
        DataError: if the lengths differ or there is no video.
    """
    groups = group_accuracy(label, predicted, np.zeros(len(label), np.int64))
    if not len(groups.label):
        raise errors.DataError("no video has a known class")
    row = int(np.argmin(groups.accuracy))
    return int(groups.label[row]), float(groups.accuracy[row])


def equalised_odds(
    label: np.ndarray,
    predicted: np.ndarray,
    aspect: np.ndarray,
    *,
    min_videos: int = MIN_VIDEOS,
    seed: int = 0,
    num_permutations: int = 10,
) -> Spread:
    """Returns the spread that is 0 under equalised odds (Sec. 3).

    Args:
        label: True actions.
        predicted: Predicted actions.
        aspect: Labels of the aspect.
        min_videos: Smaller groups are ignored.
        seed: Random seed of the permutations.
        num_permutations: Number of permutations behind `chance`.

    Raises:
        DataError: if the lengths differ.
    """
    label, predicted, aspect = _same_length(label, predicted, aspect)
    labels, deviation = _deviations(label, predicted, aspect, min_videos)
    if not len(labels):
        return Spread(labels, deviation, float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    given = np.argsort(label, kind="stable")
    # permuted among the videos with a label, so that groups keep their sizes
    given = given[aspect[given] >= 0]
    chance = []
    for _ in range(num_permutations):
        order = given[np.argsort(label[given] + rng.random(len(given)))]
        permuted = np.full_like(aspect, -1)
        permuted[given] = aspect[order]
        chance.append(_deviations(label, predicted, permuted, min_videos)[1].mean())
    return Spread(labels, deviation, float(deviation.mean()), float(np.mean(chance)))


def _deviations(
    label: np.ndarray, predicted: np.ndarray, aspect: np.ndarray, min_videos: int
) -> tuple[np.ndarray, np.ndarray]:
    """Classes of two or more large groups, and the deviation of their accuracies."""
    groups = group_accuracy(label, predicted, aspect)
    large = groups.take(groups.num_videos >= min_videos)
    labels, owner, size = np.unique(
        large.label, return_inverse=True, return_counts=True
    )
    mean = np.bincount(owner, large.accuracy, len(labels)) / np.maximum(size, 1)
    square = np.bincount(
        owner, (large.accuracy - mean[owner]) ** 2, minlength=len(labels)
    )
    kept = size >= 2
    return labels[kept], np.sqrt(square[kept] / size[kept])


def frequency(
    label: np.ndarray, aspect: np.ndarray, *, usual: np.ndarray | None = None
) -> np.ndarray:
    """Returns [V] int: how many videos have the class and the label of each video.

    -1 where a label is unknown; arguments and errors are those of `equal_thirds`.
    """
    label, aspect = _same_length(label, aspect)
    known = (label >= 0) & (aspect >= 0)
    found = np.full(len(label), -1)
    if usual is not None:
        found[known] = usual[label[known], aspect[known]]
        return found
    num_labels = int(aspect.max(initial=0)) + 1
    pair = label[known] * num_labels + aspect[known]
    _, group, size = np.unique(pair, return_inverse=True, return_counts=True)
    found[known] = size[group]
    return found


def equal_thirds(
    label: np.ndarray,
    aspect: np.ndarray,
    *,
    usual: np.ndarray | None = None,
    ids: np.ndarray | None = None,
) -> np.ndarray:
    """Returns [V] int: 0, 1, 2 for the usual, medium and rare third of each class.

    The videos of a class are ordered by how usual their aspect label is for it, as
    OmniDebias orders web media (App. B). The cuts go through labels, so the thirds
    differ by at most one video, the remainder at the rare end; unlike
    `data.groups.whole_label_thirds`. -1 where a label is unknown.

    Args:
        label: [V] int.
        aspect: [V] int.
        usual: [K, Z] number of videos of each class and label, for instance in the
            training set; None counts these videos.
        ids: [V] names, which order ties; by default their position does.

    Raises:
        DataError: if the lengths differ.
    """
    label, aspect = _same_length(label, aspect)
    known = np.flatnonzero((label >= 0) & (aspect >= 0))
    count = frequency(label, aspect, usual=usual)[known]
    names = known if ids is None else np.asarray(ids)[known]
    order = known[np.lexsort((names, aspect[known], -count, label[known]))]
    found = np.full(len(label), -1)
    _, start, count = np.unique(label[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(start, count)
    # n // 3 and 2 n // 3 are the cuts
    whole = np.repeat(count, count)
    found[order] = (place >= whole // 3).astype(int) + (place >= 2 * whole // 3)
    return found


def accuracy_by_third(
    label: np.ndarray, predicted: np.ndarray, third: np.ndarray
) -> tuple[Third, ...]:
    """Returns the accuracy of each of the `THIRDS` from `equal_thirds`, usual to rare.

    Raises:
        DataError: if the lengths differ.
    """
    groups = group_accuracy(label, predicted, third)
    found = []
    for number, name in enumerate(THIRDS):
        part = groups.take(groups.aspect == number)
        if not len(part.label):
            found.append(Third(name, 0, float("nan"), -1, float("nan")))
            continue
        count, worst = int(part.num_videos.sum()), int(np.argmin(part.accuracy))
        found.append(
            Third(
                name,
                count,
                float(part.num_correct.sum() / count),
                int(part.label[worst]),
                float(part.accuracy[worst]),
            )
        )
    return tuple(found)


def _same_length(*arrays: np.ndarray) -> list[np.ndarray]:
    """The arrays as int64.

    Raises:
        DataError: unless each has one entry for each video.
    """
    columns = [np.asarray(array, np.int64) for array in arrays]
    if len({column.shape for column in columns}) > 1 or columns[0].ndim != 1:
        shapes = ", ".join(str(list(column.shape)) for column in columns)
        raise errors.DataError(f"labels must be [V] of one length, not {shapes}")
    return columns
