"""Pictures of what a network looked at."""

import pathlib

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt

from smad_jax import errors
from smad_jax.evaluation import predict


def actionness(
    examples: predict.Examples, path: pathlib.Path, *, count: int = 8
) -> pathlib.Path:
    """Draws clips above the actionness masks that SAAR gave them (cf. Fig. 7).

    One column a clip: its first and last frame, and under each the frame overlaid
    with H W A', whose mean over a frame is 1; blue is less, red is more.

    Args:
        examples: From a run with SAAR.
        path: PNG file to write; its folder is made.
        count: Number of clips.

    Returns:
        `path`.

    Raises:
        DataError: if the run had no SAAR.
    """
    if examples.actionness is None:
        raise errors.DataError(
            "the examples hold no actionness; the run needs model.saar=True"
        )
    count = min(count, len(examples.video))
    figure, axes = plt.subplots(
        4, count, figsize=(1.4 * count, 6.2), layout="compressed", squeeze=False
    )
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
        right = examples.predictions[column] == examples.labels[column]
        axes[0, column].set_title("right" if right else "wrong", fontsize=9)
    names = ("first frame", "its actionness", "last frame", "its actionness")
    for row, name in enumerate(names):
        axes[row, 0].set_ylabel(name, fontsize=9)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    if drawn is not None:
        figure.colorbar(drawn, ax=axes, shrink=0.6, label="times the frame's mean")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
