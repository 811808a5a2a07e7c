"""Videos counted by action, prediction and aspect label, and NMI from the counts.

The arithmetic of `fairness`. Every measure is a function of the counts of the filled
combinations, at most V of them whatever the numbers of classes and scenes. A bootstrap
draw is another count of the same combinations.
"""

from typing import Literal, NamedTuple, get_args

import numpy as np

from smad_jax.evaluation import information

Averaging = Literal["groups", "ratio"]
AVERAGINGS: tuple[Averaging, ...] = get_args(Averaging)


def amplified(found: dict[str, float]) -> dict[str, float]:
    """Returns the measures together with the bias that the model adds."""
    return found | {"amplified": found["independence"] - found["oracle"]}


class Kind(NamedTuple):
    """The NMI behind a measure: of two of y, p and s, inside groups of the third."""

    first: str
    second: str
    group: str


KINDS = {
    "independence": Kind("p", "s", ""),
    "oracle": Kind("y", "s", ""),
    "separation": Kind("p", "s", "y"),
    "sufficiency": Kind("y", "s", "p"),
}


# Each margin of the table, and the margin that it is summed from.
_SUMMED_FROM = {
    "yp": "yps",
    "ys": "yps",
    "ps": "yps",
    "y": "yp",
    "p": "yp",
    "s": "ys",
    "": "y",
}

Counts = dict[str, np.ndarray]


class _Margin(NamedTuple):
    """The filled combinations of some of the columns, and the codes of each.

    `cell` maps every cell of the margin that this one is summed from to a cell here.
    """

    cell: np.ndarray
    codes: dict[str, np.ndarray]


class Table:
    """Counts of V videos by y, p and s, and of every margin.

    Attributes:
        num_videos: V.
        counts: The counts of all videos, by margin.
    """

    def __init__(
        self,
        label: np.ndarray,
        predicted: np.ndarray,
        aspect: np.ndarray,
        *,
        mean: information.Mean,
        average: Averaging,
    ) -> None:
        """Counts the videos.

        Args:
            label: [V] int, at least 0, like the others.
            predicted: [V] int.
            aspect: [V] int.
            mean: The mean of the two entropies by which NMI is divided.
            average: `groups` for the mean of the groups' NMI, `ratio` for their mean
                information over their mean entropy.

        Raises:
            ValueError: for an unknown mean or average.
        """
        _check_choice("mean", mean, information.MEANS)
        _check_choice("average", average, AVERAGINGS)
        self._mean: information.Mean = mean
        self._average: Averaging = average
        self.num_videos = len(label)
        self._columns = {
            name: np.unique(column, return_inverse=True)[1]
            for name, column in zip("yps", (label, predicted, aspect), strict=True)
        }
        self._sizes = {name: int(c.max()) + 1 for name, c in self._columns.items()}
        self._margins = {"yps": self._margin("yps", self._columns)}
        for name, parent in _SUMMED_FROM.items():
            self._margins[name] = self._margin(name, self._margins[parent].codes)
        numbers = np.arange(self.num_videos + 1)
        self._n_log_n = numbers * np.log(np.maximum(numbers, 1))
        self.counts = self._count(self._margins["yps"].cell)

    def draw(self, rng: np.random.Generator) -> Counts:
        """Returns the counts of V videos drawn with repeats."""
        rows = rng.integers(self.num_videos, size=self.num_videos)
        return self._count(self._margins["yps"].cell[rows])

    def measure(self, counts: Counts, name: str) -> float:
        """Returns a measure of counts."""
        kind = KINDS[name]
        return self._nmi(
            counts, kind, self._total(counts, kind, kind.first + kind.second)
        )

    def measure_all(self, counts: Counts) -> dict[str, float]:
        """Returns every measure of counts, by name."""
        return amplified({name: self.measure(counts, name) for name in KINDS})

    def control(self, name: str, rng: np.random.Generator) -> float:
        """Returns a measure with the aspect labels permuted within each group."""
        kind = KINDS[name]
        group = self._columns[kind.group] if kind.group else np.zeros(1, np.int64)
        group = np.broadcast_to(group, self.num_videos)
        # both orders list group after group, the second at random within a group
        given = np.argsort(group, kind="stable")
        permuted = np.argsort(group + rng.random(self.num_videos))
        aspect = np.empty_like(self._columns["s"])
        aspect[given] = self._columns["s"][permuted]
        first = group * self._sizes[kind.first] + self._columns[kind.first]
        cells, counts = np.unique(first * self._sizes["s"] + aspect, return_counts=True)
        owner = cells // (self._sizes["s"] * self._sizes[kind.first])
        both = np.bincount(owner, self._n_log_n[counts])
        return self._nmi(self.counts, kind, both)

    def _nmi(self, counts: Counts, kind: Kind, both: np.ndarray) -> float:
        """The measure, given the sums of n log n over pairs, [G].

        n H(A) = n log n - sum(a log a): entropies are multiplied by the group's size
        n, which cancels in NMI.
        """
        size = counts[kind.group]
        whole = self._n_log_n[size]
        first = whole - self._total(counts, kind, kind.first)
        second = whole - self._total(counts, kind, kind.second)
        shared = np.maximum(first + second - (whole - both), 0.0)
        if self._average == "ratio":
            first, second, shared, size = (
                np.atleast_1d(part.sum()) for part in (first, second, shared, size)
            )
        varied = np.minimum(first, second) > 1e-12 * max(whole.max(), 1.0)
        middle = information.mean_of(first, second, self._mean)
        share = np.divide(shared, middle, out=np.zeros(len(shared)), where=varied)
        return float(np.sum(size * np.minimum(share, 1.0)) / self.num_videos)

    def _total(self, counts: Counts, kind: Kind, of: str) -> np.ndarray:
        """Sums of n log n over the cells of `of` in each group, [G]."""
        name = "".join(part for part in "yps" if part in kind.group + of)
        weights = self._n_log_n[counts[name]]
        if not kind.group:
            return np.array([weights.sum()])
        owner = self._margins[name].codes[kind.group]
        return np.bincount(owner, weights, minlength=self._sizes[kind.group])

    def _count(self, cells: np.ndarray) -> Counts:
        """The counts of every margin, for [V] cells of the whole table."""
        size = len(self._margins["yps"].codes["y"])
        counts = {"yps": np.bincount(cells, minlength=size)}
        for name, parent in _SUMMED_FROM.items():
            summed = np.bincount(self._margins[name].cell, counts[parent])
            counts[name] = summed.astype(np.int64)
        return counts

    def _margin(self, name: str, columns: dict[str, np.ndarray]) -> _Margin:
        """The filled combinations of the columns that `name` lists."""
        code = np.zeros(len(columns["y" if "y" in columns else "s"]), np.int64)
        for part in name:
            code = code * self._sizes[part] + columns[part]
        _, first, cell = np.unique(code, return_index=True, return_inverse=True)
        return _Margin(cell, {part: columns[part][first] for part in name})


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"unknown {name} {value!r}; known: {', '.join(known)}")
