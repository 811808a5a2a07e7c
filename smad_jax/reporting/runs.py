"""Finished runs, read from their folders, and the commands that make them."""

import ast
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any

from smad_jax import errors


@dataclasses.dataclass(frozen=True)
class Run:
    """What `results.json` says of one run.

    Attributes:
        folder: The run's folder.
        results: Metrics named `set/metric`, between 0 and 1.
        n_seen: Number of videos of each test set.
        seconds: Wall time of the run that wrote it.
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


_FIELDS = [field for field in dataclasses.fields(Run) if field.name != "folder"]


class Records:
    """What finished runs said, a line of JSON each, in a file to be kept.

    A run is found by its command: config and flags. Its folder need not be there any
    more, and another machine can go on where this one stopped.
    """

    def __init__(self, path: pathlib.Path | None) -> None:
        """Reads the file; without one, or without a path, there is no record.

        Raises:
            DataError: naming the line that is none.
        """
        self._path = path
        self._lines: dict[tuple[str, ...], dict[str, Any]] = {}
        self._lock = threading.Lock()
        if path is None or not path.is_file():
            return
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            try:
                record = json.loads(line)
                self._lines[(record["config"], *record["flags"])] = record
                _from_record(path, record)
            except (ValueError, TypeError, KeyError) as error:
                raise errors.DataError(
                    f"{path}, line {number} is no record of a run: {error!r}; remove "
                    "it to have the run made again"
                ) from error

    def find(self, job: Job) -> Run | None:
        """Returns the run of a job from its folder, or else from its record."""
        found = find(job.folder)
        if found is not None:
            return found
        record = self._lines.get(_command(job))
        return None if record is None else _from_record(job.folder, record)

    def keep(self, job: Job, run: Run) -> None:
        """Writes a run down, unless it is as it was; the file is never half written."""
        told = {"config": job.config, "flags": list(job.overrides)}
        told |= {field.name: getattr(run, field.name) for field in _FIELDS}
        with self._lock:
            if self._path is None or self._lines.get(_command(job)) == told:
                return
            self._lines[_command(job)] = told
            lines = [json.dumps(self._lines[key]) for key in sorted(self._lines)]
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_name(f".{self._path.name}.part")
            part.write_text("\n".join(lines) + "\n", "utf-8")
            part.replace(self._path)


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
    jobs: Sequence[Job],
    *,
    at_once: int,
    report: Callable[[str], None],
    records: Records | None = None,
) -> list[Run]:
    """Makes the runs that are missing, several at a time, and returns all of them.

    Each process is bound to its share of the cores where the system can do that, so
    that parallel runs take the same time as single ones. An interrupted call goes on
    where it stopped.

    Args:
        jobs: The runs wanted.
        at_once: How many processes run side by side.
        report: Receives a line for every run that ends.
        records: Where runs are found too, and written down.

    Raises:
        DataError: if a folder holds a run with other settings, before any is made;
            or if a run fails, naming its log, after the others have ended.
    """
    check(jobs)
    records = records or Records(None)
    missing = [job for job in jobs if records.find(job) is None]
    failed = []
    with futures.ThreadPoolExecutor(at_once) as pool:
        free = _core_shares(at_once)

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
            if code == 0:
                records.keep(job, read(job.folder))
            else:
                failed.append(f"{job.folder / 'console.log'} (exit {code})")
            report(
                f"{done}/{len(missing)} {job.folder} {'ok' if code == 0 else 'FAILED'}"
            )
    if failed:
        raise errors.DataError(f"runs failed, see {', '.join(failed)}")
    made = [records.find(job) or read(job.folder) for job in jobs]
    for job, run in zip(jobs, made, strict=True):
        records.keep(job, run)
    return made


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
    try:
        return _from_record(folder, _read_json(folder / "results.json"))
    except KeyError:
        return None


def _from_record(folder: pathlib.Path, record: Mapping[str, Any]) -> Run:
    """The run of a record; KeyError if it lacks what every run tells."""
    found: dict[str, Any] = {
        field.name: record[field.name]
        for field in _FIELDS
        if field.name in record or field.default is dataclasses.MISSING
    }
    return Run(folder=folder, **found)


def _command(job: Job) -> tuple[str, ...]:
    return job.config, *job.overrides


def _differences(job: Job) -> list[str]:
    """Returns a line for every override that the run in the job's folder lacks.

    Flags that set no config key, such as `--smoke`, leave no trace and are not
    compared.
    """
    config_file = job.folder / "config.json"
    if not config_file.is_file() and find(job.folder) is None:
        return []  # nothing there yet
    stored = _read_json(config_file)
    lines = []
    for flag in job.overrides:
        name, _, text = flag.partition("=")
        if not name.startswith("--config."):
            continue
        key = name.removeprefix("--config.")
        value: Any = stored
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value != _parse(text):
            lines.append(f"{job.folder}: {key} is {value}, wanted {text}")
    return lines


def _parse(text: str) -> Any:
    """Returns an override's value as config.json holds it: tuples become lists."""
    try:
        return json.loads(json.dumps(ast.literal_eval(text)))
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


def _launch(job: Job, cores: set[int]) -> int:
    """Runs `main.py` for one job, bound to `cores` if any; returns its exit code."""
    job.folder.mkdir(parents=True, exist_ok=True)
    listed = ",".join(map(str, sorted(cores)))
    command = [
        *(("taskset", "--cpu-list", listed) if cores else ()),
        *(sys.executable, "main.py", "--config", job.config),
        *("--workdir", str(job.folder), *job.overrides),
    ]
    with (job.folder / "console.log").open("w", encoding="utf-8") as console:
        return subprocess.run(
            command, stdout=console, stderr=subprocess.STDOUT, check=False
        ).returncode
