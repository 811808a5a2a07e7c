"""Convolution of [B, T, H, W, C] arrays, and the fastest way known to compute it.

Padding is explicit and symmetric, half the kernel on either side, as in the reference.
How a convolution is computed is decided in `choose_formulation` and nowhere else.
"""

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
        formulation: `direct` is one three-dimensional convolution; `fold` stacks
            the frames under the kernel on the channels and convolves each frame
            by itself; `im2col` does the same and multiplies patches by a matrix.
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
    x, flat_kernel = _stack_frames(x, kernel, strides[0])
    frames = x.reshape(-1, *x.shape[2:])  # [B * T, H, W, t * C]
    convolve_frames = _convolve_frames if formulation == "fold" else _multiply_patches
    frames = convolve_frames(frames, flat_kernel, strides[1:])
    return frames.reshape(*x.shape[:2], *frames.shape[1:])


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
    # 496 against 36 ms for 3x3x3 with stride two on 4x4 maps of 256 channels.
    if -(-shape[2] // strides[1]) < height or -(-shape[3] // strides[2]) < width:
        return "im2col"
    # The gradient of XLA's three-dimensional convolution takes four to eight times as
    # long as that of the same sums over frames stacked on the channels.
    return "fold"


def half(extent: int) -> tuple[int, int]:
    """Returns the padding of an axis: half of an odd extent on either side."""
    return extent // 2, extent // 2


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


def _stack_frames(
    x: jax.Array, kernel: jax.Array, stride: int
) -> tuple[jax.Array, jax.Array]:
    """Moves the kernel's extent in time to channels: [B, T, H, W, t C], [h, w, t C, D].

    With t = 1 nothing is copied.
    """
    time, height, width = kernel.shape[:3]
    length = 1 + (x.shape[1] - 1) // stride
    x = jnp.pad(x, [(0, 0), half(time), (0, 0), (0, 0), (0, 0)])
    frames = [x[:, i : i + stride * (length - 1) + 1 : stride] for i in range(time)]
    # Time goes before the input channels, the order in which frames are stacked.
    flat = kernel.transpose(1, 2, 0, 3, 4).reshape(height, width, -1, kernel.shape[4])
    return (frames[0] if time == 1 else jnp.concatenate(frames, axis=-1)), flat


def _convolve_frames(
    frames: jax.Array, kernel: jax.Array, strides: tuple[int, int]
) -> jax.Array:
    """Convolves [F, H, W, C] with [h, w, C, D]."""
    padding = [half(extent) for extent in kernel.shape[:2]]
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
    padded = jnp.pad(frames, [(0, 0), half(extents[0]), half(extents[1]), (0, 0)])
    # Rows outside, columns inside: the order of the kernel's axes when it is reshaped.
    patches = [
        padded[:, i : i + spans[0] : strides[0], j : j + spans[1] : strides[1]]
        for i in range(extents[0])
        for j in range(extents[1])
    ]
    columns = jnp.concatenate(patches, axis=-1)  # [F, H, W, h * w * C]
    return columns @ kernel.reshape(-1, kernel.shape[-1])
