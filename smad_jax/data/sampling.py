"""Which frames: clips at a fixed stride (SlowOnly, ResNet3D) and segments (TSN).

The arithmetic is that of mmaction2 0.x, which the paper's numbers were made with. Its
span of a clip is frames times stride (64 for 8 frames at stride 8, not 57), and frame
numbers past the end wrap around, so a short video repeats.
"""

import dataclasses
from typing import Self

import numpy as np

from smad_jax.data import sections


@dataclasses.dataclass(frozen=True)
class Sampling:
    """Which frames a network sees.

    Attributes:
        kind: `clip` for frames at a fixed stride, `segments` for one frame a segment.
        num_frames: T at training.
        stride: Frames between neighbours of a clip.
        test_views: For `clip` N, the clips at test; for `segments` the frames of the
            single view at test.
    """

    kind: str
    num_frames: int
    stride: int = 1
    test_views: int = 1

    @classmethod
    def from_config(cls, config: sections.Section) -> Self:
        """Reads a section of a config, whose keys are the attributes.

        Raises:
            ConfigError: naming the key and what it may be.
        """
        name = "sampling"
        sections.check_keys(name, config, tuple(cls.__dataclass_fields__))
        return cls(
            kind=sections.choice(name, config, "kind", ("clip", "segments")),
            num_frames=sections.integer(name, config, "num_frames", least=1),
            stride=sections.integer(name, config, "stride", least=1, default=1),
            test_views=sections.integer(name, config, "test_views", least=1, default=1),
        )

    def train(self, num_frames: int, rng: np.random.Generator) -> np.ndarray:
        """Returns [T] frame numbers of a video of `num_frames` for training."""
        if self.kind == "segments":
            return train_segments(num_frames, num_segments=self.num_frames, rng=rng)
        return train_clip(
            num_frames, clip_length=self.num_frames, stride=self.stride, rng=rng
        )

    def test(self, num_frames: int) -> np.ndarray:
        """Returns [N, T] frame numbers of a video of `num_frames` for testing."""
        if self.kind == "segments":
            return test_frames(num_frames, count=self.test_views)[None]
        return test_clips(
            num_frames,
            clip_length=self.num_frames,
            stride=self.stride,
            num_clips=self.test_views,
        )

    def test_shape(self) -> tuple[int, int]:
        """Returns (N, T) at test."""
        if self.kind == "segments":
            return 1, self.test_views
        return self.test_views, self.num_frames


def train_clip(
    num_frames: int, *, clip_length: int, stride: int, rng: np.random.Generator
) -> np.ndarray:
    """Returns the frame numbers of one clip at a random place: [T] int64.

    The start is uniform over every place where the whole span fits, and 0 if none does.

    Args:
        num_frames: Frames of the video.
        clip_length: T.
        stride: Frames between neighbours.
        rng: Source of the draw.
    """
    starts = _train_starts(num_frames, clip_length * stride, 1, rng)
    return _clips(starts, num_frames, clip_length, stride)[0]


def train_segments(
    num_frames: int, *, num_segments: int, rng: np.random.Generator
) -> np.ndarray:
    """Returns one random frame of each segment: [T] int64, T = `num_segments`.

    The frames left over when the video does not divide evenly are never drawn.

    Args:
        num_frames: Frames of the video.
        num_segments: T.
        rng: Source of the draws.
    """
    starts = _train_starts(num_frames, 1, num_segments, rng)
    return _clips(starts, num_frames, 1, 1)[:, 0]


def test_clips(
    num_frames: int, *, clip_length: int, stride: int, num_clips: int
) -> np.ndarray:
    """Returns the frame numbers of evenly placed clips: [N, T] int64.

    Args:
        num_frames: Frames of the video.
        clip_length: T.
        stride: Frames between neighbours.
        num_clips: N.
    """
    starts = _test_starts(num_frames, clip_length * stride, num_clips)
    return _clips(starts, num_frames, clip_length, stride)


def test_frames(num_frames: int, *, count: int) -> np.ndarray:
    """Returns evenly spaced single frames: [T] int64, T = `count`.

    Args:
        num_frames: Frames of the video.
        count: T.
    """
    return _clips(_test_starts(num_frames, 1, count), num_frames, 1, 1)[:, 0]


def _train_starts(
    num_frames: int, span: int, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Start of each of `count` clips, one drawn from each of as many equal parts."""
    places = num_frames - span + 1
    part = places // count
    if part > 0:
        return np.arange(count) * part + rng.integers(part, size=count)
    if num_frames > max(count, span):  # fewer places than clips: draw with repeats
        return np.sort(rng.integers(places, size=count))
    if part == 0:
        return np.around(np.arange(count) * (places / count)).astype(np.int64)
    return np.zeros(count, np.int64)


def _test_starts(num_frames: int, span: int, count: int) -> np.ndarray:
    """Start of each clip: the middle of each of `count` equal parts of all places."""
    if num_frames < span:
        return np.zeros(count, np.int64)
    part = (num_frames - span + 1) / count
    return (np.arange(count) * part + part / 2).astype(np.int64)


def _clips(
    starts: np.ndarray, num_frames: int, clip_length: int, stride: int
) -> np.ndarray:
    """[N, T] frame numbers from the [N] starts, wrapped at the video's end."""
    return (starts[:, None] + np.arange(clip_length) * stride) % num_frames
