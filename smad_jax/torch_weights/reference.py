"""The networks in PyTorch, run on a checkpoint's own tensors, for `verify`.

Written from the layer tables of the reference, by the names in the file. It is
independent of our modules and our tables of names and shapes, which it checks.
"""

import importlib
import re
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from smad_jax import errors

Tensor = Any  # of a library that may not be installed
Stride = int | tuple[int, ...]
Stages = Iterator[tuple[str, Tensor]]

# Names in a file: a block's convolution, its batch norm, the shortcut's, the head.
_MMACTION2 = (
    "backbone.{}conv{}.conv",
    "backbone.{}conv{}.bn",
    "backbone.{}downsample.conv",
    "backbone.{}downsample.bn",
    "cls_head.fc_cls",
)
_TORCHVISION = ("{}conv{}", "{}bn{}", "{}downsample.0", "{}downsample.1", "fc")
# EfficientNet-Lite0: blocks that halve the picture.
_HALVING = (1, 3, 5, 11)


def import_torch() -> types.ModuleType:
    """Returns the module `torch`.

    Raises:
        ConfigError: if it is not installed.
    """
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise errors.ConfigError(
            "verify compares with PyTorch; pip install torch"
        ) from error


def run(
    name: str, tensors: Mapping[str, np.ndarray], video: np.ndarray
) -> dict[str, np.ndarray]:
    """Runs a network in inference and returns the output of each stage.

    Args:
        name: The network of the tensors.
        tensors: The state dict, without a common prefix.
        video: [B, T, H, W, 3] normalised; T is 1 for images.

    Returns:
        Maps [B, T, H, W, C] by the name of the stage, and `logits` [B, K].
    """
    torch = import_torch()
    layers = _Layers(torch, tensors)
    forward = {"densenet161": _densenet, "efficientnet_lite0": _efficientnet}
    x = torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy())
    stages = {}
    with torch.no_grad():
        for stage, value in forward.get(name, _resnet)(layers, name, x):
            array = value.numpy()
            if array.ndim == 4:
                array = array[:, :, None]
            stages[stage] = array.transpose(0, 2, 3, 4, 1) if array.ndim == 5 else array
    return stages


