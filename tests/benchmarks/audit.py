"""Seconds to audit the predictions of a large test set.

python -m tests.benchmarks.audit

Writes predictions, labels and scenes as CSV, audits them in a process of its own, and
prints one JSON object; the target for 250,000 predictions is 20 s. `--models 2`
compares two models; `--probabilities` writes the probabilities of all classes instead
of the predictions. Processor seconds, also printed, hardly depend on other work on the
machine.
"""

import argparse
import itertools
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.audit",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--videos", type=int, default=250_000, help="predictions")
    add("--classes", type=int, default=400, help="actions")
    add("--scenes", type=int, default=365, help="labels of the aspect")
    add("--models", type=int, choices=(1, 2), default=1, help="models to audit")
    add("--probabilities", action="store_true", help="of all classes")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        command = _command(pathlib.Path(folder), chosen)
        start = time.perf_counter()
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used
    found = {"seconds": round(seconds, 1), "processor_seconds": round(used, 1)}
    print(json.dumps(vars(chosen) | found))
    return 0


def _command(folder: pathlib.Path, chosen: argparse.Namespace) -> list[str]:
    """Writes the files; returns the command that audits them."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, chosen.classes, chosen.videos)
    scene = (label + rng.geometric(0.1, chosen.videos)) % chosen.scenes
    files = {"label": label, "scene": scene}
    for model in range(chosen.models):
        wrong = rng.random(chosen.videos) < 0.3
        other = rng.integers(0, chosen.classes, chosen.videos)
        files[f"prediction{model}"] = np.where(wrong, other, label)
    paths = {name: folder / f"{name}.csv" for name in files}
    for name, values in files.items():
        column = name.rstrip("01")
        lines = (f"v{row:07},{value}" for row, value in enumerate(values.tolist()))
        if chosen.probabilities and column == "prediction":
            column = ",".join(f"p_{n}" for n in range(chosen.classes))
            rest = f"{0.3 / (chosen.classes - 1):.6f}"
            lines = (
                ",".join([f"v{row:07}", *_row(value, rest, chosen.classes)])
                for row, value in enumerate(values.tolist())
            )
        with open(paths[name], "w", encoding="utf-8") as file:
            file.writelines(
                f"{line}\n" for line in itertools.chain(["id," + column], lines)
            )
    command = [sys.executable, "-m", "smad_jax.reporting", "audit"]
    command += ["--predictions", str(paths["prediction0"])]
    if chosen.models > 1:
        command += ["--other", str(paths["prediction1"])]
    command += ["--labels", str(paths["label"]), "--aspect", f"scene={paths['scene']}"]
    return [*command, "--out", str(folder / "audit.html")]


def _row(label: int, rest: str, num_classes: int) -> list[str]:
    """Cells of probabilities, mostly at one class."""
    cells = [rest] * num_classes
    cells[label] = "0.7"
    return cells


if __name__ == "__main__":
    sys.exit(main())
