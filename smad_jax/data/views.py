"""The views of test videos: one pass over a split, each video once."""

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
    process_share,
    read_ahead,
    video,
)
from smad_jax.data.sampling import Sampling
from smad_jax.data.transforms import Transform

_CLIPS_AT_ONCE = 8  # decoded together where a video may have many


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
) -> read_ahead.Batches[TestBatch]:
    """Returns this process's batches of a pass over the split, each video once.

    Every process gets the same number of batches, the last ones padded. If the number
    of clips depends on the video, N differs between batches and a process has one
    video in each.

    The arguments are those of `pipeline.train_batches`.

    Raises:
        ConfigError: if B does not divide by the processes.
        DataError: from the iterator, if too many videos are bad.
    """
    if sampling.covers:
        batch_size = process_count
    share = process_share.share(batch_size, process_index, process_count)
    cache = frame_reader.FrameCache(0)
    reader = frame_reader.Reader(split, cache, transform.short_side, limits)
    loader = _Loader(reader, sampling, transform)
    padded = -(-len(split) // batch_size) * batch_size
    dataset = process_share.ProcessRows(
        grain.MapDataset.range(padded).map(loader), share
    )
    source = read_ahead.iterate(dataset, share.size, num_threads, num_workers=0)
    return read_ahead.Batches(
        _testing(source, split, bad_videos), source, share.count(len(split))
    )


class _Loader:
    """Row of a split to a test element; a row past the end is padding."""

    def __init__(
        self,
        reader: frame_reader.Reader,
        sampling: Sampling,
        transform: Transform,
    ):
        self._reader = reader
        self._sampling = sampling
        self._transform = transform

    def __call__(self, row: int) -> loading.Element:
        """Returns the columns of a test batch and those of a failure, one row."""
        split, failure = self._reader.split, None
        side = self._transform.size
        clips = np.zeros((*self._sampling.test_shape(), side, side, 3), np.uint8)
        is_video = row < len(split)
        if is_video:
            try:
                clips = self._read(row)
            except video.VideoError as error:
                failure = error
        return {
            "video": clips,
            "label": split.labels[row if is_video else 0],
            "index": np.int32(row if is_video else 0),
            "mask": np.bool_(is_video),
            **failures.columns(row, failure),
        }

    def _read(self, row: int) -> np.ndarray:
        """[N, T, size, size, 3]."""
        stored = self._reader.open(row)
        indices = self._sampling.test(stored.num_frames)
        pieces = 1
        if self._sampling.covers:  # so that a long video is never whole in memory
            pieces = -(-len(indices) // _CLIPS_AT_ONCE)
        clips = []
        for part in np.array_split(indices, pieces):
            # clips overlap: each of their frames is decoded, resized and cropped once
            numbers, places = np.unique(part, return_inverse=True)
            frames = self._transform.test(self._reader.frames(row, stored, numbers))
            clips.append(frames[places])
        return clips[0] if pieces == 1 else np.concatenate(clips)


def _testing(
    source: grain.DatasetIterator,
    split: catalog.Split,
    bad_videos: bad_videos_lib.BadVideos,
) -> Iterator[TestBatch]:
    """Batches of the loader's elements, failures recorded."""
    for arrays in source:
        failures.record(arrays, split, bad_videos)
        yield {
            "video": arrays["video"],
            "label": arrays["label"],
            "index": arrays["index"],
            "mask": arrays["mask"],
            "unreadable": arrays["failure"] >= 0,
        }
