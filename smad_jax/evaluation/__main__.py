"""Asks any finished run, or imported weights; no training data are needed.

    python -m smad_jax.evaluation evaluate --run RUN --split DATASET/SPLIT
    python -m smad_jax.evaluation predict --run RUN --videos FOLDER
    python -m smad_jax.evaluation features --run RUN --split DATASET/SPLIT
    python -m smad_jax.evaluation few_shot --features NPZ
    python -m smad_jax.evaluation svm --features NPZ --train D/S --test D/S
    python -m smad_jax.evaluation probe --run RUN --split DATASET/SPLIT

`--help` after a command lists its options with their defaults.
"""

import argparse
import sys
from collections.abc import Sequence

from smad_jax.commands import (
    command_line,
    evaluate,
    features,
    few_shot,
    predict,
    probe,
    svm,
)
from smad_jax.training import log

COMMANDS = {
    "evaluate": evaluate,
    "predict": predict,
    "features": features,
    "few_shot": few_shot,
    "svm": svm,
    "probe": probe,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the subcommand of the command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    with log.on_standard_error():
        return command_line.run(lambda: arguments.run_command(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m smad_jax.evaluation",
        description="Asks any finished run, or imported weights.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            formatter_class=_Defaults,
        )
        module.add_arguments(command)
        command.set_defaults(run_command=module.run)
    return parser


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of every option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, ""):
            return action.help
        return super()._get_help_string(action)


if __name__ == "__main__":
    sys.exit(main())
