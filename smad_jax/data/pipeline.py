"""Streams of batches: a split, how to sample and crop it, and what to do when it fails.

The endless training stream is a pure function of (seed, position): position k is the
same video, the same clip and the same crop in every run, whatever the number of steps
before it, of processes, threads or workers. A step takes the next B positions, so
resuming is starting at another step.
"""

import dataclasses
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Generic, NamedTuple, Self, TypedDict, TypeVar

import grain
import numpy as np
from absl import flags

from smad_jax import errors
from smad_jax.data import bad_videos as bad_videos_lib
from smad_jax.data import catalog, order, sections, video
from smad_jax.data import sampling as sampling_lib
from smad_jax.data import transforms as transforms_lib

MAX_REPLACEMENTS = 10  # videos of one class tried in a row before giving up

_DETAIL_BYTES = 200  # what an element carries of a failure's description
_WHOLE_FRAMES = 32  # up to here a video is decoded whole to see if it fits the cache


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
Element = dict[str, np.ndarray | np.generic]


class Batches(Generic[B]):
    """An iterator over batches; `close` stops its threads and processes."""

    def __init__(self, batches: Iterator[B], source: grain.DatasetIterator):
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
    sampling: sections.Section,
    transform: sections.Section,
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
) -> Batches[Batch]:
    """Returns the endless, shuffled, augmented stream of this process's batches.

    Step s of the run takes the positions s * B to (s + 1) * B of the stream, of which
    process p has the p-th part. Every V positions, an epoch of the stream, see each
    video once, or are V draws where classes are balanced. A web stream goes on through
    the target's epochs, where the reference starts it afresh with each of them and so
    repeats the order of a short one. A video that cannot be read is replaced by
    another of its class, the same in every run.

    Args:
        split: The videos.
        sampling: Keys of `sampling.Sampling`.
        transform: Keys of `transforms.Transform`.
        batch_size: B, of all processes together.
        seed: Of order, clips and crops.
        bad_videos: Where unreadable videos are recorded.
        start_step: The first step wanted.
        class_power: A class is drawn in proportion to its share of the videos to this
            power: 1 leaves the classes as they are, 0 makes them equal.
        process_index: p.
        process_count: Number of processes.
        num_threads: Threads that decode; 0 decodes when a batch is asked for.
        num_workers: Processes that decode, each with `num_threads`; 0 for none.
        cache_mib: Memory for decoded videos, in MiB, shared out over the workers.
            They stay there while they fit; later epochs need no decoding.

    Raises:
        ConfigError: if a section is wrong or B does not divide by the processes.
        DataError: from the iterator, if too many videos are bad, or all those tried
            of one class.
    """
    share = _share(batch_size, process_index, process_count)
    cache = _FrameCache((cache_mib << 20) // max(1, num_workers))
    loader = _TrainLoader(
        _Reader(split, cache),
        sampling_lib.Sampling.from_config(sampling),
        transforms_lib.Transform.from_config(transform),
    )
    rows = grain.MapDataset.range(len(split)).repeat()
    rows = rows.map_with_index(order.EpochOrder(split.labels, seed, class_power))
    dataset = _ProcessShare(rows.random_map(loader, seed=seed % 2**32), share)
    dataset = dataset[start_step * share.size :]
    source = _iterate(dataset, share.size, num_threads, num_workers)
    return Batches(_training(source, split, bad_videos), source)


def test_batches(
    split: catalog.Split,
    *,
    sampling: sections.Section,
    transform: sections.Section,
    batch_size: int,
    bad_videos: bad_videos_lib.BadVideos,
    process_index: int = 0,
    process_count: int = 1,
    num_threads: int = 2,
) -> Batches[TestBatch]:
    """Returns this process's batches of a pass over the split, each video once.

    Every process gets the same number of batches, the last ones padded.

    Args:
        split: The videos.
        sampling: Keys of `sampling.Sampling`.
        transform: Keys of `transforms.Transform`.
        batch_size: B, of all processes together.
        bad_videos: Where unreadable videos are recorded.
        process_index: p.
        process_count: Number of processes.
        num_threads: Threads that decode; 0 decodes when a batch is asked for.

    Raises:
        ConfigError: if a section is wrong or B does not divide by the processes.
        DataError: from the iterator, if too many videos are bad.
    """
    share = _share(batch_size, process_index, process_count)
    loader = _TestLoader(
        _Reader(split, _FrameCache(0)),
        sampling_lib.Sampling.from_config(sampling),
        transforms_lib.Transform.from_config(transform),
    )
    padded = -(-len(split) // batch_size) * batch_size
    dataset = _ProcessShare(grain.MapDataset.range(padded).map(loader), share)
    source = _iterate(dataset, share.size, num_threads, num_workers=0)

    return Batches(_testing(source, split, bad_videos), source)


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


class _Share(NamedTuple):
    """This process's part of every global batch: `size` positions from `offset`."""

    batch_size: int
    offset: int
    size: int


class _ProcessShare(grain.MapDataset):
    """Keeps this process's rows of each batch of B consecutive elements."""

    def __init__(self, parent: grain.MapDataset, share: _Share):
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


class _FrameCache:
    """Decoded videos by row, kept while they fit; nothing is ever thrown out.

    With every video wanted once an epoch, throwing out the oldest would mean finding
    none of them again.
    """

    def __init__(self, num_bytes: int):
        self._free = num_bytes
        self._frames: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def get(self, row: int) -> np.ndarray | None:
        """[T, H, W, 3], all frames of the video in `row`, or None."""
        return self._frames.get(row)

    def fits(self, num_bytes: int) -> bool:
        return num_bytes <= self._free

    def put(self, row: int, frames: np.ndarray) -> None:
        with self._lock:
            if row not in self._frames and self.fits(frames.nbytes):
                self._frames[row] = frames
                self._free -= frames.nbytes

    def __reduce__(self) -> tuple[type[Self], tuple[int]]:
        held = sum(frames.nbytes for frames in self._frames.values())
        return type(self), (self._free + held,)


class _Reader:
    """Frames of the videos of a split, from the cache or the records."""

    def __init__(self, split: catalog.Split, cache: _FrameCache):
        # aspect labels are joined by the main process; workers need none of them
        self.split = dataclasses.replace(
            split, aspects={}, aspect_labels={}, aspect_mask={}
        )
        self._cache = cache

    def open(self, row: int) -> catalog.StoredVideo:
        """The stored video, its frames counted if the records do not say.

        Raises:
            VideoError: if the record is damaged or the video cannot be opened.
        """
        if (cached := self._cache.get(row)) is not None:
            return catalog.StoredVideo(b"", len(cached))
        try:
            stored = self.split.video(row)
        except errors.DataError as error:
            raise video.VideoError("undecodable", str(error)) from error
        if stored.num_frames > 0:
            return stored
        facts = video.probe(stored.video, count="stated")
        return catalog.StoredVideo(stored.video, facts.num_frames)

    def frames(
        self, row: int, stored: catalog.StoredVideo, indices: np.ndarray
    ) -> np.ndarray:
        """[T, H, W, 3] uint8 at the frame numbers `indices`.

        Raises:
            VideoError: if they cannot be decoded.
        """
        if (cached := self._cache.get(row)) is not None:
            return cached[indices]
        content, num_frames = stored
        if num_frames <= _WHOLE_FRAMES and self._cache.fits(1):
            whole = video.decode(content, np.arange(num_frames))
            self._cache.put(row, whole)
            return whole[indices]
        clip = video.decode(content, indices, num_frames=num_frames)
        if self._cache.fits(num_frames * clip[0].nbytes):
            whole = video.decode(content, np.arange(num_frames), num_frames=num_frames)
            self._cache.put(row, whole)
        return clip


class _Clip(NamedTuple):
    """The different frames of a clip, and for each of its T frames which one it is."""

    frames: np.ndarray
    places: np.ndarray


class _TrainLoader:
    """Row of a split and a random generator to a training element."""

    def __init__(
        self,
        reader: _Reader,
        sampling: sampling_lib.Sampling,
        transform: transforms_lib.Transform,
    ):
        self._reader = reader
        self._sampling = sampling
        self._transform = transform
        self._bad: dict[int, video.VideoError] = {}  # met before; no second attempt
        self._rows_of = _rows_by_class(reader.split)

    def __call__(self, row: int, rng: np.random.Generator) -> Element:
        # drawn first: how much of `rng` a failed attempt uses must not matter
        key = int(rng.integers(1 << 62))
        read, used, failure = self._try(row, rng), row, None
        if isinstance(read, video.VideoError):
            failure = read
            read, used, rng = self._replace(row, failure, key)
        frames, places = read
        return {
            "video": self._transform.train(frames, rng)[places],
            "label": self._reader.split.labels[used],
            "index": np.int32(used),
            **_failure_columns(row, failure),
        }

    def _try(self, row: int, rng: np.random.Generator) -> _Clip | video.VideoError:
        """A clip of the video in `row`, or why there is none."""
        if row in self._bad:
            return self._bad[row]
        try:
            stored = self._reader.open(row)
            indices = self._sampling.train(stored.num_frames, rng)
            # a still image fills its clip with one frame, which is worked on once
            wanted, places = np.unique(indices, return_inverse=True)
            return _Clip(self._reader.frames(row, stored, wanted), places)
        except video.VideoError as error:
            self._bad[row] = error.with_traceback(None)
            return self._bad[row]

    def _replace(
        self, row: int, failure: video.VideoError, key: int
    ) -> tuple[_Clip, int, np.random.Generator]:
        """A clip of another video of the class, its row, and its generator."""
        split = self._reader.split
        rows = self._rows_of[int(split.labels[row])]
        others = np.random.default_rng(key).permutation(rows[rows != row])
        others = others[:MAX_REPLACEMENTS].tolist()
        for attempt, other in enumerate(others):
            rng = np.random.default_rng((key, attempt))
            clip = self._try(other, rng)
            if not isinstance(clip, video.VideoError):
                return clip, other, rng
        raise errors.DataError(
            f"{split.ids[row]!r} cannot be used ({failure}), nor can any of the "
            f"{len(others)} videos of class {split.classes[split.labels[row]]!r} tried "
            "in its place; check the data set's files"
        )


class _TestLoader:
    """Row of a split to a test element; rows past the end are padding."""

    def __init__(
        self,
        reader: _Reader,
        sampling: sampling_lib.Sampling,
        transform: transforms_lib.Transform,
    ):
        self._reader = reader
        self._sampling = sampling
        self._transform = transform

    def __call__(self, row: int) -> Element:
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
            **_failure_columns(row, failure),
        }

    def _read(self, row: int) -> np.ndarray:
        """[N, T, size, size, 3]."""
        stored = self._reader.open(row)
        indices = self._sampling.test(stored.num_frames)
        frames = self._reader.frames(row, stored, indices.reshape(-1))
        return self._transform.test(frames.reshape(*indices.shape, *frames.shape[1:]))


def _rows_by_class(split: catalog.Split) -> dict[int, np.ndarray]:
    """Rows of each class that the split has."""
    order = np.argsort(split.labels, kind="stable")
    labels, starts = np.unique(split.labels[order], return_index=True)
    parts = np.split(order, starts[1:])
    return {int(label): rows for label, rows in zip(labels, parts, strict=True)}


def _failure_columns(row: int, failure: video.VideoError | None) -> Element:
    """What an element says of a failure; whole numbers pass between processes."""
    detail = np.zeros(_DETAIL_BYTES, np.uint8)
    if failure is not None:
        text = failure.detail.encode()[:_DETAIL_BYTES]
        detail[: len(text)] = np.frombuffer(text, np.uint8)
    code = -1 if failure is None else video.REASONS.index(failure.reason)
    return {"failure": np.int32(code), "failed_row": np.int32(row), "detail": detail}


def _record_failures(
    arrays: Mapping[str, np.ndarray],
    split: catalog.Split,
    bad_videos: bad_videos_lib.BadVideos,
) -> None:
    """Hands the failures of a batch to `bad_videos`."""
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
        if not flags.FLAGS.is_parsed():  # Grain reads them; scripts have none
            flags.FLAGS.mark_as_parsed()
        # elements, not batches, are dealt to the workers: the order stays the same
        stream = stream.mp_prefetch(
            grain.MultiprocessingOptions(num_workers, max(1, 2 * size // num_workers))
        )
    stream = stream.batch(size, drop_remainder=True)
    if num_threads:
        stream = grain.experimental.ThreadPrefetchIterDataset(
            stream, prefetch_buffer_size=1
        )
    return iter(stream)


def _share(batch_size: int, process_index: int, process_count: int) -> _Share:
    if batch_size < 1 or batch_size % process_count:
        raise errors.ConfigError(
            f"batch size {batch_size} must be a multiple of the {process_count} "
            "processes"
        )
    size = batch_size // process_count
    return _Share(batch_size, process_index * size, size)
