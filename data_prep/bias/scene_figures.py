"""Fig. 1 and 6: the scenes of an action, as table and picture.

Fig. 1 shows one class: its videos by scene, from frequent to rare, and the cut of the
re-distributed split. Fig. 6 shows classes of several data sources side by side. The
tables hold all numbers of the pictures; drawing computes nothing.
"""

import csv
import pathlib
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import matplotlib
import numpy as np
from matplotlib import figure as figures

from data_prep.bias import redistribution
from smad_jax import errors
from smad_jax.base import file_io

Order = Literal["own", "first"]
OTHER = "other"
_NAMED = 110  # bars, above which names would overlap
_TRAIN, _VAL, _REST = "#4c72b0", "#dd8452", "#b0b0b0"


class CountRow(NamedTuple):
    """A bar of Fig. 1: a scene's place, number, name, videos and side of the cut."""

    rank: int
    label: int
    name: str
    videos: int
    share: float
    side: str


class ShareRow(NamedTuple):
    """A bar of Fig. 6: the share of a source's videos of a class with a scene."""

    action: str
    source: str
    rank: int
    label: int
    name: str
    share: float


def counts_of_class(
    factors: np.ndarray, names: Sequence[str], *, num_val: int
) -> list[CountRow]:
    """Returns the bars of Fig. 1, from the most frequent scene to the rarest.

    Of `factors`, [V] int, the scenes of one class's videos, negative where missing, and
    the [Z] names of scenes. As in `k200db`, the rarest scenes that together have
    `num_val` videos are on the side of validation; equal counts are ordered by label.

    Raises:
        DataError: if no video of the class has a label.
    """
    counts = np.bincount(factors[factors >= 0], minlength=len(names))
    if not counts.sum():
        raise errors.DataError("no video of the class has a label")
    # the rarest last, and of equal ones the lowest label, which is held out first
    present = np.flatnonzero(counts)
    order = present[np.argsort(counts[present], kind="stable")][::-1]
    held_out = set(redistribution.held_out_labels(counts, num_val))
    return [
        CountRow(
            rank=rank,
            label=int(label),
            name=names[int(label)],
            videos=int(counts[label]),
            share=float(counts[label] / counts.sum()),
            side="val" if int(label) in held_out else "train",
        )
        for rank, label in enumerate(order, start=1)
    ]


def shares_of_classes(
    sources: Mapping[str, np.ndarray],
    actions: Sequence[str],
    names: Sequence[str],
    *,
    top: int,
    order: Order,
) -> list[ShareRow]:
    """Returns the bars of Fig. 6: the `top` scenes of each class, and the rest as one.

    `sources` gives [K, Z] counts by name of a source, for K actions and Z names of
    scenes. With the order `own`, each source's scenes go from frequent to rare; with
    `first`, the first source's scenes and order hold for every source.

    Raises:
        DataError: if a source has no labelled video of a class.
    """
    rows = []
    for row, action in enumerate(actions):
        leading = None
        for source, counts in sources.items():
            here = counts[row]
            if not here.sum():
                raise errors.DataError(f"{source} has no labelled video of {action!r}")
            if leading is None or order == "own":
                leading = np.argsort(-here, kind="stable")[:top]
            share = here / here.sum()
            rows += [
                ShareRow(
                    action,
                    source,
                    rank,
                    int(label),
                    names[int(label)],
                    float(share[label]),
                )
                for rank, label in enumerate(leading, start=1)
            ]
            rest = float(1 - share[leading].sum())
            rows.append(
                ShareRow(action, source, len(leading) + 1, -1, OTHER, max(rest, 0.0))
            )
    return rows


def write_csv(path: pathlib.Path, rows: Sequence[NamedTuple], digits: int = 6) -> None:
    """Writes rows under their field names; floats are rounded to `digits`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0]._fields)
        for row in rows:
            writer.writerow(
                round(cell, digits) if isinstance(cell, float) else file_io.cell(cell)
                for cell in row
            )


def draw_counts(
    rows: Sequence[CountRow], action: str, stem: pathlib.Path
) -> list[pathlib.Path]:
    """Draws Fig. 1 as SVG and PNG; returns their paths."""
    width = min(max(0.14 * len(rows), 5), 16)
    figure = figures.Figure(figsize=(width, 3.8), layout="constrained")
    axes = figure.subplots()
    sides = np.array([row.side for row in rows])
    places, counts = np.arange(len(rows)), np.array([row.videos for row in rows])
    for side, colour in (("train", _TRAIN), ("val", _VAL)):
        here = sides == side
        axes.bar(
            places[here],
            counts[here],
            color=colour,
            label=f"{side}: {counts[here].sum()} videos, {here.sum()} scenes",
        )
    cut = (sides == "train").sum() - 0.5
    axes.axvline(cut, color="black", linestyle="--", linewidth=1)
    named = min(len(rows), _NAMED)
    axes.set_xticks(
        places[:named], [row.name for row in rows[:named]], rotation=90, fontsize=6
    )
    # logarithmic, since scenes of a single video, which are held out, would vanish
    axes.set(yscale="log", ylim=(0.5, None), xlim=(-0.7, len(rows) - 0.3))
    axes.set(ylabel="videos", title=f"scenes of {action!r}")
    axes.legend(frameon=False)
    return _save(figure, stem)


def draw_shares(rows: Sequence[ShareRow], stem: pathlib.Path) -> list[pathlib.Path]:
    """Draws Fig. 6 as SVG and PNG; returns their paths."""
    actions = list(dict.fromkeys(row.action for row in rows))
    sources = list(dict.fromkeys(row.source for row in rows))
    size = (4.2 * len(sources), 2.9 * len(actions))
    figure = figures.Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(actions), len(sources), sharey="row", squeeze=False)
    for line, action in enumerate(actions):
        for column, source in enumerate(sources):
            bars = [r for r in rows if (r.action, r.source) == (action, source)]
            axis = axes[line, column]
            places = np.arange(len(bars))
            colours = [_REST if bar.label < 0 else _TRAIN for bar in bars]
            axis.bar(places, [100 * bar.share for bar in bars], color=colours)
            axis.set_xticks(
                places, [bar.name for bar in bars], rotation=60, ha="right", fontsize=7
            )
            axis.set_title(f"{action}, {source}", fontsize=9)
        axes[line, 0].set_ylabel("% of videos")
    return _save(figure, stem)


def _save(figure: figures.Figure, stem: pathlib.Path) -> list[pathlib.Path]:
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("svg", "png")]
    # without a date and with constant names, equal data give equal files
    with matplotlib.rc_context({"svg.hashsalt": "smad_jax"}):
        figure.savefig(paths[0], metadata={"Date": None})
    figure.savefig(paths[1], dpi=110)
    return paths
