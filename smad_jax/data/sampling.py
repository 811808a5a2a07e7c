"""Which frames: clips at a fixed stride (SlowOnly, ResNet3D) and segments (TSN).

The arithmetic is that of mmaction2 0.x, which the paper used. Its span of a clip is
frames times stride (64 for 8 frames at stride 8, not 57), and frame numbers past the
end wrap around, so a short video repeats. mmaction2 1.x places test clips differently;
configs may choose it.

Every function takes `num_frames`, the frames of the video; clips have `clip_length` (T)
frames, `stride` frames from one to the next. Draws come from `rng`.
"""

import dataclasses
import typing
from typing import Annotated, Literal

import numpy as np

from smad_jax import errors
from smad_jax.base.sections import Range

# What a network sees of a clip: its frames, their differences from the next, or both.
Input = Literal["rgb", "difference", "rgb+difference"]
MAX_WINDOWS = 256  # of a video at test: some three minutes of 16 frames each
# How clips are placed at test, after the reference's releases that do so.
Rule = Literal["mmaction2-0.x", "mmaction2-1.x"]
TEST_RULES: tuple[Rule, ...] = typing.get_args(Rule)


@dataclasses.dataclass(frozen=True)
class Sampling:
    """Which frames a network sees; the section `data.sampling`.

    Attributes:
        kind: `clip` for frames at a fixed stride, `segments` for one frame a segment.
        num_frames: T at training.
        stride: Frames between neighbours of a clip.
        train_clips: For `clip` how many clips of T frames are taken of a training
            video, one after the other.
        test_views: For `clip` N, the clips at test, or 0 for neighbouring ones from a
            video's first frame to its end; for `segments` the frames of the single view
            at test.
        test_rule: How `clip` places its clips at test, one of `TEST_RULES`; single
            frames are the same under both.
        input: What the network sees. For `difference` and `rgb+difference` a clip has
            F = 2 T frames: each of the T and the one after it in the video, whose
            difference the network takes (TSN's RGBDiff). For `rgb` F is T.
    """

    kind: Literal["clip", "segments"]
    num_frames: Annotated[int, Range(least=1)]
    stride: Annotated[int, Range(least=1)] = 1
    train_clips: Annotated[int, Range(least=1)] = 1
    test_views: Annotated[int, Range(least=0)] = 1
    test_rule: Rule = TEST_RULES[0]
    input: Input = "rgb"

    def __post_init__(self) -> None:
        # Segments are one clip of a whole video, and views the frames of that clip.
        if self.kind == "segments" and (self.train_clips, self.test_views < 1) != (
            1,
            0,
        ):
            raise errors.ConfigError(
                "data.sampling.train_clips must be 1 with segments, and test_views at "
                f"least 1, but they are {self.train_clips} and {self.test_views}"
            )

    def train(self, num_frames: int, rng: np.random.Generator) -> np.ndarray:
        """Returns [F] frame numbers of a video of `num_frames` for training.

        Those of M clips are [M F], clip after clip.
        """
        return self._with_next(self._train(num_frames, rng), num_frames)

    def test(self, num_frames: int) -> np.ndarray:
        """Returns [N, F] frame numbers of a video of `num_frames` for testing."""
        return self._with_next(self._test(num_frames), num_frames)

    def _train(self, num_frames: int, rng: np.random.Generator) -> np.ndarray:
        """[T] frame numbers for training, or [M T]."""
        if self.kind == "segments":
            return train_segments(num_frames, num_segments=self.num_frames, rng=rng)
        if self.train_clips > 1:
            return train_clips(
                num_frames,
                num_clips=self.train_clips,
                clip_length=self.num_frames,
                stride=self.stride,
                rng=rng,
            )
        return train_clip(
            num_frames, clip_length=self.num_frames, stride=self.stride, rng=rng
        )

    def _test(self, num_frames: int) -> np.ndarray:
        """[N, T] frame numbers for testing."""
        if self.kind == "segments":
            return test_frames(num_frames, count=self.test_views)[None]
        if self.covers:
            return test_windows(
                num_frames, clip_length=self.num_frames, stride=self.stride
            )
        return test_clips(
            num_frames,
            clip_length=self.num_frames,
            stride=self.stride,
            num_clips=self.test_views,
            rule=self.test_rule,
        )

    def _with_next(self, numbers: np.ndarray, num_frames: int) -> np.ndarray:
        """[..., F] for [..., T] frame numbers."""
        if self.input == "rgb":
            return numbers
        # The last frame has none after it; a difference of zero would say that the
        # video stands still there.
        first = np.minimum(numbers, max(0, num_frames - 2))
        pairs = np.stack([first, np.minimum(first + 1, num_frames - 1)], axis=-1)
        return pairs.reshape(*numbers.shape[:-1], -1)

    @property
    def covers(self) -> bool:
        """Whether clips at test follow each other, so that longer videos have more."""
        return self.test_views == 0

    def train_length(self) -> int:
        """Returns the number of frames in a training example, M F."""
        return self.train_clips * self.num_frames * self._frames_each

    def test_shape(self) -> tuple[int, int]:
        """Returns (N, F) at test; N is 1 where it is a video's own (`covers`)."""
        if self.kind == "segments":
            return 1, self.test_views * self._frames_each
        return max(1, self.test_views), self.num_frames * self._frames_each

    @property
    def _frames_each(self) -> int:
        return 1 if self.input == "rgb" else 2


