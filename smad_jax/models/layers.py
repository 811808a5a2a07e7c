"""The layers every network here is made of: convolution, batch norm, pool, linear.

All take and return channels last, [B, T, H, W, C]. Padding is always explicit
and symmetric, half the kernel on either side, as in the reference; `SAME` in
JAX is not symmetric where the stride is two. How a convolution is computed is
decided in `choose_formulation` and nowhere else.
"""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

Size = tuple[int, int, int]  # (time, height, width)
Formulation = Literal["direct", "fold", "im2col"]
KernelStart = Literal["kaiming", "pytorch"]
GhostStatistics = Literal["mean", "first"]
GHOST_STATISTICS = get_args(GhostStatistics)
Inference = Literal["stored", "batch", "observe"]

EPSILON = 1e-5
MOMENTUM = 0.9  # the reference writes 0.1, the weight of the new value

_PIECE = 1 << 16  # numbers drawn at a time


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    strides: Size = (1, 1, 1),
    *,
    formulation: Formulation | None = None,
) -> jax.Array:
    """Convolves over time, height and width with half-kernel zero padding.

    The formulations compute the same sums in another order, so they agree to
    rounding in value and gradient.

    Args:
        x: [B, T, H, W, C].
        kernel: [t, h, w, C, D] with odd t, h and w, in the dtype of `x`.
        strides: Step over time, height and width.
        formulation: `direct` is one three-dimensional convolution; `fold` stacks
            the frames under the kernel on the channels and convolves each frame
            by itself; `im2col` does the same and multiplies patches by a matrix.
            None takes what `choose_formulation` says for the default backend.

    Returns:
        [B, ceil(T / strides[0]), ceil(H / strides[1]), ceil(W / strides[2]), D].

    Raises:
        ValueError: if the ranks or channels do not fit, an extent of the kernel
            is even, or the formulation is unknown.
    """
    _check_convolution(x.shape, kernel.shape)
    if formulation is None:
        formulation = choose_formulation(
            x.shape, kernel.shape, strides, jax.default_backend()
        )
    if formulation == "direct":
        return lax.conv_general_dilated(
            x,
            kernel,
            strides,
            [_half(extent) for extent in kernel.shape[:3]],
            dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
        )
    if formulation not in get_args(Formulation):
        raise ValueError(
            f"unknown formulation {formulation!r}; known: "
            f"{', '.join(get_args(Formulation))}"
        )
    x, flat_kernel = _stack_frames(x, kernel, strides[0])
    frames = x.reshape(-1, *x.shape[2:])  # [B * T, H, W, t * C]
    convolve_frames = _convolve_frames if formulation == "fold" else _multiply_patches
    frames = convolve_frames(frames, flat_kernel, strides[1:])
    return frames.reshape(*x.shape[:2], *frames.shape[1:])


