"""`table`: the paper's tables, with our numbers where there are runs."""

import argparse
import pathlib

from smad_jax import errors
from smad_jax.base import command_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    add = parser.add_argument
    add("numbers", nargs="*", type=int, metavar="N", help="of the paper; none for all")
    add("--runs", type=pathlib.Path, help="folder of the runs (default: runs)")
    command_line.add_data_root(parser)


def run(
    *, numbers: list[int], runs: pathlib.Path | None, data_root: pathlib.Path
) -> str:
    """Returns the tables.

    Raises:
        UserError: if there is no such table, or no such folder.
    """
    from smad_jax.reporting import paper, reproduction

    folder = runs or pathlib.Path("runs")
    if runs and not folder.is_dir():
        raise errors.DataError(
            f"no folder of runs at {folder}; python main.py --config configs/NAME.py "
            f"--workdir {folder / 'NAME'} makes a run in it"
        )
    return "\n\n".join(
        reproduction.table(number, folder, data_root)
        for number in numbers or sorted(paper.TABLES)
    )