def train_clip(
    num_frames: int, *, clip_length: int, stride: int, rng: np.random.Generator
) -> np.ndarray:
    """Returns the frame numbers of one clip at a random place: [T] int64.

    The start is uniform over every place where the whole span fits, and 0 if none does.
    """
    places = num_frames - clip_length * stride + 1
    starts = rng.integers(places, size=1) if places > 0 else np.zeros(1, np.int64)
    return _clips(starts, num_frames, clip_length, stride)[0]


def train_clips(
    num_frames: int,
    *,
    num_clips: int,
    clip_length: int,
    stride: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns the frame numbers of M = `num_clips` clips, one after the other: [M T].

    The M spans of T times the stride never overlap, and all such placements are equally
    likely. If a video is too short for M spans, the stride shrinks to what fits; with
    fewer than M T frames, clips wrap around and repeat it.
    """
    stride = min(stride, max(1, num_frames // (num_clips * clip_length)))
    span = clip_length * stride
    room = max(0, num_frames - num_clips * span)
    # sorted places among the remaining frames, each shifted by the clips before it
    starts = np.sort(rng.choice(room + num_clips, num_clips, replace=False))
    starts = starts + np.arange(num_clips) * (span - 1)
    return _clips(starts, num_frames, clip_length, stride).reshape(-1)


def train_segments(
    num_frames: int, *, num_segments: int, rng: np.random.Generator
) -> np.ndarray:
    """Returns one random frame of each segment: [T] int64, T = `num_segments`.

    Frames left over when the video does not divide evenly are never drawn. A video with
    fewer frames than segments is spread over them without a draw.
    """
    segments = np.arange(num_segments)
    length = num_frames // num_segments
    if length > 0:
        return segments * length + rng.integers(length, size=num_segments)
    starts = np.around(segments * (num_frames / num_segments)).astype(np.int64)
    return starts % num_frames  # the last may round up to the end


def test_clips(
    num_frames: int,
    *,
    clip_length: int,
    stride: int,
    num_clips: int,
    rule: str = TEST_RULES[0],
) -> np.ndarray:
    """Returns the frame numbers of N = `num_clips` evenly placed clips: [N, T] int64.

    `mmaction2-0.x` divides the possible starts into N equal parts and takes the middle
    of each; a video shorter than the span starts at 0. `mmaction2-1.x` spreads the
    starts evenly from the first to the last possible one, and a clip's span ends with
    its last frame; a single clip is central, and clips of one frame are those of
    `test_frames`.

    Raises:
        ValueError: for another rule.
    """
    if rule not in TEST_RULES:
        raise ValueError(f"unknown rule {rule!r}; known: {', '.join(TEST_RULES)}")
    if rule == "mmaction2-0.x":
        starts = _middle_starts(num_frames, clip_length * stride, num_clips)
    elif clip_length == 1:
        starts = _middle_starts(num_frames, 1, num_clips)
    else:
        last_start = max(num_frames - (clip_length - 1) * stride - 1, 0)
        starts = _end_to_end_starts(last_start, num_clips)
    return _clips(starts, num_frames, clip_length, stride)


def test_windows(num_frames: int, *, clip_length: int, stride: int) -> np.ndarray:
    """Returns the frame numbers of neighbouring clips without overlap: [N, T] int64.

    N is the number of spans of T times the stride that reach the end. In the last span,
    frame numbers past the end wrap around to its own start, as in SDN's tests. Of more
    than `MAX_WINDOWS` spans, that many are kept at equal distances.
    """
    span = clip_length * stride
    starts = np.arange(0, num_frames, span)[:, None]
    if len(starts) > MAX_WINDOWS:
        kept = np.linspace(0, len(starts) - 1, MAX_WINDOWS).round().astype(int)
        starts = starts[kept]
    offsets = np.arange(clip_length) * stride
    return starts + offsets % np.minimum(span, num_frames - starts)


def test_frames(num_frames: int, *, count: int) -> np.ndarray:
    """Returns evenly spaced single frames: [T] int64, T = `count`."""
    return _clips(_middle_starts(num_frames, 1, count), num_frames, 1, 1)[:, 0]


def _middle_starts(num_frames: int, span: int, count: int) -> np.ndarray:
    """Start of each clip: the middle of each of `count` equal parts of all places."""
    if num_frames < span:
        return np.zeros(count, np.int64)
    part = (num_frames - span + 1) / count
    return (np.arange(count) * part + part / 2).astype(np.int64)


def _end_to_end_starts(last: int, count: int) -> np.ndarray:
    """Start of each clip: 0, `last` and equal distances between, halves to even."""
    if count == 1:
        return np.array([last // 2])
    return np.rint(np.arange(count) * (last / (count - 1))).astype(np.int64)


def _clips(
    starts: np.ndarray, num_frames: int, clip_length: int, stride: int
) -> np.ndarray:
    """[N, T] frame numbers from the [N] starts, wrapped at the video's end."""
    return (starts[:, None] + np.arange(clip_length) * stride) % num_frames
