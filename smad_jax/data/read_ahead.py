"""Batches that threads and processes read ahead of their use."""

from collections.abc import Iterator
from typing import Generic, Self, TypeVar

import grain
from absl import flags

B = TypeVar("B")


class Batches(Generic[B]):
    """An iterator over batches; `close` stops its threads and processes.

    Attributes:
        num_videos: Videos in all batches, without padding; None if endless.
    """

    def __init__(
        self,
        batches: Iterator[B],
        source: grain.DatasetIterator,
        num_videos: int | None = None,
    ):
        self.num_videos = num_videos
        self._batches = batches
        self._source = source

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> B:
        try:
            return next(self._batches)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stops everything that runs in the background; may be called twice."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def iterate(
    dataset: grain.MapDataset, size: int, num_threads: int, num_workers: int
) -> grain.DatasetIterator:
    """Returns the batches of `size` elements, read ahead by threads and processes."""
    options = grain.ReadOptions(num_threads, max(num_threads, 2 * size))
    stream = dataset.to_iter_dataset(options)
    if num_workers:
        if not flags.FLAGS.is_parsed():  # Grain reads flags, which scripts never parse
            flags.FLAGS.mark_as_parsed()
        # workers get elements, not batches, so that the order stays the same
        stream = stream.mp_prefetch(
            grain.MultiprocessingOptions(num_workers, max(1, 2 * size // num_workers))
        )
    stream = stream.batch(size, drop_remainder=True)
    if num_threads:
        stream = grain.experimental.ThreadPrefetchIterDataset(
            stream, prefetch_buffer_size=1
        )
    return iter(stream)
