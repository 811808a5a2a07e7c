"""Finds videos and images that show the same as one of another list (App. B, Sec. 6.1).

Web data contains clips and frames of test videos, and ARAS clips may come from training
videos. All frames of one list are compared with all of another by their hashes
(`frame_hashes`). Multi-index buckets spare all but about a thousandth of the
comparisons (Norouzi et al., 2012); the remaining cost grows with the product of both
numbers of frames.
"""

import csv
import itertools
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from data_prep.bias import frame_hashes
from data_prep.lists import command_options
from smad_jax.base import file_io
from smad_jax.data import catalog

# Bits of 64 that may differ. More than nine in ten real frames that were compressed
# hard, resized, or changed in brightness or contrast stay within these; frames of
# different videos among those tried differed by at least 18 and 14.
PERCEPTUAL_RADIUS = 6
DIFFERENCE_RADIUS = 10
# Frames hashed of a video: few of each candidate, and enough of each video compared
# with that one is near any moment; of ten seconds every sixth.
_FRAMES, _OTHER_FRAMES = 10, 50
_LEAST_FRAMES = 2  # in common, to count as a duplicate; 1 of a video of one frame

_BLOCKS, _BLOCK_BITS = 4, 16
_CANDIDATES = 1 << 22  # compared at once


class Pairs(NamedTuple):
    """[P] positions of queries and of the targets that they are close to."""

    query: np.ndarray
    target: np.ndarray


def close_pairs(queries: np.ndarray, targets: np.ndarray, *, radius: int) -> Pairs:
    """Returns all pairs of hashes that differ in no more than `radius` bits, 0 to 15.

    Two such numbers differ, in at least one of their four parts of 16 bits, by no more
    than a quarter of the radius; only targets in such buckets are compared. The result
    is exact, ordered by query, then target. Queries are [Q] uint64, targets [T] uint64;
    it is fastest if these are fewer.
    """
    if not 0 <= radius < 4 * _BLOCKS:
        raise ValueError(f"radius must be 0 to {4 * _BLOCKS - 1} bits, not {radius}")
    queries, targets = (np.asarray(x, np.uint64) for x in (queries, targets))
    found = [
        pairs
        for block in range(_BLOCKS)
        for pairs in _close_in_block(queries, targets, block, radius)
    ]
    keys = np.unique(np.concatenate([np.zeros(0, np.int64), *found]))
    return Pairs(*np.divmod(keys, max(len(targets), 1)))


