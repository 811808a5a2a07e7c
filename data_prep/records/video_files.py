"""Reading the files of a list: content, frames, or what is wrong with each."""

import collections
import concurrent.futures
import dataclasses
import pathlib
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from data_prep.lists import wanted_videos
from data_prep.records import transcode
from smad_jax.data import video

CHECK_TIME = 120.0  # seconds a file; checking decodes all of it


class Checked(NamedTuple):
    """A video after reading: its content and frames, or why it cannot be used."""

    content: bytes
    num_frames: int
    error: video.VideoError | None


@dataclasses.dataclass(frozen=True)
class Rules:
    """What a file must hold, and what becomes of it.

    Attributes:
        check: `decode` every frame, `open` each file and decode one, or `none`.
        min_frames: Fewer frames are too few.
        keep_truncated: Keep videos whose end is missing, with the frames that decode.
        short_side: Pixels that a larger short side is reduced to; 0 leaves the file as
            it is.
        frame_template: Of the file names where a video is a folder of images.
    """

    check: str = "decode"
    min_frames: int = 1
    keep_truncated: bool = False
    short_side: int = 0
    frame_template: str = transcode.TEMPLATE


def check(
    root: pathlib.Path,
    id: str,
    rules: Rules,
    frames: wanted_videos.Frames | None = None,
) -> Checked:
    """Returns the file's content and its number of frames, or what is wrong with it.

    Without checks the number is 0, unknown.

    Args:
        root: The folder of videos.
        id: The file, relative to it.
        rules: What it must hold.
        frames: Where its frames lie, if it is a folder of images.
    """
    try:
        if frames is None:
            content = (root / id).read_bytes()
        else:
            content = transcode.join_frames(root, frames, rules.frame_template)
        num_frames = _count(content, rules)
        if rules.short_side:
            content = transcode.shorten_side(
                content, rules.short_side, time_limit=CHECK_TIME
            )
    except OSError as error:
        reason = error.strerror or str(error)
        return Checked(b"", 0, video.VideoError("missing", reason))
    except video.VideoError as error:
        return Checked(b"", 0, error)
    return Checked(content, num_frames, None)


def _count(content: bytes, rules: Rules) -> int:
    """The frames of a video that keeps the rules, 0 if nobody looks."""
    if rules.check == "none":
        return 0
    facts = video.probe(
        content,
        count="decoded" if rules.check == "decode" else "stated",
        time_limit=CHECK_TIME,
    )
    if facts.failure and not rules.keep_truncated:
        raise video.VideoError("truncated", facts.failure)
    if facts.num_frames < rules.min_frames:
        raise video.VideoError(
            "too_short", f"{facts.num_frames} frames, wanted {rules.min_frames}"
        )
    return facts.num_frames


def check_all(
    root: pathlib.Path,
    ids: Iterable[str],
    rules: Rules,
    frames: Mapping[str, wanted_videos.Frames],
    num_jobs: int,
) -> Iterator[tuple[str, Checked]]:
    """Checks files at the same time, yields in order; few are in memory at once.

    Args:
        root: The folder of videos.
        ids: The files, relative to it.
        rules: What they must hold.
        frames: Of the ids that are folders of images.
        num_jobs: Files checked at once.
    """
    with concurrent.futures.ThreadPoolExecutor(num_jobs) as pool:
        waiting: collections.deque = collections.deque()
        try:
            for id in ids:
                future = pool.submit(check, root, id, rules, frames.get(id))
                waiting.append((id, future))
                if len(waiting) > 2 * num_jobs:
                    id, future = waiting.popleft()
                    yield id, future.result()
            while waiting:
                id, future = waiting.popleft()
                yield id, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


class Progress:
    """Says on stderr every few seconds how far a long work is.

    Args:
        total: Files to do.
        done: Of them, those done before.
    """

    def __init__(self, total: int, done: int = 0):
        self._total, self._done, self._before, self._bad = total, done, done, 0
        self._start = self._said = time.monotonic()

    def add(self, error: object) -> None:
        """Counts one more file, bad if there is an error."""
        self._done += 1
        self._bad += error is not None
        now = time.monotonic()
        if now - self._said < 5 and self._done < self._total:
            return
        pace = (now - self._start) / (self._done - self._before)
        print(
            f"{self._done} of {self._total} videos, {self._bad} left out, "
            f"{pace * (self._total - self._done):.0f} s to go",
            file=sys.stderr,
        )
        self._said = now


def sizes(
    root: pathlib.Path,
    ids: Sequence[str],
    frames: Mapping[str, wanted_videos.Frames],
) -> list[tuple[int, int]]:
    """Returns size and time of change of each file, zeros where there is none."""
    found = []
    for id in ids:
        try:
            state = (root / (frames[id].folder if id in frames else id)).stat()
            found.append((state.st_size, state.st_mtime_ns))
        except OSError:
            found.append((0, 0))
    return found
