"""Opened video files: their best stream, its packets, and its frames in order.

Decoding uses one thread: decoders with frame threads are known to hang when they are
left before the end of a file, which is what taking a clip does.
"""

import contextlib
import io
import time
from collections.abc import Iterator
from typing import NamedTuple, cast

import av
import av.container
import av.error
import av.packet
import av.stream
import av.video.codeccontext
import av.video.frame
import av.video.reformatter
import av.video.stream
import numpy as np

from smad_jax.data import images, video_facts

# Files come from strangers. These containers hold their frames themselves: others, such
# as SDP, HLS and concat, make FFmpeg open ports, addresses and further files.
_CONTAINERS = (
    "mov,matroska,avi,flv,mpegts,mpeg,mpegvideo,ogg,asf,gif,apng,m4v,h264,hevc,av1,obu,"
    "ivf,mjpeg,mxf,nut,dv,wtv,rm,yuv4mpegpipe,"
    "wav,mp3,aac,flac,aiff"  # sound alone, to be named as such
)
_SAFE = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "none"}

_PADDING = 1 << 16  # pixels that a decoder may add to a small frame
_VP8_SHOWN = 0x10  # the bit of a VP8 frame's first byte that marks it as displayed

Turn = tuple[bool, tuple[slice, slice]]  # see `orientation`
_FORWARDS = slice(None)
AS_STORED: Turn = (False, (_FORWARDS, _FORWARDS))
_BACKWARDS = {False: _FORWARDS, True: slice(None, None, -1)}


class Opened(NamedTuple):
    """An opened file, its best video stream and the moment to give up."""

    container: av.container.InputContainer
    stream: av.video.stream.VideoStream
    deadline: float


@contextlib.contextmanager
def open_video(
    video: bytes, deadline: float, limits: video_facts.Limits = video_facts.LIMITS
) -> Iterator[Opened]:
    """Opens the best real video stream of `video`, for decoding with one thread.

    Raises:
        VideoError: if it cannot be opened or states too many pixels.
    """
    remaining = max(deadline - time.thread_time(), 0.001)
    try:
        container = av.open(
            io.BytesIO(video), "r", timeout=remaining, options=dict(_SAFE)
        )
    except av.error.ExitError as error:
        raise video_facts.VideoError(
            "timeout", "opening took longer than the time limit"
        ) from error
    except (av.error.FFmpegError, ValueError) as error:
        detail = getattr(error, "strerror", None) or str(error)
        raise _unusable(video, "undecodable", f"cannot be opened: {detail}") from error
    try:
        streams = [
            stream
            for stream in container.streams.video
            if av.stream.Disposition.attached_pic not in stream.disposition
        ]
        if not streams:
            raise _unusable(video, "no_video_stream", "no video stream is found")
        streams = [stream for stream in streams if stream.codec_context is not None]
        if not streams:
            raise video_facts.VideoError(
                "undecodable", "no decoder for the stream's codec"
            )
        # A thumbnail or a small rendition may come first: FFmpeg's choice counts,
        # unless that is a single picture beside a film, or has no decoder.
        films = [one for one in streams if one.frames != 1] or streams
        best = container.streams.best("video")
        largest = max(films, key=lambda one: one.width * one.height)
        stream = next((one for one in films if one is best), largest)
        video_facts.check_pixels((stream.width, stream.height), 1, limits)
        limit(stream.codec_context, limits)
        yield Opened(container, stream, deadline)
    finally:
        container.close()


def limit(
    context: av.video.codeccontext.VideoCodecContext, limits: video_facts.Limits
) -> None:
    """Makes a decoder use one thread, and refuse larger pictures."""
    context.thread_type = "SLICE"
    context.thread_count = 1
    # The size may change on the way; the decoder pads it, by less than this.
    context.options = {"max_pixels": str(2 * limits.picture + _PADDING)}


def packets_of(opened: Opened) -> Iterator[av.packet.Packet]:
    """Yields the stream's packets, in the order of the file.

    An empty packet, which repeats a frame or ends the stream, is none.
    """
    for packet in opened.container.demux(opened.stream):
        video_facts.check_time(opened.deadline)
        if packet.size:
            yield cast(av.packet.Packet, packet)


def is_shown(opened: Opened, packet: av.packet.Packet) -> bool:
    """Returns whether a packet shows a frame.

    Lossless trimming leaves packets that an edit list discards; VP8 has hidden frames,
    from which others are predicted.
    """
    is_vp8 = opened.stream.codec_context.name == "vp8"
    return not packet.is_discard and (not is_vp8 or bool(bytes(packet)[0] & _VP8_SHOWN))


