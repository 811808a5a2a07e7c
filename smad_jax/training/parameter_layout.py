"""Devices in groups that share one copy of the large arrays of a training state.

The network's arrays, their momentum and their average are divided; batches are split
over all devices as ever. The compiler gathers an array where the network needs it.
"""

from typing import TypeVar

import jax
import numpy as np

from smad_jax import errors
from smad_jax.training import sharding

# Numbers of an array that is worth dividing; fetching a smaller one costs too much.
_LARGE = 1 << 14

T = TypeVar("T")


def make_mesh(group: int) -> jax.sharding.Mesh:
    """Returns a mesh of all devices of all hosts, in groups of so many.

    Raises ConfigError if the devices of this process make no whole groups.
    """
    if group == 1:
        return sharding.make_mesh()
    own = jax.local_device_count()
    if own % group:
        raise errors.ConfigError(
            f"training.model_axis must divide the {own} devices of a process, but it "
            f"is {group}; start fewer processes with more devices each, or use 1"
        )
    # Not jax.make_mesh, which on a TPU groups devices of different hosts if they are
    # near: a process must have whole arrays among its own devices (`local`).
    devices = sorted(
        jax.devices(), key=lambda device: (device.process_index, device.id)
    )
    groups = np.reshape(devices, (-1, group))
    return jax.sharding.Mesh(groups, sharding.AXES, axis_types=sharding.AXIS_TYPES)


def layout(tree: T, mesh: jax.sharding.Mesh) -> T:
    """Returns the placement of every array of a tree, in the tree's structure.

    Of a large array, each device of a group has a part along the longest axis that the
    group divides; the others are whole on every device. By shape alone, so that
    parameters, their momentum and their average lie alike.
    """
    size = mesh.shape[sharding.AXES[1]]

    def of(leaf: jax.Array) -> jax.sharding.NamedSharding:
        split = [0 if length % size else length for length in leaf.shape]
        axes: list[str | None] = [None] * len(split)
        if size > 1 and leaf.size >= _LARGE and any(split):
            axes[split.index(max(split))] = sharding.AXES[1]
        return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))

    return jax.tree.map(of, tree)


def local(tree: T) -> T:
    """Returns placed arrays as whole NumPy arrays of this process."""

    def whole(leaf: jax.Array) -> np.ndarray:
        if leaf.is_fully_replicated:
            return np.asarray(leaf.addressable_data(0))
        found = np.empty(leaf.shape, leaf.dtype)
        for part in leaf.addressable_shards:
            found[part.index] = part.data
        return found

    return jax.tree.map(whole, tree)
