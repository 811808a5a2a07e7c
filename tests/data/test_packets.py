import zlib

import numpy as np
import pytest

from smad_jax.data import packets

# shown in the order I B B P, I B B P; in the file each B is behind the P it needs
GROUPS = [(0, True), (30, False), (10, False), (20, False)]
ROWS = [(start + time, key, True) for start in (0, 40, 80) for time, key in GROUPS]


def rows_for(rows, *wanted):
    table = packets.Table.of(rows)
    return packets.plan(table, table.order(), wanted)


def test_frames_are_numbered_as_they_are_shown():
    order = packets.Table.of(ROWS).order()
    assert order.tolist() == [0, 2, 3, 1, 4, 6, 7, 5, 8, 10, 11, 9]


@pytest.mark.parametrize(
    ("wanted", "rows", "starts"),
    [
        ([0], [0], []),
        ([2], [0, 1, 2, 3], []),
        ([3], [0, 1], []),
        ([7], [4, 5], []),
        ([3, 4], [0, 1, 4], [4]),
        ([2, 4], [0, 1, 2, 3, 4], []),  # nothing is left out
        ([0, 11], [0, 8, 9], [8]),
    ],
)
def test_frame_needs_the_packets_from_its_key_frame_to_its_own(wanted, rows, starts):
    found = rows_for(ROWS, *wanted)
    assert found.rows.tolist() == rows
    assert found.rows[found.is_start].tolist() == starts
    assert found.is_wanted.sum() == len(wanted)


def test_frames_shown_before_the_key_frame_they_follow_need_the_one_before():
    # an open group: the last two are shown before the key frame in front of them
    rows = [(0, True, True), (10, False, True)]
    rows += [(40, True, True), (20, False, True), (30, False, True)]
    assert rows_for(rows, 2).rows.tolist() == [0, 1, 2, 3]
    assert rows_for(rows, 4).rows.tolist() == [2]


def test_hidden_pictures_are_decoded_and_are_no_frames():
    rows = [(0, True, True), (5, False, False), (10, False, True)]
    table = packets.Table.of(rows)
    assert table.order().tolist() == [0, 2]
    found = rows_for(rows, 1)
    assert found.rows.tolist() == [0, 1, 2]
    assert found.is_wanted.tolist() == [False, False, True]


def test_without_a_shown_key_frame_decoding_starts_at_the_first_packet():
    rows = [(0, True, False), (10, False, True), (20, False, True)]
    assert rows_for(rows, 0).rows.tolist() == [0, 1]
    np.testing.assert_array_equal(rows_for(rows, 1).is_start, [False] * 3)


VIDEO = bytes(range(200))


def stored():
    table = packets.Table.of(ROWS)
    starts = np.array([48, *range(60, 170, 10)])  # not all behind each other
    return packets.Places(table, starts, np.full(12, 7), b"extra")


def test_places_come_back_as_they_were_stored():
    found = packets.load(packets.dump(stored(), VIDEO), VIDEO)
    assert found is not None
    np.testing.assert_array_equal(np.stack(found.table), np.stack(stored().table))
    np.testing.assert_array_equal(found.starts, stored().starts)
    np.testing.assert_array_equal(found.sizes, stored().sizes)
    assert found.extradata == b"extra"


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:10],
        lambda content: content[:-3],
        lambda content: b"X" + content[1:],
        lambda content: content[:20] + b"no zlib",
        lambda content: content[:20] + zlib.compress(b"short"),
        lambda content: content[:20] + zlib.compress(bytes(1 << 20)),
        lambda content: content[:12] + b"\xff" * 8 + content[20:],
    ],
)
def test_damaged_places_are_passed_over(damage):
    assert packets.load(damage(packets.dump(stored(), VIDEO)), VIDEO) is None


def test_places_of_another_file_are_passed_over():
    content = packets.dump(stored(), VIDEO)
    assert packets.load(content, VIDEO[:-1] + b"X") is None
