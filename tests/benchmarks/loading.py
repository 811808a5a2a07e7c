"""Reading clips: raw decoding, our decoding and pipeline, and PyTorch's DataLoader.

    pip install -r requirements-bench.txt
    python -m tests.benchmarks.loading --write docs/performance.md

Clips of 8 frames at stride 8, of made-up footage of 10 s at 340x256, become 224x224 by
MMAction2's transforms on either side. Every reader takes as many clips, in turns, on
one core; milliseconds are of the processor and of a clip. Then our pipeline and the
DataLoader run with two workers on two cores, in real time. A second table has the cores
that feed an accelerator at the bounds of `docs/results/compiled.json`.
"""

import functools
import importlib.util
import math
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from data_prep.lists import class_folders
from data_prep.records import build, video_files
from smad_jax.data import (
    bad_videos,
    catalog,
    frame_reader,
    jpeg_frames,
    pipeline,
    read_ahead,
    video,
)
from smad_jax.data.sampling import Sampling
from smad_jax.data.transforms import Transform
from smad_jax.experiment import config_files
from smad_jax.experiment.settings import Settings
from tests.benchmarks import compile_for, footage, measuring, torch_loading

BATCH_SIZE = 8
SAMPLING = Sampling("clip", torch_loading.NUM_FRAMES, torch_loading.STRIDE)
TRANSFORM = Transform("random_resized_crop", size=224, resize=256)
RAW, OWN_DECODE, PIPELINE = "raw decode", "our decode", "our pipeline"
HEADER = (
    *("stored as", "KiB a video", "reader", "ms a clip", "in each round"),
    *("ours over it", "clips/s, one core", "two cores"),
)
FEEDING = ("config", "chip", "clips/s at the roofline", "cores for")
# By the data sheets: dense bfloat16, and the memory's bandwidth.
CHIPS = {
    "TPU v5e": compile_for.CHIPS["v5e"],
    "H100 SXM": compile_for.Chip(989e12, 3350e9),
}


class Store(NamedTuple):
    """Videos in one form: as our data set, and as PyTorch's files."""

    name: str
    split: catalog.Split
    files: tuple[pathlib.Path, ...]
    decoders: Mapping[str, torch_loading.Decoder]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = measuring.parser("loading", repeats=5)
    parser.add_argument("--videos", type=int, default=8, help="files of each form")
    parser.add_argument("--clips", type=int, default=48, help="of a measurement")
    parser.add_argument("--only", default="", help="part of a form's name, as JPEG")
    chosen = parser.parse_args(arguments)
    clock = measuring.keep_to(1)
    torch.set_num_threads(1)
    rows, rates = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for store in stores(pathlib.Path(folder), chosen.videos):
            if chosen.only not in store.name:
                continue
            print(store.name, file=sys.stderr, flush=True)
            check(store)
            with stream(store, 0) as batches:
                calls = readers(store, batches, chosen.clips)
                found = measuring.alternate(calls, chosen.repeats, clock)
            rows += rows_of(store, found, chosen.clips)
            rates[store.name] = chosen.clips / statistics.median(found[PIPELINE])
    note = (
        f"Medians of {chosen.repeats} measurements of {chosen.clips} clips; "
        f"{measuring.versions('av', 'torch', 'opencv-python-headless')}."
    )
    measuring.publish("loading", HEADER, rows, note=note, page=chosen.write)
    header = (*FEEDING[:-1], *(f"{FEEDING[-1]} {name}" for name in rates))
    measuring.publish(
        "feeding",
        header,
        list(feeding(rates)),
        note="Clips per second and core are those of our pipeline above.",
        page=chosen.write,
    )
    return 0


