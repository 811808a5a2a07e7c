"""Brings PyTorch weights in and takes them out again; PyTorch itself is not needed.

python -m smad_jax.torch_weights import tsn.pth --model resnet50 --out weights/tsn
python -m smad_jax.torch_weights export weights/tsn --layout mmaction2 --out tsn.pth
python -m smad_jax.torch_weights verify tsn.pth --model resnet50
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from smad_jax import errors
from smad_jax.commands import command_line
from smad_jax.torch_weights import (
    convert,
    files,
    names,
    reference,
    saving,
    verify,
    weights,
)

# Above it a stage is not the reference's; rounding leaves some 1e-6.
_TOLERANCE = 1e-4


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the subcommand of the command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    return command_line.run(lambda: arguments.run(arguments))


def _import(arguments: argparse.Namespace) -> None:
    state_dict, imported = _read(arguments)
    for note in filter(None, (state_dict.note, *imported.notes)):
        print(f"note: {note}")
    for row in imported.rows:
        print(row)
    for name in imported.left_out:
        print(f"{name} left out")
    manifest = weights.manifest_of(imported, arguments.checkpoint)
    weights.save_weights(arguments.out, imported.arrays, manifest)
    network = imported.network
    print(
        f"{len(imported.rows)} tensors of {imported.table} names for {network.name}"
        f"{f' with shortcut {network.shortcut}' if network.shortcut else ''}, "
        f"{network.num_classes or 'no'} classes: {arguments.out}"
    )


def _export(arguments: argparse.Namespace) -> None:
    arrays, manifest = weights.load_arrays(arguments.folder)
    tensors = convert.to_tensors(
        arrays, manifest.network, arguments.layout, allow=arguments.allow
    )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    if arguments.out.suffix == ".safetensors":
        saving.write_safetensors(arguments.out, tensors)
    else:
        saving.write_pth(arguments.out, _wrapped(tensors, arguments.layout))
    print(f"{len(tensors)} tensors in {arguments.layout} names: {arguments.out}")


def _wrapped(tensors: convert.Arrays, layout: str) -> saving.Content:
    """Returns a file's content as the tools of the layout expect it."""
    if layout == "mmaction2":
        return {"meta": {"exported_by": "smad_jax"}, "state_dict": tensors}
    if layout == "hara":
        named = {f"module.{name}": tensor for name, tensor in tensors.items()}
        return {"epoch": 0, "arch": "resnet-18", "state_dict": named}
    return tensors


def _verify(arguments: argparse.Namespace) -> None:
    reference.import_torch()
    state_dict, imported = _read(arguments)
    differences = verify.compare(state_dict.tensors, imported)
    for difference in differences:
        print(difference)
    if max(difference.relative for difference in differences) > _TOLERANCE:
        raise errors.DataError(
            f"{arguments.checkpoint} gives other numbers here than in PyTorch"
        )


def _read(
    arguments: argparse.Namespace,
) -> tuple[files.StateDict, convert.Imported]:
    state_dict = files.read(arguments.checkpoint, foreign=arguments.foreign)
    try:
        imported = convert.to_network(
            state_dict.tensors,
            arguments.model,
            layout=arguments.layout,
            allow=arguments.allow,
        )
    except errors.DataError as error:
        raise errors.DataError(f"{arguments.checkpoint}: {error}") from error
    return state_dict, imported


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m smad_jax.torch_weights")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    layouts = sorted({layout for known in names.LAYOUTS.values() for layout in known})

    for name, run, text in (
        ("import", _import, "read a .pth or .safetensors file into a folder"),
        ("verify", _verify, "compare with PyTorch, stage by stage"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("checkpoint", type=pathlib.Path, metavar="CKPT")
        command.add_argument("--model", required=True, choices=list(names.LAYOUTS))
        command.add_argument(
            "--layout", choices=layouts, help="of the names (default: found out)"
        )
        command.add_argument(
            "--foreign",
            nargs="+",
            default=[],
            metavar="NAME",
            help="classes in the file to step over, such as 'trainer.*'",
        )
        _add_allow(command)
        if name == "import":
            command.add_argument("--out", type=pathlib.Path, required=True)
        command.set_defaults(run=run)

    export = commands.add_parser("export", help="write a folder as a PyTorch file")
    export.add_argument("folder", type=pathlib.Path, metavar="DIR")
    export.add_argument("--layout", required=True, choices=layouts)
    export.add_argument(
        "--out", type=pathlib.Path, required=True, help=".pth or .safetensors"
    )
    _add_allow(export)
    export.set_defaults(run=_export)
    return parser


def _add_allow(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--allow",
        nargs="+",
        default=[],
        metavar="NAME",
        help="names of either side that may be left over or differ, such as 'fc.*'",
    )


if __name__ == "__main__":
    sys.exit(main())
