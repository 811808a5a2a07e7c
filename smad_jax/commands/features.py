"""`features`: the features of every video of a split, as a file (Sec. 6.2)."""

import argparse
import pathlib
from typing import Unpack

from smad_jax.base import file_io
from smad_jax.commands import network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    network.add_options(parser)
    add = parser.add_argument
    add("--split", required=True, metavar="DATASET/SPLIT", help="videos to use")
    add(
        "--out",
        type=pathlib.Path,
        help="file to write (default: features/DATASET-SPLIT.npz in the run's folder)",
    )


def run(
    *,
    split: str,
    out: pathlib.Path | None,
    **chosen: Unpack[network.Options],
) -> str:
    """Writes the file; returns a summary of it."""
    from smad_jax.commands import extracted

    path = out or chosen["run"] / "features" / f"{split.replace('/', '-')}.npz"
    with network.opened(**chosen) as trained:
        file_io.check(path)
        found = extracted.extract_features(trained, split)
    found.save(path)
    count, size = found.features.shape
    unreadable = int((~found.features.any(axis=1)).sum())
    return (
        f"{path}: {count} videos, {found.num_views} views of "
        f"{size // found.num_views} features"
        + (f"; {unreadable} unreadable, zeros" if unreadable else "")
    )
