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
Colours = Literal["turbo", "viridis"]


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
    return np.stack(
        [
            cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
            for frame in scaled.astype(np.float32)
        ]
    )


def overlay(
    frames: np.ndarray, brightness: np.ndarray, colours: Colours = "turbo"
) -> np.ndarray:
    """Returns frames under a colour map: 0.4 heat and 0.5 picture, as in Places' demo.

    Args:
        frames: [T, H, W, 3] uint8 RGB.
        brightness: [T, H, W] in 0..1.
        colours: The colour map: `turbo`, blue to red, or `viridis`, violet to yellow.

    Returns:
        [T, H, W, 3] uint8 RGB.
    """
    levels = np.rint(255 * brightness).astype(np.uint8)
    table = {"turbo": cv2.COLORMAP_TURBO, "viridis": cv2.COLORMAP_VIRIDIS}[colours]
    heat = np.stack([cv2.applyColorMap(f, table)[..., ::-1] for f in levels])
    return np.rint(0.4 * heat + 0.5 * frames).astype(np.uint8)
