"""Training on changed pixels: StillMix, background erasing, FAME and ActorCutMix.

Such a method is an augmentation inside the loss, so the pipeline, the step and the
network stay as they are. The publications of background erasing and FAME pre-train
without labels. Here, as in the comparison of StillMix's authors, both are augmentations
of supervised training. Mixing is linear in the pixels, so it makes no difference that
the network normalises them afterwards.
"""

import dataclasses
from typing import Annotated, TypeVar

import jax
import jax.numpy as jnp

from smad_jax import losses
from smad_jax.base.sections import Range
from smad_jax.methods import base
from smad_jax.models import motion
from smad_jax.models.recognizer import PIXEL_MEAN, Recognizer


@dataclasses.dataclass(frozen=True)
class Settings(base.Settings):
    """The probability of a clip being mixed."""

    probability: base.Probability = 0.0


@dataclasses.dataclass(frozen=True)
class StillMixSettings(Settings):
    """The shapes of the beta distribution of lambda, and how often to mix.

    Its mean is `clip_shape` / (`clip_shape` + `frame_shape`).
    """

    clip_shape: base.Positive = 1.0
    frame_shape: base.Positive = 1.0


@dataclasses.dataclass(frozen=True)
class BackgroundErasingSettings(Settings):
    """The largest lambda, the share of the still frame, and how often to mix."""

    strength: base.Probability = 0.0


@dataclasses.dataclass(frozen=True)
class FameSettings(Settings):
    """The share of the pixels that stay, beta in the publication, and how often."""

    foreground: Annotated[float, Range(above=0, most=1)] = 1.0


@dataclasses.dataclass(frozen=True)
class ActorCutMixSettings(Settings):
    """The share r of the pixels that is taken for the actor, and how often to mix."""

    foreground: Annotated[float, Range(above=0, below=1)] = 0.5


M = TypeVar("M", bound=Settings)


