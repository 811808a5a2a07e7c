"""Streams of batches: a split, sampled, decoded and cropped.

The endless training stream is a pure function of (seed, position): position k is the
same video, clip and crop in every run, whatever the number of processes, threads or
workers. A step takes the next B positions, so resuming is starting at another step.
"""

from collections.abc import Iterator, Mapping
from typing import Generic, Self, TypedDict, TypeVar

import grain
import numpy as np
from absl import flags

from smad_jax.data import bad_videos as bad_videos_lib
from smad_jax.data import catalog, loading, order, people, process_share, video
from smad_jax.data.sampling import Sampling
from smad_jax.data.transforms import Transform


class Batch(TypedDict):
    """L videos of a training step, this process's share of the B.

    Shapes: video [L, T, H, W, 3] uint8 RGB; label [L] int32; index [L] int32, the row
    of the split; aspects by name [L, Z]; aspect_mask by name [L] bool, False where a
    video has no label.
    """

    video: np.ndarray
    label: np.ndarray
    index: np.ndarray
    aspects: dict[str, np.ndarray]
    aspect_mask: dict[str, np.ndarray]


class TestBatch(TypedDict):
    """L test videos.

    Shapes: video [L, N, T, H, W, 3] uint8 RGB; label and index [L] int32; mask [L]
    bool, False for padding; unreadable [L] bool, True where the pixels are zeros since
    the video could not be read.
    """

    video: np.ndarray
    label: np.ndarray
    index: np.ndarray
    mask: np.ndarray
    unreadable: np.ndarray


B = TypeVar("B", Batch, TestBatch)


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


