"""`weights export`: a folder of weights, or a run, to a PyTorch file."""

import argparse
import pathlib

from smad_jax.commands import checkpoint_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    add = parser.add_argument
    add("folder", type=pathlib.Path, metavar="DIR", help="imported weights, or a run")
    add(
        "--layout",
        required=True,
        choices=checkpoint_options.LAYOUTS,
        help="naming scheme of its tensors",
    )
    add("--out", type=pathlib.Path, required=True, help=".pth or .safetensors")
    checkpoint_options.add_allow(parser)


def run(
    *, folder: pathlib.Path, layout: str, out: pathlib.Path, allow: list[str]
) -> str:
    """Writes the file; returns a summary."""
    from smad_jax.torch_weights import transfer

    count = transfer.export_weights(folder, out, layout, allow=allow)
    return f"{count} tensors in {layout} names: {out}"
