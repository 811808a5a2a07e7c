"""The options that choose a PyTorch file and how its names are read."""

import argparse
import pathlib

from smad_jax.torch_weights import names

LAYOUTS = sorted({layout for known in names.LAYOUTS.values() for layout in known})


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `transfer.import_weights`."""
    add = parser.add_argument
    add("checkpoint", type=pathlib.Path, metavar="CKPT", help=".pth or .safetensors")
    add("--model", required=True, choices=list(names.LAYOUTS), help="network")
    add("--layout", choices=LAYOUTS, help="naming scheme (default: detected)")
    add(
        "--foreign",
        nargs="+",
        default=[],
        metavar="NAME",
        help="classes in the file to skip, such as 'trainer.*'",
    )
    add_allow(parser)


def add_allow(parser: argparse.ArgumentParser) -> None:
    """Adds the option --allow."""
    parser.add_argument(
        "--allow",
        nargs="+",
        default=[],
        metavar="NAME",
        help="names of either side that may be left over or differ, such as 'fc.*'",
    )
