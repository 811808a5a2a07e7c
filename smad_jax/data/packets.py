"""Which packets of a video a decoder needs for some of its frames.

A packet is one encoded picture. Files hold packets in the order of decoding, in which a
picture comes after all others that it is predicted from; each states when it is shown.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np


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
    return Plan(rows, np.isin(rows, order[numbers]), is_start)
