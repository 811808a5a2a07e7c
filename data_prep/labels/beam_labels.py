"""Runs the parts of a labelling job on Apache Beam: a laptop, Flink, Spark, Dataflow.

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

NAMESPACE = "smad_jax"  # of the counters


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
) -> dict[str, int]:
    """Does parts of a job on a runner of Beam; returns its counters once all are done.

    A part done twice, after a fault or by two workers at once, leaves the same file. A
    part that fails ends the pipeline after the runner's retries, and the next run
    resumes with the missing parts. `runner` is Beam's name, such as `DirectRunner`;
    `options` have the form of Beam's command line.

    Raises:
        ConfigError: if Apache Beam is not installed or knows no such runner.
    """
    beam = import_beam()
    try:
        pipeline = beam.Pipeline(argv=[f"--runner={runner}", *options])
    except ValueError as error:
        raise errors.ConfigError(f"--runner {runner}: {error}") from error
    _ = (
        pipeline
        | "Parts" >> beam.Create(list(parts))
        # otherwise Beam fuses the steps, and one worker gets all parts
        | "Spread" >> beam.Reshuffle()
        | "Label" >> beam.Map(functools.partial(_label, job))
    )
    result = pipeline.run()
    result.wait_until_finish()
    found = result.metrics().query()["counters"]
    return {
        counter.key.metric.name: counter.result
        for counter in found
        if counter.key.metric.namespace == NAMESPACE
    }


def _label(job: label_parts.Job, part: int) -> int:
    """Does a part in a worker and counts its videos."""
    report = label_parts.label_part(job, part)
    counter = import_beam().metrics.Metrics.counter
    counter(NAMESPACE, "labelled").inc(report.num_labelled)
    counter(NAMESPACE, "bad").inc(len(report.bad))
    return part
