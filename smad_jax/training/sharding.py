"""Placement on devices: parameters everywhere, batches split over one mesh axis.

The compiler does the rest. One laptop core is a mesh of one device.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import jax
import numpy as np

from smad_jax import errors

BATCH_AXIS = "data"

T = TypeVar("T")


def make_mesh(devices: Sequence[Any] | None = None) -> jax.sharding.Mesh:
    """Returns a mesh of all devices of all hosts, or of those given."""
    devices = jax.devices() if devices is None else devices
    # Auto axes: ghost batch norm reshapes the batch axis, which explicit axes,
    # the default of jax.make_mesh, would refuse.
    return jax.make_mesh(
        (len(devices),),
        (BATCH_AXIS,),
        axis_types=(jax.sharding.AxisType.Auto,),
        devices=devices,
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


def replicate(tree: T, mesh: jax.sharding.Mesh) -> T:
    """Returns `tree` with every array present on every device of the mesh."""
    # Each process fills its own devices from its own copy; on a pod it cannot reach the
    # others.
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(
            everywhere, np.asarray(leaf)
        ),
        tree,
    )


def shard(batch: Mapping[str, Any], mesh: jax.sharding.Mesh) -> dict[str, Any]:
    """Returns the global batch, given this process's rows of it.

    Nested arrays [B / processes, ...] become global ones [B, ...] in the same nesting,
    split over the first axis.
    """
    rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(BATCH_AXIS))
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(rows, leaf), dict(batch)
    )
