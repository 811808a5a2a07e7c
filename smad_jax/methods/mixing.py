"""Training on changed pixels: StillMix, background erasing and FAME.

Such a method is an augmentation inside the loss, so the pipeline, the step and the
network stay as they are. These three change a clip and keep its label; `ActorCutMix`
mixes labels too. The publications of background erasing and FAME pre-train without
labels. Here, as in the comparison of StillMix's authors, both are augmentations of
supervised training. Mixing is linear in the pixels, so it makes no difference that the
network normalises them afterwards.
"""

import dataclasses
from typing import Annotated, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from smad_jax.base.sections import Range
from smad_jax.methods import base, motion
from smad_jax.models.recognizer import Recognizer


@dataclasses.dataclass(frozen=True)
class Settings(base.Settings):
    """How often to mix.

    Attributes:
        probability: Of a clip being mixed.
    """

    probability: base.Probability = 0.0


M = TypeVar("M", bound=Settings)


class Keys(NamedTuple):
    """Sources of randomness of one step: dropout, the choice of clips, the mixing."""

    dropout: jax.Array
    chosen: jax.Array
    mix: jax.Array


class Mixing(base.Method[M]):
    """The action's cross-entropy on clips; a subclass defines how some are mixed."""

    def mix(self, video: jax.Array, key: jax.Array) -> jax.Array:
        """Returns every clip of [B, T, H, W, C] mixed, in the same shape and dtype."""
        raise NotImplementedError(f"{type(self).__name__} must define mix")

    def loss(
        self, model: Recognizer, batch: base.Batch, *, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Mixes some clips and learns the clip's own action from all of them."""
        keys = Keys(*jax.random.split(key, 3))
        stream = batch["train"]
        # As a JAX array: a NumPy one cannot be indexed by partners drawn under jit.
        video = jnp.asarray(stream["video"])
        chosen = draw_clips(len(video), keys.chosen, self.settings.probability)
        # All clips are mixed and some results dropped: under jit the number of chosen
        # clips is not known, so it cannot be a shape.
        video = jnp.where(expand(chosen), self.mix(video, keys.mix), video)
        return base.action_loss(model(video, train=True, key=keys.dropout), stream)


@dataclasses.dataclass(frozen=True)
class StillMixSettings(Settings):
    """How often and how strongly to mix.

    Attributes:
        clip_shape: First shape of the beta distribution of lambda, whose mean is
            `clip_shape` / (`clip_shape` + `frame_shape`).
        frame_shape: Second shape.
    """

    clip_shape: base.Positive = 1.0
    frame_shape: base.Positive = 1.0


class StillMix(Mixing[StillMixSettings]):
    """lambda x + (1 - lambda) g: g a frame of another clip, laid over all frames.

    Li et al., "Mitigating and Evaluating Static Bias of Action Representations in the
    Background and the Foreground", ICCV 2023. Only the static part of a clip changes
    and the label stays, so the static part predicts it less well.

    One lambda a batch, from a beta distribution. Departure: the publication draws g
    from a bank of frames, those that a two-dimensional network trained on single frames
    recognises with the greatest certainty. That needs a second training. Here g comes
    from the batch, which is the publication's own comparison without a bank.
    """

    settings_type = StillMixSettings

    def mix(self, video: jax.Array, key: jax.Array) -> jax.Array:
        """Lays a frame of another clip over each clip."""
        partner_key, frame_key, share_key = jax.random.split(key, 3)
        partners = draw_partners(len(video), partner_key)
        frames = draw_frames(video, frame_key)[partners]
        shapes = self.settings.clip_shape, self.settings.frame_shape
        return blend(video, frames, jax.random.beta(share_key, *shapes))


@dataclasses.dataclass(frozen=True)
class BackgroundErasingSettings(Settings):
    """How often and how strongly to mix.

    Attributes:
        strength: The largest lambda, the share of the still frame.
    """

    strength: base.Probability = 0.0


class BackgroundErasing(Mixing[BackgroundErasingSettings]):
    """(1 - lambda) x + lambda x_t: t a random frame of x, lambda uniform from 0.

    Wang et al., "Removing the Background by Adding the Background", CVPR 2021. Motion
    stays as it was, while the still layer hides part of what a single frame shows. One
    lambda a batch. Departure: the publication pulls the features of the clip and the
    changed clip together; here both have the same label.
    """

    settings_type = BackgroundErasingSettings

    def mix(self, video: jax.Array, key: jax.Array) -> jax.Array:
        """Lays one of its own frames over each clip."""
        frame_key, share_key = jax.random.split(key)
        frames = draw_frames(video, frame_key)
        erased = self.settings.strength * jax.random.uniform(share_key)
        return blend(video, frames, 1 - erased)


@dataclasses.dataclass(frozen=True)
class FameSettings(Settings):
    """How often to swap backgrounds, and how much of a clip stays.

    Attributes:
        foreground: Share of the pixels that stay, beta in the publication.
    """

    foreground: Annotated[float, Range(above=0, most=1)] = 1.0


class Fame(Mixing[FameSettings]):
    """M x + (1 - M) x': M marks what moves in x, and x' is another, unchanged clip.

    Ding et al., "Motion-aware Contrastive Video Representation Learning via
    Foreground-background Merging", CVPR 2022. The label stays that of the moving part.
    Departures: the publication makes pairs for contrastive pre-training, and there a
    clip gets its own background once a batch on average, here never. For those of the
    mask see `motion.foreground`.
    """

    settings_type = FameSettings

    def mix(self, video: jax.Array, key: jax.Array) -> jax.Array:
        """Puts what moves in each clip before another clip."""
        partners = draw_partners(len(video), key)
        mask = motion.foreground(video, self.settings.foreground)
        return blend(video, video[partners], mask[:, None, :, :, None])


def draw_clips(count: int, key: jax.Array, probability: float) -> jax.Array:
    """Returns [count] bool, each true with `probability`."""
    return jax.random.bernoulli(key, probability, (count,))


def draw_partners(count: int, key: jax.Array) -> jax.Array:
    """Draws another clip for each of `count` clips, [count] int32."""
    # A random cycle through all clips: each is drawn once, and none is its own partner
    # unless it is the only one.
    order = jax.random.permutation(key, count)
    return jnp.zeros(count, jnp.int32).at[order].set(jnp.roll(order, -1))


def draw_frames(video: jax.Array, key: jax.Array) -> jax.Array:
    """Draws a frame of every clip: [B, 1, H, W, C] of [B, T, H, W, C]."""
    batch, time = video.shape[:2]
    place = jax.random.randint(key, (batch, 1), 0, time)
    return jnp.take_along_axis(video, place[:, :, None, None, None], axis=1)


def blend(video: jax.Array, other: jax.Array, share: jax.Array) -> jax.Array:
    """Returns `share` (0 to 1) of `video` plus 1 - `share` of `other`.

    `video` is [B, T, H, W, C] uint8 or float, and so is the result; `other` has its
    dtype, and both `other` and `share` broadcast to it.
    """
    # In float32: uint8 would wrap around.
    mixed = share * video.astype(jnp.float32) + (1 - share) * other.astype(jnp.float32)
    # A cast alone cuts off the fraction, which darkens mixed clips by half a step.
    if jnp.issubdtype(video.dtype, jnp.integer):
        mixed = jnp.round(mixed)
    return mixed.astype(video.dtype)


def expand(values: jax.Array) -> jax.Array:
    """Returns [B] as [B, 1, 1, 1, 1], to broadcast over clips."""
    return values[:, None, None, None, None]
