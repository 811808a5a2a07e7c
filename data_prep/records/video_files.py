"""Reads listed video files: the content and frames of each, or why it is unusable."""

import argparse
import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from data_prep.lists import command_options, wanted_videos
from data_prep.records import transcode
from smad_jax import errors
from smad_jax.base import command_line
from smad_jax.data import images, jpeg_frames, video

CHECK_TIME = 120.0  # seconds a file; checking decodes all of it
_AS_JPEG = 1, 90  # stride and quality by default


class Checked(NamedTuple):
    """A video after reading, or why it cannot be used.

    Attributes:
        content: Of the file.
        num_frames: Frames that decode, 0 if unknown.
        error: Why it cannot be used.
        packets: Where its packets lie, from `convert`, empty if unknown.
    """

    content: bytes
    num_frames: int
    error: video.VideoError | None
    packets: bytes = b""


@dataclasses.dataclass(frozen=True)
class Rules:
    """Requirements on a file, and its conversion.

    Attributes:
        check: Test of each file: all frames decoded, one frame decoded, or none.
        min_frames: Least number of frames.
        keep_truncated: Keep the readable frames of videos that end early.
        short_side: Short side in pixels that larger videos are reduced to (256 or 340
            are usual); 0 stores the files unchanged.
        store: Form of the videos, a video each or their frames as JPEG files, which are
            larger and faster to read; images stay as they are.
        stride: Frames from one stored JPEG file to the next.
        quality: Quality of the JPEG files, 1 to 100.
        frame_template: Names of the images in a folder that is a video.
    """

    check: Literal["decode", "open", "none"] = "decode"
    min_frames: int = 1
    keep_truncated: bool = False
    short_side: int = 0
    store: Literal["video", "jpeg"] = "video"
    stride: int = 1
    quality: int = 90
    frame_template: str = transcode.TEMPLATE

    def __post_init__(self):
        """Raises ConfigError if the rules are wrong or contradict each other."""
        if self.min_frames > 1 and self.check == "none":
            raise errors.ConfigError("--min-frames needs --check decode or open")
        side = self.short_side
        if side < 0 or side % 2 or 0 < side < 16:
            raise errors.ConfigError(
                f"--short-side must be an even number of at least 16, not {side}"
            )
        if self.stride < 1 or not 1 <= self.quality <= 100:
            raise errors.ConfigError(
                "--stride must be at least 1 and --quality 1 to 100, but they are "
                f"{self.stride} and {self.quality}"
            )
        if self.store != "jpeg" and (self.stride, self.quality) != _AS_JPEG:
            raise errors.ConfigError("--stride and --quality need --store jpeg")
        try:
            distinct = {self.frame_template.format(number) for number in (1, 2)}
        except (LookupError, ValueError):
            distinct = set()
        if len(distinct) < 2:
            raise errors.ConfigError(
                f"--frame-template {self.frame_template!r} must hold the frame's "
                "number, as in 'img_{:05}.jpg'"
            )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `Rules` that do not convert files, and `--jobs`."""
    command_options.add_options(
        parser, Rules, "check", "min_frames", "keep_truncated", "frame_template"
    )
    parser.add_argument(
        "--jobs",
        type=command_line.whole_number(1),
        default=os.cpu_count() or 1,
        help="files checked at once; by default one per core",
    )


def check(
    root: pathlib.Path,
    id: str,
    rules: Rules,
    frames: wanted_videos.Frames | None = None,
) -> Checked:
    """Returns the content and number of frames of the file `root / id`, or its fault.

    Without checks the number is 0, unknown; a link out of `root` is opened even so.
    `frames` marks a folder of images.
    """
    try:
        if frames is None:
            content = (root / id).read_bytes()
            if rules.check == "none" and not _is_within(root, root / id):
                # what a link leads to may be any file of this machine
                video.probe(content, count="stated", time_limit=CHECK_TIME)
        else:
            content = transcode.join_frames(root, frames, rules.frame_template)
        num_frames = _count(content, rules)
        if rules.store == "jpeg" and not images.is_image(content):
            content = transcode.split_frames(
                content,
                short_side=rules.short_side,
                stride=rules.stride,
                quality=rules.quality,
                are_jpeg=frames is not None,
                time_limit=CHECK_TIME,
            )
            num_frames = jpeg_frames.unpack(content).num_frames
        elif rules.short_side:
            content = transcode.shorten_side(
                content, rules.short_side, time_limit=CHECK_TIME
            )
    except OSError as error:
        reason = error.strerror or str(error)
        return Checked(b"", 0, video.VideoError("missing", reason))
    except video.VideoError as error:
        return Checked(b"", 0, error)
    return Checked(content, num_frames, None)


def convert(
    root: pathlib.Path,
    id: str,
    rules: Rules,
    frames: wanted_videos.Frames | None = None,
) -> Checked:
    """Returns what `check` does, and where the packets lie if all frames decode."""
    checked = check(root, id, rules, frames)
    if checked.error is not None or rules.check != "decode":
        return checked
    packets = video.packet_places(
        checked.content, checked.num_frames, time_limit=CHECK_TIME
    )
    return checked._replace(packets=packets)


def _is_within(root: pathlib.Path, path: pathlib.Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def _count(content: bytes, rules: Rules) -> int:
    """The frames of a video that meets the rules, 0 if unchecked."""
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
    read: Callable[..., Checked] | None = None,
) -> Iterator[tuple[str, Checked]]:
    """Checks `num_jobs` files at once and yields them in order; few are in memory.

    `read` is `check`, or `convert` for records.
    """
    read = read or check
    with concurrent.futures.ThreadPoolExecutor(num_jobs) as pool:
        waiting: collections.deque = collections.deque()
        try:
            for id in ids:
                future = pool.submit(read, root, id, rules, frames.get(id))
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
    """Reports progress on stderr every five seconds, after `done` files of `total`."""

    def __init__(self, total: int, done: int = 0):
        self._total, self._done, self._before, self._bad = total, done, done, 0
        self._start = self._reported = time.monotonic()

    def add(self, error: object) -> None:
        """Counts one more file, bad if there is an error."""
        self._done += 1
        self._bad += error is not None
        now = time.monotonic()
        if now - self._reported < 5 and self._done < self._total:
            return
        pace = (now - self._start) / (self._done - self._before)
        command_line.on_standard_error(
            f"{self._done} of {self._total} videos, {self._bad} left out, "
            f"{pace * (self._total - self._done):.0f} s to go"
        )
        self._reported = now


def sizes(
    root: pathlib.Path,
    ids: Sequence[str],
    frames: Mapping[str, wanted_videos.Frames],
) -> list[tuple[int, int]]:
    """Returns size and modification time of each file, zeros for a missing one."""
    found = []
    for id in ids:
        try:
            state = (root / (frames[id].folder if id in frames else id)).stat()
            found.append((state.st_size, state.st_mtime_ns))
        except OSError:
            found.append((0, 0))
    return found
