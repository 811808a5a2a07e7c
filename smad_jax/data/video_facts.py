"""What is known of a video, the errors of one that cannot be used, and limits.

The modules that decode share it; it needs no decoder itself.
"""

import dataclasses
import time
from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

Reason = Literal[
    "missing", "no_video_stream", "truncated", "undecodable", "too_short", "timeout"
]
REASONS: tuple[Reason, ...] = get_args(Reason)


class VideoError(ValueError):
    """A video that cannot be used.

    Attributes:
        reason: One of `REASONS`.
        detail: What happened, in words.
    """

    def __init__(self, reason: Reason, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["VideoError"], tuple[Reason, str]]:
        return type(self), (self.reason, self.detail)


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a video after reading it.

    Attributes:
        num_frames: Frames that decode before the end or the first failure.
        stated_frames: Frames the container claims, 0 if it makes no claim.
        width: Of the upright picture, in pixels.
        height: Of the upright picture, in pixels.
        rotation: Degrees, counter-clockwise, that make the stored picture upright,
            apart from mirroring; 0 for images, which come upright from their decoder.
            Frames are turned to the nearest right angle.
        codec: FFmpeg's name of the decoder.
        rate: Average frames per second, 0 if unknown.
        failure: Why decoding stopped early, empty if it reached the end.
    """

    num_frames: int
    stated_frames: int
    width: int
    height: int
    rotation: int
    codec: str
    rate: float
    failure: str


class Limits(NamedTuple):
    """The most pixels to decode: a file of a few kilobytes can state any size.

    Attributes:
        picture: Of an image or a frame; 64 megapixels are 0.2 GB as RGB.
        clip: Of the distinct frames decoded together; 128 frames of 1920 x 1080.
    """

    picture: int = 1 << 26
    clip: int = 1 << 28


LIMITS = Limits()


def check_pixels(size: tuple[int, int], num_frames: int, limits: Limits) -> None:
    """Raises VideoError if so many frames of (width, height) have too many pixels."""
    width, height = size
    if width * height > limits.picture:
        fault = f"a frame of {width}x{height} has more than {limits.picture:,} pixels"
    elif width * height * num_frames > limits.clip:
        fault = (
            f"{num_frames} frames of {width}x{height} together have more than "
            f"{limits.clip:,} pixels"
        )
    else:
        return
    raise VideoError(
        "undecodable",
        f"{fault}; store it smaller, or raise data.max_picture_pixels or "
        "data.max_clip_pixels in the config",
    )


def too_few(wanted: int, there: int) -> VideoError:
    """Returns the error for a frame beyond the last."""
    return VideoError(
        "truncated", f"frame {wanted} is needed, but only {there} can be decoded"
    )


def check_time(deadline: float) -> None:
    """Raises VideoError if this thread has worked beyond `deadline`.

    In seconds of `time.thread_time`, so that a process that was suspended, or had to
    wait for its turn, reads the same videos as one that was not.
    """
    if time.thread_time() > deadline:
        raise VideoError("timeout", "decoding took longer than the time limit")


def counted(after_the_first: Iterator[object]) -> tuple[int, str]:
    """Returns how many frames decode, with the first, and why no more do if so."""
    num_frames = 1
    try:
        for _ in after_the_first:
            num_frames += 1
    except VideoError as error:
        if error.reason == "timeout":
            raise
        return num_frames, error.detail
    return num_frames, ""
