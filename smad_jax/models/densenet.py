"""DenseNet-161, which labels scenes and objects of single frames (Sec. 6.1).

A backbone with the seam of the residual ones, so that it takes the same head.
Submodules have torchvision's names (`denseblock1/denselayer1/conv1`).
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax.models import layers, pooling


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
    """Turns normalised images into a feature map; the frames of a clip one by one.

    Attributes:
        spec: The numbers it was built from, by default DenseNet-161's.
        width: C of the feature map.
        seam_width: C before the last block.
    """

    def __init__(self, make: layers.Factory, spec: Spec | None = None):
        self.spec = spec = Spec() if spec is None else spec
        width = spec.stem_width
        self.conv0 = make.conv(3, width, (1, 7, 7), (1, 2, 2))
        self.norm0 = make.norm(width)
        self.seam_width = width
        for number, depth in enumerate(spec.depths, start=1):
            block = DenseBlock(width, depth, spec, make=make)
            # Attributes, not a list: paths must read `denseblock1`, as in checkpoints.
            setattr(self, f"denseblock{number}", block)
            width += depth * spec.growth
            # The last block has no transition: its map goes to the head at full width.
            if number < len(spec.depths):
                transition = Transition(width, width // 2, make=make)
                setattr(self, f"transition{number}", transition)
                self.seam_width = width = width // 2
        self.norm5 = make.norm(width)
        self.width = width

    def before_seam(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, 3], normalised, to [B, T, H', W', seam_width]."""
        # Convolution first; inside blocks batch norm and ReLU come before it.
        x = jax.nn.relu(self.norm0(self.conv0(x), train=train))
        x = pooling.max_pool(x, (1, 3, 3), (1, 2, 2))
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

    def __init__(self, width: int, depth: int, spec: Spec, *, make: layers.Factory):
        self.depth = depth
        for number in range(1, depth + 1):
            layer = DenseLayer(width, spec, make=make)
            setattr(self, f"denselayer{number}", layer)
            width += spec.growth

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, width] to [B, T, H, W, width + depth * growth]."""
        for number in range(1, self.depth + 1):
            new = getattr(self, f"denselayer{number}")(x, train=train)
            # New channels go last, the order in which checkpoints store later layers.
            x = jnp.concatenate([x, new], axis=-1)
        return x


class DenseLayer(nnx.Module):
    """Batch norm, ReLU and 1x1, then batch norm, ReLU and 3x3."""

    def __init__(self, width: int, spec: Spec, *, make: layers.Factory):
        inner = spec.bottleneck * spec.growth  # independent of how wide the input grew
        self.norm1 = make.norm(width)
        self.conv1 = make.conv(width, inner, (1, 1, 1))
        self.norm2 = make.norm(inner)
        self.conv2 = make.conv(inner, spec.growth, (1, 3, 3))

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, width] to the new [B, T, H, W, growth]."""
        x = self.conv1(jax.nn.relu(self.norm1(x, train=train)))
        return self.conv2(jax.nn.relu(self.norm2(x, train=train)))


class Transition(nnx.Module):
    """Fewer channels, and the mean of every 2x2 pixels without an odd last row."""

    def __init__(self, in_width: int, width: int, *, make: layers.Factory):
        self.norm = make.norm(in_width)
        self.conv = make.conv(in_width, width, (1, 1, 1))

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, in_width] to [B, T, H // 2, W // 2, width]."""
        x = self.conv(jax.nn.relu(self.norm(x, train=train)))
        # Not padded: PyTorch's average pool drops an odd last row and column.
        height, width = x.shape[2] // 2, x.shape[3] // 2
        x = x[:, :, : 2 * height, : 2 * width]
        x = x.reshape(*x.shape[:2], height, 2, width, 2, x.shape[-1])
        return x.mean(axis=(3, 5))
