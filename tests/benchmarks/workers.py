"""Videos a second of building records and of labelling, with 1 and 2 processes.

python -m tests.benchmarks.workers --videos DIR --weights weights/resnet50_places365 \
    --labeller resnet50

DIR holds class folders of real videos, some hundred of them. Prints one JSON object:
videos a second of each step by the number of processes, and the seconds a video that
decoding, the network and a whole part took, from which the rates of `scale_plan`
follow. Two should do 1.7 times what one does.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence

from data_prep import build_records, label_parts, network_labels
from smad_jax.data import records


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.workers")
    add, path = parser.add_argument, pathlib.Path
    add("--videos", type=path, required=True)
    add("--weights", type=path, required=True)
    add("--labeller", required=True)
    add("--num-frames", type=int, default=network_labels.NUM_FRAMES)
    add("--batch-size", type=int, default=50)
    add("--workers", type=int, nargs="+", default=[1, 2])
    chosen = parser.parse_args(arguments)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for jobs in chosen.workers:
            start = time.perf_counter()
            flags = ("--videos", chosen.videos, "--out", root, "--name", f"d{jobs}")
            more = ("--jobs", jobs, "--holdout", 0)
            if code := build_records.main([*map(str, (*flags, *more))]):
                return code
            number = len(records.RecordReader(root / f"d{jobs}", "videos"))
            found[f"build_{jobs}"] = number / (time.perf_counter() - start)
        for workers in chosen.workers:
            found |= _label(chosen, root / f"d{chosen.workers[0]}", workers)
    print(json.dumps({key: round(value, 4) for key, value in found.items()}))
    return 0


def _label(
    chosen: argparse.Namespace, folder: pathlib.Path, workers: int
) -> dict[str, float]:
    """Rates of labelling with so many processes, each for itself after its start."""
    number = len(records.RecordReader(folder, "videos"))
    parts = folder / f"parts-{workers}"
    parts.mkdir()
    job = label_parts.Job(
        folder=folder,
        weights=chosen.weights.absolute(),
        labeller=chosen.labeller,
        parts=parts,
        num_videos=number,
        part_size=max(number // (4 * workers), 1),
        num_frames=chosen.num_frames,
        batch_size=chosen.batch_size,
        num_threads=1,
    )
    start = time.perf_counter()
    wanted = range(job.num_parts)
    reports = list(label_parts.run(job, wanted, num_workers=workers))
    seconds = time.perf_counter() - start
    busy = sum(report.seconds for report in reports)
    return {
        f"label_{workers}": number / seconds,
        f"decode_seconds_{workers}": sum(r.decoding_seconds for r in reports) / number,
        f"network_seconds_{workers}": sum(r.network_seconds for r in reports) / number,
        f"part_seconds_{workers}": busy / number,
    }


if __name__ == "__main__":
    sys.exit(main())
