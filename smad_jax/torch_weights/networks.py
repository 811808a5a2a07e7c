"""The networks that weights are exchanged for, by the shapes of their arrays.

Arrays have flat paths here (`backbone/layer1/0/conv1/kernel`), whose last part
separates batch statistics from parameters.
"""

import dataclasses
import functools
import itertools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx, traverse_util

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
        shortcut: Unless it is the model's default.
        input: What it sees of a clip, see `models.build_model`.
    """

    name: str
    num_classes: int | None
    shortcut: resnet.Shortcut | None = None
    input: str = "rgb"


def build(network: Network, *, rngs: nnx.Rngs) -> recognizer.Recognizer:
    """Builds a network with fresh parameters, with one class if the number is unknown.

    Raises:
        ConfigError: if the name is unknown.
    """
    num_classes = network.num_classes or 1
    if network.name in models.MODELS:
        return models.build_model(
            network.name,
            num_classes,
            shortcut=network.shortcut,
            input=network.input,
            rngs=rngs,
        )
    return labellers.build_labeller(network.name, num_classes, rngs=rngs)


def shapes(network: Network) -> Shapes:
    """Returns the shape of every array of the network, without computing any."""
    _, params, batch_stats = train_state.split(_outline(network))
    return {path: array.shape for path, array in flatten(params, batch_stats).items()}


def assemble(
    network: Network, arrays: Mapping[str, np.ndarray]
) -> recognizer.Recognizer:
    """Returns the network with these arrays; nothing is drawn at random.

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
    """Returns the network with shapes for arrays; cached, as it takes seconds."""
    return nnx.eval_shape(lambda: build(network, rngs=nnx.Rngs(0)))


def with_classes(known: Shapes, num_classes: int | None) -> Shapes:
    """Returns the shapes with a head of `num_classes`; None is one class."""
    width, _ = known["head/kernel"]
    num_classes = num_classes or 1
    head = {"head/kernel": (width, num_classes), "head/bias": (num_classes,)}
    return {**known, **head}


def flatten(params: Tree, batch_stats: Tree) -> dict[str, jax.Array]:
    """Returns the arrays of both trees under flat paths."""
    leaves = map(jax.tree_util.tree_leaves_with_path, (params, batch_stats))
    return {
        jax.tree_util.keystr(keys, simple=True, separator="/"): array
        for keys, array in itertools.chain(*leaves)
    }


def unflatten(
    arrays: Mapping[str, np.ndarray | jax.Array],
) -> tuple[Tree, Tree]:
    """Returns parameters and batch statistics as trees; the inverse of `flatten`."""
    params, batch_stats = {}, {}
    for path, array in arrays.items():
        parts = path.split("/")
        branch = batch_stats if parts[-1] in STATISTICS else params
        # Flax counts the modules of a list with integers.
        branch[tuple(int(p) if p.isdecimal() else p for p in parts)] = array
    return (
        traverse_util.unflatten_dict(params),
        traverse_util.unflatten_dict(batch_stats),
    )
