"""Our networks filled with the draws that PyTorch's are filled with."""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax import models
from smad_jax.models import layers, recognizer, resnet
from smad_jax.training import train_state
from tests.golden import draws, settings

# These programs run once; most of their time would go into compiling them well.
QUICKLY = {"xla_backend_optimization_level": 0}
# Of those whose running takes longer than their compiling.
WELL = {"xla_backend_optimization_level": 3}

_FOUR = {"depths": (1, 2, 1, 1), "widths": (4, 6, 8, 10), "stem_width": 4}
# One block a stage and few channels; by the name of PyTorch's and the shortcut.
SMALL = {
    ("slowonly", "B"): dataclasses.replace(resnet.SPECS["slowonly_r18"], **_FOUR),
    ("bottleneck", "B"): dataclasses.replace(resnet.SPECS["slowonly_r50"], **_FOUR),
} | {
    ("hara", shortcut): dataclasses.replace(
        resnet.SPECS["resnet3d_18"], shortcut=shortcut, **_FOUR
    )
    for shortcut in resnet.SHORTCUTS
}


class Little(nnx.Module):
    """Stands in for a recognizer where only the method matters; compiles at once.

    Frames and channels of the mean pixel, through one linear layer and batch norm.
    """

    def __init__(self, num_features, num_classes, num_frames=3):
        rngs = nnx.Rngs(0)
        size = 3 * num_frames
        self.fc = layers.Linear(size, num_features, scale=1.0, rngs=rngs)
        self.bn = layers.GhostBatchNorm(num_features)
        self.head = layers.Linear(num_features, num_classes, scale=1.0, rngs=rngs)

    def __call__(self, video, *, train, key=None):
        pixels = (video / 255.0).mean(axis=(2, 3)).reshape(len(video), -1)
        features = jax.nn.relu(self.bn(self.fc(pixels), train=train))
        feature_map = features[:, None, None, None]
        return recognizer.Output(self.head(features), features, feature_map, None)


def small(key, num_classes):
    """A small network in float64, with SAAR."""
    return recognizer.Recognizer(
        resnet.ResNet(SMALL[key], layers.Factory(nnx.Rngs(0), dtype="float64")),
        num_classes,
        layers.Factory(nnx.Rngs(1), dtype="float64"),
        saar_width=settings.SMALL_SAAR_WIDTH,
    )


def whole(name, shortcut, num_classes, dtype):
    """A network of the paper, with SAAR."""
    return models.build_model(
        name,
        num_classes,
        saar=True,
        shortcut=shortcut,
        dtype=dtype,
        rngs=nnx.Rngs(0),
    )


def drawn(build, dtype="float64"):
    """Structure, parameters and statistics of what `build` makes, nothing of it run."""
    graph, *trees = train_state.split(nnx.eval_shape(build))

    def draw(keys, leaf):
        path = "/".join(str(key.key) for key in keys)
        return jnp.asarray(draws.weights(path, leaf.shape), dtype)

    return graph, *(jax.tree_util.tree_map_with_path(draw, tree) for tree in trees)
