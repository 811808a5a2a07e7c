"""FrameShuffle, a row of Table 3 that the paper names and does not define.

No public text or code describes it; it needs no target data and gains half a point.
There are three readings here that would explain a gain: predicting the order of
shuffled segments, shuffling as augmentation, and confusion on shuffled clips.
"""

import dataclasses
import itertools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from smad_jax import errors, losses
from smad_jax.methods import base
from smad_jax.models import adversarial
from smad_jax.models.recognizer import Recognizer

SEGMENTS = 4
_HIDDEN = 512


def all_orders(count: int) -> np.ndarray:
    """Returns all orders of M parts, [M!, M] int32; the first is their own."""
    return np.array(list(itertools.permutations(range(count))), np.int32)


ORDERS = all_orders(SEGMENTS)  # [24, 4]


@dataclasses.dataclass(frozen=True)
class Settings(base.Settings):
    """The mode, the probability of a clip being shuffled, and the weight of the loss.

    The loss is the order's cross-entropy or the confusion; `augment` has neither.
    """

    mode: Literal["order", "augment", "confuse"] = "order"
    probability: base.Probability = 0.0
    weight: float = 0.0


class FrameShuffle(base.Method[Settings]):
    """Shows some clips out of order.

    `order` predicts which of the 24 orders of its four segments a clip is in, and
    learns the action only from clips in their own order. `confuse` instead raises the
    entropy of the action on clips out of order. `augment` shuffles single frames and
    learns the action from all clips.
    """

    settings_type = Settings

    def __init__(self, given: base.Given, settings: Settings) -> None:
        super().__init__(given, settings)
        if settings.mode == "augment" and settings.weight:
            raise errors.ConfigError(
                "method.settings.weight must be 0 with mode augment, which has no "
                f"further loss, but it is {settings.weight}"
            )
        # Its gradient is not reversed: the features are to know time.
        self.head = (
            adversarial.AdversarialHead(
                given.num_features, len(ORDERS), hidden=(_HIDDEN,), rngs=given.rngs
            )
            if settings.mode == "order"
            else None
        )

    def loss(
        self, model: Recognizer, batch: base.Batch, *, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Shuffles some clips and adds the loss of the mode.

        Raises ConfigError if a clip's frames do not make equal segments.
        """
        stream, settings = batch["train"], self.settings
        own_key, shuffle_key = jax.random.split(key)
        if settings.mode == "augment":
            video = shuffle_frames(stream["video"], shuffle_key, settings.probability)
            output = model(video, train=True, key=own_key)
            return base.action_loss(output, stream)
        order = draw_orders(len(stream["video"]), shuffle_key, settings.probability)
        video = reorder_segments(stream["video"], order)
        output = model(video, train=True, key=own_key)
        shuffled = order > 0
        # Without shuffled clips: they would teach the network to do without the order.
        action = base.action_loss(output, stream, ~shuffled)
        if self.head is None:
            # Descending minus the entropy makes all actions of a clip equally likely.
            certainty = losses.masked_mean(-losses.entropy(output.logits), shuffled)
            return base.add(action, {"loss/confusion": settings.weight * certainty})
        # Clips in their own order count too: theirs is one of the 24 answers.
        logits = self.head(output.features, train=True)
        loss = settings.weight * jnp.mean(losses.cross_entropy(logits, order))
        right = base.accuracy(logits, order)
        return base.add(action, {"loss/order": loss}, order=right)


def draw_orders(count: int, key: jax.Array, probability: float) -> jax.Array:
    """Draws [count] int32 rows of `ORDERS`.

    With `probability` one of 1 to 23, all equally likely; else 0, the clip's own order.
    """
    keys = jax.random.split(key)
    shuffled = jax.random.bernoulli(keys[0], probability, (count,))
    other = jax.random.randint(keys[1], (count,), 1, len(ORDERS), jnp.int32)
    return jnp.where(shuffled, other, 0)


def reorder_segments(video: jax.Array, order: jax.Array) -> jax.Array:
    """Returns [B, T, H, W, C] whose segment i is segment `ORDERS[order, i]` of `video`.

    Raises ConfigError if T is not a multiple of four.
    """
    batch, time = video.shape[:2]
    if time % SEGMENTS:
        raise errors.ConfigError(
            f"method 'frame_shuffle' needs clips of a multiple of {SEGMENTS} frames "
            f"for its segments, but they have {time}; choose another "
            "data.sampling.num_frames, or slowonly_frame_shuffle.py:mode=augment"
        )
    segments = video.reshape(batch, SEGMENTS, -1, *video.shape[2:])
    return reorder(segments, order).reshape(video.shape)


def reorder(parts: jax.Array, order: jax.Array) -> jax.Array:
    """Returns [B, M, ...] whose part i is part `all_orders(M)[order, i]` of `parts`."""
    places = jnp.asarray(all_orders(parts.shape[1]))[order]  # [B, M]
    places = places.reshape(*places.shape, *(1,) * (parts.ndim - 2))
    return jnp.take_along_axis(parts, places, axis=1)


def shuffle_frames(video: jax.Array, key: jax.Array, probability: float) -> jax.Array:
    """Returns [B, T, H, W, C] in which clips, with `probability`, are out of order."""
    keys = jax.random.split(key)
    batch, time = video.shape[:2]
    own = jnp.tile(jnp.arange(time), (batch, 1))
    order = jax.random.permutation(keys[0], own, axis=1, independent=True)
    shuffled = jax.random.bernoulli(keys[1], probability, (batch, 1))
    places = jnp.where(shuffled, order, own)  # [B, T]
    return jnp.take_along_axis(video, places[:, :, None, None, None], axis=1)
