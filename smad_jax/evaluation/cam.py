"""Where a network looks: class activation maps and actionness (Fig. 7, App. D.2).

With mean pooling and a linear head, the logit of a class is the mean of its activation
map over time and location, plus the bias. Grad-CAM of the last stage differs from the
map by a positive factor for each frame and by its ReLU. NumPy on finished maps.
"""

from typing import Literal, get_args

import cv2
import numpy as np

Scaling = Literal["clip", "frame"]
SCALINGS: tuple[Scaling, ...] = get_args(Scaling)
Colours = Literal["evidence", "weight"]

MOST = 2.0  # times the frame's mean: the end of the scale of actionness
_HEAT = 0.55  # share of the colours in an overlay, the rest is the picture in grey
_GREY = 128  # of the picture behind a legend
# of a weight: none, the frame's mean and more, as RGB; Turbo has no grey and no magenta
_WEIGHTS = np.array([(90, 90, 90), (250, 250, 250), (190, 0, 140)])


def class_activation(
    feature_map: np.ndarray, kernel: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Returns the activation map of one class for each clip.

    Args:
        feature_map: [B, T, h, w, D] behind the last stage.
        kernel: [D, K] of the linear head.
        classes: [B] int, the class of each map, often the predicted one.

    Returns:
        [B, T, h, w]; the mean plus the head's bias is the logit.

    Raises:
        ValueError: if the sizes disagree.
    """
    if feature_map.shape[-1] != len(kernel) or len(classes) != len(feature_map):
        raise ValueError(
            f"expected [B, T, h, w, {len(kernel)}] and [B], but the feature map is "
            f"{feature_map.shape} and the classes are {classes.shape}"
        )
    weights = kernel[:, classes].T  # [B, D]
    return np.einsum("bthwd,bd->bthw", feature_map.astype(np.float32), weights)


def actionness(scores: np.ndarray) -> np.ndarray:
    """Returns H W A', the factor of SAAR on the feature map (Eq. 5).

    Args:
        scores: [..., h, w] before normalisation.

    Returns:
        [..., h, w], 1 on average over each frame; 1 everywhere for equal scores.
    """
    shares = np.exp(scores - scores.max(axis=(-2, -1), keepdims=True))
    return shares / shares.mean(axis=(-2, -1), keepdims=True)


def stretched(maps: np.ndarray, num_frames: int) -> np.ndarray:
    """Returns one map for each frame, where the network strides over time.

    Args:
        maps: [t, h, w], each covering num_frames / t frames.
        num_frames: Of the clip.

    Returns:
        [num_frames, h, w], linear between the centres of the covered frames.
    """
    t = len(maps)
    place = np.clip((np.arange(num_frames) + 0.5) * t / num_frames - 0.5, 0, t - 1)
    before = place.astype(int)
    share = (place - before)[:, None, None]
    return (1 - share) * maps[before] + share * maps[np.minimum(before + 1, t - 1)]


def displayed(
    maps: np.ndarray, height: int, width: int, *, scaling: Scaling = "clip"
) -> np.ndarray:
    """Returns maps as brightness, resized to the frames.

    Args:
        maps: [T, h, w], any real numbers.
        height: Of the frames, in pixels.
        width: Of the frames, in pixels.
        scaling: `clip` scales the whole clip to 0..1, so that frames are comparable;
            `frame` scales each frame by itself.

    Returns:
        [T, height, width] float32 in 0..1, bilinear; zeros for constant maps.

    Raises:
        ValueError: for another scaling.
    """
    if scaling not in SCALINGS:
        raise ValueError(f"unknown scaling {scaling!r}; known: {', '.join(SCALINGS)}")
    axes = (0, 1, 2) if scaling == "clip" else (1, 2)
    low, high = (f(maps, axis=axes, keepdims=True) for f in (np.min, np.max))
    spread = np.broadcast_to(high - low, maps.shape)
    # rounding gives even a constant map a spread, which must not fill the scale
    tiny = 1e-6 * np.maximum(np.abs(low), np.abs(high))
    scaled = np.divide(
        maps - low, spread, out=np.zeros(maps.shape), where=spread > tiny
    )
    return _resized(scaled, height, width)


def relative(actionness: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns actionness as brightness, resized to the frames, on one scale for all.

    Nothing is stretched to the ends: even actionness is 0.5 everywhere.

    Args:
        actionness: [T, h, w], 1 on average over each frame.
        height: Of the frames, in pixels.
        width: Of the frames, in pixels.

    Returns:
        [T, height, width] float32 in 0..1: 0 for no weight, 0.5 for the frame's mean, 1
        for `MOST` times the mean or more.
    """
    return _resized((actionness / MOST).clip(0, 1), height, width)


def _resized(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.stack(
        [
            cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
            for frame in maps.astype(np.float32)
        ]
    )


def table(colours: Colours) -> np.ndarray:
    """Returns the [256, 3] uint8 RGB colours of brightness 0 to 1.

    Args:
        colours: `evidence` for a class, from blue over green to red (Turbo), or
            `weight`, from dark grey over white at 0.5 to magenta.
    """
    levels = np.arange(256, dtype=np.uint8)
    if colours == "evidence":
        bgr = cv2.applyColorMap(levels[None], cv2.COLORMAP_TURBO)
        return bgr[0, :, ::-1]
    place = np.linspace(0, len(_WEIGHTS) - 1, 256)
    parts = [np.interp(place, range(len(_WEIGHTS)), part) for part in _WEIGHTS.T]
    return np.rint(np.stack(parts, axis=1)).astype(np.uint8)


def legend(colours: Colours) -> np.ndarray:
    """Returns [256, 3] uint8: what an overlay makes of the colours over medium grey."""
    grey = np.full((1, 1, 256, 3), _GREY, np.uint8)
    return overlay(grey, np.linspace(0, 1, 256)[None, None], colours)[0, 0]


def overlay(
    frames: np.ndarray, brightness: np.ndarray, colours: Colours = "evidence"
) -> np.ndarray:
    """Returns the frames in grey under colours, whose hue the picture leaves as it is.

    Args:
        frames: [T, H, W, 3] uint8 RGB.
        brightness: [T, H, W] in 0..1.
        colours: See `table`.

    Returns:
        [T, H, W, 3] uint8 RGB.
    """
    heat = table(colours)[np.rint(255 * brightness).astype(np.uint8)]
    grey = frames.mean(axis=-1, keepdims=True)
    return np.rint(_HEAT * heat + (1 - _HEAT) * grey).astype(np.uint8)
