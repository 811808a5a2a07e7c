"""Runs the parts of a labelling job on Apache Beam: a laptop, Dask, Flink, Dataflow.

The pipeline distributes numbers of parts; `label_parts` does each, as without Beam.
Workers need this package and its requirements, and a shared file system on which the
data set, the weights and the folder of parts have the paths of the job. Apache Beam is
optional: `pip install -r requirements-beam.txt`.
"""

import functools
import importlib
import types
from collections.abc import Sequence

from data_prep.labels import label_parts
from smad_jax import errors

# Beam finds its own runners by their names, except for these.
_PLACES = {"DaskRunner": "apache_beam.runners.dask.dask_runner.DaskRunner"}


def import_beam() -> types.ModuleType:
    """Returns the module `apache_beam`.

    Raises:
        ConfigError: if it is not installed.
    """
    try:
        return importlib.import_module("apache_beam")
    except ImportError as error:
        raise errors.ConfigError(
            "--runner needs Apache Beam, which is not installed; "
            "pip install -r requirements-beam.txt, or leave --runner out"
        ) from error


def run(
    job: label_parts.Job, parts: Sequence[int], *, runner: str, options: Sequence[str]
) -> list[label_parts.Report]:
    """Does parts of a job on a runner of Beam; returns their reports once all are done.

    A part done twice, after a fault or by two workers at once, leaves the same file. A
    part that fails ends the pipeline after the runner's retries, and the next run
    resumes with the missing parts. `runner` is Beam's name, such as `DirectRunner`;
    `options` have the form of Beam's command line.

    Raises:
        ConfigError: if Apache Beam is not installed or knows no such runner.
        DataError: if the runner left out parts.
    """
    beam = import_beam()
    try:
        name = _PLACES.get(runner, runner)
        pipeline = beam.Pipeline(argv=[f"--runner={name}", *options])
    except ValueError as error:
        raise errors.ConfigError(f"--runner {runner}: {error}") from error
    _ = (
        pipeline
        | "Parts" >> beam.Create(list(parts))
        # otherwise Beam fuses the steps, and one worker gets all parts
        | "Spread" >> beam.Reshuffle()
        | "Label" >> beam.Map(functools.partial(label_parts.label_part, job))
    )
    pipeline.run().wait_until_finish()
    # From the parts themselves: not every runner has Beam's counters, and this proves
    # that the folder of parts is the same one here and on the workers.
    if missing := set(label_parts.undone(job)).intersection(parts):
        raise errors.DataError(
            f"{runner} finished, but {len(missing)} of {len(parts)} parts are not in "
            f"{job.parts}; every worker must see this folder under the same path"
        )
    return [label_parts.read_report(job, part) for part in parts]
