"""A row of a split to the arrays of an element: read, sample, decode, crop.

An unreadable video is replaced (training) or marked (test), and the element records it.
Loaders run in the threads and processes of a stream (`pipeline`).
"""

import dataclasses
import math
import threading
from typing import NamedTuple, Self

import numpy as np

from smad_jax import errors
from smad_jax.data import catalog, people, video
from smad_jax.data import sampling as sampling_lib
from smad_jax.data import transforms as transforms_lib

MAX_REPLACEMENTS = 10  # videos of a class that are tried before giving up

_DETAIL_BYTES = 200  # of a failure's description in an element
_CLIPS_AT_ONCE = 8  # decoded together where a video may have many
_WHOLE_FRAMES = 32  # up to here a video is decoded whole, to try the cache

Element = dict[str, np.ndarray | np.generic]


class FrameCache:
    """Decoded videos by row, stored while they fit and never evicted.

    Every video is read once an epoch, so evicting the oldest would lose each of them
    before its next use.
    """

    def __init__(self, num_bytes: int):
        self._free = num_bytes
        self._frames: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def get(self, row: int) -> np.ndarray | None:
        """[T, H, W, 3], all frames of the video in `row`, or None."""
        return self._frames.get(row)

    def fits(self, num_bytes: int) -> bool:
        """Whether `num_bytes` more fit."""
        return num_bytes <= self._free

    def put(self, row: int, frames: np.ndarray) -> None:
        """Stores all frames of the video in `row` if they fit."""
        with self._lock:
            if row not in self._frames and self.fits(frames.nbytes):
                self._frames[row] = frames
                self._free -= frames.nbytes

    def __reduce__(self) -> tuple[type[Self], tuple[int]]:
        held = sum(frames.nbytes for frames in self._frames.values())
        return type(self), (self._free + held,)


class Reader:
    """Frames of the videos of a split, from the cache or the records."""

    def __init__(
        self,
        split: catalog.Split,
        cache: FrameCache,
        short_side: int = 0,
        limits: video.Limits | None = None,
    ):
        # the main process joins aspect labels; workers need none of them
        self.split = dataclasses.replace(
            split, aspects={}, aspect_labels={}, aspect_mask={}
        )
        self._cache = cache
        # The short side that frames are cached with, in pixels; 0 for their own. The
        # transform resizes to it first of all, so cached frames give the same clip.
        self._short_side = short_side
        self._limits = limits or video.Limits()

    def open(self, row: int) -> catalog.StoredVideo:
        """The stored video, its frames counted if the record has no count.

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
            whole = self._resized(self._decoded(content, np.arange(num_frames)))
            self._cache.put(row, whole)
            return whole[indices]
        clip = self._decoded(content, indices, num_frames)
        pixels = num_frames * math.prod(clip.shape[1:3])
        is_cached = self._cache.fits(num_frames * self._resized(clip[:1]).nbytes)
        if is_cached and pixels <= self._limits.clip:
            whole = self._decoded(content, np.arange(num_frames), num_frames)
            self._cache.put(row, self._resized(whole))
        return clip

    def _decoded(
        self, content: bytes, indices: np.ndarray, num_frames: int | None = None
    ) -> np.ndarray:
        return video.decode(
            content, indices, num_frames=num_frames, limits=self._limits
        )

    def _resized(self, frames: np.ndarray) -> np.ndarray:
        """Frames as they are cached."""
        if not self._short_side:
            return frames
        return transforms_lib.resize_short_side(frames, self._short_side)


class _Clip(NamedTuple):
    """The distinct frames of a clip, and their numbers in the video.

    Frame t of the clip is `frames[places[t]]`.
    """

    frames: np.ndarray
    numbers: np.ndarray
    places: np.ndarray


class TrainLoader:
    """Row of a split and a random generator to a training element.

    People are painted out before anything is cropped, if `paint` is given.
    """

    def __init__(
        self,
        reader: Reader,
        sampling: sampling_lib.Sampling,
        transform: transforms_lib.Transform,
        paint: people.Paint | None = None,
    ):
        self._reader = reader
        self._sampling = sampling
        self._transform = transform
        self._paint = paint
        self._bad: dict[int, video.VideoError] = {}  # never tried again
        self._rows_of = _rows_by_class(reader.split)

    def __call__(self, row: int, rng: np.random.Generator) -> Element:
        """Returns the columns of a training batch and those of a failure, one row.

        Raises:
            DataError: if neither the video nor another of its class can be used.
        """
        # drawn first: a failed attempt uses an unknown amount of `rng`
        key = int(rng.integers(1 << 62))
        read, used, failure = self._try(row, rng), row, None
        if isinstance(read, video.VideoError):
            failure = read
            read, used, rng = self._replace(row, failure, key)
        frames, numbers, places = read
        if self._paint is not None:
            frames = self._paint(frames, numbers, self._reader.split.ids[used])
        return {
            "video": self._transform.train(frames, rng)[places],
            "label": self._reader.split.labels[used],
            "index": np.int32(used),
            **_failure_columns(row, failure),
        }

    def _try(self, row: int, rng: np.random.Generator) -> _Clip | video.VideoError:
        """A clip of the video in `row`, or the reason for none."""
        if row in self._bad:
            return self._bad[row]
        try:
            stored = self._reader.open(row)
            indices = self._sampling.train(stored.num_frames, rng)
            # a still image fills its clip with one frame, which is transformed once
            numbers, places = np.unique(indices, return_inverse=True)
            return _Clip(self._reader.frames(row, stored, numbers), numbers, places)
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
            f"{len(others)} videos of class {split.classes[split.labels[row]]!r} of "
            f"{split.dataset}/{split.name} tried as replacements; check the files"
        )


class TestLoader:
    """Row of a split to a test element; a row past the end is padding."""

    def __init__(
        self,
        reader: Reader,
        sampling: sampling_lib.Sampling,
        transform: transforms_lib.Transform,
    ):
        self._reader = reader
        self._sampling = sampling
        self._transform = transform

    def __call__(self, row: int) -> Element:
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
            **_failure_columns(row, failure),
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
            frames = self._reader.frames(row, stored, part.reshape(-1))
            frames = frames.reshape(*part.shape, *frames.shape[1:])
            clips.append(self._transform.test(frames))
        return clips[0] if pieces == 1 else np.concatenate(clips)


def _rows_by_class(split: catalog.Split) -> dict[int, np.ndarray]:
    """Rows of each class that the split has."""
    order = np.argsort(split.labels, kind="stable")
    labels, starts = np.unique(split.labels[order], return_index=True)
    parts = np.split(order, starts[1:])
    return {int(label): rows for label, rows in zip(labels, parts, strict=True)}


def _failure_columns(row: int, failure: video.VideoError | None) -> Element:
    """The columns of an element on a failure: arrays, to pass between processes."""
    detail = np.zeros(_DETAIL_BYTES, np.uint8)
    if failure is not None:
        text = failure.detail.encode()[:_DETAIL_BYTES]
        detail[: len(text)] = np.frombuffer(text, np.uint8)
    code = -1 if failure is None else video.REASONS.index(failure.reason)
    return {"failure": np.int32(code), "failed_row": np.int32(row), "detail": detail}
