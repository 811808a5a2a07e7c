"""`weights import`: a PyTorch file to a folder of weights."""

import argparse
import pathlib

from smad_jax.commands import checkpoint_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    checkpoint_options.add_options(parser)
    parser.add_argument(
        "--out", type=pathlib.Path, required=True, help="folder to write"
    )


def run(
    *,
    checkpoint: pathlib.Path,
    model: str,
    layout: str | None,
    foreign: list[str],
    allow: list[str],
    out: pathlib.Path,
) -> str:
    """Writes the folder; returns a line a tensor and a summary."""
    from smad_jax.torch_weights import transfer

    found = transfer.import_weights(
        checkpoint, out, model, layout=layout, foreign=foreign, allow=allow
    )
    network = found.network
    shortcut = f" with shortcut {network.shortcut}" if network.shortcut else ""
    return "\n".join(
        [
            *(f"note: {note}" for note in found.notes),
            *map(str, found.rows),
            *(f"{name} left out" for name in found.left_out),
            f"{len(found.rows)} tensors of {found.table} names for {network.name}"
            f"{shortcut}, {network.num_classes or 'no'} classes: {out}",
        ]
    )
