"""The networks that weights are exchanged for, known by the shapes of their arrays.

Arrays go under flat paths here (`backbone/layer1/0/conv1/kernel`); parameters and
batch statistics are told apart by the last part.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from smad_jax import errors, models
from smad_jax.models import labellers, recognizer, resnet
from smad_jax.training import train_state

STATISTICS = ("mean", "var")
Shapes = Mapping[str, tuple[int, ...]]
Tree = dict


@dataclasses.dataclass(frozen=True)
class Network:
    """Which network weights belong to.

    Attributes:
        name: Of an action model or a labeller.
        num_classes: Of the head; None if there are no weights for it.
        shortcut: If it is not the model's usual one.
    """

    name: str
    num_classes: int | None
    shortcut: resnet.Shortcut | None = None


def build(network: Network, *, rngs: nnx.Rngs) -> recognizer.Recognizer:
    """Builds it with fresh parameters, with one class where the number is unknown.

    Raises:
        ConfigError: if the name is unknown.
    """
    num_classes = network.num_classes or 1
    if network.name in models.MODELS:
        return models.build_model(
            network.name, num_classes, shortcut=network.shortcut, rngs=rngs
        )
    return labellers.build_labeller(network.name, num_classes, rngs=rngs)


def shapes(network: Network) -> Shapes:
    """Returns the shape of every array of the network, without computing any."""
    _, params, batch_stats = train_state.split(_outline(network))
    return {path: array.shape for path, array in flatten(params, batch_stats).items()}


def assemble(
    network: Network, arrays: Mapping[str, np.ndarray]
) -> recognizer.Recognizer:
    """Returns the network with these arrays in it; nothing is drawn at random.

    Raises:
        DataError: if an array is missing.
    """
    missing = sorted(shapes(network).keys() - arrays.keys())
    if missing:
        raise errors.DataError(f"weights of {network.name} lack {', '.join(missing)}")
    graph, _, _ = train_state.split(_outline(network))
    trees = unflatten({path: jnp.asarray(array) for path, array in arrays.items()})
    module = train_state.merge(graph, *trees)
    if not isinstance(module, recognizer.Recognizer):
        raise TypeError(f"expected a recognizer, not {type(module).__name__}")
    return module


@functools.cache
def _outline(network: Network) -> nnx.Module:
    """The network with shapes for arrays; remembered, for it takes seconds."""
    return nnx.eval_shape(lambda: build(network, rngs=nnx.Rngs(0)))


def with_classes(known: Shapes, num_classes: int | None) -> Shapes:
    """Returns the shapes with a head of so many classes; of one where it is None."""
    width, _ = known["head/kernel"]
    num_classes = num_classes or 1
    head = {"head/kernel": (width, num_classes), "head/bias": (num_classes,)}
    return {**known, **head}


def flatten(params: Tree, batch_stats: Tree) -> dict[str, jax.Array]:
    """Returns the arrays of both trees under flat paths."""
    flat = {}
    for tree in (params, batch_stats):
        for keys, array in jax.tree_util.tree_flatten_with_path(tree)[0]:
            flat["/".join(str(key.key) for key in keys)] = array
    return flat


def unflatten(
    arrays: Mapping[str, np.ndarray | jax.Array],
) -> tuple[Tree, Tree]:
    """Returns parameters and batch statistics as trees; the inverse of `flatten`."""
    params: Tree = {}
    batch_stats: Tree = {}
    for path, array in arrays.items():
        *parents, leaf = path.split("/")
        branch = batch_stats if leaf in STATISTICS else params
        for part in parents:
            branch = branch.setdefault(int(part) if part.isdecimal() else part, {})
        branch[leaf] = array
    return params, batch_stats


def check_shortcut(value: str | None) -> resnet.Shortcut | None:
    """Returns a shortcut read from a file, if it is one."""
    for known in get_args(resnet.Shortcut):
        if value == known:
            return known
    if value is not None:
        raise errors.DataError(f"unknown shortcut {value!r}")
    return None
