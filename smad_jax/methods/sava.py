"""SAVA, a row of Table 3: clip order and clip attention on top of DANN.

Choi et al. published no code, and their abstract says little more than what is here:
features learn to tell the order of a video's clips, an attention weighs the clips, and
an adversary compares whole videos of the two domains. The rest is our reading of it;
numbers it leaves open are settings.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from smad_jax import errors, losses
from smad_jax.aspect_table import Aspect
from smad_jax.methods import base, dann, domains
from smad_jax.models import layers, recognizer

MOST_CLIPS = 5
_HIDDEN = 512
_ORDER_DROPOUT = 0.5
_CONFIDENCE = 0.8  # of a target video whose own predictions teach the attention
_ATTENTION_START = 0.3  # part of training without a loss on the attention


class Sava(dann.Dann):
    """DANN on videos of M clips, a weighted mean each, with two further losses.

    A video arrives as M clips one after the other, [B, M T, H, W, 3]
    (`data.sampling.train_clips`); each passes the network by itself. The action is
    learned from every clip of the source. Tested like the others: the mean over the
    views, which are more than M and so not the attention's.
    """

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        total_steps: int = 1,
        num_clips: int = 1,
        weight: float = 1.0,
        order_weight: float = 0.0,
        attention_weight: float = 0.0,
        hidden: Sequence[int] = (),
        passes: domains.Passes = "joint",
    ) -> None:
        """Builds the discriminator, the attention and the head that tells the order.

        Args:
            num_features: D.
            aspects: None of use.
            ramp: Strength of the domain's reversed gradient as a function of the step.
            rngs: For initial parameters.
            total_steps: Of the run.
            num_clips: M.
            weight: Of the domain loss.
            order_weight: Of the cross-entropy of the clips' order.
            attention_weight: Of the attention's cross-entropy, after its start.
            hidden: Widths of the discriminator's hidden layers, each with batch norm.
            passes: See `domains.TwoDomains`.

        Raises:
            ConfigError: if M is out of range, or 1 with a loss on more than one clip.
        """
        if not 1 <= num_clips <= MOST_CLIPS:
            raise errors.ConfigError(
                f"method.settings.num_clips must be from 1 to {MOST_CLIPS}, but it is "
                f"{num_clips}"
            )
        if num_clips == 1 and (order_weight or attention_weight):
            raise errors.ConfigError(
                "a single clip has no order and needs no attention; set "
                "method.settings.order_weight and attention_weight to 0, or num_clips "
                "to at least 2"
            )
        super().__init__(
            num_features,
            aspects,
            ramp=ramp,
            rngs=rngs,
            weight=weight,
            hidden=hidden,
            passes=passes,
        )
        self.order_head = (
            OrderHead(num_features, num_clips, rngs=rngs) if num_clips > 1 else None
        )
        self.attention = (
            Attention(num_features, num_clips, rngs=rngs) if num_clips > 1 else None
        )
        self.num_clips = num_clips
        self.order_weight = order_weight
        self.attention_weight = attention_weight
        self.attention_start = _ATTENTION_START * total_steps

    def loss(
        self,
        model: recognizer.Recognizer,
        batch: Mapping[str, base.Stream],
        *,
        key: jax.Array,
        step: jax.Array,
    ) -> tuple[jax.Array, base.Metrics]:
        """Adds domain, order and attention to the action's loss on every source clip.

        Raises ConfigError if M does not divide the frames of a video.
        """
        keys = jax.random.split(key, 3)
        label = jnp.repeat(batch["train"]["label"], self.num_clips)
        outputs = self.outputs(model, self._as_clips(batch), keys[0])
        action, metrics = base.action_loss(outputs[0], {"label": label})
        clips = [self._by_video(output.features) for output in outputs]  # [B, M, D]
        source, target = (self._videos(each) for each in clips)
        domain, accuracy = self.domain_loss(source, target, self.ramp(step))
        total = action + domain
        metrics |= {"loss/domain": domain, "accuracy/domain": accuracy}
        if self.order_head is not None and self.attention is not None:
            order, right = self._order_loss(
                self.order_head, jnp.concatenate(clips), keys[1:]
            )
            attention = self._attention_loss(
                self.attention, model, clips, batch["train"]["label"]
            )
            attention *= step >= self.attention_start
            total += order + attention
            metrics |= {"loss/order": order, "loss/attention": attention}
            metrics |= {"accuracy/order": right}
        return total, metrics | {"loss": total}

    def _as_clips(self, batch: Mapping[str, base.Stream]) -> dict[str, base.Stream]:
        """Videos [B, M T, ...] of either domain as clips [B M, T, ...]."""
        found = {}
        for name in self.streams:
            video = batch[name]["video"]
            count, frames = video.shape[:2]
            if frames % self.num_clips:
                raise errors.ConfigError(
                    f"method 'sava' needs {self.num_clips} clips a video, but a video "
                    f"has {frames} frames; set data.sampling.train_clips to "
                    "method.settings.num_clips"
                )
            size = frames // self.num_clips
            found[name] = {
                "video": video.reshape(count * self.num_clips, size, *video.shape[2:])
            }
        return found

    def _by_video(self, rows: jax.Array) -> jax.Array:
        """[B M, ...] as [B, M, ...]."""
        return rows.reshape(-1, self.num_clips, *rows.shape[1:])

    def _videos(self, clips: jax.Array) -> jax.Array:
        """[B, M, D] features of clips as [B, D] of videos, weighed by the attention."""
        if self.attention is None:
            return clips[:, 0]
        weights = jax.nn.softmax(self.attention(clips))
        return jnp.einsum("bm,bmd->bd", weights, clips)

    def _order_loss(
        self, head: "OrderHead", clips: jax.Array, keys: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Weighted cross-entropy of the order that features [B, M, D] were put in."""
        orders = all_orders(self.num_clips)
        drawn = jax.random.randint(keys[0], (len(clips),), 0, len(orders), jnp.int32)
        logits = head(reorder(clips, drawn), key=keys[1])
        right = jnp.argmax(logits, axis=-1) == drawn
        loss = self.order_weight * jnp.mean(losses.cross_entropy(logits, drawn))
        return loss, jnp.mean(right, dtype=jnp.float32)

    def _attention_loss(
        self,
        attention: "Attention",
        model: recognizer.Recognizer,
        clips: Sequence[jax.Array],
        label: jax.Array,
    ) -> jax.Array:
        """Weighted cross-entropy of the attention with how sure each clip is.

        Sure of the true action on the source; on the target of the most likely one, of
        videos alone that are sure on average. Only the attention learns from it.
        """
        source, target = (jax.lax.stop_gradient(each) for each in clips)
        wanted, sure = attention_targets(
            jax.nn.log_softmax(jax.lax.stop_gradient(model.head(source))),
            jax.nn.log_softmax(jax.lax.stop_gradient(model.head(target))),
            label,
        )
        logits = attention(jnp.concatenate([source, target]))
        values = losses.soft_cross_entropy(logits, wanted)
        return self.attention_weight * losses.masked_mean(values, sure)


