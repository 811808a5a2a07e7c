"""A sheet of predicted videos."""

import pathlib
from collections.abc import Sequence

import matplotlib.figure
import numpy as np

_COLUMNS = 6  # of a sheet


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
