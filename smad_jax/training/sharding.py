"""Placement on devices: batches split over all of them, arrays of training everywhere.

The compiler does the rest. One laptop core is a mesh of one device. Along the second
axis of a mesh, devices share the large arrays (`parameter_layout`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import jax
import numpy as np

from smad_jax import errors

# A batch is split over both, so every device computes on videos of its own.
AXES = "data", "model"
# Ghost batch norm reshapes the batch axis, which explicit axes, the default of
# jax.make_mesh, would refuse.
AXIS_TYPES = (jax.sharding.AxisType.Auto,) * len(AXES)

T = TypeVar("T")


def make_mesh(devices: Sequence[Any] | None = None) -> jax.sharding.Mesh:
    """Returns a mesh of all devices of all hosts, or of those given."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh(
        (len(devices), 1), AXES, axis_types=AXIS_TYPES, devices=devices
    )


def check_batch_size(
    batch_size: int, mesh: jax.sharding.Mesh, *, key: str = "data.batch_size"
) -> None:
    """Raises ConfigError unless the devices can share `batch_size` videos evenly.

    `batch_size` is that of a global batch, and `key` names the config's key for it.
    """
    if batch_size % mesh.size:
        raise errors.ConfigError(
            f"batch_size must be a multiple of the {mesh.size} devices, but it is "
            f"{batch_size}; pass --config.{key}="
            f"{max(1, round(batch_size / mesh.size)) * mesh.size}"
        )


def rows(mesh: jax.sharding.Mesh) -> jax.sharding.NamedSharding:
    """Returns the placement of a batch, split over its first axis."""
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXES))


def place(tree: T, layout: T) -> T:
    """Returns `tree`, which every process has as a whole, placed by a `layout`."""
    # Each process fills its own devices from its own copy; on a pod it cannot reach the
    # others.
    return jax.tree.map(
        lambda leaf, there: jax.make_array_from_callback(
            leaf.shape, there, np.asarray(leaf).__getitem__
        ),
        tree,
        layout,
    )


def replicate(tree: T, mesh: jax.sharding.Mesh) -> T:
    """Returns `tree` with every array present on every device of the mesh."""
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return place(tree, jax.tree.map(lambda _: everywhere, tree))


def shard(batch: Mapping[str, Any], mesh: jax.sharding.Mesh) -> dict[str, Any]:
    """Returns the global batch, given this process's rows of it.

    Nested arrays [B / processes, ...] become global ones [B, ...] in the same nesting,
    split over the first axis.
    """
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(rows(mesh), leaf),
        dict(batch),
    )
