"""Results of finished runs in one file, which outlives their folders.

A study of a hundred runs may be interrupted, or continue on another machine. With this
file it resumes there, and tables are printed again without a run.
"""

import dataclasses
import json
import pathlib
from typing import Any

from smad_jax import errors
from smad_jax.base import file_io, tables
from smad_jax.reporting import runs


class Records:
    """A file with one line of JSON for each run: command, settings and results.

    A record counts while its command still has the same settings; after a change of the
    config the run is repeated. A record of another command with equal settings counts
    too. Of two lines for one command the last counts. A recorded run needs no folder.
    """

    def __init__(self, path: pathlib.Path | None) -> None:
        """Reads the file; without one, or without a path, there are no records.

        Raises:
            ConfigError: if the path is no file.
            DataError: naming a line that is no record.
        """
        self._path = path
        self._lines: dict[tuple[str, ...], dict[str, Any]] = {}
        self._same: dict[str, dict[str, Any]] = {}
        if path is None or not path.exists():
            return
        if not path.is_file():
            raise errors.ConfigError(f"--records must be a file, but {path} is not one")
        for number, line in tables.lines(path):
            try:
                record = json.loads(line)
                _run(path, record)
                self._add(record)
            except file_io.BROKEN as error:
                raise errors.DataError(
                    f"{path}, line {number} is no record of a run ({error!r}); remove "
                    "it to repeat the run"
                ) from error

    def find(self, job: runs.Job) -> runs.Run | None:
        """Returns the run of a job; None if none with its settings is on record.

        Raises:
            ConfigError: if the job's config cannot be read.
        """
        current = runs.settings(job)
        record = self._lines.get(_command(job))
        if record is None or not _means(record["settings"], current):
            record = self._same.get(_text(current))
        return _run(job.folder, record) if record else None

    def keep(self, job: runs.Job, run: runs.Run) -> None:
        """Adds a run to the file in one write, so that studies can share the file."""
        record = dataclasses.asdict(run)
        del record["folder"]
        record["command"] = list(_command(job))
        record["settings"] = runs.stored_settings(run.folder)
        self._add(record)
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(record) + "\n"
            if not _ends_a_line(self._path):
                text = "\n" + text
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(text)

    def _add(self, record: dict[str, Any]) -> None:
        self._lines[tuple(record["command"])] = record
        self._same[_text(record["settings"])] = record


def _means(recorded: dict[str, object], current: dict[str, object]) -> bool:
    """Whether a recorded run has the current settings.

    Keys in only one of the two are ignored, because configs grow, except those of the
    method's settings: a new one makes another method.
    """
    of_method = [
        {key for key in settings if key.startswith("method.settings.")}
        for settings in (recorded, current)
    ]
    common = recorded.keys() & current.keys()
    return of_method[0] == of_method[1] and all(
        recorded[key] == current[key] for key in common
    )


def _ends_a_line(path: pathlib.Path) -> bool:
    """Whether a file is missing, empty, or ends with a line break."""
    return not path.is_file() or path.read_bytes()[-1:] in (b"", b"\n")


def _text(settings: dict[str, object]) -> str:
    return json.dumps(settings, sort_keys=True)


def _command(job: runs.Job) -> tuple[str, ...]:
    return job.config, *job.overrides


def _run(folder: pathlib.Path, record: dict[str, Any]) -> runs.Run:
    for name, value in (record["results"] | (record["dependence"] or {})).items():
        if not isinstance(value, int | float):
            raise TypeError(f"{name} is {value!r}")
    names = {field.name for field in dataclasses.fields(runs.Run)} - {"folder"}
    return runs.Run(folder, **{name: record[name] for name in names})
