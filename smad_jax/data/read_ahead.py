"""Batches that threads and processes read ahead of their use."""

import multiprocessing
import os
import re
import threading
from collections.abc import Iterator
from typing import Generic, Self, TypeVar

import grain
from absl import flags

from smad_jax import errors

_DIED = re.compile(r"Worker process was terminated .* exit code (-?\d+)")  # Grain's

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
        except BaseException as error:
            self.close()
            if code := _DIED.match(str(error)):
                raise errors.DataError(
                    f"a worker that reads the videos ended with exit code {code[1]}, "
                    "-9 if the system killed it for want of memory; the same command "
                    "resumes, and a smaller --config.data.num_workers takes less"
                ) from error
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
    if num_workers:
        if not flags.FLAGS.is_parsed():  # Grain reads flags, which scripts never parse
            flags.FLAGS.mark_as_parsed()
        # Each makes whole batches, in turn: their order does not depend on the number
        # of workers, and this process copies nothing.
        batches = dataset.batch(size, drop_remainder=True)
        options = grain.ReadOptions(num_threads, max(1, num_threads))
        stream = batches.to_iter_dataset(options).mp_prefetch(
            grain.MultiprocessingOptions(num_workers, per_worker_buffer_size=1),
            worker_init_fn=_end_with_the_run,
        )
    else:
        options = grain.ReadOptions(num_threads, max(num_threads, 2 * size))
        stream = dataset.to_iter_dataset(options).batch(size, drop_remainder=True)
    if num_threads:
        stream = grain.experimental.ThreadPrefetchIterDataset(
            stream, prefetch_buffer_size=1
        )
    return iter(stream)


def _end_with_the_run(worker: int, workers: int) -> None:
    """Ends a worker when the process that reads from it is gone, even if killed."""
    del worker, workers
    # In a thread: a worker waits until its elements are taken, which nobody does then.
    threading.Thread(target=_wait_for_the_run, daemon=True).start()


def _wait_for_the_run() -> None:
    if run := multiprocessing.parent_process():
        run.join()
        os._exit(1)
