"""`features`: the features of every video of a split, as a file (Sec. 6.2)."""

import argparse
import pathlib

import numpy as np

from smad_jax import file_io
from smad_jax.commands import network
from smad_jax.evaluation import features as feature_files

HELP = "features of every view, one vector a video, as NPZ"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    network.add_options(parser)
    add = parser.add_argument
    add("--split", required=True, metavar="DATASET/SPLIT", help="whose videos")
    add(
        "--out",
        type=pathlib.Path,
        help="file to write (default: features/DATASET-SPLIT.npz in the run's folder)",
    )


def run(arguments: argparse.Namespace) -> str:
    """Writes the file; returns what it holds.

    Raises:
        UserError: for whatever the user can put right.
    """
    asked = network.open_network(arguments)
    split = asked.open_split(arguments.split)
    name = f"{arguments.split.replace('/', '-')}.npz"
    path = arguments.out or arguments.run / "features" / name
    file_io.check(path)
    found = asked.features(split)
    feature_files.Features(
        ids=found.ids,
        labels=found.labels,
        classes=np.asarray(split.classes),
        features=feature_files.concatenated(found.features),
        num_views=found.features.shape[1],
        dataset=asked.dataset_folder(arguments.split).name,
    ).save(path)
    count, views, size = found.features.shape
    unreadable = int((~found.features.any(axis=(1, 2))).sum())
    told = f"{path}: {count} videos, {views} views of {size} features"
    return told + (f"; {unreadable} unreadable, zeros" if unreadable else "")
