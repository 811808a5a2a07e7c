"""`picture`: where a run's network looks, in videos of several actions."""

import argparse
import pathlib

from smad_jax import errors
from smad_jax.base import command_line, file_io


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    add = parser.add_argument
    add("run_folder", type=pathlib.Path, metavar="RUN", help="folder of a run")
    add("--set", help="test set of the run, or DATASET/SPLIT (default: the last set)")
    command_line.add_data_root(parser)
    add(
        "--count",
        type=command_line.whole_number(1),
        default=10,
        help="videos to draw, of different actions",
    )
    add("--out", type=pathlib.Path, help="PNG file to write (default: in the folder)")


def run(
    *,
    run_folder: pathlib.Path,
    set: str | None,
    data_root: pathlib.Path,
    count: int,
    out: pathlib.Path | None,
) -> str:
    """Draws the picture; returns where it is.

    Raises:
        UserError: if the run or its test set is missing, or `out` is no PNG.
    """
    if out and out.suffix.lower() != ".png":
        raise errors.ConfigError(f"--out must end in .png, not {out}")
    from smad_jax.data import selection
    from smad_jax.experiment import trained
    from smad_jax.reporting import attention

    network = trained.load(run_folder, data_root, finished=False)
    sets = {
        name: place for name, place in network.settings.evaluation.sets.items() if place
    }
    name = set or next(reversed(sets), "")
    if name not in sets and "/" not in name:
        raise errors.ConfigError(
            f"unknown test set {name!r} of {run_folder}; known: "
            f"{', '.join(sets) or 'none'}, or any DATASET/SPLIT"
        )
    target = out or run_folder / f"picture_{name.replace('/', '-')}.png"
    file_io.check(target)
    split = network.open_split(sets.get(name, name))
    drawn = attention.gallery(network, selection.across_classes(split, count), target)
    few = count < len(split.classes)
    more = f"; --count {len(split.classes)} draws one of each action" if few else ""
    return (
        f"picture: {target}, {drawn} of {len(split)} videos{network.unfinished}{more}"
    )
