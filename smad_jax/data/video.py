"""Encoded video to frames; the only module that decodes, with `images` for pictures.

An image counts as a video of one frame; frames may also be stored as JPEG files
(`jpeg_frames`). Frame i is the i-th frame in display order,
whatever the container's time stamps say. Decoding uses one thread: decoders with frame
threads are known to hang when they are left before the end of a file, which is what
taking a clip does.
"""

import contextlib
import dataclasses
import io
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, cast, get_args

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

from smad_jax.data import images, jpeg_frames, packets, transforms

Reason = Literal[
    "missing", "no_video_stream", "truncated", "undecodable", "too_short", "timeout"
]
REASONS: tuple[Reason, ...] = get_args(Reason)

# Endings of the names of files that are looked for in folders.
EXTENSIONS = tuple(
    ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .ogv .ts .webm .wmv".split()
)
IMAGE_EXTENSIONS = tuple(".bmp .gif .jpeg .jpg .png .tif .tiff .webp".split())
ALL_EXTENSIONS = (*EXTENSIONS, *IMAGE_EXTENSIONS)

TIME_LIMIT = 20.0  # seconds a file; the longest real clip needs a fraction of one

_TIMED = ("mov", "matroska")  # containers whose packets state true display times
_SHORT = 32  # frames; up to here decoding all costs less than listing the packets
_COMPARED = 16  # frames; more than any decoder puts into another order
_VP8_SHOWN = 0x10  # the bit of a VP8 frame's first byte that marks it as displayed
# Files come from strangers. These containers hold their frames themselves: others, such
# as SDP, HLS and concat, make FFmpeg open ports, addresses and further files.
_CONTAINERS = (
    "mov,matroska,avi,flv,mpegts,mpeg,mpegvideo,ogg,asf,gif,apng,m4v,h264,hevc,av1,obu,"
    "ivf,mjpeg,mxf,nut,dv,wtv,rm,yuv4mpegpipe,"
    "wav,mp3,aac,flac,aiff"  # sound alone, to be named as such
)
_SAFE = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "none"}

_PADDING = 1 << 16  # pixels that a decoder may add to a small frame

_FORWARDS = slice(None)
_BACKWARDS = {False: _FORWARDS, True: slice(None, None, -1)}


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


_LIMITS = Limits()


class _Opened(NamedTuple):
    """An opened file, its best video stream and the moment to give up."""

    container: av.container.InputContainer
    stream: av.video.stream.VideoStream
    deadline: float


class _Asked(NamedTuple):
    """The rising frame numbers to decode, the number of frames if known, and limits."""

    wanted: list[int]
    num_frames: int | None
    deadline: float
    limits: Limits


class _TableError(Exception):
    """The decoder's output disagrees with the packets' times."""


