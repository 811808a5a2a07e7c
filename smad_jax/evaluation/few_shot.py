"""Few-shot recognition by cosine similarity, without training (Sec. 6.2, Table 5).

The paper has 10,000 five-way episodes of one or five shots. It leaves two choices open:
here each class has one query, which does not change the expected accuracy, and with
several shots the class with the closest supports on average wins.
"""

import dataclasses
from typing import Literal, NamedTuple, get_args

import numpy as np

from smad_jax import errors

Rule = Literal["mean", "prototype", "nearest"]
RULES: tuple[Rule, ...] = get_args(Rule)

_CHUNK_BYTES = 64 << 20  # of features that are gathered together


@dataclasses.dataclass(frozen=True)
class Result:
    """Accuracy over episodes.

    Attributes:
        accuracy: Mean over episodes, 0 to 1.
        interval: Half the width of its 95 % interval over episodes.
        num_episodes: Number of episodes.
        num_classes: Classes with enough videos to be drawn.
    """

    accuracy: float
    interval: float
    num_episodes: int
    num_classes: int


class Episodes(NamedTuple):
    """The videos of every episode, as rows of the features.

    Attributes:
        support: [E, ways, shots] int.
        query: [E, ways, queries] int, of the classes in the same order.
    """

    support: np.ndarray
    query: np.ndarray


def evaluate(
    features: np.ndarray,
    labels: np.ndarray,
    ids: np.ndarray,
    *,
    num_ways: int = 5,
    num_shots: int = 1,
    num_queries: int = 1,
    num_episodes: int = 10_000,
    rule: Rule = "mean",
    seed: int = 0,
) -> Result:
    """Returns the accuracy of classification in many small episodes.

    Args:
        features: [V, D], any scale; a row of zeros has a similarity of 0 to all others.
        labels: [V] int.
        ids: [V] names, so that the order of the videos has no influence.
        num_ways: Classes of an episode.
        num_shots: Supports of each class.
        num_queries: Queries of each class.
        num_episodes: E.
        rule: With several shots, the score of a class: `mean` of the cosine
            similarities, similarity to the `prototype` (mean of the unit vectors), or
            to the `nearest`. Ties go to the lowest class.
        seed: Random seed.

    Raises:
        DataError: if the arrays do not match or too few classes are large enough.
        ConfigError: for an unknown rule or a number below 1.
    """
    if rule not in RULES:
        raise errors.ConfigError(f"unknown rule {rule!r}; known: {', '.join(RULES)}")
    features, labels = np.asarray(features), np.asarray(labels)
    if features.ndim != 2 or not len(features) == len(labels) == len(ids):
        raise errors.DataError(
            f"features {list(features.shape)} must be [V, D] with one label and id for "
            f"each video, not {len(labels)} and {len(ids)}"
        )
    order = np.argsort(np.asarray(ids), kind="stable")
    episodes = draw_episodes(
        labels[order],
        num_ways=num_ways,
        num_shots=num_shots,
        num_queries=num_queries,
        num_episodes=num_episodes,
        rng=np.random.default_rng(seed),
    )
    unit = normalize(features)[order]
    videos = num_ways * (num_shots + num_queries)
    size = max(1, _CHUNK_BYTES // (videos * unit.shape[1] * unit.itemsize))
    right = np.concatenate(
        [
            _hits(
                unit[episodes.support[start : start + size]],
                unit[episodes.query[start : start + size]],
                rule,
            )
            for start in range(0, num_episodes, size)
        ]
    )
    spread = right.std(ddof=1) / np.sqrt(len(right)) if len(right) > 1 else np.nan
    counts = np.unique(labels, return_counts=True)[1]
    return Result(
        accuracy=float(right.mean()),
        interval=float(1.96 * spread),
        num_episodes=num_episodes,
        num_classes=int((counts >= num_shots + num_queries).sum()),
    )


def draw_episodes(
    labels: np.ndarray,
    *,
    num_ways: int,
    num_shots: int,
    num_queries: int,
    num_episodes: int,
    rng: np.random.Generator,
) -> Episodes:
    """Draws the videos of every episode, each at most once; arguments as `evaluate`.

    Classes are drawn uniformly among those with at least shots + queries videos.

    Raises:
        ConfigError: if a number is below 1.
        DataError: if too few classes are large enough.
    """
    numbers = {
        "ways": num_ways,
        "shots": num_shots,
        "queries": num_queries,
        "episodes": num_episodes,
    }
    for name, number in numbers.items():
        if number < 1:
            raise errors.ConfigError(f"{name} must be at least 1, not {number}")
    rows = np.argsort(labels, kind="stable")
    _, start, count = np.unique(labels[rows], return_index=True, return_counts=True)
    needed = num_shots + num_queries
    start, count = start[count >= needed], count[count >= needed]
    if len(start) < num_ways:
        raise errors.DataError(
            f"{len(start)} classes have the {needed} videos that {num_shots} shots and "
            f"{num_queries} queries need, fewer than the {num_ways} of an episode"
        )
    # the classes with the smallest random numbers are a draw without repeats
    ways = rng.random((num_episodes, len(start))).argpartition(num_ways - 1, axis=1)
    # in random order, because ties go to the lowest class
    ways = rng.permuted(ways[:, :num_ways], axis=1)
    places = _draw_without_repeats(count[ways], needed, rng)
    found = rows[start[ways][..., None] + places]
    return Episodes(found[..., :num_shots], found[..., num_shots:])


def _draw_without_repeats(
    sizes: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """[..., count] different numbers below each of `sizes`, in random order.

    The n-th is drawn from the remaining numbers and shifted past those drawn before.
    """
    drawn = np.empty((*sizes.shape, count), np.int64)
    for number in range(count):
        found = rng.integers(sizes - number)
        for taken in np.moveaxis(np.sort(drawn[..., :number], axis=-1), -1, 0):
            found += found >= taken
        drawn[..., number] = found
    return drawn


def normalize(features: np.ndarray) -> np.ndarray:
    """Returns [V, D] of length 1 in their last axis; zeros stay zeros."""
    features = np.asarray(features)
    if not np.issubdtype(features.dtype, np.floating):
        features = features.astype(np.float32)
    length = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.divide(features, length, out=np.zeros_like(features), where=length > 0)


def class_scores(support: np.ndarray, query: np.ndarray, rule: Rule) -> np.ndarray:
    """Returns [E, Q, ways], the similarity of each query to each class.

    Args:
        support: [E, ways, shots, D] of length 1.
        query: [E, Q, D] of length 1.
        rule: One of `RULES`.
    """
    if rule == "prototype":
        support = normalize(support.mean(axis=2, keepdims=True))
    episodes, ways, shots, size = support.shape
    flat = support.reshape(episodes, ways * shots, size)
    similarity = (query @ flat.swapaxes(1, 2)).reshape(episodes, -1, ways, shots)
    return similarity.max(-1) if rule == "nearest" else similarity.mean(-1)


def _hits(support: np.ndarray, query: np.ndarray, rule: Rule) -> np.ndarray:
    """[E] accuracy of the queries [E, ways, queries, D]."""
    episodes, ways, count, size = query.shape
    scores = class_scores(support, query.reshape(episodes, -1, size), rule)
    return (scores.argmax(-1) == np.repeat(np.arange(ways), count)).mean(axis=1)