class _Layers:
    """The layers of a state dict, by name."""

    def __init__(self, torch: types.ModuleType, tensors: Mapping[str, np.ndarray]):
        self.torch = torch
        self.functional = torch.nn.functional
        self.tensors = {
            name: torch.from_numpy(np.array(tensor, np.float32))
            for name, tensor in tensors.items()
        }

    def conv(self, name: str, x: Tensor, stride: Stride = 1, groups: int = 1) -> Tensor:
        weight = self.tensors[f"{name}.weight"]
        convolve = getattr(self.functional, f"conv{x.ndim - 2}d")
        padding = tuple(extent // 2 for extent in weight.shape[2:])
        return convolve(x, weight, None, stride, padding, 1, groups)

    def norm(self, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
        mean, var, weight, bias = (
            self.tensors[f"{name}.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return self.functional.batch_norm(x, mean, var, weight, bias, eps=eps)

    def linear(self, name: str, x: Tensor) -> Tensor:
        x = x.mean(dim=tuple(range(2, x.ndim)))
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        return self.functional.linear(x, weight, bias)


def _resnet(layers: _Layers, name: str, x: Tensor) -> Stages:
    torch = layers.torch
    in_mmaction2 = "backbone.conv1.conv.weight" in layers.tensors
    names = _MMACTION2 if in_mmaction2 else _TORCHVISION
    conv, norm, _, _, head = names
    of_clips = name.startswith("slowonly") or name == "resnet3d_18"
    if name.startswith("slowonly"):
        _inflate(layers)
    x = x if of_clips else x[:, :, 0]
    x = layers.conv(conv.format("", 1), x, (1, 2, 2) if of_clips else 2)
    x = torch.relu(layers.norm(norm.format("", 1), x))
    if not of_clips:
        x = layers.functional.max_pool2d(x, 3, 2, 1)
    elif name == "resnet3d_18":
        x = layers.functional.max_pool3d(x, 3, 2, 1)
    else:
        x = layers.functional.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    yield "stem", x
    for stage in range(1, 5):
        step = 1 if stage == 1 else 2
        if of_clips:  # ResNet3D also strides time
            step = (step if name == "resnet3d_18" else 1, step, step)
        for number in range(100):
            at = f"layer{stage}.{number}."
            if conv.format(at, 1) + ".weight" not in layers.tensors:
                break
            x = _block(layers, names, at, x, step if number == 0 else 1)
        yield f"layer{stage}", x
    yield "logits", layers.linear(head, x)


def _block(
    layers: _Layers, names: tuple[str, ...], at: str, x: Tensor, stride: Stride
) -> Tensor:
    conv, norm, projection, projection_norm, _ = names
    deep = conv.format(at, 3) + ".weight" in layers.tensors
    y = x
    for number in (1, 2, 3) if deep else (1, 2):
        if number > 1:
            y = layers.torch.relu(y)
        y = layers.conv(conv.format(at, number), y, stride if number == 1 + deep else 1)
        y = layers.norm(norm.format(at, number), y)
    if projection.format(at) + ".weight" in layers.tensors:
        x = layers.conv(projection.format(at), x, stride)
        x = layers.norm(projection_norm.format(at), x)
    elif x.shape != y.shape:  # shortcut A
        x = layers.functional.avg_pool3d(x, 1, stride)
        zeros = x.new_zeros(x.shape[0], y.shape[1] - x.shape[1], *x.shape[2:])
        x = layers.torch.cat([x, zeros], dim=1)
    return layers.torch.relu(x + y)


def _inflate(layers: _Layers) -> None:
    """Inflates kernels of images for SlowOnly, some to 3 frames, the others to 1."""
    basic = not any("conv3" in name for name in layers.tensors)
    inflated = re.compile(r"layer[34]\.\d+\.conv" + ("[12]" if basic else "1"))
    for name, tensor in layers.tensors.items():
        if tensor.ndim == 4:
            frames = 3 if inflated.search(name) else 1
            repeated = tensor[:, :, None].repeat(1, 1, frames, 1, 1)
            layers.tensors[name] = repeated / frames


def _densenet(layers: _Layers, name: str, x: Tensor) -> Stages:
    del name
    torch = layers.torch
    old = "features.denseblock1.denselayer1.norm.1.bias" in layers.tensors
    dot = "." if old else ""
    x = layers.conv("features.conv0", x[:, :, 0], 2)
    x = torch.relu(layers.norm("features.norm0", x))
    x = layers.functional.max_pool2d(x, 3, 2, 1)
    yield "stem", x
    for block in range(1, 5):
        for number in range(1, 100):
            at = f"features.denseblock{block}.denselayer{number}."
            if f"{at}conv{dot}1.weight" not in layers.tensors:
                break
            y = torch.relu(layers.norm(f"{at}norm{dot}1", x))
            y = torch.relu(
                layers.norm(f"{at}norm{dot}2", layers.conv(f"{at}conv{dot}1", y))
            )
            x = torch.cat([x, layers.conv(f"{at}conv{dot}2", y)], dim=1)
        if block < 4:
            at = f"features.transition{block}"
            x = layers.conv(f"{at}.conv", torch.relu(layers.norm(f"{at}.norm", x)))
            x = layers.functional.avg_pool2d(x, 2)
        else:
            x = torch.relu(layers.norm("features.norm5", x))
        yield f"denseblock{block}", x
    yield "logits", layers.linear("classifier", x)


def _efficientnet(layers: _Layers, name: str, x: Tensor) -> Stages:
    del name
    functional = layers.functional

    def same_conv(name: str, x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
        """TensorFlow's padding: the odd pixel goes to the right and below."""
        kernel = layers.tensors[f"{name}.weight"].shape[-1]
        pads = []
        for extent in (x.shape[3], x.shape[2]):
            total = max((-(-extent // stride) - 1) * stride + kernel - extent, 0)
            pads += [total // 2, total - total // 2]
        weight = layers.tensors[f"{name}.weight"]
        return functional.conv2d(
            functional.pad(x, pads), weight, None, stride, 0, 1, groups
        )

    def norm(name: str, x: Tensor) -> Tensor:
        return layers.norm(name, x, eps=1e-3)

    x = functional.relu6(norm("_bn0", same_conv("_conv_stem", x[:, :, 0], 2)))
    yield "stem", x
    for block in range(16):
        at, y = f"_blocks.{block}.", x
        if f"{at}_expand_conv.weight" in layers.tensors:
            y = functional.relu6(norm(f"{at}_bn0", same_conv(f"{at}_expand_conv", y)))
        stride = 2 if block in _HALVING else 1
        y = same_conv(f"{at}_depthwise_conv", y, stride, y.shape[1])
        y = functional.relu6(norm(f"{at}_bn1", y))
        y = norm(f"{at}_bn2", same_conv(f"{at}_project_conv", y))
        x = x + y if x.shape == y.shape else y
        yield f"block{block}", x
    x = functional.relu6(norm("_bn1", same_conv("_conv_head", x)))
    yield "head", x
    yield "logits", layers.linear("_fc", x)
