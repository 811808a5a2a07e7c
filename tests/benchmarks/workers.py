"""Items a second of building records and of labelling, by processes and on Beam.

python -m tests.benchmarks.workers --videos DIR --weights weights/resnet50_places365 \
    --labeller resnet50

DIR holds class folders of some hundred real videos; with --images, of images. Prints
one JSON object: items a second of each step by the number of processes, labelling on
Beam's DirectRunner included; the shares of decoding (with one thread) and of the
network in a worker's time; and Beam's own share of the time on Beam. Each process has
one core. Two should process 1.7 times as much as one. The keys of `scale_plan` are
included.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence

import jax

from data_prep import build_records
from data_prep.labels import beam_labels, label_parts, network_labels
from smad_jax.data import records

_CORES = sorted(os.sched_getaffinity(0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.workers")
    add, path = parser.add_argument, pathlib.Path
    add("--videos", type=path, required=True)
    add("--weights", type=path)
    add("--labeller")
    add("--images", action="store_true")
    add("--num-frames", type=int, default=network_labels.NUM_FRAMES)
    add("--batch-size", type=int, default=50)
    add("--workers", type=int, nargs="+", default=[1, 2])
    add("--build-only", action="store_true")
    chosen = parser.parse_args(arguments)
    if not chosen.build_only:
        if not (chosen.weights and chosen.labeller):
            parser.error("labelling needs --weights and --labeller; or --build-only")
        beam_labels.import_beam()  # before any work
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for jobs in chosen.workers:
            _keep_to(jobs)
            start = time.perf_counter()
            flags = ("--videos", chosen.videos, "--out", root, "--name", f"d{jobs}")
            more = ("--jobs", jobs, "--holdout", 0, *["--images"] * chosen.images)
            if code := build_records.main([*map(str, (*flags, *more))]):
                return code
            number = len(records.RecordReader(root / f"d{jobs}", "videos"))
            found[f"build_{jobs}"] = number / (time.perf_counter() - start)
        if not chosen.build_only:
            found |= _label(chosen, root / f"d{chosen.workers[0]}")
    print(json.dumps({key: round(value, 4) for key, value in found.items()}))
    return 0


def _label(chosen: argparse.Namespace, folder: pathlib.Path) -> dict[str, float]:
    """Rates of labelling: by processes, on Beam, and the shares of one worker."""
    job = _job(chosen, folder)
    _keep_to(1)  # before JAX starts its threads, which stay there
    _warm_up(job)
    found = {}
    alone: list[label_parts.Report] = []
    for workers in chosen.workers:
        own = _apart(job, f"parts-{workers}")
        _keep_to(workers)
        start = time.perf_counter()
        made = list(label_parts.run(own, range(own.num_parts), num_workers=workers))
        found[f"label_{workers}"] = job.num_videos / (time.perf_counter() - start)
        alone = alone or made
    own = _apart(job, "parts-beam")
    _keep_to(1)
    start = time.perf_counter()
    parts = range(own.num_parts)
    on_beam = beam_labels.run(own, parts, runner="DirectRunner", options=[])
    seconds = time.perf_counter() - start
    return found | {
        "label_beam": job.num_videos / seconds,
        "share_beam": 1 - sum(report.seconds for report in on_beam) / seconds,
        **_shares(alone),
        **_rates(chosen, alone),
    }


def _keep_to(cores: int) -> None:
    """Confines this process, and those that it starts, to the first cores."""
    os.sched_setaffinity(0, set(_CORES[:cores]))


def _job(chosen: argparse.Namespace, folder: pathlib.Path) -> label_parts.Job:
    """Labelling of a data set in eight parts."""
    number = len(records.RecordReader(folder, "videos"))
    return label_parts.Job(
        folder=folder,
        weights=chosen.weights.absolute(),
        labeller=chosen.labeller,
        parts=folder / "parts",
        num_videos=number,
        part_size=max(number // 8, 1),
        num_frames=chosen.num_frames,
        batch_size=chosen.batch_size,
        num_threads=1,
    )


def _warm_up(job: label_parts.Job) -> None:
    """Compiles the network, which a process does once and keeps on disk."""
    label_parts.label_part(_apart(job, "parts-warm"), 0)


def _apart(job: label_parts.Job, name: str) -> label_parts.Job:
    """The same job with a folder of its own for the parts."""
    parts = job.folder / name
    parts.mkdir()
    return dataclasses.replace(job, parts=parts)


def _shares(made: Sequence[label_parts.Report]) -> dict[str, float]:
    """What part of one worker's time went where."""
    seconds = sum(report.seconds for report in made)
    decoding = sum(report.decoding_seconds for report in made) / seconds
    network = sum(report.network_seconds for report in made) / seconds
    return {"share_decoding": decoding, "share_network": network}


def _rates(
    chosen: argparse.Namespace, made: Sequence[label_parts.Report]
) -> dict[str, float]:
    """Items decoded, and images through the network, in a second of one worker."""
    number = sum(report.num_videos for report in made)
    images = number * (1 if chosen.images else chosen.num_frames)
    on_core = jax.default_backend() == "cpu"
    return {
        f"decode_{'images' if chosen.images else 'videos'}": number
        / sum(report.decoding_seconds for report in made),
        "core_images" if on_core else "network_images": images
        / sum(report.network_seconds for report in made),
    }


if __name__ == "__main__":
    sys.exit(main())