def train_batches(
    split: catalog.Split,
    *,
    sampling: Sampling,
    transform: Transform,
    batch_size: int,
    seed: int,
    bad_videos: bad_videos_lib.BadVideos,
    start_step: int = 0,
    class_power: float = 1.0,
    process_index: int = 0,
    process_count: int = 1,
    num_threads: int = 2,
    num_workers: int = 0,
    cache_mib: int = 0,
    paint: people.Paint | None = None,
    limits: video.Limits | None = None,
) -> Batches[Batch]:
    """Returns the endless, shuffled, augmented stream of this process's batches.

    Step s of the run takes the positions s * B to (s + 1) * B of the stream; process p
    takes the p-th part of them. An epoch of V positions holds each video once, or V
    draws where classes are balanced. A web stream continues through the training set's
    epochs; the reference restarts it with each, which repeats the start of its order.
    An unreadable video is replaced by another of its class, the same in every run.

    Args:
        split: The videos.
        sampling: Which frames of a video make a clip.
        transform: How the frames are cropped.
        batch_size: B, of all processes together.
        seed: Of order, clips and crops.
        bad_videos: Records unreadable videos.
        start_step: The first step to return.
        class_power: A class is drawn in proportion to its share of the videos to this
            power: 1 leaves the classes as they are, 0 makes them equal.
        process_index: p.
        process_count: Number of processes.
        num_threads: Threads that decode; 0 decodes when a batch is requested.
        num_workers: Processes that decode, each with `num_threads`; 0 for none.
        cache_mib: Memory for decoded videos, in MiB, divided among the workers. Later
            epochs do not decode the videos that fit.
        paint: Paints people out of every clip; None leaves them in.
        limits: The most pixels to decode; None for the defaults.

    Raises:
        ConfigError: if B does not divide by the processes.
        DataError: from the iterator, if too many videos are bad or no video of a class
            can replace one.
    """
    share = process_share.share(batch_size, process_index, process_count)
    cache = loading.FrameCache((cache_mib << 20) // max(1, num_workers))
    # People are painted out of whole frames, whose boxes are in their pixels.
    reader = loading.Reader(split, cache, 0 if paint else transform.short_side, limits)
    loader = loading.TrainLoader(reader, sampling, transform, paint)
    rows = grain.MapDataset.range(len(split)).repeat()
    rows = rows.map_with_index(order.EpochOrder(split.labels, seed, class_power))
    dataset = process_share.ProcessRows(
        rows.random_map(loader, seed=seed % 2**32), share
    )
    dataset = dataset[start_step * share.size :]
    source = _iterate(dataset, share.size, num_threads, num_workers)
    return Batches(_training(source, split, bad_videos), source)


def test_batches(
    split: catalog.Split,
    *,
    sampling: Sampling,
    transform: Transform,
    batch_size: int,
    bad_videos: bad_videos_lib.BadVideos,
    process_index: int = 0,
    process_count: int = 1,
    num_threads: int = 2,
    limits: video.Limits | None = None,
) -> Batches[TestBatch]:
    """Returns this process's batches of a pass over the split, each video once.

    Every process gets the same number of batches, the last ones padded. If the number
    of clips depends on the video, N differs between batches and a process has one
    video in each.

    Args:
        split: The videos.
        sampling: Which frames of a video make a clip.
        transform: How the frames are cropped.
        batch_size: B, of all processes together.
        bad_videos: Records unreadable videos.
        process_index: p.
        process_count: Number of processes.
        num_threads: Threads that decode; 0 decodes when a batch is requested.
        limits: The most pixels to decode; None for the defaults.

    Raises:
        ConfigError: if B does not divide by the processes.
        DataError: from the iterator, if too many videos are bad.
    """
    if sampling.covers:
        batch_size = process_count
    share = process_share.share(batch_size, process_index, process_count)
    reader = loading.Reader(split, loading.FrameCache(0), limits=limits)
    loader = loading.TestLoader(reader, sampling, transform)
    padded = -(-len(split) // batch_size) * batch_size
    dataset = process_share.ProcessRows(
        grain.MapDataset.range(padded).map(loader), share
    )
    source = _iterate(dataset, share.size, num_threads, num_workers=0)
    return Batches(_testing(source, split, bad_videos), source, share.count(len(split)))


def _training(
    source: grain.DatasetIterator,
    split: catalog.Split,
    bad_videos: bad_videos_lib.BadVideos,
) -> Iterator[Batch]:
    """Batches of the loader's elements, failures recorded and aspects joined."""
    for arrays in source:
        _record_failures(arrays, split, bad_videos)
        index = arrays["index"]
        yield {
            "video": arrays["video"],
            "label": arrays["label"],
            "index": index,
            "aspects": {
                name: values[index].astype(np.float32)
                for name, values in split.aspect_labels.items()
            },
            "aspect_mask": {
                name: mask[index] for name, mask in split.aspect_mask.items()
            },
        }


def _testing(
    source: grain.DatasetIterator,
    split: catalog.Split,
    bad_videos: bad_videos_lib.BadVideos,
) -> Iterator[TestBatch]:
    """Batches of the loader's elements, failures recorded."""
    for arrays in source:
        _record_failures(arrays, split, bad_videos)
        yield {
            "video": arrays["video"],
            "label": arrays["label"],
            "index": arrays["index"],
            "mask": arrays["mask"],
            "unreadable": arrays["failure"] >= 0,
        }


def _record_failures(
    arrays: Mapping[str, np.ndarray],
    split: catalog.Split,
    bad_videos: bad_videos_lib.BadVideos,
) -> None:
    """Passes the failures of a batch to `bad_videos`."""
    for row in np.flatnonzero(arrays["failure"] >= 0):
        failed, used = int(arrays["failed_row"][row]), int(arrays["index"][row])
        bad_videos.record(
            failed,
            split.ids[failed],
            video.REASONS[arrays["failure"][row]],
            arrays["detail"][row].tobytes().rstrip(b"\0").decode(errors="ignore"),
            split.ids[used] if used != failed else None,
        )


def _iterate(
    dataset: grain.MapDataset, size: int, num_threads: int, num_workers: int
) -> grain.DatasetIterator:
    """Batches of `size` elements, read ahead by threads and processes."""
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
