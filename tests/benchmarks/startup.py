"""Seconds from typing a command to its first step, or to the report of a mistake.

    python -m tests.benchmarks.startup --write docs/performance.md

A *first step* is that of both trainings of `make demo`, side by side as there, with the
embedded benchmark already made; *cold* is with an empty cache of compiled programs and
*warm* with what the cold start left. Processor seconds, also printed, change less with
other work on the machine. The files of Python's packages are in the system's cache.
"""

import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, NamedTuple

from smad_jax.data import preparation
from tests.benchmarks import measuring

CONFIGS = ("slowonly_baseline", "slowonly_smad")
HEADER = ("what", "goal, s", "real, s", "in each round", "processor, s")
_FIRST = " step 1/"


class Start(NamedTuple):
    """Real and processor seconds of a command, or of several at once."""

    real: float
    processor: float


class Row(NamedTuple):
    """What is started, the goal in real seconds, and how to start it."""

    what: str
    goal: float | None
    start: Callable[[], Start]
    most: int = 99  # repeats


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = measuring.parser("startup", repeats=3)
    parser.add_argument(
        "--data-root", type=pathlib.Path, default=preparation.default_root()
    )
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(pathlib.Path(folder), chosen.data_root.absolute())
        found = [cells(row, min(chosen.repeats, row.most)) for row in rows]
    note = f"Medians of {chosen.repeats}, of the data set one measurement."
    measuring.publish("startup", HEADER, found, note=note, page=chosen.write)
    return 0


def rows_of(folder: pathlib.Path, data_root: pathlib.Path) -> list[Row]:
    """Returns what is measured, in this order; `folder` is for files."""
    train = [sys.executable, "main.py", f"--config=configs/{CONFIGS[0]}.py"]
    made = [sys.executable, "-m", "data_prep.embedded", "--out"]
    key, value = "--config.optimizer.learning_rat=1", "--config.model.name=resnet19"
    warm = environment(folder / "warm")
    # The training below needs the data, which are made unless they exist.
    subprocess.run([*made, str(data_root)], check=True, stdout=subprocess.DEVNULL)

    def cold() -> Start:
        with tempfile.TemporaryDirectory(dir=folder) as cache:
            return first_steps(data_root, environment(pathlib.Path(cache)))

    return [
        Row("an unknown key in a config", 1.5, lambda: ended([*train, key], 2)),
        Row("an unknown network in a config", 1.5, lambda: ended([*train, value], 2)),
        Row("first step, cold", 30, cold),
        # The first of these fills the cache.
        Row("first step, warm", 10, lambda: first_steps(data_root, warm)),
        Row(
            "the embedded benchmark, made once",
            None,
            lambda: ended([*made, str(folder / "data")], 0),
            most=1,
        ),
    ]


def environment(cache: pathlib.Path) -> dict[str, str]:
    """Returns the environment of a user whose cache folder this is."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_"))}
    return own | {"XDG_CACHE_HOME": str(cache)}


def cells(row: Row, repeats: int) -> list[str]:
    """Measures and returns a row of the table."""
    print(row.what, file=sys.stderr, flush=True)
    if row.what.endswith("warm"):
        row.start()
    found = [row.start() for _ in range(repeats)]
    real = [one.real for one in found]
    return [
        row.what,
        "" if row.goal is None else f"{row.goal:g}",
        f"{statistics.median(real):.2f}",
        measuring.spread(real),
        f"{statistics.median(one.processor for one in found):.2f}",
    ]


def ended(command: Sequence[str], code: int) -> Start:
    """Runs a command to its end, which must be this exit code.

    Raises:
        RuntimeError: if it is another.
    """
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=environment(pathlib.Path(cache)),
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        processor, found = used(process)
        real = time.perf_counter() - start
        if found != code:
            errors.seek(0)
            raise RuntimeError(f"{command} ends with {found}: {errors.read()!r}")
        return Start(real, processor)


def first_steps(data_root: pathlib.Path, variables: Mapping[str, str]) -> Start:
    """Starts both trainings, and kills them when each has taken its first step."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        processes = [
            training(config, pathlib.Path(folder), data_root, variables)
            for config in CONFIGS
        ]
        with contextlib.ExitStack() as stack:
            for process in processes:
                stack.callback(process.kill)
            for process in processes:
                until_first_step(process.stdout or iter(()))
            real = time.perf_counter() - start
        return Start(real, sum(used(process)[0] for process in processes))


def training(
    config: str,
    folder: pathlib.Path,
    data_root: pathlib.Path,
    variables: Mapping[str, str],
) -> subprocess.Popen[str]:
    """Starts one training of the demo."""
    return subprocess.Popen(
        [
            *(sys.executable, "main.py", f"--config=configs/{config}.py"),
            *(f"--config.data.root={data_root}", f"--workdir={folder / config}"),
        ],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until_first_step(lines: IO[str] | Iterator[str]) -> None:
    """Reads the log of a training up to its first step.

    Raises:
        RuntimeError: with the log, if it ends before.
    """
    before = []
    for line in lines:
        before.append(line)
        if _FIRST in line:
            return
    raise RuntimeError(f"training ended before its first step: {''.join(before)}")


def used(process: subprocess.Popen) -> tuple[float, int]:
    """Waits for a process; returns its processor seconds and its exit code."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stdout is not None:
        process.stdout.close()
    return usage.ru_utime + usage.ru_stime, process.returncode


if __name__ == "__main__":
    sys.exit(main())
