"""ActorCutMix: the actor of a clip in the scene of another, with a label of both.

Zou, Choi, Wang and Huang, "Learning Representational Invariances for Data-Efficient
Action Recognition", CVIU 2023.
"""

import dataclasses
from typing import Annotated

import jax
import jax.numpy as jnp

from smad_jax import losses
from smad_jax.base.sections import Range
from smad_jax.methods import base, mixing, motion
from smad_jax.models.recognizer import PIXEL_MEAN, Recognizer


@dataclasses.dataclass(frozen=True)
class Settings(mixing.Settings):
    """How often clips are mixed, and how large actors are.

    Attributes:
        foreground: r, the share of the pixels that is taken for the actor.
    """

    foreground: Annotated[float, Range(above=0, below=1)] = 0.5


class ActorCutMix(mixing.Mixing[Settings]):
    """M x + (1 - M) (1 - M') x', with the label w y + (1 - w) y'.

    M and M' mark the actors of two clips, and w = 1 - (1 - r)^4 with r the share of
    pixels that M marks. Where x' has its own actor it has the mean colour.

    Departures: the publication finds people with a detector. Here the masks are what
    moves (`motion.foreground`), the same for all frames, so all of them have the same
    share of the pixels and none is empty or full. The partner is drawn at random; it is
    not the clip at the opposite end of the batch.
    """

    settings_type = Settings

    def loss(
        self, model: Recognizer, batch: base.Batch, *, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Learns the actions of actor and scene by their weights.

        The accuracy is that of the actor's action.
        """
        keys = mixing.Keys(*jax.random.split(key, 3))
        stream = batch["train"]
        video, label = jnp.asarray(stream["video"]), jnp.asarray(stream["label"])
        chosen = mixing.draw_clips(len(video), keys.chosen, self.settings.probability)
        partners = mixing.draw_partners(len(video), keys.mix)
        mask = motion.foreground(video, self.settings.foreground)  # [B, H, W]
        mixed = in_scene_of(video, mask, partners)
        video = jnp.where(mixing.expand(chosen), mixed, video)
        output = model(video, train=True, key=keys.dropout)
        _, metrics = base.action_loss(output, stream)
        weight = jnp.where(chosen, label_weight(mask), 1)
        loss = jnp.mean(
            weight * losses.cross_entropy(output.logits, label)
            + (1 - weight) * losses.cross_entropy(output.logits, label[partners])
        )
        return loss, metrics | {"loss": loss, "loss/action": loss}


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
