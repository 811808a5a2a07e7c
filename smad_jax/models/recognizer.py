"""The action model: a backbone, its head and, if wanted, SAAR; pixels to logits.

Mean pooling over time, height and width is TSN's average consensus for frames and
SlowOnly's pooling for clips, so both share one head (Sec. 6.1, App. C).
"""

import functools
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax.models import layers, parts, saar

PIXEL_MEAN = (123.675, 116.28, 103.53)  # RGB, of ImageNet, in 0..255
PIXEL_STD = (58.395, 57.12, 57.375)
# Channels of what a network sees, see `data.sampling.Sampling.input`.
CHANNELS = {"rgb": 3, "difference": 3, "rgb+difference": 6}


def normalise(pixels: jax.Array, dtype: str = "float32") -> jax.Array:
    """Returns [..., 3] RGB in 0..255 with mean 0 and std 1, in float32 or wider."""
    # Not in bfloat16, which would round the mean 123.675 to 123.5.
    wide = layers.parameter_dtype(dtype)
    mean, std = jnp.array(PIXEL_MEAN, wide), jnp.array(PIXEL_STD, wide)
    return (pixels.astype(wide) - mean) / std


class Output(NamedTuple):
    """What a recognizer returns for a batch of clips.

    Attributes:
        logits: [B, K], float32 or wider.
        features: [B, D], the mean of the feature map, float32 or wider, not dropped.
        feature_map: [B, T, H, W, D] after the last stage, in the model's dtype.
        actionness: [B, T, H, W] scores before the last stage; None without SAAR.
    """

    logits: jax.Array
    features: jax.Array
    feature_map: jax.Array
    actionness: jax.Array | None


class Backbone(Protocol):
    """What a recognizer needs of a backbone: two widths and a seam for SAAR."""

    width: int
    seam_width: int

    def before_seam(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, channels] to [B, T, H, W, seam_width]."""
        ...

    def after_seam(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, seam_width] to [B, T, H, W, width]."""
        ...


class Recognizer(nnx.Module):
    """A backbone, the action head and SAAR, if it has a width, before the last stage.

    Attributes:
        backbone: Gives the feature map.
        head: Linear, D features to K logits.
        saar: None without SAAR.
        dropout: Probability that a feature is dropped in training.
        in_parts: In how many parts a batch passes the network in training.
        dtype: What the backbone computes in.
        input: A key of `CHANNELS`, what the backbone sees of a clip.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        make: layers.Factory,
        *,
        saar_width: int = 0,
        saar_blocks: int = 1,
        head_scale: float = 0.01,
        dropout: float = 0.0,
        num_parts: int = 1,
        input: str = "rgb",
    ):
        self.backbone = backbone
        self.head = make.linear(backbone.width, num_classes, scale=head_scale)
        # Drawn last, so that all other parameters start the same without SAAR.
        self.saar = (
            saar.Saar(backbone.seam_width, saar_width, make, num_blocks=saar_blocks)
            if saar_width
            else None
        )
        self.dropout = dropout
        self.in_parts = parts.InParts(num_parts, make.ghost_size, make.ghost_statistics)
        self.dtype = make.dtype
        self.input = input

    def __call__(
        self, video: jax.Array, *, train: bool, key: jax.Array | None = None
    ) -> Output:
        """Recognises the action in each clip.

        Args:
            video: [B, T, H, W, 3] RGB, either uint8 in 0..255 or already normalised
                floats; T is 1 for images. With differences [B, 2 T, H, W, 3], each
                frame followed by the next one in the video.
            train: Batch norm by the batch's statistics, and dropout.
            key: Randomness of dropout; needed only when training with dropout.

        Raises:
            ValueError: if `video` has another rank, channel count or dtype, or an odd
                number of frames for differences, or a key is missing.
        """
        see = functools.partial(Recognizer._features, train=train)
        found = self.in_parts(see, self, video) if train else see(self, video)
        features, feature_map, actionness = found
        # One mask a video, after the consensus, as in the reference. It acts on the
        # action head alone; methods get the features without it.
        kept = self._drop(features, key) if train and self.dropout else features
        return Output(self.head(kept), features, feature_map, actionness)

    def _features(
        self, video: jax.Array, *, train: bool
    ) -> tuple[jax.Array, jax.Array, jax.Array | None]:
        """Returns features, feature map and actionness of `Output`."""
        seen = self._seen(self._normalise(video)).astype(self.dtype)
        feature_map = self.backbone.before_seam(seen, train=train)
        actionness = None
        if self.saar is not None:
            actionness = self.saar(feature_map, train=train)
            feature_map = saar.reweight(feature_map, actionness)
        feature_map = self.backbone.after_seam(feature_map, train=train)
        # A mean of hundreds of bfloat16 numbers would lose digits in bfloat16.
        wide = layers.parameter_dtype(self.dtype)
        features = feature_map.mean(axis=(1, 2, 3), dtype=wide)  # [B, D]
        return features, feature_map, actionness

    def _normalise(self, video: jax.Array) -> jax.Array:
        """Checks the video and returns it as floats, mean 0 and std 1."""
        is_float = jnp.issubdtype(video.dtype, jnp.floating)
        if video.ndim != 5 or video.shape[-1] != 3:
            raise ValueError(
                f"video must be [B, T, H, W, 3], but its shape is {video.shape}"
            )
        if not is_float and video.dtype != jnp.uint8:
            raise ValueError(
                "video must be uint8 in 0..255 or normalised floats, "
                f"but it is {video.dtype}"
            )
        # On the device, so that batches travel as uint8, a quarter of the bytes.
        return video if is_float else normalise(video, self.dtype)

    def _seen(self, frames: jax.Array) -> jax.Array:
        """Returns [B, T, H, W, channels] of normalised frames."""
        if self.input == "rgb":
            return frames
        if frames.shape[1] % 2:
            raise ValueError(
                "differences need pairs of frames, but the video has "
                f"{frames.shape[1]} frames"
            )
        # Here, not in the pipeline: a method that mixes, stills or shuffles frames then
        # does the same to the motion between them. Channels of one standard deviation
        # as they are: batch norm behind the stem takes out any scale.
        first, second = frames[:, ::2], frames[:, 1::2]
        change = second - first
        if self.input == "difference":
            return change
        return jnp.concatenate([first, change], axis=-1)

    def _drop(self, features: jax.Array, key: jax.Array | None) -> jax.Array:
        if key is None:
            raise ValueError(
                f"training with dropout {self.dropout} needs a key; pass key="
            )
        return layers.drop(features, self.dropout, key)
