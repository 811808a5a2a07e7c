"""EfficientNet-Lite0, a small labeller of ImageNet's objects for single frames.

For inference only: it labels, and is never trained here. Submodules have the names of
its PyTorch port without their underscores (`blocks/1/expand_conv`).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from smad_jax.models import layers

EPSILON = 1e-3  # TensorFlow's, where the network comes from; PyTorch's is 1e-5
STEM_WIDTH = 32
HEAD_WIDTH = 1280


class Stage(NamedTuple):
    """Blocks of one shape; the first has the stride."""

    depth: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class EfficientNetLite0(nnx.Module):
    """Turns images, (pixel - 127) / 128, into a feature map; clips frame by frame.

    Attributes:
        blocks: Inverted residual blocks, all stages in a row.
        width: C of the feature map.
        seam_width: C before the last block.
    """

    def __init__(self, make: layers.Factory):
        rngs = make.rngs  # padding and batch norm are its own
        self.conv_stem = SameConv(3, STEM_WIDTH, 3, 2, rngs=rngs)
        self.bn0 = FrozenNorm(STEM_WIDTH)
        self.blocks = nnx.List([])
        width = STEM_WIDTH
        for stage in STAGES:
            for number in range(stage.depth):
                stride = stage.stride if number == 0 else 1
                self.seam_width = width
                self.blocks.append(InvertedResidual(width, stage, stride, rngs=rngs))
                width = stage.width
        self.conv_head = SameConv(width, HEAD_WIDTH, 1, rngs=rngs)
        self.bn1 = FrozenNorm(HEAD_WIDTH)
        self.width = HEAD_WIDTH

    def before_seam(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, 3] to [B, T, H', W', seam_width].

        Raises:
            ValueError: in training.
        """
        if train:
            raise ValueError("EfficientNet-Lite0 only labels; call it with train=False")
        # Lite: ReLU6 for Swish, and no squeeze-and-excitation, to suit integer chips.
        x = jax.nn.relu6(self.bn0(self.conv_stem(x)))
        for block in self.blocks[:-1]:
            x = block(x)
        return x

    def after_seam(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H', W', seam_width] to [B, T, H', W', width], in 0..6."""
        del train  # refused by `before_seam`
        return jax.nn.relu6(self.bn1(self.conv_head(self.blocks[-1](x))))


class InvertedResidual(nnx.Module):
    """1x1 to more channels, k x k on each alone, 1x1 to fewer, plus the input."""

    def __init__(self, in_width: int, stage: Stage, stride: int, *, rngs: nnx.Rngs):
        inner = in_width * stage.expansion
        self.expanded = (
            stage.expansion > 1
        )  # checkpoints have no 1x1 to as many channels
        self.residual = stride == 1 and in_width == stage.width
        if self.expanded:
            self.expand_conv = SameConv(in_width, inner, 1, rngs=rngs)
            self.bn0 = FrozenNorm(inner)
        self.depthwise_conv = SameConv(
            inner, inner, stage.kernel, stride, groups=inner, rngs=rngs
        )
        self.bn1 = FrozenNorm(inner)
        self.project_conv = SameConv(inner, stage.width, 1, rngs=rngs)
        self.bn2 = FrozenNorm(stage.width)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, T, H, W, in_width] to [B, T, H', W', stage.width]."""
        y = jax.nn.relu6(self.bn0(self.expand_conv(x))) if self.expanded else x
        y = jax.nn.relu6(self.bn1(self.depthwise_conv(y)))
        # No activation on the few channels: it would lose what they carry.
        y = self.bn2(self.project_conv(y))
        return x + y if self.residual else y


class SameConv(nnx.Module):
    """Convolution of every frame without bias, padded as TensorFlow's `SAME`.

    Attributes:
        kernel: [1, k, k, C / groups, D].
    """

    def __init__(
        self,
        in_width: int,
        width: int,
        kernel: int,
        stride: int = 1,
        *,
        groups: int = 1,
        rngs: nnx.Rngs,
    ):
        shape = (1, kernel, kernel, in_width // groups, width)
        start = jax.nn.initializers.he_normal()
        self.kernel = nnx.Param(start(rngs.params(), shape))
        self.stride = stride
        self.groups = groups

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, T, H, W, C] to [B, T, ceil(H / stride), ceil(W / stride), D]."""
        # TensorFlow's padding: where the sum is odd, more to the right and below.
        frames = lax.conv_general_dilated(
            x.reshape(-1, *x.shape[2:]),
            self.kernel[...][0],
            (self.stride, self.stride),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=self.groups,
        )
        return frames.reshape(*x.shape[:2], *frames.shape[1:])


class FrozenNorm(nnx.Module):
    """Batch norm by running statistics that never change.

    Attributes:
        scale: [C]. bias: [C].
        mean: [C] running. var: [C] running.
    """

    def __init__(self, width: int):
        self.scale = nnx.Param(jnp.ones(width))
        self.bias = nnx.Param(jnp.zeros(width))
        self.mean = nnx.BatchStat(jnp.zeros(width))
        self.var = nnx.BatchStat(jnp.ones(width))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalises every channel of [..., C]."""
        factor = self.scale[...] * lax.rsqrt(self.var[...] + EPSILON)
        return x * factor + (self.bias[...] - self.mean[...] * factor)
