"""Which packets of a video a decoder needs for some of its frames.

A packet is one encoded picture. Files hold packets in the order of decoding, in which a
picture comes after all others that it is predicted from; each states when it is shown.
A record may hold the places of a file's packets (`dump`), which then need no search.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple, Self

import google_crc32c
import numpy as np

_MAGIC = b"SMADPKT1"
_HEADER = struct.Struct("<8sIII")  # magic, checksum of the file, packets, extradata
_COLUMNS = ("<i8", "<u4", "<i8", "u1")  # gaps, sizes, steps of time, key frames


class Table(NamedTuple):
    """The packets of a stream, in the order of the file.

    Attributes:
        times: [P] int64, when each is shown, in any unit.
        is_key: [P] bool, whether decoding can start there.
        is_shown: [P] bool, False for pictures that serve prediction only.
    """

    times: np.ndarray
    is_key: np.ndarray
    is_shown: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[tuple[int, bool, bool]]) -> Self:
        """The table of (time, key, shown) packets."""
        times, is_key, is_shown = np.array(rows, np.int64).reshape(-1, 3).T
        return cls(times, is_key.astype(bool), is_shown.astype(bool))

    def order(self) -> np.ndarray:
        """Returns the packet of each frame, [V] rows; frame i is the i-th shown."""
        shown = np.flatnonzero(self.is_shown)
        return shown[np.argsort(self.times[shown], kind="stable")]


class Plan(NamedTuple):
    """Packets to decode, in order.

    Attributes:
        rows: [R] packets, rising.
        is_wanted: [R] bool, whether its own frame is wanted.
        is_start: [R] bool, whether packets before it are left out.
    """

    rows: np.ndarray
    is_wanted: np.ndarray
    is_start: np.ndarray


def plan(table: Table, order: np.ndarray, wanted: Sequence[int]) -> Plan:
    """Returns the packets that the frames `wanted` need.

    A frame needs the packets from the last key frame shown up to it, to its own; those
    from the first on if its key frame is not shown.

    Args:
        table: All packets.
        order: `table.order()`.
        wanted: Rising frame numbers, less than V.
    """
    numbers = np.asarray(wanted)
    frame_of = np.full(len(table.times), -1)
    frame_of[order] = np.arange(len(order))
    keys = np.flatnonzero(table.is_key & table.is_shown)
    keys = keys[np.argsort(frame_of[keys])]
    before = np.searchsorted(frame_of[keys], numbers, side="right") - 1
    starts = (
        np.where(before < 0, 0, keys[before]) if len(keys) else np.zeros_like(before)
    )
    is_needed = np.zeros(len(table.times), bool)
    for start, stop in zip(starts, order[numbers] + 1, strict=True):
        is_needed[start:stop] = True
    rows = np.flatnonzero(is_needed)
    is_start = np.diff(rows, prepend=rows[:1]) > 1
    is_wanted = np.zeros(len(table.times), bool)
    is_wanted[order[numbers]] = True
    return Plan(rows, is_wanted[rows], is_start)


class Places(NamedTuple):
    """Where the packets of a file lie; each shows a frame.

    Attributes:
        table: The packets.
        starts: [P] int64, the first byte of each.
        sizes: [P] int64, its bytes.
        extradata: What the decoder needs beside them.
    """

    table: Table
    starts: np.ndarray
    sizes: np.ndarray
    extradata: bytes


def dump(places: Places, video: bytes) -> bytes:
    """Returns the places as bytes, to be stored beside `video`."""
    times, is_key, _ = places.table
    ends = np.append(0, places.starts + places.sizes)
    # differences are small and few, which makes a tenth of the bytes
    columns = (
        places.starts - ends[:-1],
        places.sizes,
        np.diff(times, prepend=0),
        is_key,
    )
    parts = [
        c.astype(kind).tobytes() for c, kind in zip(columns, _COLUMNS, strict=True)
    ]
    checksum = google_crc32c.value(video)
    header = _HEADER.pack(_MAGIC, checksum, len(times), len(places.extradata))
    return header + zlib.compress(b"".join((*parts, places.extradata)))


def load(content: bytes, video: bytes) -> Places | None:
    """Returns what `dump` stored, or None if it is damaged or of another file."""
    if len(content) < _HEADER.size or not content.startswith(_MAGIC):
        return None
    _, checksum, count, rest = _HEADER.unpack_from(content)
    if checksum != google_crc32c.value(video) or max(count, rest) > len(video):
        return None
    kinds = [np.dtype(kind) for kind in _COLUMNS]
    size = count * sum(kind.itemsize for kind in kinds) + rest
    unpacking = zlib.decompressobj()
    try:
        # no further than that: a few bytes can unpack to gigabytes
        data = unpacking.decompress(content[_HEADER.size :], size + 1)
    except zlib.error:
        return None
    if len(data) != size or not unpacking.eof:
        return None
    columns, place = [], 0
    for kind in kinds:
        columns.append(np.frombuffer(data, kind, count, place).astype(np.int64))
        place += count * kind.itemsize
    gaps, sizes, steps, is_key = columns
    starts = np.cumsum(gaps + sizes) - sizes
    shown = np.ones(count, bool)
    table = Table(np.cumsum(steps), is_key.astype(bool), shown)
    return Places(table, starts, sizes, data[place:])
