"""FrameShuffle, a row of Table 3 that the paper names and does not define.

No public text or code says what it is; it needs no target data and gains half a point.
Offered are the three readings that would explain a gain: predicting the order of
shuffled segments, shuffling as augmentation, and confusion on shuffled clips.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from smad_jax import errors, losses
from smad_jax.aspect_table import Aspect
from smad_jax.methods import base
from smad_jax.models import adversarial, recognizer

SEGMENTS = 4
# All orders of the segments; the first leaves them as they are.
ORDERS = np.array(list(itertools.permutations(range(SEGMENTS))), np.int32)  # [24, 4]
_HIDDEN = 512

Mode = Literal["order", "augment", "confuse"]


class FrameShuffle(base.Method):
    """Shows clips out of order, some of the time.

    `order` predicts which of the 24 orders of its four segments a clip is in, and
    learns the action from clips in their own order alone. `confuse` raises the entropy
    of the action on clips out of order instead. `augment` shuffles single frames and
    learns the action from all clips.
    """

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        mode: Mode = "order",
        probability: float = 0.0,
        weight: float = 0.0,
    ) -> None:
        """Builds the head that predicts orders, if there is one.

        Args:
            num_features: D.
            aspects: None of use.
            ramp: Not used: no gradient is reversed.
            rngs: For the head's initial parameters.
            mode: What is done with shuffled clips.
            probability: Of a clip being shuffled.
            weight: Of the order's cross-entropy, or of the confusion; `augment` has
                neither.

        Raises:
            ConfigError: if a setting has no such value.
        """
        if mode not in ("order", "augment", "confuse"):
            raise errors.ConfigError(
                f"unknown method.settings.mode {mode!r}; known: order, augment, confuse"
            )
        if not 0 <= probability <= 1:
            raise errors.ConfigError(
                "method.settings.probability must be from 0 to 1, but it is "
                f"{probability}"
            )
        if mode == "augment" and weight:
            raise errors.ConfigError(
                "method.settings.weight must be 0 with mode augment, which has no "
                f"further loss, but it is {weight}"
            )
        self.head = (
            adversarial.AdversarialHead(
                num_features, len(ORDERS), hidden=(_HIDDEN,), rngs=rngs
            )
            if mode == "order"
            else None
        )
        self.mode = mode
        self.probability = probability
        self.weight = weight

    def loss(
        self,
        model: recognizer.Recognizer,
        batch: Mapping[str, base.Stream],
        *,
        key: jax.Array,
        step: jax.Array,
    ) -> tuple[jax.Array, base.Metrics]:
        """Shuffles some clips, and does with them what the mode says.

        Raises ConfigError if a clip's frames do not make equal segments.
        """
        del step
        stream = batch["train"]
        own_key, shuffle_key = jax.random.split(key)
        if self.mode == "augment":
            video = shuffle_frames(stream["video"], shuffle_key, self.probability)
            output = model(video, train=True, key=own_key)
            return base.action_loss(output, stream)
        order = draw_orders(len(stream["video"]), shuffle_key, self.probability)
        video = reorder_segments(stream["video"], order)
        output = model(video, train=True, key=own_key)
        shuffled = order > 0
        action, metrics = base.action_loss(output, stream, ~shuffled)
        if self.head is None:
            certainty = -losses.entropy(output.logits)
            extra = self.weight * losses.masked_mean(certainty, shuffled)
            metrics["loss/confusion"] = extra
        else:
            logits = self.head(output.features, train=True)
            extra = self.weight * jnp.mean(losses.cross_entropy(logits, order))
            hit = jnp.argmax(logits, axis=-1) == order
            metrics["loss/order"] = extra
            metrics["accuracy/order"] = jnp.mean(hit, dtype=jnp.float32)
        total = action + extra
        return total, metrics | {"loss": total}


def draw_orders(count: int, key: jax.Array, probability: float) -> jax.Array:
    """Draws a row of `ORDERS` for each of `count` clips.

    Returns:
        [count] int32; 0, a clip's own order, but with `probability` one of the others,
        all equally likely.
    """
    keys = jax.random.split(key)
    shuffled = jax.random.bernoulli(keys[0], probability, (count,))
    other = jax.random.randint(keys[1], (count,), 1, len(ORDERS), jnp.int32)
    return jnp.where(shuffled, other, 0)


def reorder_segments(video: jax.Array, order: jax.Array) -> jax.Array:
    """Puts the four segments of every clip in the order drawn for it.

    Args:
        video: [B, T, H, W, C].
        order: [B] rows of `ORDERS`.

    Returns:
        [B, T, H, W, C] of the same frames; segment i is segment `ORDERS[order, i]`.

    Raises:
        ConfigError: if T is no multiple of four.
    """
    batch, time = video.shape[:2]
    if time % SEGMENTS:
        raise errors.ConfigError(
            f"method 'frame_shuffle' needs clips of a multiple of {SEGMENTS} frames "
            f"for its segments, but they have {time}; choose another "
            "data.sampling.num_frames, or slowonly_frame_shuffle.py:mode=augment"
        )
    segments = video.reshape(batch, SEGMENTS, -1, *video.shape[2:])
    places = jnp.asarray(ORDERS)[order]  # [B, 4]
    places = places.reshape(batch, SEGMENTS, *(1,) * (segments.ndim - 2))
    return jnp.take_along_axis(segments, places, axis=1).reshape(video.shape)


def shuffle_frames(video: jax.Array, key: jax.Array, probability: float) -> jax.Array:
    """Puts the frames of some clips in a random order.

    Args:
        video: [B, T, H, W, C].
        key: Source of the orders.
        probability: Of a clip being shuffled.

    Returns:
        [B, T, H, W, C] of the same frames.
    """
    keys = jax.random.split(key)
    batch, time = video.shape[:2]
    own = jnp.tile(jnp.arange(time), (batch, 1))
    order = jax.random.permutation(keys[0], own, axis=1, independent=True)
    shuffled = jax.random.bernoulli(keys[1], probability, (batch, 1))
    places = jnp.where(shuffled, order, own)  # [B, T]
    return jnp.take_along_axis(video, places[:, :, None, None, None], axis=1)
