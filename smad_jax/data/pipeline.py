"""Streams of batches: a split, sampled, decoded and cropped.

The endless training stream is a pure function of (seed, position): position k is the
same video, clip and crop in every run, whatever the number of processes, threads or
workers. A step takes the next B positions, so resuming is starting at another step.
"""

from collections.abc import Iterator
from typing import TypedDict

import grain
import numpy as np

from smad_jax.data import bad_videos as bad_videos_lib
from smad_jax.data import (
    catalog,
    failures,
    frame_reader,
    loading,
    order,
    people,
    process_share,
    read_ahead,
    video,
)
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
) -> read_ahead.Batches[Batch]:
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
    cache = frame_reader.FrameCache((cache_mib << 20) // max(1, num_workers))
    # People are painted out of whole frames, whose boxes are in their pixels.
    side = 0 if paint else transform.short_side
    reader = frame_reader.Reader(split, cache, side, limits)
    loader = loading.TrainLoader(reader, sampling, transform, paint)
    rows = grain.MapDataset.range(len(split)).repeat()
    rows = rows.map_with_index(order.EpochOrder(split.labels, seed, class_power))
    dataset = process_share.ProcessRows(
        rows.random_map(loader, seed=seed % 2**32), share
    )
    dataset = dataset[start_step * share.size :]
    source = read_ahead.iterate(dataset, share.size, num_threads, num_workers)
    return read_ahead.Batches(_training(source, split, bad_videos), source)


def _training(
    source: grain.DatasetIterator,
    split: catalog.Split,
    bad_videos: bad_videos_lib.BadVideos,
) -> Iterator[Batch]:
    """Batches of the loader's elements, failures recorded and aspects joined."""
    for arrays in source:
        failures.record(arrays, split, bad_videos)
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
