"""Heads on the features of a video's M clips: their order, and how much each weighs."""

import itertools
import math

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax.models import layers

_HIDDEN = 512
_ORDER_DROPOUT = 0.5


class OrderHead(nnx.Module):
    """Predicts which order the clips of a video are in, from all pairs of them."""

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
        return self.fc(layers.drop(hidden, _ORDER_DROPOUT, key))


class Attention(nnx.Module):
    """Weighs the clips of a video; all weights are equal at the start."""

    def __init__(self, num_features: int, num_clips: int, *, rngs: nnx.Rngs) -> None:
        self.hidden = layers.Linear(num_clips * num_features, _HIDDEN, rngs=rngs)
        # At zero, a video starts as the plain mean of its clips.
        self.fc = layers.Linear(_HIDDEN, num_clips, scale=0.0, rngs=rngs)

    def __call__(self, clips: jax.Array) -> jax.Array:
        """Maps features [B, M, D] to logits [B, M]."""
        joined = clips.reshape(len(clips), -1)
        return self.fc(jax.nn.relu(self.hidden(joined)))
