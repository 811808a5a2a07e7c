"""Where networks look: Fig. 7 for any video, and a sheet of every class for any run.

The CAM and the actionness are different quantities and have different colours: the CAM
is evidence for one class, the actionness a weight that no class owns.
"""

import dataclasses
import io
import pathlib
from typing import Literal, NamedTuple

import av
import cv2
import matplotlib.figure
import numpy as np
from matplotlib import cm, colors

from smad_jax import errors
from smad_jax.data import catalog, video
from smad_jax.evaluation import cam
from smad_jax.experiment import trained
from smad_jax.reporting import figures

SIDE = 224  # pixels of a panel
FRAMES_PER_SECOND = 4
STRIP_FRAMES = 4
# the colours of each column of a strip; None for a picture
_LEGENDS: tuple[cam.Colours | None, ...] = (None, "evidence", "weight", "evidence")


class Panels(NamedTuple):
    """The four columns of Fig. 7 for one clip.

    Attributes:
        titles: Of each column.
        columns: For each, [T, SIDE, SIDE, 3] uint8 RGB.
    """

    titles: tuple[str, ...]
    columns: tuple[np.ndarray, ...]


@dataclasses.dataclass(frozen=True)
class Look:
    """A network's prediction and maps for one clip.

    Attributes:
        answer: Name of the predicted class.
        probability: Of that class, for this clip.
        activation: [t, h, w] CAM of that class; t is T unless time is strided.
        actionness: [t', h', w'] H W A', before the last stage; None without SAAR.
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
    """Returns the middle test clip of a video for the network, [T, H, W, 3].

    Raises:
        DataError: if the video cannot be read.
    """
    data = network.settings.data
    try:
        views = data.sampling.test(video.probe(content).num_frames)
        frames = video.decode(content, views[len(views) // 2])
    except video.VideoError as error:
        raise errors.DataError(f"{name} cannot be read: {error}") from error
    return data.transform.test(frames[None])[0]


def panels(
    baseline: trained.TrainedNetwork,
    smad: trained.TrainedNetwork,
    content: bytes,
    *,
    name: str = "the video",
    action: str = "",
    scaling: cam.Scaling = "clip",
) -> Panels:
    """Returns the four columns of Fig. 7 for the middle clip of a video.

    Args:
        baseline: Network without debiasing.
        smad: Network with SAAR.
        content: The video file.
        name: Of the video, for its column.
        action: True class of the video, if it is known.
        scaling: See `cam.displayed`.

    Raises:
        ConfigError: if the networks get different clips, or the second has no SAAR.
        DataError: if the video cannot be read.
    """
    for section in ("sampling", "transform"):
        ours, theirs = (
            dataclasses.asdict(getattr(network.settings.data, section))
            for network in (smad, baseline)
        )
        if ours != theirs:
            raise errors.ConfigError(
                f"both runs must use the same clip, but data.{section} is {theirs} in "
                f"the first and {ours} in the second"
            )
    clip = clip_of(smad, content, name)
    before, after = look(baseline, clip), look(smad, clip)
    if after.actionness is None:
        raise errors.ConfigError(
            "the second run has no actionness; only runs with SAAR have it, such as "
            "those of configs/slowonly_smad.py (model.saar=True)"
        )
    frames = _enlarged(clip)
    return Panels(
        titles=(
            f"{action or 'RGB'}\n{figures.shortened(name)}",
            f"Baseline CAM{baseline.unfinished}\n{_answered(before)}",
            f"SMAD actionness{smad.unfinished}",
            f"SMAD CAM{smad.unfinished}\n{_answered(after)}",
        ),
        columns=(
            frames,
            _evidence(frames, before, scaling),
            _weight(frames, after.actionness),
            _evidence(frames, after, scaling),
        ),
    )


def _answered(found: Look) -> str:
    return f"→ {found.answer} ({found.probability:.0%})"


def _enlarged(clip: np.ndarray) -> np.ndarray:
    """The frames as [T, SIDE, SIDE, 3]; large pixels stay sharp, others are smooth."""
    how = cv2.INTER_NEAREST if clip.shape[1] < SIDE // 2 else cv2.INTER_LINEAR
    return np.stack([cv2.resize(f, (SIDE, SIDE), interpolation=how) for f in clip])


def _evidence(frames: np.ndarray, found: Look, scaling: cam.Scaling) -> np.ndarray:
    """The frames under the CAM."""
    maps = cam.stretched(found.activation, len(frames))
    shown = cam.displayed(maps, SIDE, SIDE, scaling=scaling)
    return cam.overlay(frames, shown, "evidence")


def _weight(frames: np.ndarray, actionness: np.ndarray) -> np.ndarray:
    """The frames under the actionness."""
    maps = cam.stretched(actionness, len(frames))
    return cam.overlay(frames, cam.relative(maps, SIDE, SIDE), "weight")


def strip(shown: Panels, path: pathlib.Path, *, count: int = STRIP_FRAMES) -> None:
    """Draws evenly spaced frames, one in each row, above a legend, as a PNG file."""
    total = len(shown.columns[0])
    rows = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))
    size = (1.7 * len(shown.columns), 1.7 * len(rows) + 1.0)
    figure = matplotlib.figure.Figure(size, layout="compressed")
    axes = figure.subplots(len(rows), len(shown.columns), squeeze=False)
    for column, frames in enumerate(shown.columns):
        axes[0, column].set_title(shown.titles[column], fontsize=8, parse_math=False)
        for axis, frame in zip(axes[:, column], rows, strict=True):
            axis.imshow(frames[frame])
            axis.set(xticks=[], yticks=[])
    for axis, frame in zip(axes[:, 0], rows, strict=True):
        axis.set_ylabel(f"frame {frame + 1} of {total}", fontsize=7)
    for column, colours in enumerate(_LEGENDS):
        if colours is not None:
            _legend(figure, axes[:, column], colours, "bottom")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, bbox_inches="tight")


def _legend(
    figure: matplotlib.figure.Figure,
    axes: np.ndarray,
    colours: cam.Colours,
    location: Literal["bottom", "right"],
) -> None:
    """Draws what colours mean, beside the axes that have them."""
    names, label = {
        "evidence": (("least", "most"), "evidence in this clip"),
        "weight": (("0", "1", f"≥ {cam.MOST:g}"), "times the frame's mean"),
    }[colours]
    shown = colors.ListedColormap(cam.legend(colours) / 255)
    bar = figure.colorbar(
        cm.ScalarMappable(colors.Normalize(0, 1), shown),
        ax=axes.tolist(),
        location=location,
        ticks=np.linspace(0, 1, len(names)).tolist(),
        aspect=12,
        pad=0.02,
    )
    bar.set_ticklabels(names, fontsize=7)
    bar.set_label(label, fontsize=7)


def gallery(
    network: trained.TrainedNetwork, split: catalog.Split, path: pathlib.Path
) -> int:
    """Draws videos with what the network sees in them, as a PNG file.

    A line at the top states how many of the actions they are of.

    Each column is the middle frame of a video: the frame, its CAM of the action that
    the network predicts for this clip, and with SAAR its actionness. The title is the
    true action and the prediction, red if it is wrong.

    Args:
        network: Any trained network.
        split: The videos; see `selection.across_classes`.
        path: File to write; its folder is created.

    Returns:
        The number of videos drawn; those that cannot be read are left out.

    Raises:
        DataError: if none can be read.
    """
    shown, failures = [], []
    for row, id in enumerate(split.ids):
        try:
            clip = clip_of(network, split.video(row).video, id)
        except errors.DataError as error:
            failures.append(error)
            continue
        shown.append((row, clip, look(network, clip)))
    if not shown:
        raise failures[0]
    with_saar = shown[0][2].actionness is not None
    names = ("frame", "CAM of the prediction", *["actionness"] * with_saar)
    size = (1.45 * len(shown) + 1.2, 1.5 * len(names) + 0.7)
    figure = matplotlib.figure.Figure(size, layout="compressed")
    axes = figure.subplots(len(names), len(shown), squeeze=False)
    for column, (row, clip, found) in zip(axes.T, shown, strict=True):
        truth = split.classes[split.labels[row]]
        _draw_column(column, clip, found)
        column[0].set_title(
            f"{figures.shortened(truth, 18)}\n→ {figures.shortened(found.answer, 18)} "
            f"({found.probability:.0%})",
            fontsize=7,
            color="black" if truth == found.answer else "firebrick",
            parse_math=False,
        )
        column[-1].set_xlabel(
            figures.shortened(split.ids[row], 22), fontsize=6, parse_math=False
        )
    for axis, name in zip(axes[:, 0], names, strict=True):
        axis.set_ylabel(name, fontsize=8)
    for row, colours in zip(axes[1:], ("evidence", "weight"), strict=False):
        _legend(figure, row, colours, "right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.suptitle(
        f"{_extent(split, [row for row, *_ in shown])}{network.unfinished}; action → "
        "prediction of this clip; red: wrong",
        fontsize=7,
        x=0,
        ha="left",
    )
    figure.savefig(path, dpi=120, bbox_inches="tight")
    return len(shown)


def _extent(split: catalog.Split, rows: list[int]) -> str:
    """How many videos are drawn, and of how many of the classes."""
    some, of = len(np.unique(split.labels[rows])), len(split.classes)
    if some == of:
        return f"{len(rows)} videos of all {of} actions"
    return f"{len(rows)} videos of {some} of the {of} actions"


def _draw_column(axes: np.ndarray, clip: np.ndarray, found: Look) -> None:
    """The middle frame of a clip, plain and under each of its maps."""
    frames, middle = _enlarged(clip), len(clip) // 2
    layers = [frames, _evidence(frames, found, "clip")]
    if found.actionness is not None:
        layers.append(_weight(frames, found.actionness))
    for axis, layer in zip(axes, layers, strict=True):
        axis.imshow(layer[middle])
        axis.set(xticks=[], yticks=[])


def film(shown: Panels) -> bytes:
    """Returns the panels side by side as a widely playable MP4 file."""
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
