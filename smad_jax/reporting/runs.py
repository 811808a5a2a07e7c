"""Finished runs, read from their folders, and the commands that make them."""

import ast
import dataclasses
import datetime
import functools
import json
import math
import os
import pathlib
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from typing import Any

from smad_jax import errors
from smad_jax.experiment import config_files, run_folder, test_sets
from smad_jax.reporting import children


@dataclasses.dataclass(frozen=True)
class Run:
    """The content of a run's `results.json`.

    Attributes:
        folder: The run's folder.
        results: Metrics named `set/metric`, between 0 and 1.
        n_seen: Number of videos of each test set.
        seconds: Wall time of the run that wrote it.
        dependence: The result of `dependence.measure`, by aspect and measure; None if
            not measured.
        processor_seconds: Processor time of all its threads, which other work on the
            machine hardly changes; None if it resumed from a checkpoint, or is from
            before this was measured.
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
    """One run of `main.py`, skipped if its folder has a result already.

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
        DataError: if there is none, with the command to run.
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
    """Makes the missing runs, several at a time, and returns all of them.

    Where the system allows it, each process is bound to its share of the cores, so that
    parallel runs take the same time as single ones. A repeated call resumes.

    Args:
        jobs: The runs.
        at_once: Number of processes side by side.
        report: Receives a line at the start and for every run that ends, with the time
            that the others will take.

    Raises:
        DataError: if a folder has a run with other settings, before any run starts; or
            if a run fails, naming its log, after the others have ended.
    """
    for _ in make(jobs, at_once=at_once, report=report):
        pass
    return [read(job.folder) for job in jobs]


def make(
    jobs: Sequence[Job], *, at_once: int, report: Callable[[str], None]
) -> Iterator[tuple[Job, Run]]:
    """Yields every finished run, then every missing one as soon as it ends.

    If this ends early, by Ctrl-C for instance, the running processes are stopped, which
    save their state, and no other starts.

    Raises:
        DataError: as `finish` does.
    """
    check(jobs)
    missing, seconds = [], []
    for job in jobs:
        found = find(job.folder)
        if found is None:
            missing.append(job)
        else:
            seconds.append(found.seconds)
            yield job, found
    if missing:
        outlook = _outlook(seconds, len(missing), at_once)
        report(f"{len(missing)} runs to make, {at_once} at a time{outlook}")
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
            run = None if code else read(job.folder)
            seconds += [run.seconds] if run else []
            outlook = _outlook(seconds, len(missing) - done, at_once)
            state = "ok" if run else "FAILED"
            report(f"{done}/{len(missing)} {job.folder} {state}{outlook}")
            if run:
                yield job, run
            else:
                failed.append(f"{job.folder / 'console.log'} (exit {code})")
    finally:
        family.stop()
        pool.shutdown(cancel_futures=True)
    if failed:
        raise errors.DataError(f"runs failed, see {', '.join(failed)}")


def _outlook(seconds: Sequence[float], left: int, at_once: int) -> str:
    """How long the runs left to make will take, by the seconds of those that ended."""
    if not left:
        return ""
    if not seconds:
        return "; the first to end shows how long the others take"
    each = statistics.median(seconds)
    times = (each, each * math.ceil(left / at_once))
    one, all_left = (datetime.timedelta(seconds=round(time)) for time in times)
    return f"; {one} a run, about {all_left} left"


def _as_completed(
    started: Iterable[futures.Future[int]],
) -> Iterator[futures.Future[int]]:
    """Yields futures as they end, like `futures.as_completed`, but handles signals.

    Python handles a signal that arrives just before an unlimited wait only after it,
    which may be an hour later. So each wait has a limit.
    """
    waiting = set(started)
    while waiting:
        ended, waiting = futures.wait(
            waiting, timeout=1, return_when=futures.FIRST_COMPLETED
        )
        yield from ended


