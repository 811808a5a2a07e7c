"""Prints tables and draws pictures of finished runs.

python -m smad_jax.reporting compare runs/slowonly_baseline runs/slowonly_smad
python -m smad_jax.reporting picture runs/slowonly_smad --set rare
python -m smad_jax.reporting table 7
python -m smad_jax.reporting overlap RUN RUN --train TRAIN.txt --scene DATASET
python -m smad_jax.reporting cam --baseline RUN --smad RUN --video VIDEO.mp4
python -m smad_jax.reporting study --write docs/results/smad.md
python -m smad_jax.reporting study --config configs/study.py:omnidebias
python -m smad_jax.reporting tune --write docs/results/smad.md
python -m smad_jax.reporting audit --predictions P.csv --aspect scene=S.csv
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from smad_jax import errors, file_io
from smad_jax.commands import command_line
from smad_jax.data import catalog, preparation, records
from smad_jax.evaluation import cam, predict
from smad_jax.experiment import run_labels, trained
from smad_jax.reporting import (
    attention,
    design,
    dial,
    documents,
    figures,
    kept,
    paper,
    reproduction,
    runs,
    study,
    tables,
)
from smad_jax.reporting.audit import command as audit

_AGAIN = "the same command goes on where it stopped"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the subcommand of the command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    stopped = getattr(arguments, "stopped", "interrupted")
    return command_line.run(lambda: arguments.run(arguments), stopped=stopped)


def _compare(arguments: argparse.Namespace) -> str:
    before, after = (runs.read(folder) for folder in arguments.runs)
    return tables.comparison(before, after)


def _picture(arguments: argparse.Namespace) -> str:
    path = arguments.run_folder / "predictions" / f"{arguments.set}_examples.npz"
    if not path.is_file():
        raise errors.DataError(f"no examples at {path}; run main.py in that workdir")
    target = arguments.out or arguments.run_folder / f"actionness_{arguments.set}.png"
    if target.suffix.lower() != ".png":
        raise errors.ConfigError(f"--out must end in .png, not {target}")
    file_io.check(target)
    labels = run_labels.read(arguments.run_folder)
    if labels is None:
        raise errors.DataError(
            f"{arguments.run_folder} does not name its classes (labels.json); train "
            "and test it again"
        )
    drawn = figures.actionness(predict.Examples.load(path), labels.classes, target)
    return f"picture: {drawn}"


def _cam(arguments: argparse.Namespace) -> str:
    content, name = _video(arguments)
    picture, film = (
        arguments.out.with_name(arguments.out.name + end) for end in (".png", ".mp4")
    )
    file_io.check(picture)
    baseline, smad = (
        trained.load(folder, arguments.data_root)
        for folder in (arguments.baseline, arguments.smad)
    )
    shown = attention.panels(
        baseline, smad, content, name=name, scaling=arguments.scaling
    )
    attention.strip(shown, picture)
    film.write_bytes(attention.film(shown))
    return f"pictures: {picture} {film}"


def _video(arguments: argparse.Namespace) -> tuple[bytes, str]:
    """Returns the video that `--video` or `--id` names, and what it is called."""
    if arguments.video is not None:
        if not arguments.video.is_file():
            raise errors.DataError(f"no video at {arguments.video}")
        return arguments.video.read_bytes(), arguments.video.name
    folder = arguments.data_root / (arguments.dataset or "")
    if not (arguments.dataset and arguments.id):
        raise errors.ConfigError("name a --video, or a --dataset and an --id of it")
    catalog.read_dataset_file(folder)  # or say which there are
    reader = records.RecordReader(folder)
    if arguments.id not in reader.ids:
        like = ", ".join(map(repr, reader.ids[:2]))
        raise errors.DataError(
            f"{folder} has no video {arguments.id!r}; its ids are like {like}"
        )
    return reader.video(reader.ids.index(arguments.id)).video, arguments.id


def _overlap(arguments: argparse.Namespace) -> str:
    names = arguments.model_names or [folder.name for folder in arguments.runs]
    if len(set(names)) < len(arguments.runs) or len(names) != len(arguments.runs):
        raise errors.ConfigError(
            f"--model-names must be {len(arguments.runs)} different names, one a run, "
            f"not {' '.join(names)}"
        )
    if len(set(arguments.sets)) < len(arguments.sets):
        raise errors.ConfigError("--sets names a test set twice")
    tests = [
        {
            name: folder / "predictions" / f"{split}.npz"
            for name, folder in zip(names, arguments.runs, strict=True)
        }
        for split in arguments.sets
    ]
    file_io.check(arguments.out.with_name(arguments.out.name + ".svg"))
    for path in (path for files in tests for path in files.values()):
        if not path.is_file():
            raise errors.DataError(
                f"no predictions at {path}; python main.py --config configs/NAME.py "
                f"--workdir {path.parent.parent} makes a run and tests it"
            )
    labels = run_labels.read(arguments.runs[0])
    points = dial.measure(
        tests,
        arguments.scene,
        arguments.train,
        classes=labels.classes if labels else (),
    )
    return f"figure: {' '.join(map(str, dial.draw(points, arguments.out)))}"


def _table(arguments: argparse.Namespace) -> str:
    numbers = arguments.numbers or sorted(paper.TABLES)
    folder = arguments.runs or pathlib.Path("runs")
    if arguments.runs and not folder.is_dir():
        raise errors.DataError(
            f"no folder of runs at {folder}; python main.py --config configs/NAME.py "
            f"--workdir {folder / 'NAME'} makes a run in it"
        )
    return "\n\n".join(
        reproduction.table(n, folder, arguments.data_root) for n in numbers
    )


def _study(arguments: argparse.Namespace) -> str:
    chosen = design.load(arguments.config)
    part = f"study-{chosen.name}"
    text_file, means_file = arguments.write, arguments.write_means
    # Before hours of runs: afterwards it is late to learn of a misspelt name.
    if text_file:
        documents.check(text_file, part)
    if means_file:
        documents.check(means_file, f"{part}-means")
    recorded = kept.Records(arguments.records)
    with command_line.ended_by_sigterm(_AGAIN):
        found = study.run(
            chosen,
            arguments.out,
            arguments.seeds,
            arguments.at_once,
            _progress,
            recorded,
        )
    if text_file:
        documents.replace(text_file, part, found.text)
    if means_file:
        documents.replace(means_file, f"{part}-means", found.means)
    return found.text


def _tune(arguments: argparse.Namespace) -> str:
    chosen = design.load(arguments.config)
    part = f"tune-{chosen.name}"
    if arguments.write:
        documents.check(arguments.write, part)
    recorded = kept.Records(arguments.records)
    with command_line.ended_by_sigterm(_AGAIN):
        text = study.tune(chosen, arguments.out, arguments.at_once, _progress, recorded)
    if arguments.write:
        documents.replace(arguments.write, part, text)
    return text


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m smad_jax.reporting")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_runs(commands)
    _add_cam(commands)
    _add_overlap(commands)
    command = commands.add_parser(
        "audit", help="page on the bias of any classifier's predictions"
    )
    audit.add_flags(command)
    _add_studies(commands)
    return parser


def _add_runs(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """What is said or shown of finished runs: compare, picture, table."""
    compare = commands.add_parser("compare", help="table of two runs")
    compare.add_argument("runs", nargs=2, type=pathlib.Path, metavar="RUN")
    compare.set_defaults(run=_compare)

    picture = commands.add_parser("picture", help="clips with their actionness masks")
    picture.add_argument("run_folder", type=pathlib.Path, metavar="RUN")
    picture.add_argument("--set", default="rare", help="test set (default: rare)")
    picture.add_argument("--out", type=pathlib.Path, help="PNG file to write")
    picture.set_defaults(run=_picture)

    table = commands.add_parser("table", help="a table of the paper, and our numbers")
    table.add_argument("numbers", nargs="*", type=int, metavar="N", help="default: all")
    table.add_argument(
        "--runs",
        type=pathlib.Path,
        help="folder of the runs (default: runs)",
    )
    table.add_argument(
        "--data-root",
        type=pathlib.Path,
        default=pathlib.Path(preparation.default_root()),
        help="folder of the data sets (default: $DATA_ROOT, or datasets)",
    )
    table.set_defaults(run=_table)


def _add_cam(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    look = commands.add_parser(
        "cam", help="where two networks look in a video (Fig. 7)"
    )
    look.add_argument("--baseline", type=pathlib.Path, required=True, metavar="RUN")
    look.add_argument("--smad", type=pathlib.Path, required=True, metavar="RUN")
    look.add_argument("--video", type=pathlib.Path, metavar="FILE", help="any video")
    look.add_argument("--dataset", help="or a stored video: its data set")
    look.add_argument("--id", help="and its id there")
    look.add_argument(
        "--data-root",
        type=pathlib.Path,
        default=pathlib.Path(preparation.default_root()),
        help="folder of the data sets (default: $DATA_ROOT or datasets)",
    )
    look.add_argument(
        "--scaling",
        choices=cam.SCALINGS,
        default=cam.SCALINGS[0],
        help="what is brightest: of the whole clip, or of each frame (default: clip)",
    )
    look.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("cam"),
        help="files to write, without their endings (default: cam)",
    )
    look.set_defaults(run=_cam)


def _add_overlap(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    overlap = commands.add_parser(
        "overlap", help="drop of accuracy along the overlap of scenes (Fig. 3)"
    )
    overlap.add_argument("runs", nargs="+", type=pathlib.Path, metavar="RUN")
    overlap.add_argument("--model-names", nargs="+", default=[], metavar="NAME")
    overlap.add_argument(
        "--sets",
        nargs="+",
        default=["iid", "tail"],
        help="test sets with usual and rare scenes together (default: iid tail)",
    )
    file = {"type": pathlib.Path, "required": True, "metavar": "FILE"}
    overlap.add_argument("--train", **file, help="id, label of the training videos")
    overlap.add_argument("--scene", **file, help="pseudo-scenes, as --aspect of audit")
    overlap.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("overlap"),
        help="files to write, without their endings (default: overlap)",
    )
    overlap.set_defaults(run=_overlap)


def _add_studies(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    for name, run, text in (
        ("study", _study, "all arms over seeds on the embedded benchmark"),
        ("tune", _tune, "hyper-parameters of every arm on the tuning draws"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument(
            "--config",
            default="configs/study.py",
            metavar="FILE[:NAME]",
            help="which study (default: configs/study.py:smad)",
        )
        command.add_argument(
            "--out",
            type=pathlib.Path,
            default=pathlib.Path("study"),
            help="folder of its runs (default: study)",
        )
        command.add_argument(
            "--records",
            type=pathlib.Path,
            metavar="FILE",
            help="file of what finished runs said; those in it are not made again",
        )
        command.add_argument(
            "--at-once", type=_count, default=2, help="runs side by side (default: 2)"
        )
        command.add_argument(
            "--write",
            type=pathlib.Path,
            metavar="FILE",
            help=f"Markdown file whose part `{name}-NAME` is to hold the tables",
        )
        command.set_defaults(run=run, stopped=f"interrupted; {_AGAIN}")
        if name == "study":
            command.add_argument(
                "--seeds",
                type=int,
                nargs="+",
                action=_Seeds,
                default=[1, 2, 3, 4, 5],
                help="at least two (default: 1 to 5)",
            )
            command.add_argument(
                "--write-means",
                type=pathlib.Path,
                metavar="FILE",
                help="the same for the table of means alone, part `study-NAME-means`",
            )


class _Seeds(argparse.Action):
    """Takes seeds of which there are several, none of them twice."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Stores the seeds; a single or repeated one ends the program with 2."""
        seeds = list(values or ())
        if len(seeds) < 2 or len(set(seeds)) < len(seeds):
            parser.error(f"{option_string}: expected two or more, all different")
        setattr(namespace, self.dest, seeds)


def _count(text: str) -> int:
    """Reads a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1, 2, 3 or more, not {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
