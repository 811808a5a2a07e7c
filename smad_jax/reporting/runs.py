"""Finished runs, read from their folders, and the commands that make them."""

import ast
import dataclasses
import functools
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from typing import Any

from smad_jax import errors
from smad_jax.experiment import config_files, run_folder
from smad_jax.reporting import children


@dataclasses.dataclass(frozen=True)
class Run:
    """What `results.json` says of one run.

    Attributes:
        folder: The run's folder.
        results: Metrics named `set/metric`, between 0 and 1.
        n_seen: Number of videos of each test set.
        seconds: Wall time of the run that wrote it.
        dependence: What `dependence.measure` found, by aspect and measure; None if
            nobody has asked.
        processor_seconds: Time that its process had the processor, all threads added,
            which other work on the machine hardly changes; None if it went on from a
            checkpoint, or was made before this was measured.
        commit: The code's commit, `-dirty` if it had changes.
        sees_target_data: Whether it saw videos of a test set, without their labels.
    """

    folder: pathlib.Path
    results: dict[str, float]
    n_seen: dict[str, int]
    seconds: float
    commit: str
    sees_target_data: bool
    processor_seconds: float | None = None
    dependence: dict[str, float] | None = None


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
    run = find(folder)
    if run is None:
        raise errors.DataError(
            f"no finished run in {folder}; python main.py --config configs/NAME.py "
            f"--workdir {folder} makes one"
        )
    return run


def finish(
    jobs: Sequence[Job], *, at_once: int, report: Callable[[str], None]
) -> list[Run]:
    """Makes the runs that are missing, several at a time, and returns all of them.

    Each process is bound to its share of the cores where the system can do that, so
    that parallel runs take the same time as single ones. An interrupted call goes on
    where it stopped.

    Args:
        jobs: The runs wanted.
        at_once: How many processes run side by side.
        report: Receives a line for every run that ends.

    Raises:
        DataError: if a folder holds a run with other settings, before any is made;
            or if a run fails, naming its log, after the others have ended.
    """
    for _ in make(jobs, at_once=at_once, report=report):
        pass
    return [read(job.folder) for job in jobs]


def make(
    jobs: Sequence[Job], *, at_once: int, report: Callable[[str], None]
) -> Iterator[tuple[Job, Run]]:
    """Yields every run that is there, then every missing one as soon as it is made.

    Whatever ends this early, Ctrl-C among it, stops the processes, which save their
    state, and starts no other.

    Raises:
        DataError: as `finish` does.
    """
    check(jobs)
    missing = []
    for job in jobs:
        found = find(job.folder)
        if found is None:
            missing.append(job)
        else:
            yield job, found
    failed = []
    family, free = children.Children(), _core_shares(at_once)
    pool = futures.ThreadPoolExecutor(at_once)

    def launch(job: Job) -> int:
        cores = free.pop()
        try:
            return _launch(job, cores, family)
        finally:
            free.append(cores)

    try:
        started = {pool.submit(launch, job): job for job in missing}
        for done, future in enumerate(_as_completed(started), 1):
            job, code = started[future], future.result()
            report(
                f"{done}/{len(missing)} {job.folder} {'ok' if code == 0 else 'FAILED'}"
            )
            if code:
                failed.append(f"{job.folder / 'console.log'} (exit {code})")
            else:
                yield job, read(job.folder)
    finally:
        family.stop()
        pool.shutdown(cancel_futures=True)
    if failed:
        raise errors.DataError(f"runs failed, see {', '.join(failed)}")


def _as_completed(
    started: Iterable[futures.Future[int]],
) -> Iterator[futures.Future[int]]:
    """Yields futures as they end, as `futures.as_completed` does, but never deaf.

    A signal that comes just before a wait without an end is answered after it only: an
    hour later, if that is how long a run takes.
    """
    waiting = set(started)
    while waiting:
        ended, waiting = futures.wait(
            waiting, timeout=1, return_when=futures.FIRST_COMPLETED
        )
        yield from ended


