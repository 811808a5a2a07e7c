"""Seconds to audit the predictions of a large test set.

python -m tests.benchmarks.audit

Writes predictions, labels and scenes as CSV, audits them as a user would, in a process
of its own, and prints one JSON object; the target for 250,000 predictions is 20 s.
`--models 2` compares two.
"""

import argparse
import json
import pathlib
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
    add("--models", type=int, choices=(1, 2), default=1, help="to audit")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        command = _command(pathlib.Path(folder), chosen)
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
    print(json.dumps(vars(chosen) | {"seconds": round(seconds, 1)}))
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
        text = "\n".join([f"id,{column}", *lines]) + "\n"
        paths[name].write_text(text, "utf-8")
    command = [sys.executable, "-m", "smad_jax.reporting", "audit"]
    command += ["--predictions", str(paths["prediction0"])]
    if chosen.models > 1:
        command += ["--other", str(paths["prediction1"])]
    command += ["--labels", str(paths["label"]), "--aspect", f"scene={paths['scene']}"]
    return [*command, "--out", str(folder / "audit.html")]


if __name__ == "__main__":
    sys.exit(main())
