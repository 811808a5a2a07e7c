"""What the benchmarks of speed share: cores, repeated measurements, and their tables.

JAX is not imported here, so that a process can be confined to cores before.
"""

import argparse
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import TypeVar

from smad_jax.reporting import documents, tables

K = TypeVar("K")
Clock = Callable[[], float]
CORES = tuple(sorted(os.sched_getaffinity(0)))
_START = time.perf_counter()
_LOAD = os.getloadavg()[0]


def keep_to(threads: int) -> Clock:
    """Confines this process to so many cores, and JAX to so many threads.

    Call it before JAX's first operation. Returns the clock to measure with. One thread
    is measured in processor time, which other programs on the core hardly change;
    several in real time, since waiting for each other costs no processor time.
    """
    os.sched_setaffinity(0, CORES[:threads])
    if threads > 1:
        return time.perf_counter
    # With one core XLA would still hand its convolutions to a pool, of one thread.
    one = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {one}"
    return time.process_time


def alternate(
    calls: Mapping[K, Callable[[], object]], repeats: int, clock: Clock
) -> dict[K, list[float]]:
    """Returns the seconds of each call, taken in turns, so that all meet one load.

    Every second round runs backwards: none always follows the same other.
    """
    found: dict[K, list[float]] = {name: [] for name in calls}
    order = list(calls)
    for _ in range(repeats):
        for name in order:
            start = clock()
            calls[name]()
            found[name].append(clock() - start)
        order.reverse()
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> tuple[str, str]:
    """Returns the ratio of two medians, and the range of the ratios of each round."""
    rounds = [a / b for a, b in zip(ours, theirs, strict=True)]
    middle = statistics.median(ours) / statistics.median(theirs)
    return f"{middle:.2f}", spread(rounds)


def spread(values: Sequence[float]) -> str:
    """Returns the smallest and the largest of some values."""
    return f"{min(values):.2f} to {max(values):.2f}"


def parser(name: str, *, repeats: int) -> argparse.ArgumentParser:
    """Returns the command line of a benchmark, with the options that all have."""
    made = argparse.ArgumentParser(
        prog=f"python -m tests.benchmarks.{name}",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--repeats", type=int, default=repeats, help="measurements each")
    made.add_argument("--write", type=pathlib.Path, help="page to put the table in")
    return made


def publish(
    part: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    note: str,
    page: pathlib.Path | None,
) -> None:
    """Prints a table and how it was measured, and writes both into a page."""
    text = f"{tables.markdown(header, rows)}\n\n{note} {conditions()}"
    print(text, flush=True)
    if page:
        documents.replace(page, part, text)


def conditions() -> str:
    """Returns the sentences on the machine: its cores, its load, and the time taken."""
    minutes = (time.perf_counter() - _START) / 60
    return (
        f"Load average {_LOAD:.1f} before and {os.getloadavg()[0]:.1f} after, on "
        f"{len(CORES)} cores ({processor()}); {minutes:.0f} minutes in all."
    )


def processor() -> str:
    """Returns the processor's name, as far as the system knows it."""
    lines = pathlib.Path("/proc/cpuinfo")
    known = lines.read_text("utf-8").splitlines() if lines.is_file() else []
    names = (line.partition(": ")[2] for line in known if line.startswith("model name"))
    return next(names, "unknown processor")


def versions(*packages: str) -> str:
    """Returns packages and their versions, as in `jax 0.10.2, torch 2.13.0`."""
    return ", ".join(f"{name} {metadata.version(name)}" for name in packages)
