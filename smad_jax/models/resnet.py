"""Residual networks for images and for clips, as one network and a table of specs.

A two-dimensional ResNet is a three-dimensional one whose kernels span a single frame,
so TSN, SlowOnly and ResNet3D differ in numbers only (Sec. 6.1, App. C). Parameter paths
are the reference's: `layer3/0/conv1`, `layer3/0/downsample/bn`. Pooling to features and
the action head are in `recognizer`.
"""

import dataclasses
from typing import Literal, get_args

import jax
from flax import nnx

from smad_jax.models import layers, pooling
from smad_jax.models.zero_pad import ZeroPad

Shortcut = Literal["B", "A", "A detached"]
SHORTCUTS = get_args(Shortcut)


@dataclasses.dataclass(frozen=True)
class Spec:
    """The numbers that make one residual network out of the general one.

    Attributes:
        block: `basic`, two 3x3 convolutions, or `bottleneck`, 1x1, 3x3 and 1x1 to
            four times the width.
        depths: Blocks in each stage, layer1 first.
        widths: Channels of each stage, before a bottleneck's factor four.
        time_kernels: Frames spanned by each convolution of a block, for each stage.
        time_strides: Frames stepped over by each stage.
        space_strides: Pixels stepped over by each stage.
        stem_width: Channels of the first convolution.
        stem_kernel: Its extent over time, height and width.
        stem_strides: Its step over time, height and width.
        pool_window: Extent of the max pool after it; None for no pool.
        pool_strides: The pool's step over time, height and width.
        last_scale: Where the scale of the last batch norm of a block starts; at
            zero a block starts as its shortcut.
        shortcut: What joins a block's input to an output of another shape. `B` is a
            1x1 convolution and batch norm; `A` is every n-th position and zeros for
            the new channels; `A detached` is `A` without a gradient, which the
            reference of ResNet3D-18 trains.
        kernel_start: How convolutions start, see `layers.Conv`.
        head_scale: Standard deviation that the action head's weights start with.
        saar_width: Bottleneck width of SAAR when it is switched on (Sec. 5.1).
    """

    block: Literal["basic", "bottleneck"]
    depths: tuple[int, ...]
    time_kernels: tuple[tuple[int, ...], ...]
    widths: tuple[int, ...] = (64, 128, 256, 512)
    time_strides: tuple[int, ...] = (1, 1, 1, 1)
    space_strides: tuple[int, ...] = (1, 2, 2, 2)
    stem_width: int = 64
    stem_kernel: layers.Size = (1, 7, 7)
    stem_strides: layers.Size = (1, 2, 2)
    pool_window: layers.Size | None = (1, 3, 3)
    pool_strides: layers.Size = (1, 2, 2)
    last_scale: float = 1.0
    shortcut: Shortcut = "B"
    kernel_start: layers.KernelStart = "kaiming"
    head_scale: float = 0.01
    saar_width: int = 64


# The embedded benchmark's, 116 thousand parameters for clips of 4x32x32. Its blocks do
# not start as their shortcuts: in the two thousand steps of a demonstration, three
# blocks that start at zero hardly learn. Small kernels move further for their size at
# the same rate: with PyTorch's start and batches of 16 it reached 84 % on iid, with
# Kaiming's start and batches of 32 it stayed at 62 to 77 %.
_TINY = Spec(
    "basic",
    (1, 1, 1),
    ((1, 1), (1, 1), (3, 1)),
    widths=(16, 32, 64),
    time_strides=(1, 1, 1),
    space_strides=(1, 2, 2),
    stem_width=16,
    stem_kernel=(1, 5, 5),
    pool_window=None,
    kernel_start="pytorch",
    head_scale=0.07,
    saar_width=8,
)

# For clips of 8x112x112, two million parameters: a SlowOnly-R10 of half its width.
_SMALL = Spec(
    "basic",
    (1, 1, 1, 1),
    ((1, 1), (1, 1), (3, 1), (3, 1)),
    widths=(32, 64, 128, 256),
    stem_width=32,
    kernel_start="pytorch",
    head_scale=0.07,
    saar_width=32,
)