def stores(folder: pathlib.Path, number: int) -> Iterator[Store]:
    """Makes the videos and yields their forms one by one."""
    decoders = {"PyAV": torch_loading.from_pyav}
    if importlib.util.find_spec("decord"):
        decoders["decord"] = torch_loading.from_decord
    made = [footage.pictures(seed) for seed in range(number)]
    for gop in (12, 250):
        videos = folder / f"gop{gop}"
        for number, pictures in enumerate(made):
            path = videos / "class" / f"{number}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(footage.encode(pictures, gop))
        split = built(videos, f"h264-{gop}", video_files.Rules())
        files = tuple(videos / id for id in split.ids)
        yield Store(f"H.264, GOP {gop}", split, files, decoders)
    as_jpeg = video_files.Rules(store="jpeg", short_side=min(footage.SIZE))
    split = built(videos, "jpeg", as_jpeg)
    files = tuple(written_frames(split, folder / "frames"))
    yield Store("JPEG", split, files, {"files": torch_loading.from_files})


def built(videos: pathlib.Path, name: str, rules: video_files.Rules) -> catalog.Split:
    """Returns the training split of a data set of class folders."""
    source = class_folders.find_videos(videos, video.EXTENSIONS)
    options = build.Options(rules=rules, holdout=0.0)
    build.build(videos, source, name=name, out=videos.parent, options=options)
    return catalog.open_split(videos.parent, name, "train")


def written_frames(split: catalog.Split, out: pathlib.Path) -> Iterator[pathlib.Path]:
    """Writes the stored frames as MMAction2 reads them; yields a folder a video."""
    for row, id in enumerate(split.ids):
        folder = out / id
        folder.mkdir(parents=True)
        stored = jpeg_frames.unpack(split.video(row).video)
        for number in range(len(stored)):
            path = folder / f"img_{number + 1:05}.jpg"
            path.write_bytes(stored.file(number))
        yield folder


def check(store: Store) -> None:
    """Checks that every decoder returns the frames that ours does.

    Raises:
        RuntimeError: if one does not.
    """
    reader, indices = reader_of(store), np.arange(9, 73, 8)
    own = reader.frames(0, reader.open(0), indices).astype(int)
    decoders = {**store.decoders, RAW: lambda *_: raw_frames(store, 0, indices)}
    for name, decode in decoders.items():
        other = np.stack(decode(store.files[0], indices.tolist()))
        # decord's conversion of colours rounds otherwise
        if own.shape != other.shape or np.abs(own - other).mean() > 2:
            raise RuntimeError(f"{store.name}: {name} decodes other frames than we do")


def reader_of(store: Store) -> frame_reader.Reader:
    """Returns our reader of single clips, without a cache."""
    cache = frame_reader.FrameCache(0)
    return frame_reader.Reader(store.split, cache, TRANSFORM.short_side)


def readers(
    store: Store, batches: Iterator[object], num_clips: int
) -> dict[str, Callable[[], object]]:
    """Returns what is measured by its name; each call reads `num_clips` clips."""
    found: dict[str, Callable[[], object]] = {
        RAW: functools.partial(decode_raw, store, num_clips),
        OWN_DECODE: functools.partial(decode_own, store, num_clips),
        PIPELINE: functools.partial(take, batches, num_clips),
    }
    for name, clips in torch_clips(store, num_clips).items():
        loader = torch_loading.loader(clips, BATCH_SIZE, 0)
        # Bound now: an epoch of the loader is a measurement.
        found[name] = lambda loader=loader: take(iter(loader), num_clips)
    return found


def torch_clips(store: Store, num_clips: int) -> dict[str, torch_loading.Clips]:
    """Returns the data sets for PyTorch's loader, by the reader's name."""
    return {
        f"DataLoader, {decoder}, normalised {where}": torch_loading.Clips(
            store.files,
            decode,
            footage.NUM_FRAMES,
            normalise=where,
            num_clips=num_clips,
        )
        for decoder, decode in store.decoders.items()
        for where in ("here", "on the device")
    }


def decode_raw(store: Store, num_clips: int) -> None:
    """Decodes clips with nothing around: what no reader can do without."""
    for row, indices in clips_of(store, num_clips):
        raw_frames(store, row, indices)


def raw_frames(store: Store, row: int, indices: np.ndarray) -> list[np.ndarray]:
    """Returns the frames of one clip from its record."""
    stored = store.split.open(row)
    if stored.frames is None:
        return torch_loading.pyav_frames(stored.video, indices.tolist())
    return [torch_loading.jpeg(stored.frames.file(number)) for number in indices]