def decoded(opened: Opened) -> Iterator[av.video.frame.VideoFrame]:
    """Yields frames in display order from the container's position on.

    Raises:
        VideoError: where decoding fails or time runs out.
    """
    count = 0
    try:
        for packet in opened.container.demux(opened.stream):
            video_facts.check_time(opened.deadline)
            if not packet.size and packet.dts is not None:
                continue  # repeats a frame in Theora; the decoder would refuse it
            for frame in packet.decode():
                # The decoder invented what it lacked, often grey or an older picture.
                if frame.is_corrupt:
                    raise video_facts.VideoError(
                        "truncated" if count else "undecodable",
                        f"the frame after {count} good ones is corrupt",
                    )
                yield cast(av.video.frame.VideoFrame, frame)
                count += 1
    except av.error.FFmpegError as error:
        stated = f" of {opened.stream.frames}" if opened.stream.frames else ""
        raise video_facts.VideoError(
            "truncated" if count else "undecodable",
            f"decoding fails after {count}{stated} frames ({error.strerror})",
        ) from error


def upright(
    frame: av.video.frame.VideoFrame,
    reformatter: av.video.reformatter.VideoReformatter,
    shape: tuple[int, ...] | None,
    turn: Turn,
) -> np.ndarray:
    """Returns [H, W, 3] uint8 RGB, turned as the file states, in `shape` if given.

    `turn` is the `orientation` of the stream's first frame.
    """
    transposed, flips = turn
    height, width = frame.height, frame.width
    if shape is not None:  # a stream may change its size; a clip may not
        height, width = shape[1::-1] if transposed else shape[:2]
    rgb = reformatter.reformat(
        frame,
        width,
        height,
        "rgb24",
        threads=1,  # a pool a frame costs more than the conversion
    )
    picture = rgb.to_ndarray()
    if transposed:
        picture = picture.swapaxes(0, 1)
    return picture[flips]


def orientation(frame: av.video.frame.VideoFrame) -> Turn:
    """Returns whether to swap rows and columns, and the direction of each then.

    PyAV keeps a frame whose side data were read until Python looks for cycles, so read
    them of the first frame alone.

    A display matrix [a b; c d] maps the stored (x, y) to (a x + c y, b x + d y). If its
    determinant is negative the picture is mirrored, which `rotation` does not show.
    """
    stored = frame.side_data.get("DISPLAYMATRIX")
    if stored is None:
        return AS_STORED
    a, b, _, c, d = np.frombuffer(bytes(stored), np.int32)[:5].tolist()
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    down, right = (b, c) if transposed else (d, a)
    return transposed, (_BACKWARDS[down < 0], _BACKWARDS[right < 0])


def _unusable(
    video: bytes, reason: video_facts.Reason, detail: str
) -> video_facts.VideoError:
    """The error for `reason`, unless the file is cut short, which explains all."""
    if ends_early(video):
        return video_facts.VideoError("truncated", f"the file ends early; {detail}")
    return video_facts.VideoError(reason, detail)


def ends_early(video: bytes) -> bool:
    """Returns whether the file is empty or shorter than its outermost boxes say."""
    if images.codec(video):  # an animation
        return images.ends_early(video)
    if video[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        return _iso_length(video) > len(video)
    if video.startswith(b"RIFF"):
        return 8 + int.from_bytes(video[4:8], "little") > len(video)
    if video.startswith(b"\x1a\x45\xdf\xa3"):
        return _matroska_length(video) > len(video)
    return not video


def _iso_length(video: bytes) -> int:
    """Where the last box of an MP4 or MOV file ends."""
    position = 0
    while position + 8 <= len(video):
        size = int.from_bytes(video[position : position + 4], "big")
        if size == 1:
            size = int.from_bytes(video[position + 8 : position + 16], "big")
        if size < 8:  # 0: up to the end of the file; less is no box
            return position
        position += size
    return position


def _matroska_length(video: bytes) -> int:
    """Where the segment of a Matroska or WebM file ends, 0 if it does not say."""
    position, end = 4, 0
    for id_bytes in (4, 0):  # the header, then the segment, whose id has four bytes
        if position >= len(video) or video[position] == 0:
            return 0
        size_bytes = 9 - video[position].bit_length()
        field = video[position : position + size_bytes]
        size = int.from_bytes(field, "big") & ((1 << 7 * size_bytes) - 1)
        if size == (1 << 7 * size_bytes) - 1:  # unknown, as in a live recording
            return 0
        end = position + size_bytes + size
        position = end + id_bytes
    return end
