"""The layers that every network here is made of: convolution, batch norm, pool, linear.

All take and return channels last, [B, T, H, W, C]. Flax's own are not used: its batch
norm has no ghost groups and remembers the biased variance.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from smad_jax.models import batch_norm, convolution

KernelStart = Literal["kaiming", "pytorch"]
GhostStatistics = Literal["mean", "first"]
Remat = Literal["", "blocks"]
GHOST_STATISTICS = get_args(GhostStatistics)
REMATS = get_args(Remat)
Inference = Literal["stored", "batch", "observe"]
Size = convolution.Size

MOMENTUM = 0.9  # the reference writes 0.1, the weight of the new value

_PIECE = 1 << 16  # numbers drawn at a time


def draw_normal(key: jax.Array, shape: Sequence[int], *, scale: float) -> jax.Array:
    """Draws a float32 array of `shape` from N(0, scale^2)."""
    # In pieces of one size: XLA for CPU takes about a second to compile a draw, and
    # would take it again for every shape of a network.
    count = math.prod(shape)
    keys = [jax.random.fold_in(key, piece) for piece in range(-(-count // _PIECE))]
    pieces = [_draw_piece(piece_key) for piece_key in keys]
    flat = pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces)
    return scale * flat[:count].reshape(shape)


def parameter_dtype(dtype: str) -> jnp.dtype:
    """Returns the dtype, float32 or wider, of what is kept beside activations."""
    return jnp.promote_types(dtype, jnp.float32)


class Conv(nnx.Module):
    """Convolution without bias.

    It starts from normal numbers, with Kaiming's deviation sqrt(2 / fan out) as the
    reference does, or with that of PyTorch's own start, sqrt(1 / (3 fan in)).

    Attributes:
        kernel: [t, h, w, C, D]; a two-dimensional kernel has t = 1.
        strides: Step over time, height and width.
        dtype: What the product is computed in; the kernel is kept in float32.
    """

    def __init__(
        self,
        in_width: int,
        width: int,
        kernel_size: Size,
        strides: Size = (1, 1, 1),
        *,
        kernel_start: KernelStart = "kaiming",
        dtype: str = "float32",
        rngs: nnx.Rngs,
    ):
        volume = math.prod(kernel_size)
        variance = {
            "kaiming": 2 / (width * volume),
            "pytorch": 1 / (3 * in_width * volume),
        }
        shape = (*kernel_size, in_width, width)
        scale = math.sqrt(variance[kernel_start])
        start = draw_normal(rngs.params(), shape, scale=scale)
        self.kernel = nnx.Param(start.astype(parameter_dtype(dtype)))
        self.strides = strides
        self.dtype = dtype

    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolves [B, T, H, W, C] with the kernel; returns `dtype`."""
        kernel = self.kernel[...].astype(self.dtype)
        return convolution.convolve(x.astype(self.dtype), kernel, self.strides)


