"""A network applied to a batch in parts, with the result of the whole batch at once.

The memory of a training step is mostly activations of the network. In parts it holds
those of one part: each part passes the network again for its gradient, in place of
being remembered. Losses see the outputs of the whole batch. So those that are no means
over videos, as of missing labels, of pairs of videos or of groups, are exact too.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax import errors
from smad_jax.models import layers

M = TypeVar("M", bound=nnx.Module)
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class InParts:
    """Applies a network in `count` parts of whole ghost groups; 1 is all at once.

    The ghost size and statistics are those of the network's `GhostBatchNorm`.
    """

    count: int = 1
    ghost_size: int = 0
    ghost_statistics: layers.GhostStatistics = "mean"

    def __call__(
        self, call: Callable[[M, jax.Array], T], network: M, video: jax.Array
    ) -> T:
        """Returns `call(network, video)`, arrays [B, ...] or None.

        Batch norm sees the groups that it would see in the whole batch, and running
        statistics end as after one pass.

        Raises:
            ConfigError: if the parts of [B, ...] would not be whole groups.
        """
        if self.count == 1:
            return call(network, video)
        rows = self._divide(video)
        graph, params, before = nnx.split(network, nnx.Param, nnx.BatchStat)

        @functools.partial(jax.checkpoint, prevent_cse=False)  # a loop prevents it
        def one_part(params: nnx.State, rows: jax.Array) -> tuple[T, nnx.State]:
            part = nnx.merge(graph, params, before, copy=True)
            return call(part, rows), nnx.state(part, nnx.BatchStat)

        outputs, after = jax.lax.map(functools.partial(one_part, params), rows)
        # Each part moved the same statistics towards the mean over its groups, and all
        # parts have equally many. The first group of the batch is in the first part.
        first = self.ghost_statistics == "first"
        merge = (lambda each: each[0]) if first else (lambda each: each.mean(0))
        nnx.update(network, jax.tree.map(merge, after))
        return jax.tree.map(self._join, outputs)

    def _divide(self, video: jax.Array) -> jax.Array:
        """Returns [B, ...] as [count, B / count, ...]."""
        multiple = self.count * self.ghost_size
        if not multiple or len(video) % multiple:
            raise errors.ConfigError(
                f"training.accumulate={self.count} needs batches of a multiple of "
                f"{self.count} * model.ghost_size = {multiple} videos, at least one a "
                f"group, but {len(video)} pass the network together"
            )
        # Part p takes the groups p, p + count, ...: a batch that is split over devices
        # then gives each of them its share of every part, and stays where it is.
        groups = video.reshape(-1, self.count, self.ghost_size, *video.shape[1:])
        rows = jnp.swapaxes(groups, 0, 1)
        return rows.reshape(self.count, -1, *video.shape[1:])

    def _join(self, rows: jax.Array) -> jax.Array:
        """Returns the [B, ...] that `_divide` made [count, B / count, ...] of."""
        groups = rows.reshape(self.count, -1, self.ghost_size, *rows.shape[2:])
        return jnp.swapaxes(groups, 0, 1).reshape(-1, *rows.shape[2:])
