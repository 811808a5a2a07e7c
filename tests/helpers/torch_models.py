"""The networks of `smad_jax.models` written in PyTorch, to compare against.

Written from the layer tables of the reference, not from our specs: layers are
`Conv2d` for networks of images and `Conv3d` for networks of clips. Submodules
carry our parameter paths, so that weights map by name.
"""

import functools

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def _triple(kernel, dims):
    return kernel if dims == 3 else kernel[1:]


def conv(dims, in_width, width, kernel, strides=(1, 1, 1)):
    layer = nn.Conv3d if dims == 3 else nn.Conv2d
    padding = tuple(extent // 2 for extent in kernel)
    return layer(
        in_width,
        width,
        _triple(kernel, dims),
        _triple(strides, dims),
        _triple(padding, dims),
        bias=False,
    )


def norm(dims, width):
    return nn.BatchNorm3d(width) if dims == 3 else nn.BatchNorm2d(width)


class Projection(nn.Module):
    def __init__(self, dims, in_width, width, strides):
        super().__init__()
        self.conv = conv(dims, in_width, width, (1, 1, 1), strides)
        self.bn = norm(dims, width)

    def forward(self, x):
        return self.bn(self.conv(x))


class PaddedShortcut(nn.Module):
    """Hara's shortcut A: average pool of one position, zeros behind."""

    def __init__(self, width, strides, detached):
        super().__init__()
        self.width, self.strides, self.detached = width, strides, detached

    def forward(self, x):
        x = functional.avg_pool3d(x, kernel_size=1, stride=self.strides)
        zeros = x.new_zeros(x.shape[0], self.width - x.shape[1], *x.shape[2:])
        x = torch.cat([x, zeros], dim=1)
        return x.detach() if self.detached else x


class Block(nn.Module):
    def __init__(self, dims, in_width, width, kernels, strided, strides, shortcut):
        super().__init__()
        self.depth = len(kernels)
        out_width = width * (4 if self.depth == 3 else 1)
        widths = [in_width] + [width] * (self.depth - 1) + [out_width]
        for i, kernel in enumerate(kernels):
            step = strides if i == strided else (1, 1, 1)
            setattr(
                self, f"conv{i + 1}", conv(dims, widths[i], widths[i + 1], kernel, step)
            )
            setattr(self, f"bn{i + 1}", norm(dims, widths[i + 1]))
        self.downsample = None
        if in_width != out_width or strides != (1, 1, 1):
            if shortcut == "B":
                self.downsample = Projection(dims, in_width, out_width, strides)
            else:
                detached = shortcut == "A detached"
                self.downsample = PaddedShortcut(out_width, strides, detached)

    def forward(self, x):
        y = x
        for i in range(1, self.depth + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.depth:
                y = torch.relu_(y)
        return torch.relu_(y + (x if self.downsample is None else self.downsample(x)))


class Backbone(nn.Module):
    """`stages`: for each stage, the number of blocks, width, kernels and strides."""

    def __init__(self, dims, stem, pool, stages, shortcut="B"):
        super().__init__()
        self.dims = dims
        width, kernel, strides = stem
        self.conv1 = conv(dims, 3, width, kernel, strides)
        self.bn1 = norm(dims, width)
        self.pool = pool
        self.num_stages = len(stages)
        for number, (depth, inner, kernels, strides) in enumerate(stages, 1):
            blocks = []
            for _ in range(depth):
                strided = 1 if len(kernels) == 3 else 0
                blocks.append(
                    Block(dims, width, inner, kernels, strided, strides, shortcut)
                )
                width, strides = inner * (4 if len(kernels) == 3 else 1), (1, 1, 1)
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
            if number == self.num_stages - 1:
                self.seam_width = width
        self.width = width

    def before_seam(self, x):
        x = torch.relu_(self.bn1(self.conv1(x)))
        if self.pool is not None:
            window, strides = self.pool
            pool = functional.max_pool3d if self.dims == 3 else functional.max_pool2d
            padding = tuple(extent // 2 for extent in window)
            x = pool(
                x,
                _triple(window, self.dims),
                _triple(strides, self.dims),
                _triple(padding, self.dims),
            )
        for number in range(1, self.num_stages):
            x = getattr(self, f"layer{number}")(x)
        return x

    def after_seam(self, x):
        return getattr(self, f"layer{self.num_stages}")(x)


class Saar(nn.Module):
    def __init__(self, dims, in_width, width):
        super().__init__()
        kernels = ((1, 1, 1), (1, 3, 3), (1, 1, 1))
        block = Block(dims, in_width, width, kernels, 1, (1, 1, 1), "B")
        self.layer = nn.Sequential(block)
        layer = nn.Conv3d if dims == 3 else nn.Conv2d
        extents = (_triple((1, 3, 3), dims), 1, _triple((0, 1, 1), dims))
        self.score = layer(4 * width, 1, *extents)

    def forward(self, x):
        return self.score(self.layer(x))


class Recognizer(nn.Module):
    """Takes [B, 3, T, H, W] normalised video; networks of images fold T into B."""

    def __init__(self, backbone, num_classes, saar_width=0):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.width, num_classes)
        self.saar = (
            Saar(backbone.dims, backbone.seam_width, saar_width) if saar_width else None
        )

    def forward(self, video):
        return self.head(self.features(video))

    def features(self, video):
        batch, channels, time = video.shape[:3]
        if self.backbone.dims == 2:
            video = video.transpose(1, 2).reshape(-1, channels, *video.shape[3:])
        x = self.backbone.before_seam(video)
        if self.saar is not None:
            score = self.saar(x)
            share = torch.softmax(score.flatten(-2), dim=-1).reshape(score.shape)
            x = x * share * (x.shape[-2] * x.shape[-1])
        x = self.backbone.after_seam(x)
        if self.backbone.dims == 2:
            return x.mean(dim=(2, 3)).reshape(batch, time, -1).mean(dim=1)
        return x.mean(dim=(2, 3, 4))


def _image_stages(depths, kernels, widths=(64, 128, 256, 512)):
    return [
        (depth, width, kernels, (1, step, step))
        for depth, width, step in zip(depths, widths, (1, 2, 2, 2), strict=True)
    ]


def _clip_stages(depths, flat, inflated, widths=(64, 128, 256, 512)):
    stages = _image_stages(depths, flat, widths)
    return stages[:2] + [(d, w, inflated, s) for d, w, _, s in stages[2:]]


def _hara_stages(depths, widths=(64, 128, 256, 512)):
    kernels = ((3, 3, 3), (3, 3, 3))
    return [
        (depth, width, kernels, (step, step, step))
        for depth, width, step in zip(depths, widths, (1, 2, 2, 2), strict=True)
    ]


SPACE_STEM = (64, (1, 7, 7), (1, 2, 2))
SPACE_POOL = ((1, 3, 3), (1, 2, 2))
BASIC = ((1, 3, 3), (1, 3, 3))
BASIC_INFLATED = ((3, 3, 3), (3, 3, 3))
BOTTLENECK = ((1, 1, 1), (1, 3, 3), (1, 1, 1))
BOTTLENECK_INFLATED = ((3, 1, 1), (1, 3, 3), (1, 1, 1))
HARA_STEM = (64, (7, 7, 7), (1, 2, 2))
HARA_POOL = ((3, 3, 3), (2, 2, 2))


BACKBONES = {
    "resnet18": functools.partial(
        Backbone, 2, SPACE_STEM, SPACE_POOL, _image_stages((2, 2, 2, 2), BASIC)
    ),
    "resnet50": functools.partial(
        Backbone, 2, SPACE_STEM, SPACE_POOL, _image_stages((3, 4, 6, 3), BOTTLENECK)
    ),
    "slowonly_r18": functools.partial(
        Backbone,
        3,
        SPACE_STEM,
        SPACE_POOL,
        _clip_stages((2, 2, 2, 2), BASIC, BASIC_INFLATED),
    ),
    "slowonly_r50": functools.partial(
        Backbone,
        3,
        SPACE_STEM,
        SPACE_POOL,
        _clip_stages((3, 4, 6, 3), BOTTLENECK, BOTTLENECK_INFLATED),
    ),
    "resnet3d_18": functools.partial(
        Backbone, 3, HARA_STEM, HARA_POOL, _hara_stages((2, 2, 2, 2))
    ),
    "slowonly_tiny": functools.partial(
        Backbone,
        3,
        (16, (1, 5, 5), (1, 2, 2)),
        None,
        [
            (1, 16, BASIC, (1, 1, 1)),
            (1, 32, BASIC, (1, 2, 2)),
            (1, 64, ((3, 3, 3), (1, 3, 3)), (1, 2, 2)),
        ],
    ),
}

_SMALL = (4, 6, 8, 10)
# One block a stage and few channels, for gradients: the shapes of the real ones.
SMALL_BACKBONES = {
    "slowonly": functools.partial(
        Backbone,
        3,
        (4, (1, 7, 7), (1, 2, 2)),
        SPACE_POOL,
        _clip_stages((1, 2, 1, 1), BASIC, BASIC_INFLATED, _SMALL),
    ),
    "bottleneck": functools.partial(
        Backbone,
        3,
        (4, (1, 7, 7), (1, 2, 2)),
        SPACE_POOL,
        _clip_stages((1, 2, 1, 1), BOTTLENECK, BOTTLENECK_INFLATED, _SMALL),
    ),
    "hara": functools.partial(
        Backbone,
        3,
        (4, (7, 7, 7), (1, 2, 2)),
        HARA_POOL,
        _hara_stages((1, 2, 1, 1), _SMALL),
    ),
}


_LEAVES = {"bias": "bias", "running_mean": "mean", "running_var": "var"}


def our_arrays(module, root=""):
    """Yields our path and the tensor of everything in the state dict but counters."""
    for name, tensor in module.state_dict(keep_vars=True).items():
        *modules, leaf = name.split(".")
        if leaf == "num_batches_tracked":
            continue
        if leaf == "weight":
            leaf = "scale" if tensor.ndim == 1 else "kernel"
        else:
            leaf = _LEAVES[leaf]
        yield "/".join([*filter(None, [root]), *modules, leaf]), tensor


def our_gradients(module):
    """Yields our path and array of every gradient, and of every running statistic."""
    for path, tensor in our_arrays(module):
        yield path, from_torch(tensor.grad if tensor.requires_grad else tensor)


def from_torch(tensor):
    """A tensor in our layout: [t, h, w, C, D] for convolutions, [C, D] for linear."""
    array = tensor.detach().numpy()
    if array.ndim == 4:
        array = array[:, :, None]
    if array.ndim == 5:
        return array.transpose(2, 3, 4, 1, 0)
    return array.T


def to_torch(array, like):
    """An array of ours in the layout of the tensor `like`."""
    array = np.asarray(array)
    if array.ndim == 5:
        array = array.transpose(4, 3, 0, 1, 2)
    if array.ndim == 2:
        array = array.T
    return torch.from_numpy(array.reshape(tuple(like.shape)).copy())


def to_video(video):
    """[B, T, H, W, 3] of ours as [B, 3, T, H, W]."""
    return torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy())


def load(module, weights, root=""):
    """Fills a module with what `weights` gives for each path and shape of ours."""
    with torch.no_grad():
        for path, tensor in our_arrays(module, root):
            array = weights(path, from_torch(tensor).shape)
            tensor.copy_(to_torch(array, tensor))
