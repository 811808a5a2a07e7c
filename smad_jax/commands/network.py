"""The options that choose a network, and opening what they choose."""

import argparse
import contextlib
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypedDict, Unpack

from smad_jax.base import command_line

if TYPE_CHECKING:
    from smad_jax.experiment import trained


class Options(TypedDict):
    """The options that choose a network, by their destinations."""

    run: pathlib.Path
    data_root: pathlib.Path
    views: int
    config: str
    classes: pathlib.Path | None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that `opened` takes."""
    parser.add_argument(
        "--run",
        type=pathlib.Path,
        required=True,
        help="folder of a finished run, or of imported weights",
    )
    add_options_beside_run(parser)


def add_options_beside_run(parser: argparse.ArgumentParser) -> None:
    """Adds the options that `opened` takes, all but the folder."""
    add = parser.add_argument
    command_line.add_data_root(parser)
    add("--views", type=int, default=0, help="test views; 0: as the run was tested")
    add(
        "--config",
        default="",
        help="with imported weights: config that describes the sampling, such as "
        "configs/slowonly_baseline.py:k200db",
    )
    add(
        "--classes",
        type=pathlib.Path,
        help="with imported weights: file of their class names, one per line",
    )


@contextlib.contextmanager
def opened(**chosen: Unpack[Options]) -> "Iterator[trained.TrainedNetwork]":
    """Opens a network; in the body the log is sent to standard error.

    Raises:
        ConfigError: if imported weights come without config or classes.
        DataError: if it cannot be opened.
    """
    from smad_jax.experiment import trained
    from smad_jax.training import compiling, host_memory, log

    host_memory.use_large_pages()
    compiling.keep_programs()
    with log.on_standard_error():
        yield trained.load_run(
            chosen["run"],
            chosen["data_root"],
            views=chosen["views"],
            config=chosen["config"],
            classes=chosen["classes"] or (),
        )