def _close_in_block(
    queries: np.ndarray, targets: np.ndarray, block: int, radius: int
) -> Iterator[np.ndarray]:
    """Close pairs, as query * T + target, that are alike in one part of the bits."""
    order, starts = _buckets(_part(targets, block))
    here = _part(queries, block)
    for flips in _flips(radius // _BLOCKS):
        bucket = here ^ flips
        counts = starts[bucket + 1] - starts[bucket]
        # runs of queries whose candidates fit into memory
        before = np.cumsum(counts) - counts
        cuts = np.flatnonzero(np.diff(before // _CANDIDATES)) + 1
        for first, last in itertools.pairwise([0, *cuts.tolist(), len(queries)]):
            size = counts[first:last]
            query = np.repeat(np.arange(first, last), size)
            within = np.arange(len(query)) - np.repeat(np.cumsum(size) - size, size)
            target = order[np.repeat(starts[bucket[first:last]], size) + within]
            distance = np.bitwise_count(queries[query] ^ targets[target])
            close = distance <= radius
            yield query[close] * len(targets) + target[close]


def _part(hashes: np.ndarray, block: int) -> np.ndarray:
    """[N] int64: one part of the bits."""
    shift = np.uint64(block * _BLOCK_BITS)
    return (hashes >> shift & np.uint64((1 << _BLOCK_BITS) - 1)).astype(np.int64)


def _buckets(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions ordered by value, and where in them each value starts, [2^16 + 1]."""
    order = np.argsort(values, kind="stable")
    counts = np.bincount(values, minlength=1 << _BLOCK_BITS)
    return order, np.concatenate([[0], np.cumsum(counts)])


def _flips(number: int) -> list[int]:
    """All parts with up to `number` bits set."""
    return [
        sum(1 << bit for bit in bits)
        for count in range(number + 1)
        for bits in itertools.combinations(range(_BLOCK_BITS), count)
    ]


class Matches(NamedTuple):
    """Near-duplicates: [M] rows of videos, of their originals, and frames in common.

    Ordered by video; of several originals the first with most frames in common.
    """

    video: np.ndarray
    other: np.ndarray
    frames: np.ndarray


def find(videos: frame_hashes.Hashes, others: frame_hashes.Hashes) -> Matches:
    """Returns the videos that show the same as one of the others, each once.

    Frames are the same if both of their hashes are close. Two frames of a video must
    appear in one of the others, or the only usable one of an image or video.
    """
    pairs = close_pairs(videos.perceptual, others.perceptual, radius=PERCEPTUAL_RADIUS)
    differ = videos.difference[pairs.query] ^ others.difference[pairs.target]
    same = np.bitwise_count(differ) <= DIFFERENCE_RADIUS
    frame, owner = pairs.query[same], others.owner[pairs.target[same]]
    frame, owner = np.unique(np.stack([frame, owner]), axis=1)  # each frame counts once
    both, common = np.unique(
        np.stack([videos.owner[frame], owner]), axis=1, return_counts=True
    )
    usable = np.bincount(videos.owner, minlength=1)
    enough = common >= np.minimum(_LEAST_FRAMES, usable[both[0]])
    video, other, common = both[0, enough], both[1, enough], common[enough]
    best = np.lexsort((other, -common, video))
    _, first = np.unique(video[best], return_index=True)
    return Matches(video[best][first], other[best][first], common[best][first])


class Screened(NamedTuple):
    """Rows without near-duplicates, and a line of text for each list compared with."""

    rows: np.ndarray
    lines: list[str]


def leave_out(
    data_root: pathlib.Path,
    split: catalog.Split,
    rows: np.ndarray,
    against: Sequence[str],
    *,
    report: str,
    num_jobs: int = 2,
) -> Screened:
    """Returns the rows of a split, of `rows`, that show nothing of other splits.

    `against` names these as DATASET/SPLIT. The pairs found are listed for inspection in
    `splits/<report>.duplicates.csv`: the split's id, the other's, and the number of
    frames in common. `num_jobs` videos are decoded at once.

    Raises:
        ConfigError: if an item of `against` is not DATASET/SPLIT.
        DataError: if one is missing.
    """
    others = [
        command_options.open_place(data_root, place, "--against") for place in against
    ]
    if not others:
        return Screened(rows, [])
    folder = data_root / split.dataset
    hashes = frame_hashes.of_split(
        split, folder, rows, num_frames=_FRAMES, num_jobs=num_jobs
    )
    kept = np.ones(len(rows), bool)
    lines, listed = [], []
    for place, other in zip(against, others, strict=True):
        theirs = frame_hashes.of_split(
            other,
            data_root / other.dataset,
            np.arange(len(other)),
            num_frames=_OTHER_FRAMES,
            num_jobs=num_jobs,
        )
        found = find(hashes, theirs)
        kept[found.video] = False
        lines.append(
            f"{len(found.video)} of {len(rows)} show the same as one of {place}, "
            "left out"
        )
        listed += [
            (split.ids[rows[video]], f"{place}/{other.ids[row]}", int(frames))
            for video, row, frames in zip(*found, strict=True)
        ]
    _write_pairs(folder / "splits" / f"{report}.duplicates.csv", listed)
    return Screened(rows[kept], lines)


def _write_pairs(path: pathlib.Path, pairs: Sequence[tuple[str, str, int]]) -> None:
    with (
        file_io.whole(path) as partial,
        open(partial, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("id", "shows the same as", "frames in common"))
        writer.writerows([map(file_io.cell, pair) for pair in pairs])