def decode_own(store: Store, num_clips: int) -> None:
    """Decodes the same clips as our pipeline does."""
    reader = reader_of(store)
    for row, indices in clips_of(store, num_clips):
        reader.frames(row, reader.open(row), indices)


def clips_of(store: Store, num_clips: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields the row of a video, and frame numbers."""
    rng = np.random.default_rng(0)
    for number in range(num_clips):
        yield number % len(store.split), SAMPLING.train(footage.NUM_FRAMES, rng)


def stream(store: Store, num_workers: int) -> read_ahead.Batches[pipeline.Batch]:
    """Returns our training stream of a form of the videos."""
    return pipeline.train_batches(
        store.split,
        sampling=SAMPLING,
        transform=TRANSFORM,
        batch_size=BATCH_SIZE,
        seed=0,
        bad_videos=bad_videos.BadVideos(None, num_videos=len(store.split)),
        num_threads=min(num_workers, 1),
        num_workers=num_workers,
    )


def take(batches: Iterator[object], num_clips: int) -> None:
    """Takes batches of so many clips."""
    for _ in range(num_clips // BATCH_SIZE):
        next(batches)


def rows_of(
    store: Store, found: Mapping[str, Sequence[float]], num_clips: int
) -> Iterator[list[str]]:
    """Yields the rows of a form of the videos."""
    sizes = [len(store.split.video(row).video) for row in range(len(store.split))]
    both = on_two_cores(store)
    for name, seconds in found.items():
        per_clip = [1e3 * one / num_clips for one in seconds]
        yield [
            store.name,
            f"{statistics.mean(sizes) / 1024:.0f}",
            name,
            f"{statistics.median(per_clip):.1f}",
            measuring.spread(per_clip),
            measuring.ratio(found[PIPELINE], seconds)[0],
            f"{1e3 / statistics.median(per_clip):.1f}",
            f"{both[name]:.1f}" if name in both else "",
        ]


def on_two_cores(store: Store) -> dict[str, float]:
    """Returns clips per second of real time, with two workers on two cores."""
    os.sched_setaffinity(0, measuring.CORES[:2])
    number, found = 20 * BATCH_SIZE, {}
    try:
        with stream(store, 2) as batches:
            found[PIPELINE] = rate(batches, number)
        for name, clips in torch_clips(store, number).items():
            loader = torch_loading.loader(clips, BATCH_SIZE, 2)
            found[name] = rate(iter(loader), number)
    finally:
        os.sched_setaffinity(0, measuring.CORES[:1])
    return found


def rate(batches: Iterator[object], num_clips: int) -> float:
    """Returns clips per second of real time, without the first batch."""
    take(batches, BATCH_SIZE)
    start = time.perf_counter()
    take(batches, num_clips - BATCH_SIZE)
    return (num_clips - BATCH_SIZE) / (time.perf_counter() - start)


def feeding(rates: Mapping[str, float]) -> Iterator[list[str]]:
    """Yields the rows of the second table: the cores that each config's step needs.

    Args:
        rates: Clips per second of one core, by the form of the videos.
    """
    for key, program in compile_for.read(compile_for.RESULTS).items():
        topology, config, dtype, step = key.split(" ")
        if (dtype, step) != ("bfloat16", "train"):
            continue
        chips = math.prod(map(int, topology.partition(":")[2].split("x")))
        settings = Settings.read(config_files.load_config(config))
        clips = settings.data.batch_size / chips
        for name, chip in CHIPS.items():
            seconds = max(
                program.flops / chip.flops, program.hbm_bytes / chip.bandwidth
            )
            yield [
                f"`{pathlib.Path(config.partition(':')[0]).stem}`",
                name,
                f"{clips / seconds:,.0f}",
                *(f"{clips / seconds / rate:.1f}" for rate in rates.values()),
            ]


if __name__ == "__main__":
    sys.exit(main())
