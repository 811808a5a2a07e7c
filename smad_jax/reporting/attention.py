"""Fig. 7 of any video: picture, baseline CAM, actionness and SMAD CAM side by side."""

import dataclasses
import io
import pathlib
from typing import NamedTuple

import av
import cv2
import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from smad_jax import errors
from smad_jax.data import sampling as sampling_lib
from smad_jax.data import transforms, video
from smad_jax.evaluation import cam
from smad_jax.experiment import trained
from smad_jax.reporting import figures

SIDE = 224  # pixels of a panel
FRAMES_PER_SECOND = 4
STRIP_FRAMES = 4


class Panels(NamedTuple):
    """What is shown of one clip.

    Attributes:
        titles: Of each column.
        columns: For each, [T, SIDE, SIDE, 3] uint8 RGB.
    """

    titles: tuple[str, ...]
    columns: tuple[np.ndarray, ...]


@dataclasses.dataclass(frozen=True)
class Look:
    """What one network makes of a clip.

    Attributes:
        answer: Name of the class it predicts.
        probability: Of that class, for this clip.
        activation: [t, h, w] CAM of that class; t is T unless time is strided.
        actionness: [t', h', w'] H W A', from before the last stage; None without SAAR.
    """

    answer: str
    probability: float
    activation: np.ndarray
    actionness: np.ndarray | None


def look(network: trained.TrainedNetwork, clip: np.ndarray) -> Look:
    """Returns where a network looks in a [T, H, W, 3] uint8 clip."""
    maps = network.predictor.maps(clip[None])
    best = int(maps.logits[0].argmax())
    odds = np.exp(maps.logits[0] - maps.logits[0].max())
    found = cam.class_activation(maps.feature_map, maps.kernel, np.array([best]))
    return Look(
        answer=network.classes[best],
        probability=float(odds[best] / odds.sum()),
        activation=found[0],
        actionness=None
        if maps.actionness is None
        else cam.actionness(maps.actionness[0]),
    )


def clip_of(
    network: trained.TrainedNetwork, content: bytes, name: str = "the video"
) -> np.ndarray:
    """Returns the middle test clip of a video, [T, H, W, 3], as the network sees it.

    Raises:
        DataError: if the video cannot be read.
    """
    sampling = sampling_lib.Sampling.from_config(network.config.data.sampling)
    transform = transforms.Transform.from_config(network.config.data.transform)
    try:
        views = sampling.test(video.probe(content).num_frames)
        frames = video.decode(content, views[len(views) // 2])
    except video.VideoError as error:
        raise errors.DataError(f"{name} cannot be read: {error}") from error
    return transform.test(frames[None])[0]


def panels(
    baseline: trained.TrainedNetwork,
    smad: trained.TrainedNetwork,
    content: bytes,
    *,
    name: str = "the video",
    scaling: cam.Scaling = "clip",
) -> Panels:
    """Returns the four columns of Fig. 7 for the middle clip of a video.

    Args:
        baseline: Network without debiasing.
        smad: Network with SAAR.
        content: The video file.
        name: Of the video, for its column.
        scaling: See `cam.displayed`.

    Raises:
        ConfigError: if the two networks see different clips, or the second has no SAAR.
        DataError: if the video cannot be read.
    """
    for section in ("sampling", "transform"):
        ours, theirs = (n.config.data[section].to_dict() for n in (smad, baseline))
        if ours != theirs:
            raise errors.ConfigError(
                f"both runs must see the same clip, but data.{section} is {theirs} in "
                f"the first and {ours} in the second"
            )
    clip = clip_of(smad, content, name)
    before, after = look(baseline, clip), look(smad, clip)
    if after.actionness is None:
        raise errors.ConfigError(
            "the second run has no actionness; only runs with SAAR have it, such as "
            "those of configs/slowonly_smad.py (model.saar=True)"
        )
    # large pixels stay what they are; photographs are smoothed
    small = clip.shape[1] < SIDE // 2
    how = cv2.INTER_NEAREST if small else cv2.INTER_LINEAR
    frames = np.stack([cv2.resize(f, (SIDE, SIDE), interpolation=how) for f in clip])

    def heat(maps: np.ndarray) -> np.ndarray:
        maps = cam.stretched(maps, len(frames))
        return cam.overlay(frames, cam.displayed(maps, SIDE, SIDE, scaling=scaling))

    return Panels(
        titles=(
            f"RGB\n{figures.shortened(name)}",
            f"Baseline CAM\n{before.answer} ({before.probability:.0%})",
            "Actionness",
            f"SMAD CAM\n{after.answer} ({after.probability:.0%})",
        ),
        columns=(
            frames,
            heat(before.activation),
            heat(after.actionness),
            heat(after.activation),
        ),
    )


def strip(shown: Panels, path: pathlib.Path, *, count: int = STRIP_FRAMES) -> None:
    """Draws evenly spaced frames, a row each, into a PNG file."""
    total = len(shown.columns[0])
    rows = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))
    figure, axes = plt.subplots(
        len(rows),
        len(shown.columns),
        figsize=(1.7 * len(shown.columns), 1.7 * len(rows) + 0.5),
        layout="compressed",
        squeeze=False,
    )
    for column, frames in enumerate(shown.columns):
        axes[0, column].set_title(shown.titles[column], fontsize=8, parse_math=False)
        for axis, frame in zip(axes[:, column], rows, strict=True):
            axis.imshow(frames[frame])
            axis.set(xticks=[], yticks=[])
    for axis, frame in zip(axes[:, 0], rows, strict=True):
        axis.set_ylabel(f"frame {frame + 1} of {total}", fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def film(shown: Panels) -> bytes:
    """Returns the panels side by side as an MP4 file that every player shows."""
    row = np.concatenate(shown.columns, axis=2)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.height, stream.width = row.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in row:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return buffer.getvalue()
