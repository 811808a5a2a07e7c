"""What finished runs said, in one file that is kept when their folders are gone.

A study of a hundred runs takes longer than most machines are left alone. With this file
another one goes on, and tables are printed again without a run.
"""

import dataclasses
import json
import pathlib
from typing import Any

from smad_jax import errors
from smad_jax.reporting import runs


class Records:
    """A file with a line of JSON a run: its command, its settings and what it said.

    A run counts as long as its command means the settings that it was made with: if a
    config changes, it is made again. Of two lines for one command the last one counts;
    a run on record is not looked for in its folder.
    """

    def __init__(self, path: pathlib.Path | None) -> None:
        """Reads the file; without one, or without a path, there is no record.

        Raises:
            DataError: naming the line that is none.
        """
        self._path = path
        self._lines: dict[tuple[str, ...], dict[str, Any]] = {}
        if path is None or not path.is_file():
            return
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            try:
                record = json.loads(line)
                _run(path, record)
                self._lines[tuple(record["command"])] = record
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
        record = self._lines.get(_command(job))
        if record is None:
            return None
        made, wanted = record["settings"], runs.settings(job)
        # configs grow: keys that came or went say nothing
        same = all(made[key] == value for key, value in wanted.items() if key in made)
        return _run(job.folder, record) if same else None

    def keep(self, job: runs.Job, run: runs.Run) -> None:
        """Adds a run to the file, in one write, so that several studies may do so."""
        told = dataclasses.asdict(run)
        del told["folder"]
        told["command"] = list(_command(job))
        told["settings"] = runs.stored_settings(run.folder)
        self._lines[_command(job)] = told
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps(told) + "\n")


def _command(job: runs.Job) -> tuple[str, ...]:
    return job.config, *job.overrides


def _run(folder: pathlib.Path, record: dict[str, Any]) -> runs.Run:
    names = {field.name for field in dataclasses.fields(runs.Run)} - {"folder"}
    return runs.Run(folder, **{name: record[name] for name in names})
