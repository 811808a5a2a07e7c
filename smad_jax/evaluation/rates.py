"""Shares of videos with intervals, and tests of whether they differ."""

from collections.abc import Sequence
from typing import NamedTuple, SupportsInt

import numpy as np
from scipy import stats

_Z = 1.959964  # 95 % of a normal distribution


class Rate(NamedTuple):
    """A share of videos, with its 95 % Wilson interval, all 0 to 1.

    Without videos the share is NaN and the interval 0 to 1.
    """

    hits: int
    num_videos: int
    share: float
    low: float
    high: float


class Change(NamedTuple):
    """Two models on the same videos.

    Attributes:
        num_videos: Videos compared.
        first_only: Videos that only the first classifies correctly.
        second_only: Videos that only the second classifies correctly.
        difference: Second minus first, as a share of all.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p: Of the exact two-sided McNemar test.
    """

    num_videos: int
    first_only: int
    second_only: int
    difference: float
    low: float
    high: float
    p: float


class Stratified(NamedTuple):
    """The difference of a share between two groups of videos, within strata.

    Attributes:
        num_videos: Videos of the strata that hold both groups; others show nothing.
        difference: First group minus second, the Mantel-Haenszel mean over strata; NaN
            without such strata, as the interval.
        low: Lower end of its 95 % interval, which inverts a score test (Miettinen and
            Nurminen, 1985).
        high: Upper end.
        p: Of the Cochran-Mantel-Haenszel test without continuity correction. It is the
            same score test of no difference, so it is below 0.05 if and only if the
            interval leaves out 0.
    """

    num_videos: int
    difference: float
    low: float
    high: float
    p: float


