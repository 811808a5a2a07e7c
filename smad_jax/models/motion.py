"""Masks of what moves in a clip, from motion and colour, without a detector.

The foreground of FAME (Ding et al., "Motion-aware Contrastive Video Representation
Learning via Foreground-background Merging", CVPR 2022): where frames differ most is
foreground, where least is background; pixels of either's colours join them.
"""

import jax
import jax.numpy as jnp

from smad_jax import errors
from smad_jax.models.recognizer import PIXEL_MEAN, PIXEL_STD

_BINS = 10  # a side of the histogram of colours
_FOREGROUND_SEEDS = 0.5  # share of the pixels that move most
_BACKGROUND_SEEDS = 0.1  # share of those that move least
_BLUR = 0.1  # extent of the blur in parts of the shorter side
_TINY = 1e-8


def foreground(video: jax.Array, share: float) -> jax.Array:
    """Marks the pixels that most likely belong to what moves.

    Departures: the public code converts the hue's angle to radians twice, which winds
    the circle of colours six times around; here it is a circle. Of pixels with equal
    scores, such as all those of a still clip, the first ones are taken.

    Returns [B, H, W] bool for [B, T, H, W, 3] RGB, as a recogniser takes it: true at
    `int(share * H * W)` pixels of every clip, whatever the other clips are. Raises
    ConfigError if there is only one frame.
    """
    if video.shape[1] < 2:
        raise errors.ConfigError(
            "masks from motion need clips of two frames or more, but they have "
            f"{video.shape[1]}; choose another data.sampling.num_frames or method"
        )
    pixels = _pixels(video)
    motion = jnp.abs(jnp.diff(pixels, axis=1)).sum(axis=-1).mean(axis=1)  # [B, H, W]
    scores = _scale(_blur(motion))
    colour = colour_bins(pixels.mean(axis=1))
    likelihood = jax.vmap(_foreground_likelihood)(scores, colour)
    return _highest(_scale(_blur(likelihood)), share)


def colour_bins(picture: jax.Array) -> jax.Array:
    """Returns the colour's bin, 0 to 999, of every pixel of [..., 3] RGB in 0..1.

    The histogram is 10 x 10 x 10. Two sides span a plane in which hue is the direction
    and saturation the distance from grey in the middle; the third side is the value.
    """
    # Hue and saturation, not RGB: a shadow moves a colour along the value alone.
    value = picture.max(axis=-1)
    chroma = value - picture.min(axis=-1)
    saturation = chroma / jnp.where(value > 0, value, 1)
    red, green, blue = jnp.moveaxis(picture, -1, 0)
    step = jnp.where(chroma > 0, chroma, 1)
    sector = jnp.where(
        value == red,
        (green - blue) / step,
        jnp.where(value == green, 2 + (blue - red) / step, 4 + (red - green) / step),
    )
    angle = sector * (jnp.pi / 3)
    plane = [(saturation * part(angle) + 1) / 2 for part in (jnp.cos, jnp.sin)]
    first, second, third = (
        jnp.round(side * (_BINS - 1)).astype(jnp.int32) for side in (*plane, value)
    )
    return first + _BINS * second + _BINS**2 * third


def _pixels(video: jax.Array) -> jax.Array:
    """Returns uint8, or floats already normalised, as float32 in 0..1."""
    pixels = video.astype(jnp.float32)
    if jnp.issubdtype(video.dtype, jnp.floating):
        std, mean = (jnp.array(v) for v in (PIXEL_STD, PIXEL_MEAN))
        pixels = jnp.clip(pixels * std + mean, 0, 255)
    return pixels / 255


def _foreground_likelihood(scores: jax.Array, colour: jax.Array) -> jax.Array:
    """Returns the foreground's share of the seeds of every pixel's colour, [H, W]."""
    foreground_seeds = _highest(scores[None], _FOREGROUND_SEEDS)[0]
    background_seeds = _highest(-scores[None], _BACKGROUND_SEEDS)[0]

    def histogram(seeds: jax.Array) -> jax.Array:
        weights = seeds.ravel().astype(jnp.float32)
        return jnp.bincount(colour.ravel(), weights, length=_BINS**3)

    def frequency(counts: jax.Array) -> jax.Array:
        return (counts / (counts.sum() + _TINY))[colour]

    in_foreground = frequency(histogram(foreground_seeds))
    # One more in every bin, as in the authors' code: no division by zero.
    in_background = frequency(histogram(background_seeds) + 1)
    return in_foreground / (in_foreground + in_background)


def _highest(scores: jax.Array, share: float) -> jax.Array:
    """Marks the pixels of [B, H, W] with the highest scores, `share` of each clip's."""
    flat = scores.reshape(len(scores), -1)
    # By rank, not by a threshold: ties would mark more pixels than the share allows.
    rank = jnp.argsort(jnp.argsort(-flat, axis=1), axis=1)
    return (rank < int(share * flat.shape[1])).reshape(scores.shape)


def _scale(scores: jax.Array) -> jax.Array:
    """Moves each clip's [B, H, W] to the range from 0 to 1."""
    low = scores - scores.min(axis=(1, 2), keepdims=True)
    return low / (low.max(axis=(1, 2), keepdims=True) + _TINY)


def _blur(scores: jax.Array) -> jax.Array:
    """Blurs [B, H, W] by a Gaussian of a tenth of the picture, mirrored at edges."""
    half = int(_BLUR * min(scores.shape[1:])) // 2
    extent = 2 * half + 1
    offsets = jnp.arange(-half, half + 1)
    weights = jnp.exp(-0.5 * (offsets / (extent / 3)) ** 2)
    weights /= weights.sum()
    for axis in (1, 2):
        size = scores.shape[axis]
        padding = [(half, half) if a == axis else (0, 0) for a in range(3)]
        padded = jnp.pad(scores, padding, mode="reflect")
        parts = [
            weights[i] * jax.lax.slice_in_dim(padded, i, i + size, axis=axis)
            for i in range(extent)
        ]
        scores = jnp.stack(parts).sum(axis=0)
    return scores
