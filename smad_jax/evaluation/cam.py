"""Where a network looks: class activation maps and actionness (Fig. 7, App. D.2).

With mean pooling and a linear head, the logit of a class is the mean over time and
place of its activation map, plus the bias. Grad-CAM of the last stage differs from it
by a positive factor a frame and by its ReLU. Everything here is NumPy on finished maps.
"""

from typing import Literal, get_args

import cv2
import numpy as np

Scaling = Literal["clip", "frame"]
SCALINGS: tuple[Scaling, ...] = get_args(Scaling)


def class_activation(
    feature_map: np.ndarray, kernel: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Returns the activation map of one class for each clip.

    Args:
        feature_map: [B, T, h, w, D] behind the last stage.
        kernel: [D, K] of the linear head.
        classes: [B] int, the class asked about, often the one predicted.

    Returns:
        [B, T, h, w]; its mean and the head's bias make the logit.

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
    """Returns H W A', what SAAR multiplies the feature map by (Eq. 5).

    Args:
        scores: [..., h, w] before normalisation.

    Returns:
        [..., h, w], 1 on average over every frame; 1 everywhere for equal scores.
    """
    shares = np.exp(scores - scores.max(axis=(-2, -1), keepdims=True))
    return shares / shares.mean(axis=(-2, -1), keepdims=True)


def stretched(maps: np.ndarray, num_frames: int) -> np.ndarray:
    """Returns maps with one for every frame, where the network strides over time.

    Args:
        maps: [t, h, w], each of num_frames / t frames, one or more.
        num_frames: Of the clip the network saw.

    Returns:
        [num_frames, h, w], linear between the middles of what maps stand for.
    """
    t = len(maps)
    place = np.clip((np.arange(num_frames) + 0.5) * t / num_frames - 0.5, 0, t - 1)
    before = place.astype(int)
    share = (place - before)[:, None, None]
    return (1 - share) * maps[before] + share * maps[np.minimum(before + 1, t - 1)]


def displayed(
    maps: np.ndarray, height: int, width: int, *, scaling: Scaling = "clip"
) -> np.ndarray:
    """Returns maps as brightness, as large as the frames.

    Args:
        maps: [T, h, w], any real numbers.
        height: Of the frames, in pixels.
        width: Likewise.
        scaling: Whether the range from 0 to 1 is that of the whole clip, so that frames
            are comparable, or of each frame.

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
    # rounding alone gives a constant map a spread; it must not fill the scale
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


def overlay(frames: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Returns frames under a colour map: 0.4 heat and 0.5 picture, as Places' demo.

    Args:
        frames: [T, H, W, 3] uint8 RGB.
        brightness: [T, H, W] in 0..1, blue to red.

    Returns:
        [T, H, W, 3] uint8 RGB.
    """
    levels = np.rint(255 * brightness).astype(np.uint8)
    heat = np.stack(
        [cv2.applyColorMap(f, cv2.COLORMAP_TURBO)[..., ::-1] for f in levels]
    )
    return np.rint(0.4 * heat + 0.5 * frames).astype(np.uint8)
