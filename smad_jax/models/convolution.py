"""Convolution of [B, T, H, W, C] arrays, and the fastest way known to compute it.

Padding is explicit and symmetric, half the kernel on either side, as in the reference.
How a convolution is computed is decided in `choose_formulation` and nowhere else.
"""

import functools
import math
from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax import lax

Size = tuple[int, int, int]  # (time, height, width)
Formulation = Literal["direct", "fold", "im2col"]


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
        formulation: `direct` is one three-dimensional convolution; `fold` convolves
            frame by frame and sums over time; `im2col` multiplies patches by a matrix.
            None takes the choice of `choose_formulation` for the default backend.

    Returns:
        [B, ceil(T / strides[0]), ceil(H / strides[1]), ceil(W / strides[2]), D].

    Raises:
        ValueError: if the ranks or channels do not fit, an extent of the kernel
            is even, or the formulation is unknown.
    """
    _check(x.shape, kernel.shape)
    if formulation is None:
        # Shapes are static under jit, so the choice costs nothing at run time.
        formulation = choose_formulation(
            x.shape, kernel.shape, strides, jax.default_backend()
        )
    if formulation == "direct":
        return lax.conv_general_dilated(
            x,
            kernel,
            strides,
            # Not SAME: at stride two it pads (0, 1) where PyTorch pads (1, 1).
            [half(extent) for extent in kernel.shape[:3]],
            dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
        )
    if formulation not in get_args(Formulation):
        raise ValueError(
            f"unknown formulation {formulation!r}; known: "
            f"{', '.join(get_args(Formulation))}"
        )
    if formulation == "im2col":
        columns = _columns(x, kernel.shape[:3], strides)
        return _product(columns, kernel.reshape(-1, kernel.shape[-1]))
    return _fold(x, kernel, strides)


def choose_formulation(
    shape: Sequence[int], kernel_shape: Sequence[int], strides: Size, backend: str
) -> Formulation:
    """Names the fastest formulation known on `backend` for shapes as in `convolve`."""
    time, height, width = kernel_shape[:3]
    # All measurements below are of CPUs. Elsewhere XLA's own convolution is used, in
    # two dimensions where this copies nothing.
    if backend != "cpu":
        return "fold" if time == 1 else "direct"
    # XLA's gradient of a strided 1x1 convolution takes fifteen times as long as
    # that of the matrix product it is.
    if height == width == 1:
        return "im2col"
    # If the map going in or coming out is smaller than the kernel, XLA for CPU swaps
    # the operands of the convolution or of its gradient and leaves its fast path:
    # 1,200 against 6 ms for 3x3x3 on two clips of 8x2x2x512.
    if -(-shape[2] // strides[1]) < height or -(-shape[3] // strides[2]) < width:
        return "im2col"
    # The gradient of a convolution turns its kernel round, in time too where that is
    # larger than the maps: 32, 69 and 48 ms for the value and both gradients of 3x3x3
    # on two clips of 8x4x4x512, but 24, 32 and 30 ms as patches.
    # An exported program does not know how many clips it will get.
    clips = shape[0] if isinstance(shape[0], int) else 1
    if math.prod(kernel_shape) > 4 * clips * math.prod(shape[1:]):
        return "im2col"
    # The gradient of XLA's three-dimensional convolution takes four to eight times as
    # long as that of the same sums over frames.
    return "fold"


def half(extent: int) -> tuple[int, int]:
    """Returns the padding of an axis: half of an odd extent on either side."""
    return extent // 2, extent // 2


def taps(x: jax.Array, extent: int, stride: int, fill: float = 0.0) -> list[jax.Array]:
    """Returns what a window over axis 1 has at each of its places.

    Maps [N, L, ...] to [N, ceil(L / stride), ...] for every place of `extent`; `fill`
    is beyond the ends.
    """
    padding = [(0, 0), half(extent), *((0, 0),) * (x.ndim - 2)]
    padded = jnp.pad(x, padding, constant_values=fill)
    span = stride * ((x.shape[1] - 1) // stride) + 1
    return [padded[:, place : place + span : stride] for place in range(extent)]


def _check(shape: Sequence[int], kernel_shape: Sequence[int]) -> None:
    """Raises ValueError if an array and a kernel of these shapes do not fit."""
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


def _fold(x: jax.Array, kernel: jax.Array, strides: Size) -> jax.Array:
    """Convolves frame by frame, and sums over the frames under the kernel."""
    time, height, width, channels, out_channels = kernel.shape
    seen = taps(x, time, strides[0])
    length = seen[0].shape[1]
    kernels = list(kernel)
    # Frames of few channels are stacked into one convolution. From some 64 channels on
    # sums cost less, 85 against 139 ms for 3x3x3 on two clips of 8x14x14x256.
    if time * channels <= 128:
        seen = [jnp.concatenate(seen, axis=-1)]
        flat = kernel.transpose(1, 2, 0, 3, 4)  # time before channels, as stacked
        kernels = [flat.reshape(height, width, -1, out_channels)]
    maps = [
        _convolve_frames(frames.reshape(-1, *frames.shape[2:]), flat, strides[1:])
        for frames, flat in zip(seen, kernels, strict=True)
    ]
    total = functools.reduce(jnp.add, maps)
    return total.reshape(-1, length, *total.shape[1:])


def _convolve_frames(
    frames: jax.Array, kernel: jax.Array, strides: tuple[int, int]
) -> jax.Array:
    """Convolves [F, H, W, C] with [h, w, C, D]."""
    padding = [half(extent) for extent in kernel.shape[:2]]
    return lax.conv_general_dilated(
        frames, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _columns(x: jax.Array, extents: Sequence[int], strides: Size) -> jax.Array:
    """Puts the patches under a kernel into [B, T', H', W', t * h * w * C]."""
    spans = [
        step * ((size - 1) // step) + 1
        for size, step in zip(x.shape[1:4], strides, strict=True)
    ]
    padded = jnp.pad(x, [(0, 0), *(half(extent) for extent in extents), (0, 0)])
    # In the order of the kernel's axes, so that its reshape to a matrix copies nothing.
    patches = [
        padded[
            :,
            t : t + spans[0] : strides[0],
            i : i + spans[1] : strides[1],
            j : j + spans[2] : strides[2],
        ]
        for t in range(extents[0])
        for i in range(extents[1])
        for j in range(extents[2])
    ]
    return patches[0] if len(patches) == 1 else jnp.concatenate(patches, axis=-1)


@jax.custom_vjp
def _product(columns: jax.Array, matrix: jax.Array) -> jax.Array:
    """Multiplies [..., K] by [K, D]."""
    return columns @ matrix


def _product_forward(
    columns: jax.Array, matrix: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return columns @ matrix, (columns, matrix)


def _product_backward(
    kept: tuple[jax.Array, jax.Array], cotangent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    columns, matrix = kept
    rows = columns.reshape(-1, columns.shape[-1]).T
    if len(matrix) > matrix.shape[1]:
        # XLA for CPU multiplies a transposed matrix in place, at 60 GFLOP/s where this
        # one has more rows than the result has columns; transposed before, at 160.
        rows = lax.optimization_barrier(rows)
    return cotangent @ matrix.T, rows @ cotangent.reshape(-1, matrix.shape[1])


_product.defvjp(_product_forward, _product_backward)