def decode(
    video: bytes,
    indices: Sequence[int] | np.ndarray,
    *,
    num_frames: int | None = None,
    packet_places: bytes = b"",
    short_side: int = 0,
    time_limit: float = TIME_LIMIT,
    limits: Limits = _LIMITS,
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
        time_limit: Seconds before giving up.
        limits: The most pixels of a frame, and of all distinct frames together.

    Raises:
        VideoError: with the reason why the frames cannot be decoded.
    """
    wanted, places = np.unique(_numbers(indices), return_inverse=True)
    deadline = time.monotonic() + time_limit
    with _failures_named():
        if (pictures := _pictures(video, limits)) is not None:
            if wanted[-1] >= len(pictures):
                raise _too_few(int(wanted[-1]), len(pictures))
            return np.stack([pictures[number] for number in wanted[places]])
        if (stored := _jpeg_frames(video)) is not None:
            return _jpeg_clip(stored, wanted[places], short_side, deadline, limits)
        asked = _Asked(wanted.tolist(), num_frames, deadline, limits)
        frames = None
        if known := packets.load(packet_places, video):
            frames = _from_places(video, known, asked)
        if frames is None:
            frames = _from_file(video, asked)
        return transforms.take(frames, places)


def decode_frames(
    stored: jpeg_frames.JpegFrames,
    indices: Sequence[int] | np.ndarray,
    *,
    short_side: int = 0,
    time_limit: float = TIME_LIMIT,
    limits: Limits = _LIMITS,
) -> np.ndarray:
    """Returns frames of a video that is stored as JPEG files; only these are read.

    The arguments, the result and the error are those of `decode`.
    """
    with _failures_named():
        deadline = time.monotonic() + time_limit
        return _jpeg_clip(stored, _numbers(indices), short_side, deadline, limits)


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
        time_limit: Seconds before giving up.
    """
    if images.codec(video) or jpeg_frames.is_packed(video):
        return b""
    asked = _Asked([0], None, time.monotonic() + time_limit, _LIMITS)
    with contextlib.suppress(VideoError), _failures_named():
        places = _packet_places(video, asked)
        if places is None or len(places.starts) != num_frames:
            return b""
        if _are_enough(video, places, asked):
            return packets.dump(places, video)
    return b""


def frames(video: bytes, *, time_limit: float = TIME_LIMIT) -> Iterator[np.ndarray]:
    """Yields every frame of `video` in display order, upright: [H, W, 3] uint8 RGB.

    All have the size of the first. An image has one.

    Args:
        video: The encoded file.
        time_limit: Seconds before giving up.

    Raises:
        VideoError: where decoding fails; the frames before that were yielded.
    """
    with _failures_named():
        if (pictures := _pictures(video)) is not None:
            yield from pictures
            return
        if (stored := _jpeg_frames(video)) is not None:
            yield from _all_jpeg_frames(stored, time.monotonic() + time_limit)
            return
        reformatter = av.video.reformatter.VideoReformatter()
        shape = None
        with _open(video, time.monotonic() + time_limit) as opened:
            for frame in _decoded(opened):
                picture = np.ascontiguousarray(_upright(frame, reformatter, shape))
                shape = picture.shape
                yield picture


def encoded(video: bytes, *, time_limit: float = TIME_LIMIT) -> Iterator[bytes]:
    """Yields the pictures of a video's best stream as they are stored, not decoded.

    They are the same in whatever container. Stored JPEG files are yielded once each.

    Args:
        video: The bytes of a file that FFmpeg reads.
        time_limit: Seconds before giving up on opening it.

    Raises:
        VideoError: if the file cannot be opened, or where reading fails.
    """
    if (stored := _jpeg_frames(video)) is not None:
        yield from (_jpeg_file(stored, row) for row in range(len(stored)))
        return
    with _failures_named(), _open(video, time.monotonic() + time_limit) as opened:
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
        time_limit: Seconds before giving up.

    Raises:
        VideoError: if not even one frame decodes, or time runs out.
    """
    with _failures_named():
        if (pictures := _pictures(video)) is not None:
            (height, width), number = pictures[0].shape[:2], len(pictures)
            return Facts(number, number, width, height, 0, images.codec(video), 0.0, "")
        if (stored := _jpeg_frames(video)) is not None:
            return _jpeg_facts(stored, count, time.monotonic() + time_limit)
        return _video_facts(video, count, time.monotonic() + time_limit)


def _video_facts(video: bytes, count: str, deadline: float) -> Facts:
    """The facts of a file that FFmpeg reads, see `probe`."""
    with _open(video, deadline) as opened:
        decoder = _decoded(opened)
        first = next(decoder, None)
        if first is None:
            raise VideoError("undecodable", "the stream holds no frame")
        rotation, (transposed, _) = first.rotation, _orientation(first)
        size = (first.width, first.height)
        num_frames, failure = 1, ""
        if count == "decoded":
            num_frames, failure = _counted(decoder)
        if not failure and _ends_early(video):
            failure = "the file ends early"
        stream = opened.stream
        stated, rate = stream.frames, float(stream.average_rate or 0)
        codec = stream.codec_context.name
    if count == "stated":
        with _open(video, deadline) as opened:
            num_frames = sum(_is_shown(opened, packet) for packet in _packets(opened))
    width, height = size[::-1] if transposed else size
    return Facts(num_frames, stated, width, height, rotation, codec, rate, failure)


def _counted(after_the_first: Iterator[object]) -> tuple[int, str]:
    """The number of frames that decode, with the first, and why no more do if so."""
    num_frames = 1
    try:
        for _ in after_the_first:
            num_frames += 1
    except VideoError as error:
        if error.reason == "timeout":
            raise
        return num_frames, error.detail
    return num_frames, ""


@contextlib.contextmanager
def _failures_named() -> Iterator[None]:
    """Turns what one bad file can cause into a VideoError: others may be good."""
    try:
        yield
    except MemoryError as error:  # FFmpeg's, too, for a size that a header claims
        raise VideoError("undecodable", "it needs more memory than there is") from error
    except av.error.FFmpegError as error:
        raise VideoError("undecodable", f"reading fails: {error.strerror}") from error


def _pictures(content: bytes, limits: Limits = _LIMITS) -> list[np.ndarray] | None:
    """The frames [H, W, 3] of an image or an animated WebP; None for FFmpeg's files."""
    still = images.is_image(content)
    if not still and images.codec(content) != "webp":
        return None
    _check_pixels(images.size(content), images.num_pictures(content), limits)
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


def _jpeg_clip(
    stored: jpeg_frames.JpegFrames,
    order: np.ndarray,
    short_side: int,
    deadline: float,
    limits: Limits,
) -> np.ndarray:
    """[T, H, W, 3] uint8 RGB of stored frames, see `decode`; each is decoded once."""
    if (last := int(order.max())) >= stored.num_frames:
        raise _too_few(last, stored.num_frames)
    rows, places = np.unique(order // stored.stride, return_inverse=True)
    size = images.size(_jpeg_file(stored, int(rows[0])))
    _check_pixels(size, len(rows), limits)
    scale = max((s for s in (1, 2, 4, 8) if short_side * s <= min(size)), default=1)
    scale = scale if short_side else 1
    first = _jpeg_picture(stored, int(rows[0]), size, scale, deadline)
    clip = np.empty((len(rows), *first.shape), np.uint8)
    clip[0] = first
    for place, row in enumerate(rows[1:].tolist(), start=1):
        picture = _jpeg_picture(stored, row, size, scale, deadline)
        if picture.shape != first.shape:  # turned, by its metadata
            raise VideoError("undecodable", f"stored frame {row} has another size")
        clip[place] = picture
    return transforms.take(clip, places)


def _jpeg_file(stored: jpeg_frames.JpegFrames, row: int) -> bytes:
    """The file of a stored frame."""
    try:
        return stored.file(row)
    except (ValueError, OSError) as error:
        raise VideoError("undecodable", f"{error}; build or copy it again") from error


def _jpeg_picture(
    stored: jpeg_frames.JpegFrames,
    row: int,
    size: tuple[int, int],
    scale: int,
    deadline: float,
) -> np.ndarray:
    """[H, W, 3] uint8 RGB, a stored frame of (width, height) `size` over `scale`."""
    _check_time(deadline)
    file = _jpeg_file(stored, row)
    if images.codec(file) != "mjpeg" or images.size(file) != size:
        raise VideoError(
            "undecodable",
            f"stored frame {row} must be a JPEG of {size[0]}x{size[1]} pixels",
        )
    if images.ends_early(file):
        raise VideoError("truncated", f"stored frame {row} ends early")
    picture = images.decode(file, scale)
    if picture is None:
        raise VideoError("undecodable", f"stored frame {row} cannot be decoded")
    return picture


def _all_jpeg_frames(
    stored: jpeg_frames.JpegFrames, deadline: float
) -> Iterator[np.ndarray]:
    """Every frame of the video, [H, W, 3], repeated where the stride left some out."""
    size = images.size(_jpeg_file(stored, 0))
    _check_pixels(size, 1, _LIMITS)
    for row in range(len(stored)):
        picture = _jpeg_picture(stored, row, size, 1, deadline)
        for _ in range(min(stored.stride, stored.num_frames - row * stored.stride)):
            yield picture


def _jpeg_facts(stored: jpeg_frames.JpegFrames, count: str, deadline: float) -> Facts:
    """The facts of stored frames, see `probe`."""
    pictures = _all_jpeg_frames(stored, deadline)
    height, width = next(pictures).shape[:2]
    num_frames, failure = stored.num_frames, ""
    if count == "decoded":
        num_frames, failure = _counted(pictures)
    return Facts(num_frames, stored.num_frames, width, height, 0, "mjpeg", 0.0, failure)


def _check_pixels(size: tuple[int, int], num_frames: int, limits: Limits) -> None:
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


def _too_few(wanted: int, there: int) -> VideoError:
    """The error for a frame beyond the last."""
    return VideoError(
        "truncated", f"frame {wanted} is needed, but only {there} can be decoded"
    )


def _from_file(video: bytes, asked: _Asked) -> np.ndarray:
    """[T, H, W, 3], the frames requested, by opening the file."""
    with _open(video, asked.deadline, asked.limits) as opened:
        is_timed = opened.container.format.name.startswith(_TIMED)
        if asked.wanted[-1] < _SHORT or not is_timed:
            return _clip(_numbered(opened), asked)
        clip = _from_needed_packets(opened, asked)
    if clip is not None:
        return clip
    with _open(video, asked.deadline, asked.limits) as opened:
        return _clip(_numbered(opened), asked)


def _packet_places(video: bytes, asked: _Asked) -> packets.Places | None:
    """Where the packets of an H.264 file lie; None if they are not all of it."""
    with _open(video, asked.deadline) as opened:
        context, name = opened.stream.codec_context, opened.container.format.name
        if context.name != "h264" or not name.startswith(_TIMED):
            return None
        rows, starts, sizes = [], [], []
        for packet in _packets(opened):
            start = video.find(bytes(packet), packet.pos or 0)
            if start < 0 or packet.pts is None or not _is_plain(packet):
                return None
            rows.append((packet.pts, packet.is_keyframe, True))
            starts.append(start)
            sizes.append(packet.size)
        extradata = context.extradata or b""
    if not rows:
        return None
    table = packets.Table.of(rows)
    return packets.Places(table, np.array(starts), np.array(sizes), extradata)


def _is_plain(packet: av.packet.Packet) -> bool:
    """Whether a packet is nothing but its bytes."""
    return not packet.is_discard and not any(True for _ in packet.iter_sidedata())


def _are_enough(video: bytes, places: packets.Places, asked: _Asked) -> bool:
    """Whether the packets alone give the first frames of the file."""
    context, packet_at = _decoder(video, places, asked.limits)
    alone = next(iter((*context.decode(packet_at(0)), *context.decode(None))), None)
    with _open(video, asked.deadline) as opened:
        first = next(_decoded(opened), None)
        if alone is None or first is None or _looks(alone) != _looks(first):
            return False
    asked = asked._replace(wanted=list(range(len(places.starts)))[:_COMPARED])
    clip = _from_places(video, places, asked)
    return clip is not None and np.array_equal(clip, _from_file(video, asked))


def _looks(frame: av.video.frame.VideoFrame) -> tuple[object, ...]:
    """What decides how a frame becomes RGB; a file may state it beside its packets."""
    size = frame.width, frame.height, frame.format.name, _orientation(frame)
    colours = frame.colorspace, frame.color_range, frame.color_primaries
    return (*size, *colours, frame.color_trc)


def _decoder(
    video: bytes, places: packets.Places, limits: Limits
) -> tuple[av.video.codeccontext.VideoCodecContext, Callable[[int], av.packet.Packet]]:
    """A decoder for the packets of an H.264 file, and the packets by their rows."""
    context = av.CodecContext.create("h264", "r")
    context.extradata = places.extradata
    _limit(context, limits)
    times, is_key, _ = places.table
    stops = places.starts + places.sizes

    def packet_at(row: int) -> av.packet.Packet:
        packet = av.packet.Packet(video[places.starts[row] : stops[row]])
        packet.pts = int(times[row])
        packet.is_keyframe = bool(is_key[row])
        return packet

    return context, packet_at


def _from_places(
    video: bytes, places: packets.Places, asked: _Asked
) -> np.ndarray | None:
    """[T, H, W, 3], or None where the file must be opened."""
    context, packet_at = _decoder(video, places, asked.limits)
    return _from_table(context, places.table, packet_at, asked)


class _Numbered(NamedTuple):
    """A decoded frame and its number in the video."""

    number: int
    frame: av.video.frame.VideoFrame


def _clip(decoded: Iterator[_Numbered], asked: _Asked) -> np.ndarray:
    """[T, H, W, 3] uint8 RGB, the requested frames among all `decoded`."""
    wanted = asked.wanted
    reformatter = av.video.reformatter.VideoReformatter()
    clip, place, number = np.zeros((0, 0, 0, 3), np.uint8), 0, -1
    for number, frame in decoded:
        if number != wanted[place]:
            continue
        if place == 0:
            _check_pixels((frame.width, frame.height), len(wanted), asked.limits)
            first = _upright(frame, reformatter, None)
            clip = np.empty((len(wanted), *first.shape), np.uint8)
            clip[0] = first
        else:
            clip[place] = _upright(frame, reformatter, clip.shape[1:])
        place += 1
        if place == len(wanted):
            return clip
    raise _too_few(wanted[place], number + 1)


def _numbered(opened: _Opened) -> Iterator[_Numbered]:
    """All frames from the start of the file on."""
    return map(_Numbered._make, enumerate(_decoded(opened)))


def _from_needed_packets(opened: _Opened, asked: _Asked) -> np.ndarray | None:
    """[T, H, W, 3], or None where only decoding everything can be trusted."""
    try:
        found = list(_packets(opened))
    except (VideoError, av.error.FFmpegError) as error:
        if isinstance(error, VideoError) and error.reason == "timeout":
            raise
        return None
    if any(packet.pts is None for packet in found):
        return None
    table = packets.Table.of(
        [(p.pts or 0, p.is_keyframe, _is_shown(opened, p)) for p in found]
    )
    context = opened.stream.codec_context
    return _from_table(context, table, found.__getitem__, asked)


def _from_table(
    context: av.video.codeccontext.VideoCodecContext,
    table: packets.Table,
    packet_at: Callable[[int], av.packet.Packet],
    asked: _Asked,
) -> np.ndarray | None:
    """[T, H, W, 3] from the packets that are needed, or None if they leave a doubt."""
    order = table.order()
    times = table.times[order]
    is_known = asked.num_frames in (None, len(order)) and asked.wanted[-1] < len(order)
    if not is_known or (np.diff(times) == 0).any():
        return None
    plan = packets.plan(table, order, asked.wanted)
    number_of = {time: number for number, time in enumerate(times.tolist())}
    decoded = _from_plan(context, plan, packet_at, asked.deadline)
    try:
        return _clip((_at_its_time(frame, number_of) for frame in decoded), asked)
    except (_TableError, av.error.FFmpegError):
        return None
    except VideoError as error:
        if error.reason == "timeout":
            raise
        return None


def _from_plan(
    context: av.video.codeccontext.VideoCodecContext,
    plan: packets.Plan,
    packet_at: Callable[[int], av.packet.Packet],
    deadline: float,
) -> Iterator[av.video.frame.VideoFrame]:
    """The frames of the packets of a plan."""
    # No other picture is predicted from these; other codecs' decoders are less exact.
    can_skip = context.name == "h264"
    for row, is_wanted, is_start in zip(*plan, strict=True):
        _check_time(deadline)
        if is_start:  # what comes is predicted from nothing before it
            yield from context.decode(None)
            context.flush_buffers()
        if can_skip:
            context.skip_frame = "DEFAULT" if is_wanted else "NONREF"
        yield from context.decode(packet_at(row))
    yield from context.decode(None)


def _at_its_time(
    frame: av.video.frame.VideoFrame, number_of: dict[int, int]
) -> _Numbered:
    if frame.is_corrupt or frame.pts not in number_of:
        raise _TableError
    return _Numbered(number_of[frame.pts], frame)


def _packets(opened: _Opened) -> Iterator[av.packet.Packet]:
    """The stream's packets, in the order of the file.

    An empty packet, which repeats a frame or ends the stream, is none.
    """
    for packet in opened.container.demux(opened.stream):
        _check_time(opened.deadline)
        if packet.size:
            yield cast(av.packet.Packet, packet)


def _is_shown(opened: _Opened, packet: av.packet.Packet) -> bool:
    """Whether a packet shows a frame.

    Lossless trimming leaves packets that an edit list discards; VP8 has hidden frames,
    from which others are predicted.
    """
    is_vp8 = opened.stream.codec_context.name == "vp8"
    return not packet.is_discard and (not is_vp8 or bool(bytes(packet)[0] & _VP8_SHOWN))


def _decoded(opened: _Opened) -> Iterator[av.video.frame.VideoFrame]:
    """Decoded frames in display order from the container's position on."""
    decoded = 0
    try:
        for packet in opened.container.demux(opened.stream):
            _check_time(opened.deadline)
            if not packet.size and packet.dts is not None:
                continue  # repeats a frame in Theora; the decoder would refuse it
            for frame in packet.decode():
                # The decoder invented what it lacked, often grey or an older picture.
                if frame.is_corrupt:
                    raise VideoError(
                        "truncated" if decoded else "undecodable",
                        f"the frame after {decoded} good ones is corrupt",
                    )
                yield cast(av.video.frame.VideoFrame, frame)
                decoded += 1
    except av.error.FFmpegError as error:
        stated = f" of {opened.stream.frames}" if opened.stream.frames else ""
        raise VideoError(
            "truncated" if decoded else "undecodable",
            f"decoding fails after {decoded}{stated} frames ({error.strerror})",
        ) from error


def _check_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise VideoError("timeout", "decoding took longer than the time limit")


def _upright(
    frame: av.video.frame.VideoFrame,
    reformatter: av.video.reformatter.VideoReformatter,
    shape: tuple[int, ...] | None,
) -> np.ndarray:
    """[H, W, 3] uint8 RGB, turned as the file states, in `shape` if given."""
    transposed, flips = _orientation(frame)
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


def _orientation(
    frame: av.video.frame.VideoFrame,
) -> tuple[bool, tuple[slice, slice]]:
    """Whether to swap rows and columns, and the direction in which to read each then.

    A display matrix [a b; c d] maps the stored (x, y) to (a x + c y, b x + d y). If its
    determinant is negative the picture is mirrored, which `rotation` does not show.
    """
    stored = frame.side_data.get("DISPLAYMATRIX")
    if stored is None:
        return False, (_FORWARDS, _FORWARDS)
    a, b, _, c, d = np.frombuffer(bytes(stored), np.int32)[:5].tolist()
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    down, right = (b, c) if transposed else (d, a)
    return transposed, (_BACKWARDS[down < 0], _BACKWARDS[right < 0])


@contextlib.contextmanager
def _open(video: bytes, deadline: float, limits: Limits = _LIMITS) -> Iterator[_Opened]:
    """Opens the best real video stream of `video`, for decoding with one thread."""
    remaining = max(deadline - time.monotonic(), 0.001)
    try:
        container = av.open(
            io.BytesIO(video), "r", timeout=remaining, options=dict(_SAFE)
        )
    except av.error.ExitError as error:
        raise VideoError(
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
            raise VideoError("undecodable", "no decoder for the stream's codec")
        # A thumbnail or a small rendition may come first: FFmpeg's choice counts,
        # unless that is a single picture beside a film, or has no decoder.
        films = [one for one in streams if one.frames != 1] or streams
        best = container.streams.best("video")
        largest = max(films, key=lambda one: one.width * one.height)
        stream = next((one for one in films if one is best), largest)
        _check_pixels((stream.width, stream.height), 1, limits)
        _limit(stream.codec_context, limits)
        yield _Opened(container, stream, deadline)
    finally:
        container.close()


def _limit(context: av.video.codeccontext.VideoCodecContext, limits: Limits) -> None:
    """Makes a decoder use one thread, and refuse larger pictures."""
    context.thread_type = "SLICE"
    context.thread_count = 1
    # The size may change on the way; the decoder pads it, by less than this.
    context.options = {"max_pixels": str(2 * limits.picture + _PADDING)}


def _unusable(video: bytes, reason: Reason, detail: str) -> VideoError:
    """The error for `reason`, unless the file is cut short, which explains all."""
    if _ends_early(video):
        return VideoError("truncated", f"the file ends early; {detail}")
    return VideoError(reason, detail)


def _ends_early(video: bytes) -> bool:
    """Whether the file is empty or shorter than its outermost boxes say."""
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
