"""`compare`: two finished runs side by side."""

import argparse
import pathlib


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    parser.add_argument(
        "runs", nargs=2, type=pathlib.Path, metavar="RUN", help="folder of a run"
    )


def run(*, runs: list[pathlib.Path]) -> str:
    """Returns the table."""
    from smad_jax.reporting import runs as finished
    from smad_jax.reporting import tables

    return tables.comparison(*map(finished.read, runs))
