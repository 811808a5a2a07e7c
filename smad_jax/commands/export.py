"""`export`: a trained network as a StableHLO program, which JAX alone can run."""

import argparse
import pathlib
from typing import Unpack

from smad_jax.commands import network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    add = parser.add_argument
    add(
        "run",
        type=pathlib.Path,
        metavar="RUN",
        help="folder of a finished run, or of imported weights",
    )
    add(
        "--format",
        choices=["stablehlo"],
        default="stablehlo",
        help="format of the program",
    )
    add(
        "--out",
        type=pathlib.Path,
        help="file to write (default: export/network.FORMAT in the run's folder)",
    )
    network.add_options_beside_run(parser)


def run(
    *, format: str, out: pathlib.Path | None, **chosen: Unpack[network.Options]
) -> str:
    """Writes the program and its description; returns a summary."""
    from smad_jax.experiment import exported

    path = out or chosen["run"] / "export" / f"network.{format}"
    with network.opened(**chosen) as trained:
        found = exported.export_network(trained, path)
    size = found.program.stat().st_size / 1e6
    return (
        f"{found.program}: {size:.1f} MB, for {', '.join(exported.PLATFORMS)}; read "
        f"again, it differs from the network by {found.difference:.1g} of the largest "
        f"value\n{found.description}: classes, input, output and versions"
    )
