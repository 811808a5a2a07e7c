"""Dependence of action and scene, beside random parts: the rows of Tables 10 and 12."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.bias import z_frequency
from smad_jax import errors
from smad_jax.evaluation import information

_LOG = logging.getLogger(__name__)


class Row(NamedTuple):
    """A line of Table 10 or 12: a split, DATASET/SPLIT, and an aspect.

    Attributes:
        videos: Videos that have a label.
        classes: Classes that have such videos.
        nmi: Of action and label.
        random: Mean NMI of random parts of the pool of this size in each class.
        random_std: Standard deviation of these; NaN of one.
        entropy: Mean over the classes of the labels' entropy, in nats.
        random_entropy: Mean of the same over the random parts.
    """

    split: str
    aspect: str
    videos: int
    classes: int
    nmi: float
    random: float
    random_std: float
    entropy: float
    random_entropy: float


def mean_entropy(actions: np.ndarray, factors: np.ndarray, num_classes: int) -> float:
    """Returns the mean over K classes of H(S | Y = y) in nats (Sec. 5.2).

    Actions and factors are [V] int, none missing. A class without videos is left out
    and logged.
    """
    found = information.group_entropies(factors, actions, num_groups=num_classes)
    empty = int(np.isnan(found).sum())
    if empty:
        _LOG.info("%d of %d classes have no labelled video", empty, num_classes)
    return float(np.nanmean(found))


def measure(
    name: str,
    aspect: str,
    part: tuple[np.ndarray, np.ndarray],
    pool: tuple[np.ndarray, np.ndarray],
    classes: Sequence[str],
    *,
    num_draws: int,
    seed: int,
) -> Row:
    """Returns the line of an aspect and of the split called `name`.

    Args:
        name: DATASET/SPLIT.
        aspect: Aspect of the labels.
        part: Actions and labels of the split, each [V] int; negative where missing.
        pool: The same of the pool of random parts; negative actions for other classes.
        classes: [K] names, for both.
        num_draws: Number of random parts.
        seed: Random seed of the first.

    Raises:
        DataError: if the split has no labels, or the pool has fewer videos of a class.
    """
    actions, factors = _labelled(*part)
    if not len(actions):
        raise errors.DataError(f"no video of {name} has a label for {aspect!r}")
    pool_actions, pool_factors = _labelled(*pool)
    wanted = np.bincount(actions, minlength=len(classes))
    there = np.bincount(pool_actions, minlength=len(classes))
    if (there < wanted).any():
        label = int(np.argmax(there < wanted))
        raise errors.DataError(
            f"the pool has {there[label]} videos of {classes[label]!r}, but {name} has "
            f"{wanted[label]}; --pool must be the split that it was cut from"
        )
    drawn = []
    for draw in range(num_draws):
        rows = z_frequency.draw_per_class(pool_actions, wanted, seed=seed + draw)
        drawn.append(_measures(pool_actions[rows], pool_factors[rows], len(classes)))
    nmi, entropy = _measures(actions, factors, len(classes))
    random, random_entropy = np.mean(drawn, axis=0)
    spread = float(np.std(drawn, axis=0, ddof=1)[0]) if num_draws > 1 else float("nan")
    return Row(
        split=name,
        aspect=aspect,
        videos=len(actions),
        classes=int((wanted > 0).sum()),
        nmi=nmi,
        random=float(random),
        random_std=spread,
        entropy=entropy,
        random_entropy=float(random_entropy),
    )


def _labelled(
    actions: np.ndarray, factors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Actions and labels of the videos that have both."""
    usable = (actions >= 0) & (factors >= 0)
    return actions[usable], factors[usable]


def _measures(
    actions: np.ndarray, factors: np.ndarray, num_classes: int
) -> tuple[float, float]:
    """NMI and mean entropy of labelled videos."""
    return (
        information.normalized_mutual_information(actions, factors),
        mean_entropy(actions, factors, num_classes),
    )


def markdown(rows: Sequence[Row]) -> str:
    """Returns the table in the form of Tables 10 and 12, random parts beside it."""
    lines = [
        "| split | aspect | videos | NMI | random part | difference | entropy, nats "
        "| random part |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        spread = "" if np.isnan(row.random_std) else f" ± {row.random_std:.4f}"
        lines.append(
            f"| {row.split} | {row.aspect} | {row.videos} | {row.nmi:.4f} "
            f"| {row.random:.4f}{spread} | {row.nmi - row.random:+.4f} "
            f"| {row.entropy:.3f} | {row.random_entropy:.3f} |"
        )
    return "\n".join(lines)
