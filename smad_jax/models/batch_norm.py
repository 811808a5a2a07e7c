"""The arithmetic of batch norm in training.

It reads and writes large maps and computes little, so on an accelerator its cost is the
number of times that a map goes through memory.
"""

import jax
import jax.numpy as jnp
from jax import lax

EPSILON = 1e-5

_Kept = tuple[jax.Array, jax.Array, jax.Array, jax.Array]
_Normalised = tuple[jax.Array, jax.Array, jax.Array]


def normalise_groups(
    x: jax.Array, scale: jax.Array, bias: jax.Array, near: jax.Array
) -> _Normalised:
    """Normalises each group by its own statistics, and returns these.

    Args:
        x: [G, N, ..., C].
        scale: [C], in the dtype of the arithmetic; so are `bias` and `near`.
        bias: [C].
        near: [C], any numbers near the mean, for precision alone; without gradient.

    Returns:
        [G, N, ..., C] in the dtype of `x`, and the mean and the biased variance of each
        group, [G, 1, ..., 1, C].
    """
    if x.dtype.itemsize < scale.dtype.itemsize:
        return _in_one_pass(x, scale, bias, near)
    x, axes = x.astype(scale.dtype), tuple(range(1, x.ndim - 1))
    mean = x.mean(axes, keepdims=True)
    # In two passes: mean(x^2) - mean(x)^2 would cancel where the mean is large.
    centred = x - mean
    var = jnp.square(centred).mean(axes, keepdims=True)
    return centred * (scale * lax.rsqrt(var + EPSILON)) + bias, mean, var


@jax.custom_vjp
def _in_one_pass(
    x: jax.Array, scale: jax.Array, bias: jax.Array, near: jax.Array
) -> _Normalised:
    """Does the same for an `x` in bfloat16, which a TPU then reads half as often."""
    return _forward(x, scale, bias, near)[0]


def _forward(
    x: jax.Array, scale: jax.Array, bias: jax.Array, near: jax.Array
) -> tuple[_Normalised, _Kept]:
    axes, wide = tuple(range(1, x.ndim - 1)), x.astype(scale.dtype)
    # A convolution can take both sums while it writes `x`. What cancels in float32 is
    # less than what rounding to bfloat16 has already lost.
    offset = wide - near
    shift = offset.mean(axes, keepdims=True)
    var = jnp.square(offset).mean(axes, keepdims=True) - jnp.square(shift)
    mean, var = near + shift, jnp.maximum(var, 0)
    inverse = lax.rsqrt(var + EPSILON)
    y = ((wide - mean) * (scale * inverse) + bias).astype(x.dtype)
    return (y, mean, var), (x, scale, mean, inverse)


def _backward(
    kept: _Kept, cotangents: _Normalised
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    # JAX would derive a second sum over the maps that needs the first: two passes.
    # Worked out by hand, both sums are independent and take one.
    x, scale, mean, inverse = kept
    dy, dmean, dvar = cotangents
    axes, count = tuple(range(1, x.ndim - 1)), x.size // x.shape[-1] // x.shape[0]
    wide_dy, centred = dy.astype(scale.dtype), x.astype(scale.dtype) - mean
    dbias = wide_dy.sum(axes, keepdims=True)  # [G, 1, ..., 1, C]
    dscale = (wide_dy * centred).sum(axes, keepdims=True) * inverse
    factor = scale * inverse
    along = (2 * dvar - factor * inverse * dscale) / count
    dx = factor * wide_dy + centred * along + (dmean - factor * dbias) / count
    groups = tuple(range(x.ndim - 1))
    zero = jnp.zeros_like(scale)
    return dx.astype(x.dtype), dscale.sum(groups), dbias.sum(groups), zero


_in_one_pass.defvjp(_forward, _backward)
