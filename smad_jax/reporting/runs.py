"""Finished runs, read from their folders, and the commands that make them."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent import futures

from smad_jax import errors


@dataclasses.dataclass(frozen=True)
class Run:
    """What `results.json` says of one run.

    Attributes:
        folder: The run's folder.
        results: Metrics named `set/metric`, between 0 and 1.
        n_seen: Number of videos of each test set.
        seconds: Wall time of the run that wrote it.
        commit: The code's commit, `-dirty` if it had changes.
    """

    folder: pathlib.Path
    results: dict[str, float]
    n_seen: dict[str, int]
    seconds: float
    commit: str


@dataclasses.dataclass(frozen=True)
class Job:
    """One run of `main.py` to be made, unless its folder holds a result already.

    Attributes:
        config: As given to `--config`.
        overrides: Further flags.
        folder: The run's folder.
    """

    config: str
    overrides: tuple[str, ...]
    folder: pathlib.Path


def read(folder: pathlib.Path) -> Run:
    """Returns the finished run in `folder`.

    Raises:
        DataError: if there is none, with the command that makes one.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise errors.DataError(
            f"no finished run in {folder}; python main.py --config configs/NAME.py "
            f"--workdir {folder} makes one"
        )
    record = json.loads(path.read_text("utf-8"))
    fields = (field.name for field in dataclasses.fields(Run) if field.name != "folder")
    return Run(folder=folder, **{name: record[name] for name in fields})


def finish(
    jobs: Sequence[Job], *, at_once: int, report: Callable[[str], None]
) -> list[Run]:
    """Makes the runs that are missing, several at a time, and returns all of them.

    Each process is bound to its share of the cores, so that parallel runs take the
    same time as single ones. An interrupted call goes on where it stopped.

    Args:
        jobs: The runs wanted.
        at_once: How many processes run side by side.
        report: Receives a line for every run that ends.

    Raises:
        DataError: if a run fails, naming its log, after the others have ended.
    """
    missing = [job for job in jobs if not (job.folder / "results.json").is_file()]
    shares = _core_shares(at_once)
    failed = []
    with futures.ThreadPoolExecutor(at_once) as pool:
        free = list(shares)

        def make(job: Job) -> int:
            cores = free.pop()
            try:
                return _launch(job, cores)
            finally:
                free.append(cores)

        started = {pool.submit(make, job): job for job in missing}
        for done, future in enumerate(futures.as_completed(started), 1):
            job = started[future]
            code = future.result()
            failed += (
                [] if code == 0 else [f"{job.folder / 'console.log'} (exit {code})"]
            )
            report(
                f"{done}/{len(missing)} {job.folder} {'ok' if code == 0 else 'FAILED'}"
            )
    if failed:
        raise errors.DataError(f"runs failed, see {', '.join(failed)}")
    return [read(job.folder) for job in jobs]


def _core_shares(at_once: int) -> list[set[int]]:
    """Returns a set of cores for each process."""
    cores = sorted(os.sched_getaffinity(0))
    each = max(1, len(cores) // at_once)
    return [set(cores[i * each : (i + 1) * each]) or set(cores) for i in range(at_once)]


def _launch(job: Job, cores: Iterable[int]) -> int:
    """Runs `main.py` for one job and returns its exit code."""
    job.folder.mkdir(parents=True, exist_ok=True)
    command = [
        *("taskset", "--cpu-list", ",".join(map(str, sorted(cores)))),
        *(sys.executable, "main.py", "--config", job.config),
        *("--workdir", str(job.folder), *job.overrides),
    ]
    with (job.folder / "console.log").open("w", encoding="utf-8") as console:
        return subprocess.run(
            command, stdout=console, stderr=subprocess.STDOUT, check=False
        ).returncode
