"""The frames of stored videos, decoded or from a cache."""

import dataclasses
import math
import threading
from typing import Self

import numpy as np

from smad_jax import errors
from smad_jax.data import catalog, transforms, video

_WHOLE_FRAMES = 32  # up to here a video is decoded whole, to try the cache


class FrameCache:
    """Decoded videos by row, stored while they fit and never evicted.

    Every video is read once an epoch, so evicting the oldest would lose each of them
    before its next use.
    """

    def __init__(self, num_bytes: int):
        self._free = num_bytes
        self._frames: dict[int, np.ndarray] = {}
        self._strides: dict[int, int] = {}
        self._lock = threading.Lock()

    def get(self, row: int) -> np.ndarray | None:
        """[T, H, W, 3], all frames of the video in `row`, or None."""
        return self._frames.get(row)

    def fits(self, num_bytes: int) -> bool:
        """Whether `num_bytes` more fit."""
        return num_bytes <= self._free

    def stride(self, row: int) -> int:
        """Frames from one stored picture to the next of the video in `row`."""
        return self._strides[row]

    def put(self, row: int, frames: np.ndarray, stride: int = 1) -> None:
        """Stores all frames of the video in `row` if they fit."""
        with self._lock:
            if row not in self._frames and self.fits(frames.nbytes):
                self._strides[row] = stride
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
        # transform resizes to it first of all, so cached frames give the same clip, and
        # JPEG files need not be decoded larger.
        self._short_side = short_side
        self._limits = limits or video.Limits()

    def open(self, row: int) -> catalog.StoredVideo:
        """The stored video, its frames counted if the record has no count.

        Raises:
            VideoError: if the record is damaged or the video cannot be opened.
        """
        if (cached := self._cache.get(row)) is not None:
            stride = self._cache.stride(row)
            return catalog.StoredVideo(b"", len(cached), stride=stride)
        try:
            stored = self.split.open(row)
        except errors.DataError as error:
            raise video.VideoError("undecodable", str(error)) from error
        if stored.num_frames > 0:
            return stored
        facts = video.probe(stored.video, count="stated")
        return stored._replace(num_frames=facts.num_frames)

    def frames(
        self, row: int, stored: catalog.StoredVideo, indices: np.ndarray
    ) -> np.ndarray:
        """[T, H, W, 3] uint8 at the frame numbers `indices`.

        Raises:
            VideoError: if they cannot be decoded.
        """
        if (cached := self._cache.get(row)) is not None:
            return cached[indices]
        num_frames = stored.num_frames
        has_room = self._cache.fits(1)
        if num_frames <= _WHOLE_FRAMES and has_room:
            whole = self._resized(self._decoded(stored, np.arange(num_frames)))
            self._cache.put(row, whole, stored.stride)
            return whole[indices]
        clip = self._decoded(stored, indices)
        pixels = num_frames * math.prod(clip.shape[1:3])
        if has_room and pixels <= self._limits.clip:
            size = num_frames * self._resized(clip[:1]).nbytes
            if self._cache.fits(size):
                whole = self._decoded(stored, np.arange(num_frames))
                self._cache.put(row, self._resized(whole), stored.stride)
        return clip

    def _decoded(self, stored: catalog.StoredVideo, indices: np.ndarray) -> np.ndarray:
        if stored.frames is not None:
            return video.decode_frames(
                stored.frames, indices, short_side=self._short_side, limits=self._limits
            )
        return video.decode(
            stored.video,
            indices,
            num_frames=stored.num_frames,
            packet_places=stored.packets,
            short_side=self._short_side,
            limits=self._limits,
        )

    def _resized(self, frames: np.ndarray) -> np.ndarray:
        """Frames as they are cached."""
        if not self._short_side:
            return frames
        return transforms.resize_short_side(frames, self._short_side)
