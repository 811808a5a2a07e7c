"""Ends one of two training processes, and measures when the other one ends.

    python -m tests.benchmarks.pods --write docs/pods.md

Takes about four minutes. Both processes train on this machine's CPU.
"""

import argparse
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from smad_jax.reporting import documents

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADS = "| what happens | seconds | its exit code | the other's |\n|---|---|---|---|"
MISTYPED = "--config.evaluation.sets.iid=embedded/idd"


class Fault(NamedTuple):
    """What happens to which process: a signal in training, or an error at its start."""

    name: str
    victim: int
    number: int = 0


FAULTS = (
    Fault("process 0 cannot read its data", 0),
    Fault("process 1 cannot read its data", 1),
    Fault("Ctrl-C to process 0", 0, signal.SIGINT),
    Fault("Ctrl-C to process 1", 1, signal.SIGINT),
    Fault("SIGTERM to process 1", 1, signal.SIGTERM),
    Fault("`kill -9` of process 0", 0, signal.SIGKILL),
    Fault("`kill -9` of process 1", 1, signal.SIGKILL),
)


def row(fault: Fault, root: pathlib.Path) -> str:
    """Returns a row of the table: both exit codes, and the seconds between the ends.

    After a signal the seconds are those until both have ended.
    """
    folder = root / fault.name.replace(" ", "-").replace("`", "")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"--coordinator=localhost:{free.getsockname()[1]}"
    both = []
    for process in range(2):
        own = [MISTYPED] if process == fault.victim and not fault.number else []
        place = [coordinator, "--num_processes=2", f"--process_id={process}"]
        both.append(_start(root, folder, [*place, *own]))
    victim, other = both[fault.victim], both[1 - fault.victim]
    if fault.number:
        _wait_for_steps(folder / "metrics.jsonl", victim)
        victim.send_signal(fault.number)
        start = time.monotonic()
        victim.wait(300)
    else:
        victim.wait(300)
        start = time.monotonic()
    other.wait(300)
    seconds = time.monotonic() - start
    codes = [128 - p.returncode if p.returncode < 0 else p.returncode for p in both]
    own, others = codes[fault.victim], codes[1 - fault.victim]
    return f"| {fault.name} | {seconds:.0f} | {own} | {others} |"


def _start(
    root: pathlib.Path, folder: pathlib.Path, flags: Sequence[str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(sys.executable, "main.py", "--config=configs/slowonly_smad.py"),
            *(f"--config.data.root={root}", "--config.data.embedded_scale=0.05"),
            *("--config.training.log_every=1", f"--workdir={folder}", *flags),
        ],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _wait_for_steps(metrics: pathlib.Path, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        if metrics.is_file() and metrics.read_text().count("\n") >= 3:
            return
        time.sleep(0.05)


def rows(faults: Sequence[Fault]) -> Iterator[str]:
    """Yields the rows of the table, one after the other."""
    with tempfile.TemporaryDirectory() as name:
        for fault in faults:
            yield row(fault, pathlib.Path(name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table, and puts it on a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=pathlib.Path, help="page to put the table in")
    chosen = parser.parse_args(arguments)
    table = "\n".join([HEADS, *rows(FAULTS)])
    print(table)
    if chosen.write:
        documents.replace(chosen.write, "ends", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
