"""Reduces the size of videos, splits them into JPEG files, and joins folders of frames.

A smaller video keeps every frame, has a key frame every twelve, so that reading a clip
is cheap, and equal input gives equal bytes. Frames that are JPEG files are stored in a
container without decoding: nothing is lost, and every frame is a key frame.
"""

import fractions
import io
import itertools
import pathlib
from collections.abc import Iterator

import av
import av.container
import av.packet
import av.video.stream
import cv2
import numpy as np

from data_prep.lists import wanted_videos
from smad_jax.data import images, jpeg_frames, video

TEMPLATE = "img_{:05}.jpg"  # names of frames in mmaction2 and denseflow

_KEY_FRAMES = 12  # frames from one to the next, since clips start anywhere
_QUALITY = "20"  # x264's constant rate factor, hardly visible
_JPEG_QUALITY = 95
# with mbtree, x264 sometimes gives other bytes on small pictures
_X264 = "threads=1:no-mbtree=1:log-level=none"
_FRAME_RATE = 30  # of folders of frames, which have none; sampling counts frames


def shorten_side(content: bytes, short_side: int, *, time_limit: float) -> bytes:
    """Returns a video or image with its short side reduced to an even number of pixels.

    One that is not larger is returned unchanged. Videos become H.264 in MP4 with the
    average frame rate, even sides, upright, without sound; images become JPEG. Where
    decoding fails, the frames before are kept. `time_limit` is in seconds.

    Raises:
        VideoError: if no frame decodes, or decoding takes longer.
    """
    pictures = video.frames(content, time_limit=time_limit)
    first = next(pictures)
    height, width = first.shape[:2]
    if min(height, width) <= short_side:
        return content
    size = (_scaled(width, height, short_side), _scaled(height, width, short_side))
    if images.is_image(content):
        return images.encode_jpeg(_resize(first, size), _JPEG_QUALITY)
    stated = video.probe(content, count="stated", time_limit=time_limit).rate
    rate = fractions.Fraction(stated or _FRAME_RATE).limit_denominator(1001)
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = _h264_stream(container, rate, size)
        for number, picture in enumerate(_readable(first, pictures)):
            frame = av.VideoFrame.from_ndarray(_resize(picture, size), "rgb24")
            frame.pts = number
            frame.time_base = 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def split_frames(
    content: bytes,
    *,
    short_side: int,
    stride: int,
    quality: int,
    are_jpeg: bool = False,
    time_limit: float,
) -> bytes:
    """Returns the frames of a video as JPEG files in one, for `jpeg_frames`.

    Frame 0 and every `stride`-th after it are stored, those before any that fails to
    decode, upright, and equal input gives equal bytes.

    Args:
        content: The video.
        short_side: Pixels of the short side that larger frames are reduced to; 0 for
            none.
        stride: Frames from one stored frame to the next.
        quality: Of JPEG, 1..100.
        are_jpeg: Whether `join_frames` made the video; what need not be reduced is then
            stored as it was.
        time_limit: Seconds before giving up.

    Raises:
        VideoError: if no frame decodes, or decoding takes longer.
    """
    pictures = video.frames(content, time_limit=time_limit)
    first = next(pictures)
    height, width = first.shape[:2]
    is_reduced = 0 < short_side < min(height, width)
    kept = list(filter(None, video.encoded(content))) if are_jpeg else []
    if is_reduced or len(set(map(images.size, kept))) != 1:
        kept = []  # all must have the size of the first
    size = width, height
    if is_reduced:
        size = (_scaled(width, height, short_side), _scaled(height, width, short_side))
    files, num_frames = [], 0
    for number, picture in enumerate(_readable(first, pictures)):
        num_frames += 1
        if number % stride == 0:
            reduced = _resize(picture, size) if is_reduced else picture
            files.append(kept[number] if kept else images.encode_jpeg(reduced, quality))
    return jpeg_frames.pack(files, num_frames, stride)


def join_frames(
    root: pathlib.Path, frames: wanted_videos.Frames, template: str = TEMPLATE
) -> bytes:
    """Returns the images of a folder in `root` as one video, motion JPEG in Matroska.

    JPEG files are copied byte by byte; others become JPEG. `template` gives the file
    names by the number of the frame.

    Raises:
        VideoError: if a frame is missing or is no image.
    """
    contents = (
        _jpeg(root / frames.folder / template.format(frames.first + number))
        for number in range(frames.num_frames)
    )
    first = next(contents)
    picture = images.decode(first)
    if picture is None:
        raise video.VideoError("undecodable", "the first frame cannot be decoded")
    out = io.BytesIO()
    # without bitexact, Matroska gets a random identifier
    with av.open(out, "w", format="matroska", options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream("mjpeg", rate=_FRAME_RATE)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuvj420p"
        for number, content in enumerate(itertools.chain([first], contents)):
            packet = av.packet.Packet(content)
            packet.stream = stream
            packet.time_base = fractions.Fraction(1, _FRAME_RATE)
            packet.pts = packet.dts = number
            packet.duration = 1
            packet.is_keyframe = True
            file.mux(packet)
    return out.getvalue()


def _h264_stream(
    container: av.container.OutputContainer,
    rate: fractions.Fraction,
    size: tuple[int, int],
) -> av.video.stream.VideoStream:
    """A stream of pictures of (width, height) pixels."""
    stream = container.add_stream(
        "libx264",
        rate=rate,
        options={"crf": _QUALITY, "preset": "medium", "x264-params": _X264},
    )
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.gop_size = _KEY_FRAMES
    stream.codec_context.thread_count = 1
    return stream


def _readable(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames up to the first that fails; a time limit is still an error."""
    try:
        yield first
        yield from rest
    except video.VideoError as error:
        if error.reason == "timeout":
            raise


def _scaled(side: int, other: int, short_side: int) -> int:
    """A side in proportion, even; the shorter becomes `short_side`."""
    return 2 * round(side * short_side / min(side, other) / 2)


def _resize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _jpeg(path: pathlib.Path) -> bytes:
    """The content of an image file, as JPEG."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise video.VideoError(
            "missing", f"frame {path.name}: {error.strerror}"
        ) from error
    if images.ends_early(content):
        raise video.VideoError("truncated", f"frame {path.name} ends early")
    if images.codec(content) == "mjpeg":
        return content
    picture = images.decode(content)
    if picture is None:
        raise video.VideoError("undecodable", f"frame {path.name} is no image")
    return images.encode_jpeg(picture, _JPEG_QUALITY)