def check(jobs: Sequence[Job]) -> None:
    """Checks that no job's folder has a run with other settings.

    Raises:
        DataError: naming folders and settings, if one does.
    """
    strange = [line for job in jobs for line in _differences(job)]
    if strange:
        raise errors.DataError(
            "\n  ".join(["remove these folders or choose another --out:", *strange])
        )


def find(folder: pathlib.Path) -> Run | None:
    """Returns the run in `folder`; None if there is none or it is incomplete."""
    record = _read_json(folder / "results.json")
    fields = [field for field in dataclasses.fields(Run) if field.name != "folder"]
    needed = [field.name for field in fields if field.default is dataclasses.MISSING]
    if not all(name in record for name in needed):
        return None
    found: dict[str, Any] = {field.name: record.get(field.name) for field in fields}
    return Run(folder=folder, **found)


def settings(job: Job) -> dict[str, object]:
    """Returns the config that a job's command gives `main.py`: values by dotted key.

    Flags that set no config key, such as `--smoke`, are ignored, and so is a dtype that
    follows the machine.

    Raises:
        ConfigError: if there is no such config, or a flag does not fit it.
    """
    try:
        config = config_files.load_config(job.config)
        for flag in test_sets.apply(config, job.overrides):
            name, _, text = flag.partition("=")
            if name.startswith("--config."):
                *sections, last = name.removeprefix("--config.").split(".")
                section = functools.reduce(getattr, sections, config)
                section[last]  # KeyError: a flag cannot add a key
                section[last] = _parse(text)
    except (OSError, KeyError, AttributeError, TypeError, ValueError) as error:
        flags = " ".join(job.overrides)
        raise errors.ConfigError(f"{job.config} {flags}: {error!r}") from error
    found = dict(run_folder.flat(json.loads(config.to_json())))
    if found.get("model.dtype") == "auto":
        del found["model.dtype"]
    return found


def stored_settings(folder: pathlib.Path) -> dict[str, object]:
    """Returns the settings of the run in a folder; empty if unknown."""
    return dict(run_folder.flat(_read_json(folder / "config.json")))


def _differences(job: Job) -> list[str]:
    """Returns a line for every different setting of the run in the job's folder.

    Keys that only one of the two has are not compared, because configs grow, unless a
    flag sets them.
    """
    if not (job.folder / "config.json").is_file() and find(job.folder) is None:
        return []
    stored, current = stored_settings(job.folder), settings(job)
    flags = {flag.partition("=")[0].removeprefix("--config.") for flag in job.overrides}
    return [
        f"{job.folder}: {key} is {stored.get(key)}, expected {value}"
        for key, value in current.items()
        if (key in stored or key in flags) and stored.get(key) != value
    ]


def _parse(text: str) -> object:
    """Returns the value of a flag's text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text  # strings have no quotes on the command line


def _read_json(path: pathlib.Path) -> dict[str, Any]:
    """Returns a file's object; an empty one if it is missing or incomplete."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _core_shares(at_once: int) -> list[set[int]]:
    """Returns a set of cores for each process; empty where binding is impossible."""
    if not hasattr(os, "sched_setaffinity"):
        return [set() for _ in range(at_once)]
    cores = sorted(os.sched_getaffinity(0))
    each = max(1, len(cores) // at_once)
    return [set(cores[i * each : (i + 1) * each]) or set(cores) for i in range(at_once)]


def _launch(job: Job, cores: set[int], family: children.Children) -> int:
    """Trains for one job, bound to `cores` if any; returns its exit code."""
    job.folder.mkdir(parents=True, exist_ok=True)
    if cores:  # binds this thread alone, and the process that it starts inherits it
        os.sched_setaffinity(0, cores)
    command = [
        *(sys.executable, "-m", "smad_jax", "train", "--config", job.config),
        *("--workdir", str(job.folder), *job.overrides),
    ]
    with (job.folder / "console.log").open("w", encoding="utf-8") as console:
        return family.run(command, console)