class OrderHead(nnx.Module):
    """Tells which order the clips of a video are in, from all pairs of them."""

    def __init__(self, num_features: int, num_clips: int, *, rngs: nnx.Rngs) -> None:
        self.pairs = nnx.static(tuple(itertools.combinations(range(num_clips), 2)))
        self.pair = layers.Linear(2 * num_features, _HIDDEN, rngs=rngs)
        self.fc = layers.Linear(
            len(self.pairs) * _HIDDEN, math.factorial(num_clips), rngs=rngs
        )

    def __call__(self, clips: jax.Array, *, key: jax.Array) -> jax.Array:
        """Maps features [B, M, D] to logits [B, M!]; `key` is for dropout."""
        first, second = (
            clips[:, jnp.array(places)] for places in zip(*self.pairs, strict=True)
        )
        pairs = jax.nn.relu(self.pair(jnp.concatenate([first, second], axis=-1)))
        hidden = pairs.reshape(len(clips), -1)
        keep = 1 - _ORDER_DROPOUT
        kept = jax.random.bernoulli(key, keep, hidden.shape)
        return self.fc(jnp.where(kept, hidden / keep, 0))


class Attention(nnx.Module):
    """Says how much each clip of a video counts; all alike at the start."""

    def __init__(self, num_features: int, num_clips: int, *, rngs: nnx.Rngs) -> None:
        self.hidden = layers.Linear(num_clips * num_features, _HIDDEN, rngs=rngs)
        self.fc = layers.Linear(_HIDDEN, num_clips, scale=0.0, rngs=rngs)

    def __call__(self, clips: jax.Array) -> jax.Array:
        """Maps features [B, M, D] to logits [B, M]."""
        joined = clips.reshape(len(clips), -1)
        return self.fc(jax.nn.relu(self.hidden(joined)))


def all_orders(num_clips: int) -> np.ndarray:
    """Returns all orders of M clips, [M!, M] int32; the first is their own."""
    return np.array(list(itertools.permutations(range(num_clips))), np.int32)


def reorder(clips: jax.Array, order: jax.Array) -> jax.Array:
    """Puts the clips of every video in an order.

    Args:
        clips: [B, M, D].
        order: [B] rows of `all_orders`.

    Returns:
        [B, M, D], whose clip i is clip `all_orders(M)[order, i]`.
    """
    places = jnp.asarray(all_orders(clips.shape[1]))[order]  # [B, M]
    return jnp.take_along_axis(clips, places[..., None], axis=1)


def attention_targets(
    source: jax.Array, target: jax.Array, label: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns how the clips should be weighed, and for which videos that is known.

    Args:
        source: [S, M, K] log-probabilities of the actions, of labelled videos.
        target: [T, M, K] likewise, of unlabelled ones.
        label: [S] true actions.

    Returns:
        Weights [S + T, M], the softmax over the clips of their log-probability of the
        true or the most likely action, and [S + T] bool: all of the source, and those
        of the target whose mean top probability exceeds 0.8.
    """
    of_label = jnp.take_along_axis(source, label[:, None, None], axis=-1)[..., 0]
    top = target.max(axis=-1)  # [T, M]
    weights = jax.nn.softmax(jnp.concatenate([of_label, top]))
    sure = jnp.exp(top).mean(axis=1) > _CONFIDENCE
    return weights, jnp.concatenate([jnp.ones(len(source), bool), sure])