def choose_formulation(
    shape: Sequence[int], kernel_shape: Sequence[int], strides: Size, backend: str
) -> Formulation:
    """Names the fastest way known to convolve arrays of these shapes on `backend`.

    Args:
        shape: Of the input, [B, T, H, W, C].
        kernel_shape: [t, h, w, C, D].
        strides: Step over time, height and width.
        backend: As `jax.default_backend()` names it.

    Returns:
        One of the formulations of `convolve`.
    """
    time, height, width = kernel_shape[:3]
    if backend != "cpu":
        return "fold" if time == 1 else "direct"
    # XLA's gradient of a strided 1x1 convolution takes fifteen times as long as
    # that of the matrix product it is.
    if height == width == 1:
        return "im2col"
    # If the map going in or coming out is smaller than the kernel, XLA for CPU swaps
    # the operands of the convolution or of its gradient and leaves its fast path:
    # 496 against 36 ms for 3x3x3 with stride two on 4x4 maps of 256 channels.
    if -(-shape[2] // strides[1]) < height or -(-shape[3] // strides[2]) < width:
        return "im2col"
    return "fold"


def max_pool(x: jax.Array, window: Size, strides: Size) -> jax.Array:
    """Takes the maximum under a window padded by half its size with minus infinity.

    Args:
        x: [B, T, H, W, C].
        window: Extent over time, height and width, each odd.
        strides: Step over time, height and width.

    Returns:
        [B, ceil(T / strides[0]), ceil(H / strides[1]), ceil(W / strides[2]), C].
    """
    return lax.reduce_window(
        x,
        -jnp.inf,
        lax.max,
        (1, *window, 1),
        (1, *strides, 1),
        [(0, 0), *(_half(extent) for extent in window), (0, 0)],
    )


def draw_normal(key: jax.Array, shape: Sequence[int], *, scale: float) -> jax.Array:
    """Draws from a normal distribution of mean 0 and standard deviation `scale`.

    In pieces of one size: XLA for CPU takes about a second to compile a draw, and
    would take it again for every shape of a network.

    Args:
        key: Source of the draw.
        shape: Of the array.
        scale: Standard deviation.

    Returns:
        An array of `shape`, float32.
    """
    count = math.prod(shape)
    keys = [jax.random.fold_in(key, piece) for piece in range(-(-count // _PIECE))]
    pieces = [_draw_piece(piece_key) for piece_key in keys]
    flat = pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces)
    return scale * flat[:count].reshape(shape)


def parameter_dtype(dtype: str) -> jnp.dtype:
    """Gives the dtype parameters and statistics are kept in: float32 or wider.

    Args:
        dtype: What activations are computed in.
    """
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
        return convolve(x.astype(self.dtype), kernel, self.strides)


class Linear(nnx.Module):
    """Matrix product and bias, started from N(0, scale) and zero, never in bfloat16.

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
        return x.astype(self.kernel.dtype) @ self.kernel[...] + self.bias[...]


class GhostBatchNorm(nnx.Module):
    """Batch norm whose statistics are taken over groups of the batch.

    The reference trains on eight devices that each normalise their own share of
    the batch; groups of that size do the same on any number of devices. As
    there, a group is normalised by its biased variance and the running variance
    remembers the unbiased one. Devices of the reference do not share what they
    remember, and its checkpoints keep the first device's; ours remembers the mean
    over all groups, which is less noisy, or with `first` the same as there.

    Attributes:
        scale: [C]. bias: [C].
        mean: [C] running. var: [C] running.
        ghost_size: Videos in a group; zero means that the whole batch is one.
        ghost_statistics: Which groups the running statistics remember.
        inference: What normalises where nothing is trained: `stored`, the running
            statistics; `batch`, those of the whole batch; `observe`, the running ones
            again. The last two leave the batch's mean and biased variance in place of
            the running ones, for methods that adapt to a test set.
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
        """Normalises every channel and applies scale and bias.

        Args:
            x: [B, ..., C]; a group is `ghost_size` consecutive videos of axis 0.
            train: Normalise by the batch and move the running statistics;
                otherwise normalise by the running statistics.

        Returns:
            The shape and dtype of `x`; the arithmetic between is float32 or wider.

        Raises:
            ValueError: in training, if B is no multiple of the ghost size or a
                group holds a single value a channel.
        """
        if not train:
            return self._infer(x)
        groups = _num_groups(x.shape, self.ghost_size)
        # Only the leading axis is split: another reshape would move a sharded batch
        # between devices, and on a CPU makes the gradient five times slower.
        values = x.reshape(groups, -1, *x.shape[1:]).astype(self.mean.dtype)
        axes = tuple(range(1, values.ndim - 1))
        mean = values.mean(axes, keepdims=True)  # [G, 1, ..., 1, C]
        centred = values - mean
        var = jnp.square(centred).mean(axes, keepdims=True)
        self._remember(mean, var, count=x.size // x.shape[-1] // groups)
        factor = self.scale[...] * lax.rsqrt(var + EPSILON)
        y = centred * factor + self.bias[...]
        return y.reshape(x.shape).astype(x.dtype)

    def _infer(self, x: jax.Array) -> jax.Array:
        """Normalises without training, as `inference` says."""
        mean, var = self.mean[...], self.var[...]
        if self.inference != "stored":
            wide, axes = x.astype(self.mean.dtype), tuple(range(x.ndim - 1))
            seen = wide.mean(axes)
            self.mean[...] = seen
            self.var[...] = jnp.square(wide - seen).mean(axes)
            if self.inference == "batch":
                mean, var = self.mean[...], self.var[...]
        factor = self.scale[...] * lax.rsqrt(var + EPSILON)
        shift = self.bias[...] - mean * factor
        return (x * factor + shift).astype(x.dtype)

    def _remember(self, mean: jax.Array, var: jax.Array, count: int) -> None:
        """Moves the running statistics towards the groups' [G, 1, ..., 1, C]."""
        unbiased = var * (count / (count - 1))
        for running, new in ((self.mean, mean), (self.var, unbiased)):
            groups = lax.stop_gradient(new.reshape(len(new), -1))  # [G, C]
            seen = groups[0] if self.ghost_statistics == "first" else groups.mean(0)
            running[...] = MOMENTUM * running[...] + (1 - MOMENTUM) * seen


def _num_groups(shape: Sequence[int], ghost_size: int) -> int:
    """Returns G for a batch of this shape, or says why there is none."""
    batch = shape[0]
    group = batch if ghost_size <= 0 or ghost_size >= batch else ghost_size
    if batch % group:
        raise ValueError(
            f"the batch must be a multiple of the ghost size {ghost_size}, "
            f"but it holds {batch} videos"
        )
    if group * math.prod(shape[1:-1]) < 2:
        raise ValueError(
            "batch norm needs at least two values a channel in a group to train, "
            f"but an array of {tuple(shape)} with ghost size {ghost_size} has one"
        )
    return batch // group


def _check_convolution(shape: Sequence[int], kernel_shape: Sequence[int]) -> None:
    """Raises if an array and a kernel of these shapes do not fit."""
    if len(shape) != 5 or len(kernel_shape) != 5 or shape[4] != kernel_shape[3]:
        raise ValueError(
            "expected [B, T, H, W, C] and a kernel [t, h, w, C, D] of the same C, "
            f"but they are {tuple(shape)} and {tuple(kernel_shape)}"
        )
    if not all(extent % 2 for extent in kernel_shape[:3]):
        raise ValueError(
            "symmetric padding needs a kernel of odd extents, "
            f"but it spans {tuple(kernel_shape[:3])}"
        )


@jax.jit
def _draw_piece(key: jax.Array) -> jax.Array:
    return jax.random.normal(key, (_PIECE,))


def _half(extent: int) -> tuple[int, int]:
    return extent // 2, extent // 2


def _stack_frames(
    x: jax.Array, kernel: jax.Array, stride: int
) -> tuple[jax.Array, jax.Array]:
    """Moves the kernel's extent in time to channels: [B, T, H, W, t C], [h, w, t C, D].

    With t = 1 nothing is copied.
    """
    time, height, width = kernel.shape[:3]
    length = 1 + (x.shape[1] - 1) // stride
    x = jnp.pad(x, [(0, 0), _half(time), (0, 0), (0, 0), (0, 0)])
    frames = [x[:, i : i + stride * (length - 1) + 1 : stride] for i in range(time)]
    flat = kernel.transpose(1, 2, 0, 3, 4).reshape(height, width, -1, kernel.shape[4])
    return (frames[0] if time == 1 else jnp.concatenate(frames, axis=-1)), flat


def _convolve_frames(
    frames: jax.Array, kernel: jax.Array, strides: tuple[int, int]
) -> jax.Array:
    """Convolves [F, H, W, C] with [h, w, C, D]."""
    padding = [_half(extent) for extent in kernel.shape[:2]]
    return lax.conv_general_dilated(
        frames, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _multiply_patches(
    frames: jax.Array, kernel: jax.Array, strides: tuple[int, int]
) -> jax.Array:
    """Convolves [F, H, W, C] with [h, w, C, D] as patches times a matrix."""
    extents = kernel.shape[:2]
    spans = [
        step * ((size - 1) // step) + 1
        for size, step in zip(frames.shape[1:3], strides, strict=True)
    ]
    padded = jnp.pad(frames, [(0, 0), _half(extents[0]), _half(extents[1]), (0, 0)])
    patches = [
        padded[:, i : i + spans[0] : strides[0], j : j + spans[1] : strides[1]]
        for i in range(extents[0])
        for j in range(extents[1])
    ]
    columns = jnp.concatenate(patches, axis=-1)  # [F, H, W, h * w * C]
    return columns @ kernel.reshape(-1, kernel.shape[-1])