class Linear(nnx.Module):
    """Matrix product and bias, started from N(0, scale^2) and zero, never in bfloat16.

    Attributes:
        kernel: [C, D].
        bias: [D].
    """

    def __init__(
        self,
        in_width: int,
        width: int,
        *,
        scale: float = 0.01,
        dtype: str = "float32",
        rngs: nnx.Rngs,
    ):
        kept = parameter_dtype(dtype)
        start = draw_normal(rngs.params(), (in_width, width), scale=scale)
        self.kernel = nnx.Param(start.astype(kept))
        self.bias = nnx.Param(jnp.zeros(width, kept))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [..., C] to [..., D]."""
        # In the kernel's dtype: losses need logits that are float32 or wider.
        return x.astype(self.kernel.dtype) @ self.kernel[...] + self.bias[...]


class GhostBatchNorm(nnx.Module):
    """Batch norm whose statistics are taken over groups of the batch.

    The reference trains on eight devices that each normalise their own share of
    the batch; groups of that size do the same on any number of devices. Running
    statistics are the mean over groups, or with `first` those of the first group.

    Attributes:
        scale: [C]. bias: [C].
        mean: [C] running. var: [C] running.
        ghost_size: Videos in a group; zero means that the whole batch is one.
        ghost_statistics: Which groups the running statistics remember.
        inference: What normalises outside training: `stored`, the running statistics;
            `batch`, those of the whole batch; `observe`, the running ones again. The
            last two replace the running statistics by the batch's mean and biased
            variance, for methods that adapt to a test set.
    """

    def __init__(
        self,
        width: int,
        *,
        ghost_size: int = 0,
        ghost_statistics: GhostStatistics = "mean",
        scale: float = 1.0,
        dtype: str = "float32",
    ):
        kept = parameter_dtype(dtype)
        self.scale = nnx.Param(jnp.full(width, scale, kept))
        self.bias = nnx.Param(jnp.zeros(width, kept))
        self.mean = nnx.BatchStat(jnp.zeros(width, kept))
        self.var = nnx.BatchStat(jnp.ones(width, kept))
        self.ghost_size = ghost_size
        self.ghost_statistics = ghost_statistics
        self.inference: Inference = "stored"

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Normalises every channel of [B, ..., C] and applies scale and bias.

        Training normalises by groups of `ghost_size` consecutive videos and moves the
        running statistics. The result has the dtype of `x`; the arithmetic between is
        float32 or wider.

        Raises:
            ValueError: in training, if B is no multiple of the ghost size or a
                group holds a single value a channel.
        """
        if not train:
            return self._infer(x)
        groups = _num_groups(x.shape, self.ghost_size)
        # Only the leading axis is split: another reshape would move a sharded batch
        # between devices, and on a CPU makes the gradient five times slower. Where the
        # groups divide over the devices, statistics then need no communication.
        values = x.reshape(groups, -1, *x.shape[1:])
        y, mean, var = batch_norm.normalise_groups(
            values, self.scale[...], self.bias[...], self.mean[...]
        )
        self._remember(mean, var, count=x.size // x.shape[-1] // groups)
        return y.reshape(x.shape)

    def _infer(self, x: jax.Array) -> jax.Array:
        """Normalises outside training, by the statistics that `inference` names."""
        mean, var = self.mean[...], self.var[...]
        if self.inference != "stored":
            wide, axes = x.astype(self.mean.dtype), tuple(range(x.ndim - 1))
            seen = wide.mean(axes)
            self.mean[...] = seen
            self.var[...] = jnp.square(wide - seen).mean(axes)
            if self.inference == "batch":
                mean, var = self.mean[...], self.var[...]
        factor = self.scale[...] * lax.rsqrt(var + batch_norm.EPSILON)
        shift = self.bias[...] - mean * factor
        return (x * factor + shift).astype(x.dtype)

    def _remember(self, mean: jax.Array, var: jax.Array, count: int) -> None:
        """Moves the running statistics towards the groups' [G, 1, ..., 1, C]."""
        # PyTorch normalises by the biased variance but remembers the unbiased one.
        unbiased = var * (count / (count - 1))
        for running, new in ((self.mean, mean), (self.var, unbiased)):
            groups = lax.stop_gradient(new.reshape(len(new), -1))  # [G, C]
            # Devices of the reference do not share what they remember, and its
            # checkpoints keep the first one's. The mean is less noisy at no cost.
            seen = groups[0] if self.ghost_statistics == "first" else groups.mean(0)
            running[...] = MOMENTUM * running[...] + (1 - MOMENTUM) * seen


@dataclasses.dataclass(frozen=True)
class Factory:
    """Makes the layers of one network, which share these settings.

    `rngs` draws the parameters, in the order in which layers are made; `dtype` is what
    the layers compute in; `remat` names what keeps no activations for the gradient, but
    computes them again. The others are those of `Conv` and `GhostBatchNorm`.
    """

    rngs: nnx.Rngs
    kernel_start: KernelStart = "kaiming"
    ghost_size: int = 0
    ghost_statistics: GhostStatistics = "mean"
    dtype: str = "float32"
    remat: Remat = ""

    def conv(
        self, in_width: int, width: int, kernel: Size, strides: Size = (1, 1, 1)
    ) -> Conv:
        """Returns a convolution from `in_width` to `width` channels."""
        return Conv(
            in_width,
            width,
            kernel,
            strides,
            kernel_start=self.kernel_start,
            dtype=self.dtype,
            rngs=self.rngs,
        )

    def linear(self, in_width: int, width: int, *, scale: float) -> Linear:
        """Returns a linear layer from `in_width` to `width` features."""
        return Linear(in_width, width, scale=scale, dtype=self.dtype, rngs=self.rngs)

    def norm(self, width: int, *, scale: float = 1.0) -> GhostBatchNorm:
        """Returns a batch norm of `width` channels whose scale starts at `scale`."""
        return GhostBatchNorm(
            width,
            ghost_size=self.ghost_size,
            ghost_statistics=self.ghost_statistics,
            scale=scale,
            dtype=self.dtype,
        )


def drop(x: jax.Array, probability: float, key: jax.Array) -> jax.Array:
    """Zeroes numbers with a probability and scales the others up to keep the mean."""
    # Scaled in training, so that nothing changes at test.
    keep = 1 - probability
    kept = jax.random.bernoulli(key, keep, x.shape)
    return jnp.where(kept, x / keep, 0)


def _num_groups(shape: Sequence[int], ghost_size: int) -> int:
    """Returns G for a batch of this shape, or raises ValueError."""
    batch = shape[0]
    group = batch if ghost_size <= 0 or ghost_size >= batch else ghost_size
    if batch % group:
        raise ValueError(
            f"the batch must be a multiple of the ghost size {ghost_size}, "
            f"but it holds {batch} videos"
        )
    if group * math.prod(shape[1:-1]) < 2:  # the unbiased variance divides by n - 1
        raise ValueError(
            "batch norm needs at least two values a channel in a group to train, "
            f"but an array of {tuple(shape)} with ghost size {ghost_size} has one"
        )
    return batch // group


@jax.jit
def _draw_piece(key: jax.Array) -> jax.Array:
    return jax.random.normal(key, (_PIECE,))
