"""ActorCutMix: the actor of a clip in the scene of another, and a label of both.

Zou, Choi, Wang and Huang, "Learning Representational Invariances for Data-Efficient
Action Recognition", CVIU 2023.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax import errors, losses
from smad_jax.aspect_table import Aspect
from smad_jax.methods import base, mixing, motion
from smad_jax.models import recognizer


class ActorCutMix(mixing.Mixing):
    """M x + (1 - M) (1 - M') x', with the label w y + (1 - w) y'.

    M and M' mark the actors of two clips, and w = 1 - (1 - r)^4 with r the share of
    pixels that M marks. Where x' has its own actor it has the mean colour.

    Departures: the publication finds people with a detector; without one, the masks are
    what moves (`motion.foreground`), the same for all frames. All masks then have the
    same share of the pixels, and none is empty or full. The partner is drawn, not the
    clip at the other end of the batch.
    """

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        probability: float = 0.0,
        foreground: float = 0.5,
    ) -> None:
        """Takes how often to mix, and how large actors are.

        Args:
            num_features: D.
            aspects: None of use.
            ramp: Not used.
            rngs: Not used.
            probability: Of a clip being mixed.
            foreground: r, the share of pixels that are taken for the actor.

        Raises:
            ConfigError: if a setting has no such value.
        """
        super().__init__(
            num_features, aspects, ramp=ramp, rngs=rngs, probability=probability
        )
        if not 0 < foreground < 1:
            raise errors.ConfigError(
                "method.settings.foreground must be above 0 and below 1, but it is "
                f"{foreground}"
            )
        self.foreground = foreground

    def loss(
        self,
        model: recognizer.Recognizer,
        batch: Mapping[str, base.Stream],
        *,
        key: jax.Array,
        step: jax.Array,
    ) -> tuple[jax.Array, base.Metrics]:
        """Learns the actions of actor and scene, by the weight of either.

        The accuracy is of the actor's action.
        """
        del step
        own_key, chosen_key, mix_key = jax.random.split(key, 3)
        stream = batch["train"]
        video, label = jnp.asarray(stream["video"]), jnp.asarray(stream["label"])
        chosen = mixing.draw_clips(len(video), chosen_key, self.probability)
        partners = mixing.draw_partners(len(video), mix_key)
        mask = motion.foreground(video, self.foreground)  # [B, H, W]
        mixed = in_scene_of(video, mask, partners)
        video = jnp.where(mixing.expand(chosen), mixed, video)
        output = model(video, train=True, key=own_key)
        _, metrics = base.action_loss(output, stream)
        weight = jnp.where(chosen, label_weight(mask), 1)
        loss = jnp.mean(
            weight * losses.cross_entropy(output.logits, label)
            + (1 - weight) * losses.cross_entropy(output.logits, label[partners])
        )
        return loss, metrics | {"loss": loss, "loss/action": loss}


def in_scene_of(video: jax.Array, mask: jax.Array, partners: jax.Array) -> jax.Array:
    """Puts every actor into another clip, whose own actor is painted over.

    Args:
        video: [B, T, H, W, 3], uint8 or normalised floats. The paint is the mean colour
            that is taken off when pixels are normalised.
        mask: [B, H, W] bool, the actors.
        partners: [B], the clip that each goes into.

    Returns:
        [B, T, H, W, 3].
    """
    is_float = jnp.issubdtype(video.dtype, jnp.floating)
    mean = jnp.zeros(3) if is_float else jnp.round(jnp.array(recognizer.PIXEL_MEAN))
    actor, other = (m[:, None, :, :, None] for m in (mask, mask[partners]))
    scene = jnp.where(other, mean.astype(video.dtype), video[partners])
    return jnp.where(actor, video, scene)


def label_weight(mask: jax.Array) -> jax.Array:
    """Returns the weight [B] of the actor's label by the actor's share of pixels."""
    share = mask.mean(axis=(1, 2), dtype=jnp.float32)
    return 1 - (1 - share) ** 4
