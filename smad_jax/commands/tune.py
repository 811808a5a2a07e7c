"""`tune`: hyper-parameters of every arm of a study, on its tuning draw."""

import argparse
import pathlib

from smad_jax.base import command_line
from smad_jax.commands import study

STOPPED = study.STOPPED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    study.add_shared(parser, "tune")


def run(
    *,
    config: str,
    out: pathlib.Path,
    records: pathlib.Path | None,
    at_once: int,
    write: pathlib.Path | None,
) -> str:
    """Makes the runs that are missing; writes and returns the tables.

    Raises:
        UserError: if the design, the document or a run fails.
    """
    from smad_jax.reporting import design, documents, kept
    from smad_jax.reporting import study as studies

    chosen = design.load(config)
    part = f"tune-{chosen.name}"
    if write:
        documents.check(write, part)
    recorded = kept.Records(records)
    report = command_line.on_standard_error
    with command_line.ended_by_sigterm(study.AGAIN):
        text = studies.tune(chosen, out, at_once, report, recorded)
    if write:
        documents.replace(write, part, text)
    return text