def wilson(hits: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns both ends of 95 % Wilson intervals; 0 and 1 for a count of 0.

    Args:
        hits: Any shape, how many of `counts`.
        counts: The same shape.
    """
    n = np.maximum(counts, 1)
    share = hits / n
    centre = share + _Z**2 / (2 * n)
    half = _Z * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    low, high = (centre - half) / (1 + _Z**2 / n), (centre + half) / (1 + _Z**2 / n)
    seen = counts > 0
    return np.where(seen, low.clip(0), 0.0), np.where(seen, high.clip(max=1), 1.0)


def of(hits: SupportsInt, num_videos: SupportsInt) -> Rate:
    """Returns the rate of `hits` among `num_videos`."""
    some, all_ = int(hits), int(num_videos)
    low, high = wilson(np.array(some), np.array(all_))
    share = some / all_ if all_ else float("nan")
    return Rate(some, all_, share, float(low), float(high))


def rate(hit: np.ndarray) -> Rate:
    """Returns the rate of a [n] bool array."""
    return of(hit.sum(), len(hit))


def mcnemar(first: np.ndarray, second: np.ndarray) -> Change:
    """Compares two models on the same videos.

    Only videos that exactly one model classifies correctly count. For equally good
    models either is equally likely (exact binomial test). The interval of the
    difference is Wald's for paired shares.

    Args:
        first: [n] bool, whether the first model is correct.
        second: [n] bool, whether the second is.
    """
    n = max(1, len(first))
    ahead, behind = int((second & ~first).sum()), int((first & ~second).sum())
    differ = ahead + behind
    p = float(stats.binomtest(ahead, differ).pvalue) if differ else 1.0
    difference = (ahead - behind) / n
    half = _Z * np.sqrt(max(0.0, differ - (ahead - behind) ** 2 / n)) / n
    return Change(
        len(first), behind, ahead, difference, difference - half, difference + half, p
    )


def differ(first: Rate, second: Rate) -> float:
    """Returns the p-value of Fisher's two-sided exact test of two groups of videos."""
    table = [[one.hits, one.num_videos - one.hits] for one in (first, second)]
    return float(np.asarray(stats.fisher_exact(table))[1])


def difference_interval(first: Rate, second: Rate) -> tuple[float, float]:
    """Returns the 95 % interval of `first` minus `second`, two groups of videos.

    Newcombe's hybrid of the two Wilson intervals (1998, method 10).
    """
    difference = first.share - second.share
    below = np.hypot(first.share - first.low, second.high - second.share)
    above = np.hypot(first.high - first.share, second.share - second.low)
    return float(difference - below), float(difference + above)


def stratified(
    hit: np.ndarray, in_first: np.ndarray, stratum: np.ndarray
) -> Stratified:
    """Compares two groups of videos within strata.

    A difference that exists only because one group stands in harder strata is gone
    here (Simpson's paradox). Strata may be as small as two videos.

    Args:
        hit: [n] bool.
        in_first: [n] bool, whether a video is of the first group.
        stratum: [n] int.
    """
    _, stratum = np.unique(stratum, return_inverse=True)
    size = stratum.max(initial=-1) + 1

    def count(rows: np.ndarray) -> np.ndarray:
        return np.bincount(stratum[rows], minlength=size).astype(np.float64)

    first, second = count(in_first), count(~in_first)
    kept = (first > 0) & (second > 0)
    if not kept.any():
        nothing = float("nan")
        return Stratified(0, nothing, nothing, nothing, 1.0)
    # n, m: videos of the first and second group; x, y: their hits; all of one stratum
    n, m = first[kept], second[kept]
    x, y = count(in_first & hit)[kept], count(~in_first & hit)[kept]
    both = n + m
    weight = n * m / both
    difference = float(((x * m - y * n) / both).sum() / weight.sum())

    def variance(shift: float) -> float:
        low = _restricted(x, n, y, m, shift)
        high = low + shift
        each = high * (1 - high) / n + low * (1 - low) / m
        return float((weight**2 * each * both / (both - 1)).sum() / weight.sum() ** 2)

    null = variance(0.0)
    p = float(stats.chi2.sf(difference**2 / null, 1)) if null > 0 else 1.0

    def bound(end: float) -> float:
        inside, outside = difference, end
        if difference * end < 0:  # with few videos what is rejected may have a hole
            inside, outside = (difference, 0.0) if p < 0.05 else (0.0, end)
        for _ in range(50):
            middle = (inside + outside) / 2
            if (difference - middle) ** 2 <= _Z**2 * variance(middle):
                inside = middle
            else:
                outside = middle
        return inside

    return Stratified(int(both.sum()), difference, bound(-1.0), bound(1.0), p)


def _restricted(
    x: np.ndarray, n: np.ndarray, y: np.ndarray, m: np.ndarray, shift: float
) -> np.ndarray:
    """Shares of `y` in `m` that are likeliest if those of `x` in `n` are `shift` more.

    The root of the cubic equation of Miettinen and Nurminen (1985), appendix I, inside
    the range of a share.
    """
    both, hits = n + m, x + y
    square = ((n + 2 * m) * shift - both - hits) / both
    linear = ((m * shift - both - 2 * y) * shift + hits) / both
    constant = y * shift * (1 - shift) / both
    turn = square**3 / 27 - square * linear / 6 + constant / 2
    size = np.sqrt(np.maximum(square**2 / 9 - linear / 3, 0))
    ratio = np.divide(
        np.abs(turn), size**3, out=np.zeros_like(size), where=size > 1e-9
    ).clip(max=1)
    sign = np.where(turn < 0, -1.0, 1.0)
    angle = (np.pi + np.arccos(ratio)) / 3
    root = 2 * sign * size * np.cos(angle) - square / 3
    return root.clip(max(0.0, -shift), min(1.0, 1 - shift))


def fewer_than_chance(
    hits: np.ndarray, counts: np.ndarray, all_hits: np.ndarray, all_counts: np.ndarray
) -> np.ndarray:
    """Returns p-values of one-sided exact tests that a group has fewer hits.

    Fisher's test: if `all_hits` of `all_counts` videos are hits, how likely is it that
    `counts` of them have `hits` or fewer? All are arrays of one shape.
    """
    return stats.hypergeom.cdf(hits, all_counts, all_hits, counts)


def more_than_expected(
    hits: np.ndarray, trials: np.ndarray, expected: np.ndarray
) -> np.ndarray:
    """Returns upper bounds on p-values of sums of hypergeometric counts.

    A hypergeometric count is a sum of independent trials of unequal chances, and so is
    a sum of such counts. Beyond its mean plus one, its upper tail is below that of the
    binomial distribution with as many trials and the same mean (Hoeffding, 1956).

    Args:
        hits: Any shape, the sums.
        trials: The same shape, the number of trials in each sum.
        expected: The same shape, the means.
    """
    chance = np.divide(expected, trials, out=np.zeros(expected.shape), where=trials > 0)
    tail = stats.binom.sf(hits - 1, trials, chance.clip(0, 1))
    return np.where(hits >= expected + 1, tail, 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p-values adjusted for their number by Holm's step-down rule."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted.tolist()


def discoveries(p_values: np.ndarray, level: float = 0.05) -> np.ndarray:
    """Returns [n] bool: which p-values are discoveries at a false share of `level`.

    Benjamini and Hochberg's rule.
    """
    if not len(p_values):
        return np.zeros(0, bool)  # SciPy refuses an empty array
    return stats.false_discovery_control(p_values) <= level
