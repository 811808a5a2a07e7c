"""Prints tables and draws pictures of finished runs.

python -m smad_jax.reporting compare runs/slowonly_baseline runs/slowonly_smad
python -m smad_jax.reporting picture runs/slowonly_smad --set rare
python -m smad_jax.reporting study --seeds 1 2 3 4 5
python -m smad_jax.reporting tune
"""

import argparse
import pathlib
import sys

from smad_jax import errors
from smad_jax.evaluation import predict
from smad_jax.reporting import documents, figures, runs, study, tables


def main() -> int:
    """Runs the subcommand of the command line; returns the exit code."""
    arguments = _parser().parse_args()
    try:
        text = arguments.run(arguments)
        print(text)
        if getattr(arguments, "write", None):
            documents.replace(arguments.write, arguments.name, text)
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _compare(arguments: argparse.Namespace) -> str:
    before, after = (runs.read(folder) for folder in arguments.runs)
    return tables.comparison(before, after)


def _picture(arguments: argparse.Namespace) -> str:
    path = arguments.run_folder / "predictions" / f"{arguments.set}_examples.npz"
    if not path.is_file():
        raise errors.DataError(f"no examples at {path}; run main.py in that workdir")
    target = arguments.out or arguments.run_folder / f"actionness_{arguments.set}.png"
    return f"picture: {figures.actionness(predict.Examples.load(path), target)}"


def _study(arguments: argparse.Namespace) -> str:
    return study.run(arguments.out, arguments.seeds, arguments.at_once, _progress)


def _tune(arguments: argparse.Namespace) -> str:
    return study.tune(arguments.out, arguments.at_once, _progress)


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m smad_jax.reporting")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    compare = commands.add_parser("compare", help="table of two runs")
    compare.add_argument("runs", nargs=2, type=pathlib.Path, metavar="RUN")
    compare.set_defaults(run=_compare)

    picture = commands.add_parser("picture", help="clips with their actionness masks")
    picture.add_argument("run_folder", type=pathlib.Path, metavar="RUN")
    picture.add_argument("--set", default="rare", help="test set (default: rare)")
    picture.add_argument("--out", type=pathlib.Path, help="PNG file to write")
    picture.set_defaults(run=_picture)

    for name, run, text in (
        ("study", _study, "all arms over seeds on the embedded benchmark"),
        ("tune", _tune, "hyper-parameters of every arm on the tuning draws"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--out", type=pathlib.Path, default=pathlib.Path("study"))
        command.add_argument("--at-once", type=int, default=2, help="runs side by side")
        command.add_argument(
            "--write", type=pathlib.Path, help="Markdown file to put the tables into"
        )
        command.set_defaults(run=run, name=name)
        if name == "study":
            command.add_argument(
                "--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5]
            )
    return parser


if __name__ == "__main__":
    sys.exit(main())
