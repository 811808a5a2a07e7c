"""Does reading many clips, whole or damaged, take ever more memory?

    python -m tests.benchmarks.reading_memory --write docs/reliability.md

Prints this process's resident memory after a tenth of the clips and after all of them.
Every clip is of other bytes: of one of 64 videos, and damaged at a place of its own.
"""

import argparse
import itertools
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from data_prep.embedded import make, render
from smad_jax.data import jpeg_frames, video
from smad_jax.data.embedded import benchmark
from smad_jax.reporting import documents
from tests.benchmarks import faults

HEADS = "| clips of | read | refused | MiB after a tenth | MiB after all |"
VIDEOS = 64
FRAMES = (1, 6)  # of each video's eight


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.reading_memory")
    parser.add_argument("--clips", type=int, default=20_000, help="of each kind")
    parser.add_argument("--write", type=pathlib.Path, help="page to put the table in")
    chosen = parser.parse_args(arguments)
    lines = [HEADS, "|---|---|---|---|---|"]
    for name, files in kinds().items():
        print(name, file=sys.stderr, flush=True)
        lines.append(row(name, files, chosen.clips))
    text = "\n".join(lines)
    print(text)
    if chosen.write:
        documents.replace(chosen.write, "reading-memory", text)
    return 0


def kinds() -> dict[str, Iterator[bytes]]:
    """Returns endless files of each kind."""
    how = make.EDITIONS[benchmark.LARGE_NAME].how
    number = np.arange(VIDEOS)
    factors = benchmark.Factors(number % 10, number % 16, number % 8)
    clips = benchmark.render(factors, seed=0, stream=0, how=how).video
    encoded = [render.encode(clip, how) for clip in clips]
    frames = [
        jpeg_frames.pack([as_jpeg(frame) for frame in clip], len(clip))
        for clip in clips
    ]
    return {
        "H.264 videos": itertools.cycle(encoded),
        "JPEG frames": itertools.cycle(frames),
        "damaged H.264 videos": damaged(encoded),
        "damaged JPEG frames": damaged(frames),
    }


def as_jpeg(frame: np.ndarray) -> bytes:
    """Returns a frame [H, W, 3] as a JPEG file."""
    return cv2.imencode(".jpg", frame)[1].tobytes()


def damaged(files: Sequence[bytes]) -> Iterator[bytes]:
    """Yields the files in turn, each damaged in another way every time."""
    rng = np.random.default_rng(0)
    for file in itertools.cycle(files):
        yield faults.damaged(file, rng)


def row(name: str, files: Iterator[bytes], num_clips: int) -> str:
    """Reads clips and returns their line of the table."""
    early = num_clips // 10
    refused = sum(not read(next(files)) for _ in range(early))
    first = resident()
    refused += sum(not read(next(files)) for _ in range(num_clips - early))
    counts = f"{num_clips - refused:,} | {refused:,}"
    return f"| {name} | {counts} | {first:.0f} | {resident():.0f} |"


def read(file: bytes) -> bool:
    """Whether a clip of the file can be read."""
    try:
        video.decode(file, FRAMES)
    except video.VideoError:
        return False
    return True


def resident() -> float:
    """Returns the memory of this process in MiB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    sys.exit(main())