SPECS = {
    "resnet18": Spec("basic", (2, 2, 2, 2), ((1, 1),) * 4),
    # TSN on RGB: every frame by itself; the mean over frames is its consensus. In
    # MMAction2 the blocks of a 2D network do not start at zero, those of SlowOnly do.
    "resnet50": Spec("bottleneck", (3, 4, 6, 3), ((1, 1, 1),) * 4),
    # Both convolutions of a basic block are inflated: the reference's `3x1x1` has an
    # effect on bottlenecks only. This makes 31.9 million parameters, where PySlowFast's
    # network of the same name has 20.1.
    "slowonly_r18": Spec(
        "basic", (2, 2, 2, 2), ((1, 1), (1, 1), (3, 3), (3, 3)), last_scale=0.0
    ),
    "slowonly_r50": Spec(
        "bottleneck",
        (3, 4, 6, 3),
        ((1, 1, 1), (1, 1, 1), (3, 1, 1), (3, 1, 1)),
        last_scale=0.0,
    ),
    # Hara et al., the baseline of SDN in Table 6: time is strided, 16 frames to 1. This
    # is not MMAction2's ResNet3d, whose first pool always spans a single frame.
    "resnet3d_18": Spec(
        "basic",
        (2, 2, 2, 2),
        ((3, 3),) * 4,
        time_strides=(1, 2, 2, 2),
        stem_kernel=(7, 7, 7),
        pool_window=(3, 3, 3),
        pool_strides=(2, 2, 2),
    ),
    "slowonly_tiny": _TINY,
    # Its siblings for single frames, as TSN is SlowOnly's, and with time strided.
    "tsn_tiny": dataclasses.replace(_TINY, time_kernels=((1, 1),) * 3),
    "resnet3d_tiny": dataclasses.replace(
        _TINY, time_kernels=((3, 3),) * 3, time_strides=(1, 2, 2), stem_kernel=(3, 5, 5)
    ),
    "slowonly_small": _SMALL,
    "tsn_small": dataclasses.replace(_SMALL, time_kernels=((1, 1),) * 4),
    "resnet3d_small": dataclasses.replace(
        _SMALL,
        time_kernels=((3, 3),) * 4,
        time_strides=(1, 1, 2, 2),
        stem_kernel=(3, 7, 7),
    ),
}


