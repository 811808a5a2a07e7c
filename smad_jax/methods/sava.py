"""SAVA, a row of Table 3: clip order and clip attention on top of DANN.

Choi et al. published no code, and their abstract gives only this much: features learn
to predict the order of a video's clips, an attention weighs the clips, and an adversary
compares whole videos of the two domains. The rest is our reading of it; the numbers
that it leaves open are settings.
"""

import dataclasses
from collections.abc import Sequence
from typing import Annotated

import jax
import jax.numpy as jnp

from smad_jax import errors, losses
from smad_jax.base.sections import Range
from smad_jax.methods import base, domains, frame_shuffle
from smad_jax.models.clip_heads import Attention, OrderHead
from smad_jax.models.recognizer import Recognizer

MOST_CLIPS = 5
_CONFIDENCE = 0.8  # of a target video whose own predictions teach the attention
_ATTENTION_START = 0.3  # part of training without a loss on the attention


@dataclasses.dataclass(frozen=True)
class Settings(domains.DannSettings):
    """M, and the weights of the order's and the attention's cross-entropies."""

    # M! orders: with six clips the order head would have 720 classes.
    num_clips: Annotated[int, Range(least=1, most=MOST_CLIPS)] = 1
    order_weight: float = 0.0
    attention_weight: float = 0.0


class Sava(domains.Dann[Settings]):
    """DANN on videos of M clips, a weighted mean each, with two further losses.

    A video arrives as M clips one after the other, [B, M T, H, W, 3]
    (`data.sampling.train_clips`); each passes the network by itself. The action is
    learned from every clip of the source. A test takes the mean over views, like the
    other methods: there are more views than M, so the attention does not fit them.
    """

    settings_type = Settings

    def __init__(self, given: base.Given, settings: Settings) -> None:
        super().__init__(given, settings)
        several = settings.num_clips > 1
        if not several and (settings.order_weight or settings.attention_weight):
            raise errors.ConfigError(
                "a single clip has no order and needs no attention; set "
                "method.settings.order_weight and attention_weight to 0, or num_clips "
                "to at least 2"
            )
        sizes = given.num_features, settings.num_clips
        self.order_head = OrderHead(*sizes, rngs=given.rngs) if several else None
        self.attention = Attention(*sizes, rngs=given.rngs) if several else None
        self.attention_start = _ATTENTION_START * given.total_steps

    def loss(
        self, model: Recognizer, batch: base.Batch, *, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Adds domain, order and attention to the action's loss on every source clip.

        Raises ConfigError if M does not divide the frames of a video.
        """
        keys, num_clips = jax.random.split(key, 3), self.settings.num_clips
        label = batch["train"]["label"]
        outputs = self.outputs(model, self._as_clips(batch), keys[0])
        of_clips = {"label": jnp.repeat(label, num_clips)}
        clips = [
            output.features.reshape(-1, num_clips, output.features.shape[-1])
            for output in outputs
        ]  # [B, M, D]
        source, target = (self._videos(each) for each in clips)
        domain, accuracy = self.domain_loss(source, target, self.ramp(step))
        result = base.action_loss(outputs[0], of_clips)
        result = base.add(result, {"loss/domain": domain}, domain=accuracy)
        if self.order_head is None or self.attention is None:
            return result
        order, right = self._order_loss(
            self.order_head, jnp.concatenate(clips), keys[1:]
        )
        attention = self._attention_loss(self.attention, model, clips, label)
        # How certain the network is of a clip means little before it has learned.
        attention *= step >= self.attention_start
        terms = {"loss/order": order, "loss/attention": attention}
        return base.add(result, terms, order=right)

    def _as_clips(self, batch: base.Batch) -> dict[str, base.Stream]:
        """Returns videos [B, M T, ...] of either domain as clips [B M, T, ...]."""
        num_clips, clips = self.settings.num_clips, {}
        for name in self.streams:
            video = batch[name]["video"]
            count, frames = video.shape[:2]
            if frames % num_clips:
                raise errors.ConfigError(
                    f"method 'sava' needs {num_clips} clips a video, but a video "
                    f"has {frames} frames; set data.sampling.train_clips to "
                    "method.settings.num_clips"
                )
            shape = count * num_clips, frames // num_clips, *video.shape[2:]
            clips[name] = {"video": video.reshape(shape)}
        return clips

    def _videos(self, clips: jax.Array) -> jax.Array:
        """Returns features [B, M, D] of clips as [B, D], weighed by the attention."""
        if self.attention is None:
            return clips[:, 0]  # one clip is the video, and SAVA is DANN
        weights = jax.nn.softmax(self.attention(clips))
        return jnp.einsum("bm,bmd->bd", weights, clips)

    def _order_loss(
        self, head: OrderHead, clips: jax.Array, keys: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Shuffles clips [B, M, D]; returns the order's weighted loss and accuracy."""
        orders = frame_shuffle.all_orders(self.settings.num_clips)
        # Features are shuffled, not pixels: each clip has passed the network by itself.
        drawn = jax.random.randint(keys[0], (len(clips),), 0, len(orders), jnp.int32)
        logits = head(frame_shuffle.reorder(clips, drawn), key=keys[1])
        loss = jnp.mean(losses.cross_entropy(logits, drawn))
        return self.settings.order_weight * loss, base.accuracy(logits, drawn)

    def _attention_loss(
        self,
        attention: Attention,
        model: Recognizer,
        clips: Sequence[jax.Array],
        label: jax.Array,
    ) -> jax.Array:
        """Returns the attention's weighted cross-entropy with each clip's certainty."""
        # Only the attention learns from this: a network that could make clips certain
        # would lower the loss without weighing anything.
        clips = [jax.lax.stop_gradient(each) for each in clips]
        source, target = (
            jax.nn.log_softmax(jax.lax.stop_gradient(model.head(each)))
            for each in clips
        )
        goal, certain = attention_targets(source, target, label)
        logits = attention(jnp.concatenate(clips))
        values = losses.soft_cross_entropy(logits, goal)
        return self.settings.attention_weight * losses.masked_mean(values, certain)


def attention_targets(
    source: jax.Array, target: jax.Array, label: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns the weights that clips should have, and for which videos they are known.

    These are [S + T, M], the softmax over the clips of their log-probability of the
    true action, for the target of the most likely one; and [S + T] bool: all of the
    source, and those of the target whose mean top probability exceeds 0.8.

    Args:
        source: [S, M, K] log-probabilities of the actions.
        target: [T, M, K] those of unlabelled videos.
        label: [S] true actions of the source.
    """
    of_label = jnp.take_along_axis(source, label[:, None, None], axis=-1)[..., 0]
    top = target.max(axis=-1)  # [T, M]
    weights = jax.nn.softmax(jnp.concatenate([of_label, top]))
    certain = jnp.exp(top).mean(axis=1) > _CONFIDENCE
    return weights, jnp.concatenate([jnp.ones(len(source), bool), certain])
