"""Batch statistics of a network over a whole set of clips: taken, joined and stored."""

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils

from smad_jax import errors
from smad_jax.models import layers


class Moments(NamedTuple):
    """Mean and biased variance of each layer's channels, [C] each, over some clips.

    Of several parts of a set all have another axis in front, [P, C], and `num_clips`
    is [P].
    """

    num_clips: int | np.ndarray
    means: tuple[np.ndarray, ...]
    variances: tuple[np.ndarray, ...]


def batch_norms(model: nnx.Module) -> list[layers.GhostBatchNorm]:
    """Returns the batch norms of a network, always in the same order."""
    nodes = (node for _, node in nnx.iter_graph(model))
    return [node for node in nodes if isinstance(node, layers.GhostBatchNorm)]


def combine(parts: Moments) -> Moments:
    """Returns the moments of the P parts of a set taken together, in float64."""
    # Clips weigh equally: all of a set have the same number of values in a layer.
    counts = np.asarray(parts.num_clips, np.float64)
    shares = counts / counts.sum()
    means, variances = [], []
    for each, within in zip(parts.means, parts.variances, strict=True):
        each = each.astype(np.float64)
        means.append(shares @ each)
        # Total variance: the mean of the variances and the variance of the means. The
        # first alone would leave out how batches differ from each other.
        variances.append(shares @ (within + (each - means[-1]) ** 2))
    return Moments(int(counts.sum()), tuple(means), tuple(variances))


def observe(
    model: nnx.Module, batches: Iterable[np.ndarray], inference: layers.Inference
) -> Moments:
    """Returns each batch norm's input moments over the clips of all processes."""
    # The mode is part of the graph, so the graph is taken while it is set; the model
    # itself is back in its usual mode before anything can fail.
    for norm in batch_norms(model):
        norm.inference = inference
    graph, arrays = nnx.split(model)
    for norm in batch_norms(model):
        norm.inference = "stored"

    @jax.jit
    def pass_through(arrays: nnx.State, clips: jax.Array):
        network = nnx.merge(graph, arrays, copy=True)
        network(clips, train=False)
        norms = batch_norms(network)
        means = tuple(norm.mean[...] for norm in norms)
        return means, tuple(norm.var[...] for norm in norms)

    parts = []
    for clips in batches:
        means, variances = jax.device_get(pass_through(arrays, clips))
        parts.append(Moments(len(clips), means, variances))
    # A process without a readable clip takes part with weight 0: all processes have to
    # meet in the gathering below.
    nothing = tuple(np.zeros(norm.mean.shape) for norm in batch_norms(model))
    own = Moments(0, nothing, nothing)
    if parts:
        own = combine(jax.tree.map(lambda *values: np.stack(values), *parts))
    everyone = multihost_utils.process_allgather(own)
    if not everyone.num_clips.sum():
        raise errors.DataError("no clip of the test set can be read to adapt to")
    return combine(everyone)


def store(model: nnx.Module, moments: Moments) -> None:
    """Makes the moments the running statistics."""
    triples = zip(batch_norms(model), moments.means, moments.variances, strict=True)
    for norm, mean, variance in triples:
        norm.mean[...] = jnp.asarray(mean, norm.mean.dtype)
        norm.var[...] = jnp.asarray(variance, norm.var.dtype)
