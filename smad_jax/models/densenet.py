"""DenseNet-161, which labels scenes and objects of single frames (Sec. 6.1).

A backbone with a seam like the residual ones, so it takes the same head. Submodules
carry torchvision's names (`denseblock1/denselayer1/conv1`).
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax.models import layers


@dataclasses.dataclass(frozen=True)
class Spec:
    """The numbers that make one densely connected network.

    Attributes:
        depths: Layers in each block.
        growth: Channels that each layer adds.
        stem_width: Channels of the first convolution.
        bottleneck: Channels between a layer's two convolutions, in growths.
    """

    depths: tuple[int, ...] = (6, 12, 36, 24)
    growth: int = 48
    stem_width: int = 96
    bottleneck: int = 4


class DenseNet(nnx.Module):
    """Turns normalised images into a feature map; frames of a clip one by one.

    Attributes:
        spec: The numbers it was built from; DenseNet-161's if none are given.
        width: C of the feature map.
        seam_width: C before the last block.
    """

    def __init__(
        self,
        spec: Spec | None = None,
        *,
        ghost_size: int = 0,
        dtype: str = "float32",
        rngs: nnx.Rngs,
    ):
        self.spec = spec = Spec() if spec is None else spec
        conv = functools.partial(layers.Conv, dtype=dtype, rngs=rngs)
        norm = functools.partial(
            layers.GhostBatchNorm, ghost_size=ghost_size, dtype=dtype
        )
        width = spec.stem_width
        self.conv0 = conv(3, width, (1, 7, 7), (1, 2, 2))
        self.norm0 = norm(width)
        self.seam_width = width
        for number, depth in enumerate(spec.depths, start=1):
            block = DenseBlock(width, depth, spec, conv=conv, norm=norm)
            setattr(self, f"denseblock{number}", block)
            width += depth * spec.growth
            if number < len(spec.depths):
                transition = Transition(width, width // 2, conv=conv, norm=norm)
                setattr(self, f"transition{number}", transition)
                self.seam_width = width = width // 2
        self.norm5 = norm(width)
        self.width = width

    def before_seam(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, 3], normalised, to [B, T, H', W', seam_width]."""
        x = jax.nn.relu(self.norm0(self.conv0(x), train=train))
        x = layers.max_pool(x, (1, 3, 3), (1, 2, 2))
        for number in range(1, len(self.spec.depths)):
            x = getattr(self, f"denseblock{number}")(x, train=train)
            x = getattr(self, f"transition{number}")(x, train=train)
        return x

    def after_seam(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H', W', seam_width] to [B, T, H', W', width], at least zero."""
        x = getattr(self, f"denseblock{len(self.spec.depths)}")(x, train=train)
        return jax.nn.relu(self.norm5(x, train=train))


class DenseBlock(nnx.Module):
    """Layers that each see the outputs of all before them."""

    def __init__(
        self,
        width: int,
        depth: int,
        spec: Spec,
        *,
        conv: functools.partial[layers.Conv],
        norm: functools.partial[layers.GhostBatchNorm],
    ):
        self.depth = depth
        for number in range(1, depth + 1):
            layer = DenseLayer(width, spec, conv=conv, norm=norm)
            setattr(self, f"denselayer{number}", layer)
            width += spec.growth

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, width] to [B, T, H, W, width + depth * growth]."""
        for number in range(1, self.depth + 1):
            new = getattr(self, f"denselayer{number}")(x, train=train)
            x = jnp.concatenate([x, new], axis=-1)
        return x


class DenseLayer(nnx.Module):
    """Batch norm, ReLU and 1x1, then batch norm, ReLU and 3x3."""

    def __init__(
        self,
        width: int,
        spec: Spec,
        *,
        conv: functools.partial[layers.Conv],
        norm: functools.partial[layers.GhostBatchNorm],
    ):
        inner = spec.bottleneck * spec.growth
        self.norm1 = norm(width)
        self.conv1 = conv(width, inner, (1, 1, 1))
        self.norm2 = norm(inner)
        self.conv2 = conv(inner, spec.growth, (1, 3, 3))

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, width] to the new [B, T, H, W, growth]."""
        x = self.conv1(jax.nn.relu(self.norm1(x, train=train)))
        return self.conv2(jax.nn.relu(self.norm2(x, train=train)))


class Transition(nnx.Module):
    """Fewer channels, and the mean of every 2x2 pixels; an odd last row is left."""

    def __init__(
        self,
        in_width: int,
        width: int,
        *,
        conv: functools.partial[layers.Conv],
        norm: functools.partial[layers.GhostBatchNorm],
    ):
        self.norm = norm(in_width)
        self.conv = conv(in_width, width, (1, 1, 1))

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, in_width] to [B, T, H // 2, W // 2, width]."""
        x = self.conv(jax.nn.relu(self.norm(x, train=train)))
        height, width = x.shape[2] // 2, x.shape[3] // 2
        x = x[:, :, : 2 * height, : 2 * width]
        x = x.reshape(*x.shape[:2], height, 2, width, 2, x.shape[-1])
        return x.mean(axis=(3, 5))