class Mixing(base.Method[M]):
    """The action's cross-entropy on clips; a subclass defines how some are mixed."""

    def mix(
        self, video: jax.Array, key: jax.Array, others: jax.Array | None = None
    ) -> jax.Array:
        """Returns every clip of [B, T, H, W, C] mixed, in the same shape and dtype.

        `others` are clips of the unlabelled stream, for a method that has one.
        """
        raise NotImplementedError(f"{type(self).__name__} must define mix")

    def loss(
        self, model: Recognizer, batch: base.Batch, *, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Mixes some clips and learns the clip's own action from all of them."""
        dropout_key, chosen_key, mix_key = jax.random.split(key, 3)
        stream = batch["train"]
        # As a JAX array: a NumPy one cannot be indexed by partners drawn under jit.
        video = jnp.asarray(stream["video"])
        chosen = draw_clips(len(video), chosen_key, self.settings.probability)
        # All clips are mixed and some results dropped: under jit the number of chosen
        # clips is not known, so it cannot be a shape.
        others = batch[base.UNLABELLED]["video"] if base.UNLABELLED in batch else None
        video = put_where(chosen, self.mix(video, mix_key, others), video)
        return base.action_loss(model(video, train=True, key=dropout_key), stream)


class StillMix(Mixing[StillMixSettings]):
    """lambda x + (1 - lambda) g: g a frame of another clip, laid over all frames.

    Li et al., "Mitigating and Evaluating Static Bias of Action Representations in the
    Background and the Foreground", ICCV 2023. Only the static part of a clip changes
    and the label stays, so the static part predicts it less well.

    One lambda a batch, from a beta distribution. Here g comes from the batch, which is
    the publication's own comparison without a bank.
    """

    settings_type = StillMixSettings

    def mix(
        self, video: jax.Array, key: jax.Array, others: jax.Array | None = None
    ) -> jax.Array:
        """Lays a frame over each clip: of another clip, or of one of `others`."""
        partner_key, frame_key, share_key = jax.random.split(key, 3)
        bank = video if others is None else jnp.asarray(others)
        # Fewer than the clips: each then gives its frame to several of them.
        partners = draw_partners(len(video), partner_key) % len(bank)
        frames = draw_frames(bank, frame_key)[partners]
        shapes = self.settings.clip_shape, self.settings.frame_shape
        return blend(video, frames, jax.random.beta(share_key, *shapes))


class StillMixBank(StillMix):
    """StillMix as published: g from a bank of frames with a static bias.

    They are frames from which a two-dimensional network recognises the action with the
    greatest certainty. `data_prep.still_bank` chooses them by the predictions of such a
    network, and they come as the unlabelled stream. Departure: the bank is a list of
    training videos, and g a random frame of one; the publication scores single frames.
    """

    streams = ("train", base.UNLABELLED)


class BackgroundErasing(Mixing[BackgroundErasingSettings]):
    """(1 - lambda) x + lambda x_t: t a random frame of x, lambda uniform from 0.

    Wang et al., "Removing the Background by Adding the Background", CVPR 2021. Motion
    stays as it was, while the still layer hides part of what a single frame shows. One
    lambda a batch. Departure: the publication pulls the features of the clip and the
    changed clip together; here both have the same label.
    """

    settings_type = BackgroundErasingSettings

    def mix(
        self, video: jax.Array, key: jax.Array, others: jax.Array | None = None
    ) -> jax.Array:
        """Lays one of its own frames over each clip."""
        frame_key, share_key = jax.random.split(key)
        frames = draw_frames(video, frame_key)
        erased = self.settings.strength * jax.random.uniform(share_key)
        return blend(video, frames, 1 - erased)


class Fame(Mixing[FameSettings]):
    """M x + (1 - M) x': M marks what moves in x, and x' is another, unchanged clip.

    Ding et al., "Motion-aware Contrastive Video Representation Learning via
    Foreground-background Merging", CVPR 2022. The label stays that of the moving part.
    Departures: the publication makes pairs for contrastive pre-training, and there a
    clip gets its own background once a batch on average, here never. For those of the
    mask see `motion.foreground`.
    """

    settings_type = FameSettings

    def mix(
        self, video: jax.Array, key: jax.Array, others: jax.Array | None = None
    ) -> jax.Array:
        """Puts what moves in each clip before another clip."""
        partners = draw_partners(len(video), key)
        mask = motion.foreground(video, self.settings.foreground)
        return blend(video, video[partners], mask[:, None, :, :, None])


class ActorCutMix(Mixing[ActorCutMixSettings]):
    """M x + (1 - M) (1 - M') x', with the label w y + (1 - w) y'.

    Zou et al., "Learning Representational Invariances for Data-Efficient Action
    Recognition", CVIU 2023. M and M' mark the actors of two clips, and w is
    1 - (1 - r)^4 with r the share of pixels that M marks. Where x' has its own actor it
    has the mean colour.

    Departures: the publication finds people with a detector. Here the masks are what
    moves (`motion.foreground`), the same for all frames, so all of them have the same
    share of the pixels and none is empty or full. The partner is drawn at random; it is
    not the clip at the opposite end of the batch.
    """

    settings_type = ActorCutMixSettings

    def loss(
        self, model: Recognizer, batch: base.Batch, *, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Learns the actions of actor and scene by weight; accuracy is the actor's."""
        dropout_key, chosen_key, mix_key = jax.random.split(key, 3)
        stream = batch["train"]
        video, label = jnp.asarray(stream["video"]), jnp.asarray(stream["label"])
        chosen = draw_clips(len(video), chosen_key, self.settings.probability)
        partners = draw_partners(len(video), mix_key)
        mask = motion.foreground(video, self.settings.foreground)  # [B, H, W]
        video = put_where(chosen, in_scene_of(video, mask, partners), video)
        output = model(video, train=True, key=dropout_key)
        _, metrics = base.action_loss(output, stream)
        weight = jnp.where(chosen, label_weight(mask), 1)
        loss = jnp.mean(
            weight * losses.cross_entropy(output.logits, label)
            + (1 - weight) * losses.cross_entropy(output.logits, label[partners])
        )
        return loss, metrics | {"loss": loss, "loss/action": loss}


def draw_clips(count: int, key: jax.Array, probability: float) -> jax.Array:
    """Returns [count] bool, each true with `probability`."""
    return jax.random.bernoulli(key, probability, (count,))


def draw_partners(count: int, key: jax.Array) -> jax.Array:
    """Draws another clip for each of `count` clips, [count] int."""
    # A random cycle through all clips: each is drawn once, and none is its own partner
    # unless it is the only one.
    order = jax.random.permutation(key, count)
    return jnp.zeros_like(order).at[order].set(jnp.roll(order, -1))


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


def put_where(chosen: jax.Array, mixed: jax.Array, video: jax.Array) -> jax.Array:
    """Returns the clips [B, T, H, W, C], mixed where `chosen` [B] is true."""
    return jnp.where(chosen[:, None, None, None, None], mixed, video)


def in_scene_of(video: jax.Array, mask: jax.Array, partners: jax.Array) -> jax.Array:
    """Returns [B, T, H, W, 3] with every actor in another clip, its own painted over.

    `video` is uint8 or normalised floats; `mask` [B, H, W] bool marks the actors, and
    `partners` [B] names the clip that each goes into. The paint is the mean colour,
    which normalisation subtracts from pixels.
    """
    is_float = jnp.issubdtype(video.dtype, jnp.floating)
    mean = jnp.zeros(3) if is_float else jnp.round(jnp.array(PIXEL_MEAN))
    actor, other = (m[:, None, :, :, None] for m in (mask, mask[partners]))
    # Without the paint the partner's actor would stand beside the new one, under a
    # label that gives the scene only (1 - r)^4.
    scene = jnp.where(other, mean.astype(video.dtype), video[partners])
    return jnp.where(actor, video, scene)


def label_weight(mask: jax.Array) -> jax.Array:
    """Returns the weight [B] of the actor's label by the actor's share of pixels."""
    share = mask.mean(axis=(1, 2), dtype=jnp.float32)
    return 1 - (1 - share) ** 4
