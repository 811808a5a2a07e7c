"""What finished runs said, in one file that is kept when their folders are gone.

A study of a hundred runs takes longer than most machines are left alone. With this file
another one goes on, and tables are printed again without a run.
"""

import dataclasses
import json
import pathlib
from typing import Any

from smad_jax import errors, file_io
from smad_jax.reporting import runs


class Records:
    """A file with a line of JSON a run: its command, its settings and what it said.

    A run counts as long as its command means the settings that it was made with: if a
    config changes, it is made again. So does one of another command with the very same
    settings. Of two lines for one command the last one counts; a run on record is not
    looked for in its folder.
    """

    def __init__(self, path: pathlib.Path | None) -> None:
        """Reads the file; without one, or without a path, there is no record.

        Raises:
            ConfigError: if the path is that of something else.
            DataError: naming the line that is no record.
        """
        self._path = path
        self._lines: dict[tuple[str, ...], dict[str, Any]] = {}
        self._same: dict[str, dict[str, Any]] = {}
        if path is None or not path.exists():
            return
        if not path.is_file():
            raise errors.ConfigError(f"--records must be a file, but {path} is none")
        for number, line in enumerate(file_io.text(path).splitlines(), 1):
            try:
                record = json.loads(line)
                _run(path, record)
                self._add(record)
            except (ValueError, TypeError, KeyError) as error:
                raise errors.DataError(
                    f"{path}, line {number} is no record of a run ({error!r}); remove "
                    "it to have the run made again"
                ) from error

    def find(self, job: runs.Job) -> runs.Run | None:
        """Returns the run of a job; None if none with its settings is on record.

        Raises:
            ConfigError: if the job's config cannot be read.
        """
        wanted = runs.settings(job)
        record = self._lines.get(_command(job))
        if record is None or not _means(record["settings"], wanted):
            record = self._same.get(_text(wanted))
        return _run(job.folder, record) if record else None

    def keep(self, job: runs.Job, run: runs.Run) -> None:
        """Adds a run to the file, in one write, so that several studies may do so."""
        told = dataclasses.asdict(run)
        del told["folder"]
        told["command"] = list(_command(job))
        told["settings"] = runs.stored_settings(run.folder)
        self._add(told)
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(told) + "\n"
            if not _ends_a_line(self._path):
                text = "\n" + text
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(text)

    def _add(self, record: dict[str, Any]) -> None:
        self._lines[tuple(record["command"])] = record
        self._same[_text(record["settings"])] = record


def _means(made: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a run was made with the settings that are wanted.

    Configs grow, so that keys that came or went say nothing, but for those of the
    method's settings: a new one of these is another method.
    """
    of_method = [
        {key for key in settings if key.startswith("method.settings.")}
        for settings in (made, wanted)
    ]
    common = made.keys() & wanted.keys()
    return of_method[0] == of_method[1] and all(
        made[key] == wanted[key] for key in common
    )


def _ends_a_line(path: pathlib.Path) -> bool:
    """Whether a file is empty, not there, or ends as a text file does."""
    return not path.is_file() or path.read_bytes()[-1:] in (b"", b"\n")


def _text(settings: dict[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


def _command(job: runs.Job) -> tuple[str, ...]:
    return job.config, *job.overrides


def _run(folder: pathlib.Path, record: dict[str, Any]) -> runs.Run:
    for name, value in (record["results"] | (record["dependence"] or {})).items():
        if not isinstance(value, int | float):
            raise TypeError(f"{name} is {value!r}")
    names = {field.name for field in dataclasses.fields(runs.Run)} - {"folder"}
    return runs.Run(folder, **{name: record[name] for name in names})
