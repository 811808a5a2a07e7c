"""The part of every global batch that this process reads."""

import sys
from typing import NamedTuple

import grain

from smad_jax import errors


class Share(NamedTuple):
    """This process's part of every global batch: `size` positions from `offset`."""

    batch_size: int
    offset: int
    size: int

    def count(self, num_videos: int) -> int:
        """Returns how many of the first `num_videos` positions are this process's."""
        whole, rest = divmod(num_videos, self.batch_size)
        return whole * self.size + min(max(rest - self.offset, 0), self.size)


def share(batch_size: int, process_index: int, process_count: int) -> Share:
    """Returns the share of a process in batches of `batch_size` videos.

    Raises:
        ConfigError: if the batch is not a multiple of the processes.
    """
    if batch_size < 1 or batch_size % process_count:
        raise errors.ConfigError(
            f"batch size {batch_size} must be a multiple of the {process_count} "
            "processes"
        )
    size = batch_size // process_count
    return Share(batch_size, process_index * size, size)


class ProcessRows(grain.MapDataset):
    """Keeps this process's rows of each batch of B consecutive elements."""

    def __init__(self, parent: grain.MapDataset, share: Share):
        super().__init__(parent)
        self._share = share

    def __len__(self) -> int:
        length = len(self._parent) // self._share.batch_size * self._share.size
        return min(length, sys.maxsize)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.slice(index)
        step, row = divmod(index, self._share.size)
        return self._parent[step * self._share.batch_size + self._share.offset + row]
