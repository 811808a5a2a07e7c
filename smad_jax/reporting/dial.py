"""Fig. 3: the drop of accuracy with the overlap of scenes, from finished runs."""

import csv
import dataclasses
import itertools
import pathlib
from collections.abc import Mapping, Sequence

import matplotlib.figure
import numpy as np

from smad_jax.evaluation import overlap
from smad_jax.reporting.audit import inputs, joining, leaning

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
PER_CLASS = 50
DRAWS = 50  # test sets of each share; the figure shows their mean


@dataclasses.dataclass(frozen=True)
class Point:
    """One model on test sets of one share.

    Attributes:
        model: Its name.
        share: Of videos with usual scenes.
        overlap: With the training set, mean over draws.
        accuracy: Mean over draws, 0 to 1.
        drop: Accuracy at share 1 minus this one.
        deviation: Standard deviation of the drop over draws.
    """

    model: str
    share: float
    overlap: float
    accuracy: float
    drop: float
    deviation: float


def measure(
    tests: Sequence[Mapping[str, pathlib.Path]],
    scene: pathlib.Path,
    train: pathlib.Path,
    *,
    classes: Sequence[str] = (),
    seed: int = 0,
) -> list[Point]:
    """Returns the points of all models, from predictions of test videos.

    A test set has `PER_CLASS` videos of each class: a share of them with scenes that
    training has for the class, the others with scenes that it does not have. The class
    with the fewest videos limits all sets.

    Args:
        tests: For each test split, the file of predictions of each model; together they
            have both kinds of videos, and no training video.
        scene: Pseudo-scenes of test and training videos.
        train: id, label of the training videos.
        classes: [K] names of the actions, for messages.
        seed: Random seed.

    Raises:
        DataError: if files do not match, or a class has only one kind of videos.
    """
    table = {"scene": inputs.read(scene, "scene")}
    listed = inputs.read(train, "label")
    parts = [
        joining.join(
            {model: inputs.read(path, "prediction") for model, path in files.items()},
            inputs.read(next(iter(files.values())), "label"),
            table,
            classes=classes,
            train=listed,
        )
        for files in tests
    ]
    trained = np.asarray(parts[0].aspects[0].train)
    labels = np.concatenate([part.labels for part in parts])
    scenes = np.concatenate([part.aspects[0].values for part in parts])
    known = scenes >= 0
    right = {
        model: np.concatenate([p.models[model] == p.labels for p in parts])[known]
        for model in parts[0].models
    }
    return _points(labels[known], scenes[known], trained, right, seed)


def _points(
    labels: np.ndarray,
    scenes: np.ndarray,
    trained: np.ndarray,
    right: Mapping[str, np.ndarray],
    seed: int,
) -> list[Point]:
    head = trained[labels, scenes] > 0
    per_class = overlap.num_per_class(labels, head, most=PER_CLASS)
    rng = np.random.default_rng(seed)
    measured = np.empty((DRAWS, len(SHARES)))
    accuracy = {model: np.empty_like(measured) for model in right}
    for draw in range(DRAWS):
        for column, share in enumerate(SHARES):
            rows = overlap.mixture(labels, head, share, per_class=per_class, rng=rng)
            shown = leaning.count(
                labels[rows], labels[rows], scenes[rows], *trained.shape
            ).shown
            measured[draw, column] = overlap.overlap(trained, shown)
            for model, hits in right.items():
                accuracy[model][draw, column] = hits[rows].mean()
    found = []
    for model, values in accuracy.items():
        drops = values[:, -1:] - values
        for column, share in enumerate(SHARES):
            of_column = [part[:, column].mean() for part in (measured, values, drops)]
            numbers = [*of_column, drops[:, column].std(ddof=1)]
            found.append(Point(model, share, *map(float, numbers)))
    return found


def draw(points: Sequence[Point], path: pathlib.Path) -> list[pathlib.Path]:
    """Writes the figure as SVG and PNG and its numbers as CSV; returns the paths.

    Args:
        points: From `measure`.
        path: Without an extension; its folder is created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [path.with_name(path.name + end) for end in (".svg", ".png", ".csv")]
    figure = matplotlib.figure.Figure((5.2, 3.6), layout="constrained")
    axis = figure.subplots()
    models = dict.fromkeys(point.model for point in points)
    for mark, model in zip(itertools.cycle("osD^v*"), models, strict=False):
        line = [point for point in points if point.model == model]
        axis.errorbar(
            [p.overlap for p in line],
            [100 * p.drop for p in line],
            [100 * p.deviation for p in line],
            marker=mark,
            capsize=2,
            label=model.replace("$", r"\$"),
        )
    axis.set(
        xlabel="overlap of the scenes with training", ylabel="drop of accuracy (points)"
    )
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    # without a date and random ids, equal points give equal files
    with matplotlib.rc_context({"svg.hashsalt": "smad_jax", "svg.fonttype": "none"}):
        figure.savefig(names[0], metadata={"Date": None})
    figure.savefig(names[1], dpi=150)
    with names[2].open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in dataclasses.fields(Point)])
        writer.writerows(
            [p.model, p.share, *(f"{v:.6f}" for v in dataclasses.astuple(p)[2:])]
            for p in points
        )
    return names
