"""Encoded video to frames, for all that reads videos.

An image counts as a video of one frame (`images`); frames may also be stored as JPEG
files (`jpeg_decoding`). `containers` opens all other files, `packet_decoding` takes
clips from them. Frame i is the i-th frame in display order, whatever the container's
time stamps say.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Literal

import av.error
import av.video.reformatter
import numpy as np

from smad_jax.data import (
    containers,
    images,
    jpeg_decoding,
    jpeg_frames,
    packet_decoding,
    packets,
    transforms,
    video_facts,
)
from smad_jax.data.video_facts import Facts, Limits, VideoError

# Endings of the names of files that are looked for in folders.
EXTENSIONS = tuple(
    ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .ogv .ts .webm .wmv".split()
)
IMAGE_EXTENSIONS = tuple(".bmp .gif .jpeg .jpg .png .tif .tiff .webp".split())
ALL_EXTENSIONS = (*EXTENSIONS, *IMAGE_EXTENSIONS)

TIME_LIMIT = 20.0  # seconds of a core; the longest real clip needs a fraction of one


def decode(
    video: bytes,
    indices: Sequence[int] | np.ndarray,
    *,
    num_frames: int | None = None,
    packet_places: bytes = b"",
    short_side: int = 0,
    time_limit: float = TIME_LIMIT,
    limits: Limits = video_facts.LIMITS,
) -> np.ndarray:
    """Returns the frames of `video` at `indices`, upright: [T, H, W, 3] uint8 RGB.

    Failures beyond the last requested frame do not matter. Where the packets' times can
    be trusted, only those that the frames need are decoded; the result is the same as
    decoding everything.

    Args:
        video: The encoded file.
        indices: [T] frame numbers from 0, in any order, repeats allowed.
        num_frames: Number of frames that decode, if known; a container that disagrees
            is not trusted about its key frames.
        packet_places: What `packet_places` returned for the file, if known: it need not
            be searched then. Places in another file are passed over.
        short_side: The short side to which the caller reduces the frames, in pixels, 0
            if unknown. Stored JPEG files are decoded at 1/2, 1/4 or 1/8 of their size
            where that leaves their short side as large; other videos keep their size.
        time_limit: Seconds of processor time before giving up.
        limits: The most pixels of a frame, and of all distinct frames together.

    Raises:
        VideoError: with the reason why the frames cannot be decoded.
    """
    wanted, places = np.unique(_numbers(indices), return_inverse=True)
    deadline = time.thread_time() + time_limit
    with _failures_named():
        if (pictures := _pictures(video, limits)) is not None:
            if wanted[-1] >= len(pictures):
                raise video_facts.too_few(int(wanted[-1]), len(pictures))
            return np.stack([pictures[number] for number in wanted[places]])
        if (stored := _jpeg_frames(video)) is not None:
            return jpeg_decoding.decode(
                stored, wanted[places], short_side, deadline, limits
            )
        request = packet_decoding.Request(wanted.tolist(), num_frames, deadline, limits)
        frames = None
        if known := packets.load(packet_places, video):
            frames = packet_decoding.from_places(video, known, request)
        if frames is None:
            frames = packet_decoding.from_file(video, request)
        return transforms.take(frames, places)


def decode_frames(
    stored: jpeg_frames.JpegFrames,
    indices: Sequence[int] | np.ndarray,
    *,
    short_side: int = 0,
    time_limit: float = TIME_LIMIT,
    limits: Limits = video_facts.LIMITS,
) -> np.ndarray:
    """Returns frames of a video that is stored as JPEG files; only these are read.

    The arguments, the result and the error are those of `decode`.
    """
    with _failures_named():
        deadline = time.thread_time() + time_limit
        return jpeg_decoding.decode(
            stored, _numbers(indices), short_side, deadline, limits
        )


def _numbers(indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """The frame numbers [T] int64, checked."""
    numbers = np.asarray(indices, np.int64)
    if numbers.ndim != 1 or numbers.size == 0 or numbers.min() < 0:
        raise ValueError(f"indices must be [T] frame numbers from 0, got {indices}")
    return numbers


def packet_places(
    video: bytes, num_frames: int, *, time_limit: float = TIME_LIMIT
) -> bytes:
    """Returns where the packets of a video lie, for `decode`.

    Empty where a packet alone does not give the frame that the file gives: for codecs
    other than H.264, for trimmed, turned and damaged files, and where the first frames
    show that the decoder lacks something.

    Args:
        video: The encoded file.
        num_frames: Frames that decode, by `probe`.
        time_limit: Seconds of processor time before giving up.
    """
    if images.codec(video) or jpeg_frames.is_packed(video):
        return b""
    request = packet_decoding.Request(
        [0], None, time.thread_time() + time_limit, video_facts.LIMITS
    )
    with contextlib.suppress(VideoError), _failures_named():
        places = packet_decoding.find_places(video, request)
        if places is None or len(places.starts) != num_frames:
            return b""
        if packet_decoding.are_enough(video, places, request):
            return packets.dump(places, video)
    return b""


def frames(video: bytes, *, time_limit: float = TIME_LIMIT) -> Iterator[np.ndarray]:
    """Yields every frame of `video` in display order, upright: [H, W, 3] uint8 RGB.

    All have the size of the first. An image has one.

    Args:
        video: The encoded file.
        time_limit: Seconds of processor time before giving up.

    Raises:
        VideoError: where decoding fails; the frames before that were yielded.
    """
    with _failures_named():
        if (pictures := _pictures(video)) is not None:
            yield from pictures
            return
        if (stored := _jpeg_frames(video)) is not None:
            yield from jpeg_decoding.frames(stored, time.thread_time() + time_limit)
            return
        reformatter = av.video.reformatter.VideoReformatter()
        shape, turn = None, containers.AS_STORED
        with containers.open_video(video, time.thread_time() + time_limit) as opened:
            for frame in containers.decoded(opened):
                if shape is None:
                    turn = containers.orientation(frame)
                picture = np.ascontiguousarray(
                    containers.upright(frame, reformatter, shape, turn)
                )
                shape = picture.shape
                yield picture


def encoded(video: bytes, *, time_limit: float = TIME_LIMIT) -> Iterator[bytes]:
    """Yields the pictures of a video's best stream as they are stored, not decoded.

    They are the same in whatever container. Stored JPEG files are yielded once each.

    Args:
        video: The bytes of a file that FFmpeg reads.
        time_limit: Seconds of processor time before giving up on opening it.

    Raises:
        VideoError: if the file cannot be opened, or where reading fails.
    """
    if (stored := _jpeg_frames(video)) is not None:
        yield from (jpeg_decoding.file_of(stored, row) for row in range(len(stored)))
        return
    with (
        _failures_named(),
        containers.open_video(video, time.thread_time() + time_limit) as opened,
    ):
        for packet in opened.container.demux(opened.stream):
            yield bytes(packet)


def probe(
    video: bytes,
    *,
    count: Literal["decoded", "stated"] = "decoded",
    time_limit: float = TIME_LIMIT,
) -> Facts:
    """Returns the facts of `video`.

    Args:
        video: The encoded file.
        count: `decoded` decodes every frame, so that `num_frames` is certain; `stated`
            decodes the first and counts the packets, about a hundred times faster.
        time_limit: Seconds of processor time before giving up.

    Raises:
        VideoError: if not even one frame decodes, or time runs out.
    """
    with _failures_named():
        if (pictures := _pictures(video)) is not None:
            (height, width), number = pictures[0].shape[:2], len(pictures)
            return Facts(number, number, width, height, 0, images.codec(video), 0.0, "")
        if (stored := _jpeg_frames(video)) is not None:
            return jpeg_decoding.facts(stored, count, time.thread_time() + time_limit)
        return _video_facts(video, count, time.thread_time() + time_limit)


def _video_facts(video: bytes, count: str, deadline: float) -> Facts:
    """The facts of a file that FFmpeg reads, see `probe`."""
    with containers.open_video(video, deadline) as opened:
        decoder = containers.decoded(opened)
        first = next(decoder, None)
        if first is None:
            raise VideoError("undecodable", "the stream holds no frame")
        rotation, (transposed, _) = first.rotation, containers.orientation(first)
        size = (first.width, first.height)
        num_frames, failure = 1, ""
        if count == "decoded":
            num_frames, failure = video_facts.counted(decoder)
        if not failure and containers.ends_early(video):
            failure = "the file ends early"
        stream = opened.stream
        stated, rate = stream.frames, float(stream.average_rate or 0)
        codec = stream.codec_context.name
    if count == "stated":
        with containers.open_video(video, deadline) as opened:
            num_frames = sum(
                containers.is_shown(opened, packet)
                for packet in containers.packets_of(opened)
            )
    width, height = size[::-1] if transposed else size
    return Facts(num_frames, stated, width, height, rotation, codec, rate, failure)


@contextlib.contextmanager
def _failures_named() -> Iterator[None]:
    """Turns what one bad file can cause into a VideoError: others may be good."""
    try:
        yield
    except MemoryError as error:  # FFmpeg's, too, for a size that a header claims
        raise VideoError("undecodable", "it needs more memory than there is") from error
    except av.error.FFmpegError as error:
        raise VideoError("undecodable", f"reading fails: {error.strerror}") from error


def _pictures(
    content: bytes, limits: Limits = video_facts.LIMITS
) -> list[np.ndarray] | None:
    """The frames [H, W, 3] of an image or an animated WebP; None for FFmpeg's files."""
    still = images.is_image(content)
    if not still and images.codec(content) != "webp":
        return None
    video_facts.check_pixels(images.size(content), images.num_pictures(content), limits)
    # OpenCV 4 would fill the rest with grey, OpenCV 5 would refuse.
    if images.ends_early(content):
        raise VideoError("truncated", "the image ends early")
    found = [images.decode(content)] if still else images.decode_animation(content)
    pictures = [picture for picture in found if picture is not None]
    if not pictures:
        raise VideoError("undecodable", "the image cannot be decoded")
    return pictures


def _jpeg_frames(content: bytes) -> jpeg_frames.JpegFrames | None:
    """The JPEG files of a video's frames; None for another file."""
    if not jpeg_frames.is_packed(content):
        return None
    try:
        return jpeg_frames.unpack(content)
    except ValueError as error:
        raise VideoError("truncated", str(error)) from error
