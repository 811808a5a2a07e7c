"""Pictures of where a network looked."""

import pathlib
from collections.abc import Sequence

import matplotlib.figure
import numpy as np

from smad_jax import errors
from smad_jax.evaluation import predictions

_COLUMNS = 6  # of a sheet


def actionness(
    examples: predictions.Examples,
    classes: Sequence[str],
    path: pathlib.Path,
    *,
    count: int = 8,
) -> pathlib.Path:
    """Draws clips above the actionness masks that SAAR gave them (cf. Fig. 7).

    Each column is a clip: its first and last frame, and under each the frame overlaid
    with H W A', whose mean over a frame is 1; blue is less, red is more. The title is
    the true action and, if wrong, the prediction in red.

    Args:
        examples: From a run with SAAR.
        classes: [K] names of the actions.
        path: PNG file to write; its folder is created.
        count: Number of clips.

    Returns:
        `path`.

    Raises:
        DataError: if the run had no SAAR.
    """
    if examples.actionness is None:
        raise errors.DataError(
            "the run has no actionness to show; only runs with SAAR have it, such as "
            "those of configs/slowonly_smad.py (model.saar=True)"
        )
    count = min(count, len(examples.video))
    figure = matplotlib.figure.Figure((1.4 * count, 6.2), layout="compressed")
    axes = figure.subplots(4, count, squeeze=False)
    drawn = None
    for column in range(count):
        for row, frame in enumerate((0, -1)):
            picture = examples.video[column, frame]
            height, width = picture.shape[:2]
            plain, masked = axes[2 * row, column], axes[2 * row + 1, column]
            plain.imshow(picture)
            masked.imshow(np.mean(picture, axis=-1), cmap="gray", vmin=0, vmax=255)
            drawn = masked.imshow(
                examples.actionness[column, frame],
                cmap="coolwarm",
                vmin=0,
                vmax=2,
                alpha=0.55,
                interpolation="bilinear",
                extent=(-0.5, width - 0.5, height - 0.5, -0.5),
            )
        truth, answer = (
            shortened(classes[int(rows[column])], 16)
            for rows in (examples.labels, examples.predictions)
        )
        wrong = examples.predictions[column] != examples.labels[column]
        axes[0, column].set_title(
            f"{truth}\n{f'predicted: {answer}' if wrong else 'correct'}",
            fontsize=7,
            color="firebrick" if wrong else "black",
            parse_math=False,
        )
        axes[3, column].set_xlabel(
            shortened(str(examples.ids[column]), 20),
            fontsize=6,
            parse_math=False,
        )
    names = ("first frame", "its actionness", "last frame", "its actionness")
    for row, name in enumerate(names):
        axes[row, 0].set_ylabel(name, fontsize=9)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    if drawn is not None:
        figure.colorbar(drawn, ax=axes, shrink=0.6, label="times the frame's mean")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path


def sheet(
    path: pathlib.Path,
    ids: Sequence[str],
    frames: dict[int, np.ndarray],
    probabilities: np.ndarray,
    classes: Sequence[str],
) -> None:
    """Draws a frame of each video above its likeliest action, as PNG.

    Args:
        path: File to write.
        ids: [V] names of the videos.
        frames: [H, W, 3] uint8 by the row of the video; only these are drawn.
        probabilities: [V, K].
        classes: [K] names.
    """
    rows = sorted(frames)
    columns = max(1, min(_COLUMNS, len(rows)))
    height = max(1, -(-len(rows) // columns))
    size = (2.1 * columns, 2.6 * height)
    figure = matplotlib.figure.Figure(size, layout="constrained")
    axes = figure.subplots(height, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, row in zip(axes.flat, rows, strict=False):
        best = int(probabilities[row].argmax())
        axis.imshow(frames[row])
        axis.set_title(
            f"{shortened(classes[best])}\n{probabilities[row, best]:.0%}",
            fontsize=9,
            parse_math=False,
        )
        axis.text(
            0.5,
            -0.03,
            shortened(ids[row]),
            fontsize=6,
            ha="center",
            va="top",
            transform=axis.transAxes,
            parse_math=False,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def shortened(name: str, length: int = 26) -> str:
    """Returns the name, or its end if it is long: the end distinguishes files."""
    name = name.encode("utf-8", "backslashreplace").decode()  # bytes that are no UTF-8
    return name if len(name) <= length else f"…{name[1 - length :]}"