class ResNet(nnx.Module):
    """Turns normalised video into a feature map, with a seam before the last stage.

    Attributes:
        spec: The numbers it was built from.
        width: C of the feature map.
        seam_width: C before the last stage, where SAAR sits.
    """

    def __init__(self, spec: Spec, make: layers.Factory, channels: int = 3):
        make = dataclasses.replace(make, kernel_start=spec.kernel_start)
        self.spec = spec
        self.remat = make.remat
        self.conv1 = make.conv(
            channels, spec.stem_width, spec.stem_kernel, spec.stem_strides
        )
        self.bn1 = make.norm(spec.stem_width)
        widths = [spec.stem_width]
        for stage in range(len(spec.depths)):
            blocks = _stage(spec, stage, widths[-1], make=make)
            setattr(self, f"layer{stage + 1}", blocks)
            widths.append(blocks[-1].out_width)
        # The paper has SAAR before the last stage (Sec. 5.1).
        self.seam_width, self.width = widths[-2:]

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Runs both sides of the seam: [B, T, H, W, channels] to the feature map."""
        return self.after_seam(self.before_seam(x, train=train), train=train)

    def before_seam(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, channels], normalised, to [B, T', H', W', seam_width].

        In training batch norm uses and remembers the batch's statistics.
        """
        x = jax.nn.relu(self.bn1(self.conv1(x), train=train))
        if self.spec.pool_window is not None:
            x = pooling.max_pool(x, self.spec.pool_window, self.spec.pool_strides)
        for stage in range(1, len(self.spec.depths)):
            x = self._run_stage(stage, x, train=train)
        return x

    def after_seam(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T', H', W', seam_width], possibly reweighted, to the feature map."""
        return self._run_stage(len(self.spec.depths), x, train=train)

    def _run_stage(self, stage: int, x: jax.Array, *, train: bool) -> jax.Array:
        for block in getattr(self, f"layer{stage}"):
            again = train and self.remat == "blocks"
            x = _recomputed(block, x) if again else block(x, train=train)
        return x


class BasicBlock(nnx.Module):
    """Two 3x3 convolutions and the shortcut around them.

    Attributes:
        out_width: Channels it returns.
    """

    def __init__(
        self,
        in_width: int,
        width: int,
        *,
        strides: layers.Size = (1, 1, 1),
        time_kernels: tuple[int, ...] = (1, 1),
        last_scale: float = 1.0,
        shortcut: Shortcut = "B",
        make: layers.Factory,
    ):
        first, second = time_kernels
        self.out_width = width
        self.conv1 = make.conv(in_width, width, (first, 3, 3), strides)
        self.bn1 = make.norm(width)
        self.conv2 = make.conv(width, width, (second, 3, 3))
        self.bn2 = make.norm(width, scale=last_scale)
        self.downsample = _shortcut(in_width, width, strides, kind=shortcut, make=make)

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, in_width] to [B, T', H', W', out_width]."""
        y = jax.nn.relu(self.bn1(self.conv1(x), train=train))
        # ReLU only after the sum, so that a block can also lower what it is given.
        y = self.bn2(self.conv2(y), train=train)
        x = x if self.downsample is None else self.downsample(x, train=train)
        return jax.nn.relu(x + y)


class Bottleneck(nnx.Module):
    """1x1, 3x3 and 1x1 convolutions and the shortcut around them.

    Attributes:
        out_width: Channels it returns, four times `width`.
    """

    def __init__(
        self,
        in_width: int,
        width: int,
        *,
        strides: layers.Size = (1, 1, 1),
        time_kernels: tuple[int, ...] = (1, 1, 1),
        last_scale: float = 1.0,
        shortcut: Shortcut = "B",
        make: layers.Factory,
    ):
        first, second, third = time_kernels
        self.out_width = 4 * width
        self.conv1 = make.conv(in_width, width, (first, 1, 1))
        self.bn1 = make.norm(width)
        # Strides on the 3x3, as in torchvision and MMAction2; once it was the 1x1.
        self.conv2 = make.conv(width, width, (second, 3, 3), strides)
        self.bn2 = make.norm(width)
        self.conv3 = make.conv(width, self.out_width, (third, 1, 1))
        self.bn3 = make.norm(self.out_width, scale=last_scale)
        self.downsample = _shortcut(
            in_width, self.out_width, strides, kind=shortcut, make=make
        )

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, in_width] to [B, T', H', W', out_width]."""
        y = jax.nn.relu(self.bn1(self.conv1(x), train=train))
        y = jax.nn.relu(self.bn2(self.conv2(y), train=train))
        y = self.bn3(self.conv3(y), train=train)
        x = x if self.downsample is None else self.downsample(x, train=train)
        return jax.nn.relu(x + y)


class Projection(nnx.Module):
    """Shortcut B: a 1x1 convolution with the block's strides, and batch norm."""

    def __init__(
        self, in_width: int, width: int, strides: layers.Size, *, make: layers.Factory
    ):
        self.conv = make.conv(in_width, width, (1, 1, 1), strides)
        self.bn = make.norm(width)

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, in_width] to [B, T', H', W', width]."""
        return self.bn(self.conv(x), train=train)


@nnx.remat
def _recomputed(block: BasicBlock | Bottleneck, x: jax.Array) -> jax.Array:
    """Runs a block in training; its gradient runs it again from its input alone."""
    return block(x, train=True)


_BLOCKS = {"basic": BasicBlock, "bottleneck": Bottleneck}


def _stage(
    spec: Spec, stage: int, in_width: int, *, make: layers.Factory
) -> nnx.List[BasicBlock | Bottleneck]:
    """Builds the blocks of one stage, counted from zero; the first takes the stride."""
    space = spec.space_strides[stage]
    strides = (spec.time_strides[stage], space, space)
    blocks = nnx.List([])
    for _ in range(spec.depths[stage]):
        block = _BLOCKS[spec.block](
            in_width,
            spec.widths[stage],
            strides=strides,
            time_kernels=spec.time_kernels[stage],
            last_scale=spec.last_scale,
            shortcut=spec.shortcut,
            make=make,
        )
        blocks.append(block)
        # Only the first block of a stage changes width and resolution.
        in_width, strides = block.out_width, (1, 1, 1)
    return blocks


def _shortcut(
    in_width: int,
    width: int,
    strides: layers.Size,
    *,
    kind: Shortcut,
    make: layers.Factory,
) -> Projection | ZeroPad | None:
    """Builds the shortcut of a block; None where the identity fits."""
    if in_width == width and strides == (1, 1, 1):
        return None
    if kind == "B":
        return Projection(in_width, width, strides, make=make)
    return ZeroPad(width - in_width, strides, detached=kind == "A detached")
