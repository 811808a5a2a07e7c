"""Runs imported weights beside PyTorch and compares the output of each stage."""

import dataclasses
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from smad_jax.models import densenet, efficientnet, pooling, recognizer, resnet
from smad_jax.torch_weights import convert, networks, reference

# Odd sizes, which reveal wrong padding.
_CLIP = (2, 5, 75, 91, 3)
_IMAGES = (2, 1, 75, 91, 3)


@dataclasses.dataclass(frozen=True)
class Difference:
    """How far one stage is from PyTorch's.

    Attributes:
        stage: Its name.
        shape: Of its output.
        largest: Largest absolute value of its output.
        difference: Largest absolute difference.
    """

    stage: str
    shape: tuple[int, ...]
    largest: float
    difference: float

    @property
    def relative(self) -> float:
        """The difference as a share of the largest value."""
        return self.difference / max(self.largest, 1e-30)

    def __str__(self) -> str:
        shape = "x".join(map(str, self.shape))
        return (
            f"{self.stage:12} {shape:18} largest {self.largest:9.3g}  "
            f"difference {self.difference:.2e}, {self.relative:.1e} of it"
        )


def compare(imported: convert.Imported, *, seed: int = 0) -> list[Difference]:
    """Runs both sides on the same random input, in float32.

    Args:
        imported: The tensors of a file, and the arrays made from them.
        seed: Of the input, standard normal.

    Returns:
        One entry a stage, in order; the last is the logits.

    Raises:
        ConfigError: if PyTorch is not installed.
        DataError: if arrays were left out.
    """
    clips = imported.network.name.startswith(("slowonly", "resnet3d"))
    shape = _CLIP if clips else _IMAGES
    video = np.random.default_rng(seed).standard_normal(shape, np.float32)
    ours = stages(imported.arrays, imported.network, video)
    theirs = reference.run(imported.network.name, imported.tensors, video)
    return [
        Difference(
            stage,
            values.shape,
            float(np.abs(values).max()),
            float(np.abs(values - ours[stage]).max()),
        )
        for stage, values in theirs.items()
    ]


def stages(
    arrays: convert.Arrays, network: networks.Network, video: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns the output of each stage of our network, named as in `reference`."""
    model = networks.assemble(network, arrays)
    run = nnx.jit(lambda model, video: dict(_run(model, video)))
    found = run(model, jnp.asarray(video))
    return {stage: np.asarray(values) for stage, values in found.items()}


def _run(model: recognizer.Recognizer, x: jax.Array) -> Iterator[tuple[str, jax.Array]]:
    backbone = model.backbone
    if isinstance(backbone, resnet.ResNet):
        walk = _resnet(backbone, x)
    elif isinstance(backbone, densenet.DenseNet):
        walk = _densenet(backbone, x)
    elif isinstance(backbone, efficientnet.EfficientNetLite0):
        walk = _efficientnet(backbone, x)
    else:
        raise TypeError(f"no stages are known of {type(backbone).__name__}")
    for stage, value in walk:
        yield stage, value
        x = value
    yield "logits", model.head(x.mean(axis=(1, 2, 3)))


def _resnet(backbone: resnet.ResNet, x: jax.Array) -> Iterator[tuple[str, jax.Array]]:
    spec = backbone.spec
    x = jax.nn.relu(backbone.bn1(backbone.conv1(x), train=False))
    if spec.pool_window is not None:
        x = pooling.max_pool(x, spec.pool_window, spec.pool_strides)
    yield "stem", x
    for stage in range(1, len(spec.depths) + 1):
        for block in getattr(backbone, f"layer{stage}"):
            x = block(x, train=False)
        yield f"layer{stage}", x


def _densenet(
    backbone: densenet.DenseNet, x: jax.Array
) -> Iterator[tuple[str, jax.Array]]:
    x = jax.nn.relu(backbone.norm0(backbone.conv0(x), train=False))
    x = pooling.max_pool(x, (1, 3, 3), (1, 2, 2))
    yield "stem", x
    last = len(backbone.spec.depths)
    for number in range(1, last + 1):
        x = getattr(backbone, f"denseblock{number}")(x, train=False)
        if number < last:
            x = getattr(backbone, f"transition{number}")(x, train=False)
        else:
            x = jax.nn.relu(backbone.norm5(x, train=False))
        yield f"denseblock{number}", x


def _efficientnet(
    backbone: efficientnet.EfficientNetLite0, x: jax.Array
) -> Iterator[tuple[str, jax.Array]]:
    x = jax.nn.relu6(backbone.bn0(backbone.conv_stem(x)))
    yield "stem", x
    for number, block in enumerate(backbone.blocks):
        x = block(x)
        yield f"block{number}", x
    yield "head", jax.nn.relu6(backbone.bn1(backbone.conv_head(x)))
