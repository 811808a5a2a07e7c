"""How much an aspect should worry the reader: gaps, controlled for other aspects.

Aspects go together: a stove stands in a kitchen. So a gap between usual and rare
objects may be the scene's. It is therefore tested again among videos of one action
whose other aspects are equally rare, and only what is left there is held against the
aspect.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

import numpy as np

from smad_jax.evaluation import groups, rates

Level = Literal["none", "slight", "moderate", "strong", "unclear"]
Reason = Literal[
    "gap", "hidden", "pairs", "few", "wide", "entangled", "shared", "better", "small"
]
LEVELS: tuple[Level, ...] = get_args(Level)

ENOUGH = 20  # videos of a third; with fewer nothing is concluded
MODERATE, STRONG = 0.05, 0.15  # least gaps of these levels, as shares of videos
RULED_OUT = 0.10  # a gap that must lie outside the interval before none is reported
_P = 0.05


class Controlled(NamedTuple):
    """The gap of one aspect with the others held fixed.

    Attributes:
        others: The aspects held fixed.
        gap: Usual minus rare among videos of one action and one third of each other.
        grids: By other aspect, 3 x 3 rates: third of this aspect, third of the other,
            both cut as in the charts.
    """

    others: tuple[str, ...]
    gap: rates.Stratified
    grids: Mapping[str, tuple[tuple[rates.Rate, ...], ...]]


class Concern(NamedTuple):
    """The judgement of one aspect.

    Attributes:
        level: Of concern, or `unclear` where there are too few videos to say.
        reason: `gap`, usual minus rare exceeds chance; `hidden`, only with the other
            aspects held fixed; `pairs`, only pairs of action and label do; `few`, a
            third has fewer than `ENOUGH` videos; `wide`, a gap of `RULED_OUT` may be
            overlooked; `entangled`, the gap cannot be separated from other aspects';
            `shared`, it goes with them, and one of theirs is proven; `better`, rare
            labels are easier; `small`, a gap of `RULED_OUT` is ruled out.
    """

    level: Level
    reason: Reason

    @property
    def proven(self) -> bool:
        """Whether a gap of this aspect itself exceeds chance."""
        return self.reason in ("gap", "hidden")


def whole_labels(
    labels: np.ndarray, frequency: np.ndarray, third: np.ndarray
) -> np.ndarray:
    """Returns thirds that do not cut through labels of an aspect, to be held fixed.

    The videos of one class whose labels are equally frequent all get the third of the
    first of them. Cut apart, usual and rare labels would meet in the medium third, and
    a gap between them would pass for one of another aspect. Ties count as one, since
    their order is arbitrary: a copy of an aspect with other names has the same thirds.

    Args:
        labels: [V] int true actions.
        frequency: [V] int, from `groups.frequency`.
        third: [V] int, from `groups.equal_thirds`.
    """
    _, tied = np.unique([labels, frequency], axis=1, return_inverse=True)
    least = np.full(tied.max(initial=-1) + 1, len(groups.THIRDS))
    np.minimum.at(least, tied, third)
    return least[tied]


def control(
    aspect: str,
    labels: np.ndarray,
    right: np.ndarray,
    thirds: Mapping[str, np.ndarray],
    fixed: Mapping[str, np.ndarray],
) -> Controlled | None:
    """Returns the gap of an aspect with all others held fixed; None without others.

    Args:
        aspect: Its name.
        labels: [V] int true actions, held fixed too.
        right: [V] bool.
        thirds: By aspect, itself too, [V] int from `groups.equal_thirds`.
        fixed: By aspect, itself too, [V] int from `whole_labels`, -1 if unknown.
    """
    third = thirds[aspect]
    others = {name: whole for name, whole in fixed.items() if name != aspect}
    if not others:
        return None
    numbers = range(len(groups.THIRDS))
    known = np.all([whole >= 0 for whole in others.values()], axis=0)
    # a label that is cut through is no rarer at one end than at the other
    rare = (third == numbers[-1]) & (fixed[aspect] > numbers[0])
    ends = known & ((third == numbers[0]) | rare)
    stratum = labels
    for whole in others.values():
        stratum = stratum * (len(numbers) + 1) + whole + 1
    return Controlled(
        tuple(others),
        rates.stratified(right[ends], third[ends] == 0, stratum[ends]),
        {
            name: tuple(
                tuple(
                    rates.rate(right[(third == n) & (thirds[name] == m)])
                    for m in numbers
                )
                for n in numbers
            )
            for name in others
        },
    )


def judge(
    usual: rates.Rate,
    rare: rates.Rate,
    controlled: Controlled | None,
    num_pairs: int,
    *,
    owned: bool = False,
) -> Concern:
    """Returns the judgement of an aspect.

    Args:
        usual: Accuracy of the usual third.
        rare: Accuracy of the rare third.
        controlled: From `control`.
        num_pairs: Pairs of action and label that are confused beyond chance.
        owned: Whether a gap of another aspect is proven. Of two copies neither is, and
            then no gap is explained away, however small it is with the other held
            fixed: somebody's it must be. It does not change what is proven.
    """
    if min(usual.num_videos, rare.num_videos) < ENOUGH:
        return Concern("unclear", "few")
    gap = usual.share - rare.share
    differs = rates.differ(usual, rare) < _P
    fixed = None if controlled is None else controlled.gap
    if fixed is not None and fixed.p < _P and fixed.difference > 0:
        return Concern(
            _level(fixed.difference), "gap" if differs and gap > 0 else "hidden"
        )
    if differs and gap > 0:
        if fixed is None:
            return Concern(_level(gap), "gap")
        if not (owned and fixed.high < RULED_OUT):
            return Concern("unclear", "entangled")
    if num_pairs:
        return Concern("slight", "pairs")
    if differs:
        return Concern("none", "shared" if gap > 0 else "better")
    if rates.difference_interval(usual, rare)[1] < RULED_OUT:
        return Concern("none", "small")
    return Concern("unclear", "wide")


def _level(gap: float) -> Level:
    if gap >= STRONG:
        return "strong"
    return "moderate" if gap >= MODERATE else "slight"
