"""Clips of video files, from the packets that their frames need where that is certain.

Where packets leave a doubt, everything is decoded up to the last frame of the clip.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import av
import av.error
import av.packet
import av.video.codeccontext
import av.video.frame
import av.video.reformatter
import numpy as np

from smad_jax.data import containers, packets, video_facts

_TIMED = ("mov", "matroska")  # containers whose packets state true display times
_SHORT = 32  # frames; up to here decoding all costs less than listing the packets
_COMPARED = 16  # frames; more than any decoder puts into another order


class Request(NamedTuple):
    """The rising frame numbers to decode, the number of frames if known, and limits."""

    wanted: list[int]
    num_frames: int | None
    deadline: float
    limits: video_facts.Limits


class _TableError(Exception):
    """The decoder's output disagrees with the packets' times."""


class _Numbered(NamedTuple):
    """A decoded frame and its number in the video."""

    number: int
    frame: av.video.frame.VideoFrame


def from_file(video: bytes, request: Request) -> np.ndarray:
    """Returns the requested frames, [T, H, W, 3] uint8 RGB, by opening the file."""
    with containers.open_video(video, request.deadline, request.limits) as opened:
        is_timed = opened.container.format.name.startswith(_TIMED)
        if request.wanted[-1] < _SHORT or not is_timed:
            return _clip(_numbered(opened), request)
        clip = _from_needed_packets(opened, request)
    if clip is not None:
        return clip
    with containers.open_video(video, request.deadline, request.limits) as opened:
        return _clip(_numbered(opened), request)


def from_places(
    video: bytes, places: packets.Places, request: Request
) -> np.ndarray | None:
    """Returns them by known places, or None where the file must be opened."""
    context, packet_at = _decoder(video, places, request.limits)
    return _from_table(context, places.table, packet_at, request)


def find_places(video: bytes, request: Request) -> packets.Places | None:
    """Returns where an H.264 file has its packets; None if they are not all of it."""
    with containers.open_video(video, request.deadline) as opened:
        context, name = opened.stream.codec_context, opened.container.format.name
        if context.name != "h264" or not name.startswith(_TIMED):
            return None
        rows, starts, sizes = [], [], []
        for packet in containers.packets_of(opened):
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


def are_enough(video: bytes, places: packets.Places, request: Request) -> bool:
    """Returns whether the packets alone give the first frames of the file."""
    context, packet_at = _decoder(video, places, request.limits)
    alone = next(iter((*context.decode(packet_at(0)), *context.decode(None))), None)
    with containers.open_video(video, request.deadline) as opened:
        first = next(containers.decoded(opened), None)
        if alone is None or first is None or _looks(alone) != _looks(first):
            return False
    request = request._replace(wanted=list(range(len(places.starts)))[:_COMPARED])
    clip = from_places(video, places, request)
    return clip is not None and np.array_equal(clip, from_file(video, request))


def _looks(frame: av.video.frame.VideoFrame) -> tuple[object, ...]:
    """What decides how a frame becomes RGB; a file may state it beside its packets."""
    size = frame.width, frame.height, frame.format.name, containers.orientation(frame)
    colours = frame.colorspace, frame.color_range, frame.color_primaries
    return (*size, *colours, frame.color_trc)


def _decoder(
    video: bytes, places: packets.Places, limits: video_facts.Limits
) -> tuple[av.video.codeccontext.VideoCodecContext, Callable[[int], av.packet.Packet]]:
    """A decoder for the packets of an H.264 file, and the packets by their rows."""
    context = av.CodecContext.create("h264", "r")
    context.extradata = places.extradata
    containers.limit(context, limits)
    times, is_key, _ = places.table
    stops = places.starts + places.sizes

    def packet_at(row: int) -> av.packet.Packet:
        packet = av.packet.Packet(video[places.starts[row] : stops[row]])
        packet.pts = int(times[row])
        packet.is_keyframe = bool(is_key[row])
        return packet

    return context, packet_at


def _clip(decoded: Iterator[_Numbered], request: Request) -> np.ndarray:
    """[T, H, W, 3] uint8 RGB, the requested frames among all `decoded`."""
    wanted = request.wanted
    reformatter = av.video.reformatter.VideoReformatter()
    clip, place, number = np.zeros((0, 0, 0, 3), np.uint8), 0, -1
    turn = containers.AS_STORED
    for number, frame in decoded:
        if number != wanted[place]:
            continue
        if place == 0:
            video_facts.check_pixels(
                (frame.width, frame.height), len(wanted), request.limits
            )
            turn = containers.orientation(frame)
            first = containers.upright(frame, reformatter, None, turn)
            clip = np.empty((len(wanted), *first.shape), np.uint8)
            clip[0] = first
        else:
            clip[place] = containers.upright(frame, reformatter, clip.shape[1:], turn)
        place += 1
        if place == len(wanted):
            return clip
    raise video_facts.too_few(wanted[place], number + 1)


def _numbered(opened: containers.Opened) -> Iterator[_Numbered]:
    """All frames from the start of the file on."""
    return map(_Numbered._make, enumerate(containers.decoded(opened)))


def _from_needed_packets(
    opened: containers.Opened, request: Request
) -> np.ndarray | None:
    """[T, H, W, 3], or None where only decoding everything can be trusted."""
    try:
        found = list(containers.packets_of(opened))
    except (video_facts.VideoError, av.error.FFmpegError) as error:
        if isinstance(error, video_facts.VideoError) and error.reason == "timeout":
            raise
        return None
    if any(packet.pts is None for packet in found):
        return None
    table = packets.Table.of(
        [(p.pts or 0, p.is_keyframe, containers.is_shown(opened, p)) for p in found]
    )
    context = opened.stream.codec_context
    return _from_table(context, table, found.__getitem__, request)


def _from_table(
    context: av.video.codeccontext.VideoCodecContext,
    table: packets.Table,
    packet_at: Callable[[int], av.packet.Packet],
    request: Request,
) -> np.ndarray | None:
    """[T, H, W, 3] from the packets that are needed, or None if they leave a doubt."""
    order = table.order()
    times = table.times[order]
    is_known = request.num_frames in (None, len(order)) and request.wanted[-1] < len(
        order
    )
    if not is_known or (np.diff(times) == 0).any():
        return None
    plan = packets.plan(table, order, request.wanted)
    number_of = {time: number for number, time in enumerate(times.tolist())}
    decoded = _from_plan(context, plan, packet_at, request.deadline)
    try:
        return _clip((_at_its_time(frame, number_of) for frame in decoded), request)
    except (_TableError, av.error.FFmpegError):
        return None
    except video_facts.VideoError as error:
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
        video_facts.check_time(deadline)
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