def check(jobs: Sequence[Job]) -> None:
    """Makes sure that no job's folder holds a run with other settings.

    Raises:
        DataError: naming folders and settings, if one does.
    """
    strange = [line for job in jobs for line in _differences(job)]
    if strange:
        raise errors.DataError(
            "\n  ".join(["remove these folders or choose another --out:", *strange])
        )


def find(folder: pathlib.Path) -> Run | None:
    """Returns the run in `folder`; None if there is none or it is half written."""
    record = _read_json(folder / "results.json")
    fields = [field for field in dataclasses.fields(Run) if field.name != "folder"]
    needed = [field.name for field in fields if field.default is dataclasses.MISSING]
    if not all(name in record for name in needed):
        return None
    found: dict[str, Any] = {field.name: record.get(field.name) for field in fields}
    return Run(folder=folder, **found)


def settings(job: Job) -> dict[str, Any]:
    """Returns what `main.py` would make of a job's command: values by dotted key.

    Flags that set no config key, such as `--smoke`, are not heeded.

    Raises:
        ConfigError: if there is no such config, or a flag does not fit it.
    """
    try:
        config = config_files.load(job.config)
        for flag in job.overrides:
            name, _, text = flag.partition("=")
            if name.startswith("--config."):
                *sections, last = name.removeprefix("--config.").split(".")
                section = functools.reduce(getattr, sections, config)
                section[last]  # KeyError: a flag adds nothing to a config
                section[last] = _parse(text)
    except (OSError, KeyError, AttributeError, TypeError, ValueError) as error:
        flags = " ".join(job.overrides)
        raise errors.ConfigError(f"{job.config} {flags}: {error!r}") from error
    return dict(run_folder.flat(json.loads(config.to_json())))


def stored_settings(folder: pathlib.Path) -> dict[str, Any]:
    """Returns the settings of the run in a folder; nothing if it does not tell."""
    return dict(run_folder.flat(_read_json(folder / "config.json")))


def _differences(job: Job) -> list[str]:
    """Returns a line for every setting of the run in the job's folder that is another.

    Keys that only one of the two has, for configs grow, are not compared, unless a flag
    sets them.
    """
    if not (job.folder / "config.json").is_file() and find(job.folder) is None:
        return []  # nothing there yet
    stored, wanted = stored_settings(job.folder), settings(job)
    flags = {flag.partition("=")[0].removeprefix("--config.") for flag in job.overrides}
    return [
        f"{job.folder}: {key} is {stored.get(key)}, wanted {value}"
        for key, value in wanted.items()
        if (key in stored or key in flags) and stored.get(key) != value
    ]


def _parse(text: str) -> Any:
    """Returns the value that a flag's text stands for."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text  # a string needs no quotes on the command line


def _read_json(path: pathlib.Path) -> dict[str, Any]:
    """Returns a file's object; an empty one if it is missing or half written."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _core_shares(at_once: int) -> list[set[int]]:
    """Returns a set of cores for each process; empty ones where none can be bound."""
    if not hasattr(os, "sched_getaffinity") or shutil.which("taskset") is None:
        return [set() for _ in range(at_once)]
    cores = sorted(os.sched_getaffinity(0))
    each = max(1, len(cores) // at_once)
    return [set(cores[i * each : (i + 1) * each]) or set(cores) for i in range(at_once)]


def _launch(job: Job, cores: set[int], family: children.Children) -> int:
    """Runs `main.py` for one job, bound to `cores` if any; returns its exit code."""
    job.folder.mkdir(parents=True, exist_ok=True)
    listed = ",".join(map(str, sorted(cores)))
    command = [
        *(("taskset", "--cpu-list", listed) if cores else ()),
        *(sys.executable, "main.py", "--config", job.config),
        *("--workdir", str(job.folder), *job.overrides),
    ]
    with (job.folder / "console.log").open("w", encoding="utf-8") as console:
        return family.run(command, console)
