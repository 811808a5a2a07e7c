"""`study`: all arms of a study over several seeds, compared."""

import argparse
import pathlib
from collections.abc import Sequence

from smad_jax.base import command_line

AGAIN = "the same command resumes where it stopped"
STOPPED = f"stopped by Ctrl-C; {AGAIN}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    add_shared(parser, "study")
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        action=_Seeds,
        default=[1, 2, 3, 4, 5],
        help="at least two",
    )
    parser.add_argument(
        "--write-means",
        type=pathlib.Path,
        metavar="FILE",
        help="the same for the table of means alone, part `study-NAME-means`",
    )


def add_shared(parser: argparse.ArgumentParser, name: str) -> None:
    """Adds the options that `study` and `tune` share."""
    add, file = parser.add_argument, pathlib.Path
    add(
        "--config",
        default="configs/study.py",
        metavar="FILE[:NAME]",
        help="which study; NAME is smad by default",
    )
    add("--out", type=file, default=file("study"), help="folder of its runs")
    add(
        "--records",
        type=file,
        metavar="FILE",
        help="file of the results of finished runs; those in it are not run again",
    )
    add("--at-once", type=_count, default=2, help="runs side by side")
    add(
        "--write",
        type=file,
        metavar="FILE",
        help=f"Markdown file whose part `{name}-NAME` is replaced with the tables",
    )


def run(
    *,
    config: str,
    out: pathlib.Path,
    records: pathlib.Path | None,
    at_once: int,
    seeds: list[int],
    write: pathlib.Path | None,
    write_means: pathlib.Path | None,
) -> str:
    """Makes the runs that are missing; writes and returns the tables.

    Raises:
        UserError: if the design, a document or a run fails.
    """
    from smad_jax.reporting import design, documents, kept, study

    chosen = design.load(config)
    part = f"study-{chosen.name}"
    # Before hours of runs: afterwards it is late to learn of a misspelt name.
    if write:
        documents.check(write, part)
    if write_means:
        documents.check(write_means, f"{part}-means")
    recorded = kept.Records(records)
    report = command_line.on_standard_error
    with command_line.ended_by_sigterm(AGAIN):
        found = study.run(chosen, out, seeds, at_once, report, recorded)
    if write:
        documents.replace(write, part, found.text)
    if write_means:
        documents.replace(write_means, f"{part}-means", found.means)
    return found.text


class _Seeds(argparse.Action):
    """Accepts two seeds or more, all different."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: object,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        """Stores the seeds; a single or repeated one ends the process with 2."""
        seeds = list(values or ())
        if len(seeds) < 2 or len(set(seeds)) < len(seeds):
            parser.error(f"{option_string}: expected two or more, all different")
        setattr(namespace, self.dest, seeds)


def _count(text: str) -> int:
    """Reads a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1, 2, 3 or more, not {text}")
    return int(text)
