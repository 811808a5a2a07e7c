"""What methods share that train on changed pixels: clips mixed on the device.

Such a method is an augmentation inside the loss, so the pipeline, the step and the
network stay as they are. StillMix, background erasing and FAME differ in what they do
to a clip, and leave its label alone; ActorCutMix mixes labels too, in a loss of its
own. All of it is linear in the pixels, so it makes no difference that the network
normalises them afterwards.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax import errors
from smad_jax.aspect_table import Aspect
from smad_jax.methods import base
from smad_jax.models import recognizer


class Mixing(base.Method):
    """The action's cross-entropy on clips of which some are mixed; how, subclasses say.

    Attributes:
        probability: Of a clip being mixed.
    """

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        probability: float = 0.0,
    ) -> None:
        """Takes what every method is offered, and how often to mix.

        Args:
            num_features: D.
            aspects: None of use.
            ramp: Not used: no gradient is reversed.
            rngs: Not used: there is nothing to learn.
            probability: Of a clip being mixed.

        Raises:
            ConfigError: if it is no probability.
        """
        if not 0 <= probability <= 1:
            raise errors.ConfigError(
                "method.settings.probability must be from 0 to 1, but it is "
                f"{probability}"
            )
        self.probability = probability

    def mix(self, video: jax.Array, key: jax.Array) -> jax.Array:
        """Returns every clip of [B, T, H, W, C] mixed, in the same shape and dtype."""
        raise NotImplementedError(f"{type(self).__name__} must say how clips are mixed")

    def loss(
        self,
        model: recognizer.Recognizer,
        batch: Mapping[str, base.Stream],
        *,
        key: jax.Array,
        step: jax.Array,
    ) -> tuple[jax.Array, base.Metrics]:
        """Mixes some clips and learns their own action from all."""
        del step
        own_key, chosen_key, mix_key = jax.random.split(key, 3)
        stream = batch["train"]
        video = jnp.asarray(stream["video"])
        chosen = draw_clips(len(video), chosen_key, self.probability)
        video = jnp.where(expand(chosen), self.mix(video, mix_key), video)
        return base.action_loss(model(video, train=True, key=own_key), stream)


def draw_clips(count: int, key: jax.Array, probability: float) -> jax.Array:
    """Returns [count] bool, each true with `probability`."""
    return jax.random.bernoulli(key, probability, (count,))


def draw_partners(count: int, key: jax.Array) -> jax.Array:
    """Draws for each of `count` clips another one, each of which serves once.

    Returns:
        [count] int32: a random cycle through all clips, so that none of two or more is
        its own partner.
    """
    order = jax.random.permutation(key, count)
    return jnp.zeros(count, jnp.int32).at[order].set(jnp.roll(order, -1))


def draw_frames(video: jax.Array, key: jax.Array) -> jax.Array:
    """Draws a frame of every clip: [B, 1, H, W, C] of [B, T, H, W, C]."""
    batch, time = video.shape[:2]
    place = jax.random.randint(key, (batch, 1), 0, time)
    return jnp.take_along_axis(video, place[:, :, None, None, None], axis=1)


def blend(video: jax.Array, other: jax.Array, share: jax.Array) -> jax.Array:
    """Returns `share` of one video and what is left of another.

    Args:
        video: [B, T, H, W, C] uint8 or float.
        other: Of the same dtype, and of a shape that fits.
        share: From 0 to 1, of a shape that fits.

    Returns:
        [B, T, H, W, C] in the dtype of `video`; uint8 is rounded to the nearest.
    """
    mixed = share * video.astype(jnp.float32) + (1 - share) * other.astype(jnp.float32)
    if jnp.issubdtype(video.dtype, jnp.integer):
        mixed = jnp.round(mixed)
    return mixed.astype(video.dtype)


def expand(values: jax.Array) -> jax.Array:
    """Returns [B] as [B, 1, 1, 1, 1], to go with clips."""
    return values[:, None, None, None, None]
