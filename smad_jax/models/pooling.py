"""The maximum under a moving window over time, height and width."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from smad_jax.models import convolution

Size = convolution.Size


def max_pool(x: jax.Array, window: Size, strides: Size) -> jax.Array:
    """Takes the maximum under an odd window padded by half of it with minus infinity.

    Of equal numbers the first in order of time, height and width has the gradient, as
    in PyTorch. Maps [B, T, H, W, C] to
    [B, ceil(T / strides[0]), ceil(H / strides[1]), ceil(W / strides[2]), C].
    """
    if jax.default_backend() != "cpu":
        return _reduce_window(x, window, strides)
    # XLA for CPU takes ten times as long for its window and the gradient, 72 against
    # 6 ms for 16 frames of 56x56x64. The last axis first, for the order of equals.
    for axis in (3, 2, 1):
        x = _along_axis(x, axis, window[axis - 1], strides[axis - 1])
    return x


def _reduce_window(x: jax.Array, window: Size, strides: Size) -> jax.Array:
    if window[0] == strides[0] == 1:
        # On frames, as the convolutions around it: over five axes a TPU stores the map
        # in another order, and copies it in float32 in between.
        frames = x.reshape(-1, *x.shape[2:])
        pooled = _windows(frames, window[1:], strides[1:])
        return pooled.reshape(*x.shape[:2], *pooled.shape[1:])
    return _windows(x, window, strides)


def _windows(
    x: jax.Array, window: tuple[int, ...], strides: tuple[int, ...]
) -> jax.Array:
    """Takes the maximum over windows of all axes but the first and the last."""
    return lax.reduce_window(
        x,
        -jnp.inf,
        lax.max,
        (1, *window, 1),
        (1, *strides, 1),
        [(0, 0), *(convolution.half(extent) for extent in window), (0, 0)],
    )


def _along_axis(x: jax.Array, axis: int, window: int, stride: int) -> jax.Array:
    if window == stride == 1:
        return x
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    flat = x.reshape(math.prod(before), x.shape[axis], math.prod(after))
    pooled = _pool(flat, window, stride)
    return pooled.reshape(*before, -1, *after)


def _largest(x: jax.Array, window: int, stride: int) -> jax.Array:
    """Maps [N, L, M] to [N, ceil(L / stride), M]."""
    return _forward(x, window, stride)[0]


def _forward(
    x: jax.Array, window: int, stride: int
) -> tuple[jax.Array, tuple[jax.Array, int]]:
    first, *others = convolution.taps(x, window, stride, fill=-jnp.inf)
    largest, winner = first, jnp.zeros(first.shape, jnp.int8)
    for place, tap in enumerate(others, 1):
        winner = jnp.where(tap > largest, jnp.int8(place), winner)
        largest = jnp.maximum(largest, tap)
    return largest, (winner, x.shape[1])


def _backward(
    window: int, stride: int, kept: tuple[jax.Array, int], cotangent: jax.Array
) -> tuple[jax.Array]:
    # Position stride * q + phase lies in the windows q + shift, at the place below.
    # Gathering from them is one pass; XLA would scatter to each place in its own.
    (winner, length), size = kept, cotangent.shape[1]
    edge = [(0, 0), (window, window), (0, 0)]
    winner, cotangent = jnp.pad(winner, edge), jnp.pad(cotangent, edge)
    phases = []
    for phase in range(stride):
        shares = []
        for shift in range(-window, window + 1):
            place = phase - stride * shift + window // 2
            if 0 <= place < window:
                seen = slice(window + shift, window + shift + size)
                won = winner[:, seen] == place
                shares.append(jnp.where(won, cotangent[:, seen], 0))
        phases.append(functools.reduce(jnp.add, shares))
    gradient = jnp.stack(phases, axis=2)  # [N, L / stride, stride, M]
    return (gradient.reshape(len(gradient), -1, gradient.shape[-1])[:, :length],)


_pool = jax.custom_vjp(_largest, nondiff_argnums=(1, 2))
_pool.defvjp(_forward, _backward)
