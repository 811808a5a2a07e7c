"""The subcommand `audit`: its flags, and the order in which things are done."""

import argparse
import os
import pathlib
import re
import sys
from collections.abc import Mapping

from smad_jax import errors, file_io
from smad_jax.commands import command_line
from smad_jax.data import catalog, label_names
from smad_jax.experiment import run_labels
from smad_jax.reporting.audit import analysis, inputs, joining, naming, page, thumbnails

_OF_RUNS = ("predictions", "evaluation")  # folders of a run that hold predictions


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `audit`."""
    file = {"type": pathlib.Path, "metavar": "FILE"}
    parser.add_argument(
        "--predictions",
        required=True,
        **file,
        help="CSV with a header, or NPZ: id, and prediction or one column of "
        "probabilities a class",
    )
    parser.add_argument(
        "--labels", **file, help="id, label (default: of --predictions)"
    )
    parser.add_argument("--other", **file, help="predictions of a second model")
    parser.add_argument(
        "--aspect",
        action="append",
        required=True,
        type=_named_file,
        metavar="NAME=FILE",
        help="pseudo-labels, such as scene=scene.csv; CSV, NPZ, an aspect's .tfrecord "
        "or a data set's folder; may be repeated",
    )
    parser.add_argument("--classes", **file, help="names of the actions, one a line")
    parser.add_argument(
        "--names",
        action="append",
        default=[],
        type=_named_file,
        metavar="NAME=FILE",
        help="names of an aspect's labels, one a line",
    )
    parser.add_argument(
        "--train",
        **file,
        help="id, label of the training videos, which then say what is rare",
    )
    parser.add_argument(
        "--videos",
        type=pathlib.Path,
        metavar="FOLDER",
        help="videos named by id, or a data set's folder, for thumbnails",
    )
    parser.add_argument(
        "--model-names", nargs="+", default=[], metavar="NAME", help="for the page"
    )
    parser.add_argument(
        "--bootstrap",
        type=command_line.whole_number(0),
        default=200,
        help="draws behind the intervals of NMI; 0: none (default: 200)",
    )
    parser.add_argument(
        "--seed",
        type=command_line.whole_number(0),
        default=0,
        help="of draws and permutations (default: 0)",
    )
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("audit.html"))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> str:
    """Writes the page and returns what to tell.

    Raises:
        UserError: for whatever is wrong with the files.
    """
    _check_out(arguments)
    _report("reading")
    material = _material(arguments)
    for note in material.notes:
        _report(f"note: {naming.plain_text(note)}")
    audit = analysis.analyse(
        material, num_bootstrap=arguments.bootstrap, seed=arguments.seed, report=_report
    )
    pictures = {}
    if arguments.videos:
        _report("reading videos")
        wanted = page.examples(audit)
        pictures = thumbnails.thumbnails(arguments.videos, wanted)
        if wanted and not pictures:
            _report(
                f"note: none of the videos to be shown is in {arguments.videos} and "
                f"can be read; they are looked for by id, as {wanted[0]!r}"
            )
    text = page.render(audit, pictures, arguments.seed)
    file_io.write_text(arguments.out, text)
    return f"audit: {arguments.out}"


def _check_out(arguments: argparse.Namespace) -> None:
    """Makes sure that the page can be written, and not over what it is made from."""
    out: pathlib.Path = arguments.out
    named = [file for _, file in (*arguments.aspect, *arguments.names)]
    named += [arguments.predictions, arguments.other, arguments.labels]
    named += [arguments.train, arguments.classes]
    if out.resolve() in {file.resolve() for file in named if file is not None}:
        raise errors.ConfigError(f"--out {out} is one of the files to be read")
    file_io.check(out)


def _material(arguments: argparse.Namespace) -> joining.Material:
    """Reads and joins the files that the flags name."""
    predictions = arguments.predictions
    labels = arguments.labels
    if not predictions.is_file():
        raise errors.DataError(f"no file at {predictions}")
    if labels is None:
        if not inputs.has_labels(predictions):
            raise errors.ConfigError(
                f"{predictions} holds no labels; name their file with --labels"
            )
        labels = predictions
    files = [predictions, *([arguments.other] if arguments.other else [])]
    aspects, twice = dict(arguments.aspect), len(arguments.aspect)
    if len(aspects) < twice:
        raise errors.ConfigError("--aspect names one aspect twice")
    names = dict(arguments.names)
    if unknown := sorted(set(names) - set(aspects)):
        raise errors.ConfigError(f"--names {unknown[0]}: there is no such --aspect")
    tables = {name: inputs.read(file, name) for name, file in aspects.items()}
    return joining.join(
        dict(
            zip(
                _model_names(files, arguments.model_names),
                [inputs.read(file, "prediction") for file in files],
                strict=True,
            )
        ),
        inputs.read(labels, "label"),
        tables,
        classes=_classes(arguments),
        aspect_names=_aspect_names(tables, names),
        train=inputs.read(arguments.train, "label") if arguments.train else None,
    )


def _classes(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Names of the actions: those given, or those that a run of ours knows."""
    if arguments.classes:
        return label_names.read(arguments.classes)
    for file in filter(None, (arguments.labels, arguments.train)):
        folder = file.absolute().parent.parent
        if file.suffix == ".txt" and (folder / "dataset.json").is_file():
            return catalog.read_classes(folder, file.stem)
    for file in filter(None, (arguments.predictions, arguments.other)):
        folder = file.absolute().parent
        if folder.name in _OF_RUNS and file.suffix == ".npz":
            known = run_labels.read(folder.parent)
            if known is not None:
                return known.classes
    return ()


def _aspect_names(
    tables: Mapping[str, inputs.Table], given: Mapping[str, pathlib.Path]
) -> dict[str, tuple[str, ...]]:
    """Names of each aspect's labels: those given, or those of its data set."""
    found = {}
    for aspect, table in tables.items():
        num_labels = None if table.shares is None else table.shares.shape[1]
        if aspect in given:
            found[aspect] = label_names.read(given[aspect], num_labels)
        elif num_labels and table.path.suffix == ".tfrecord":
            folder = table.path.parent.parent
            found[aspect] = label_names.stored(folder, table.path.stem, num_labels)
    return found


def _model_names(files: list[pathlib.Path], given: list[str]) -> list[str]:
    """Names for the page: those given, or as much of the paths as tells them apart.

    A run's predictions are all called alike, and the folder tells which run it is.
    """
    if given:
        if len(given) != len(files) or len(set(given)) < len(given):
            raise errors.ConfigError(
                f"--model-names must be {len(files)} different names, one for each "
                f"file of predictions, not {' '.join(given)}"
            )
        return given
    whole = [pathlib.Path(os.path.abspath(file)) for file in files]
    if len({file.resolve() for file in files}) < len(files):
        raise errors.ConfigError("--other must be another file than --predictions")
    depth = min(len(path.parts) for path in whole) - 1  # without the root
    choices = [
        [path.stem for path in whole],
        *([path.parts[-n] for path in whole] for n in range(1, depth + 1)),
        [str(path) for path in whole],
    ]
    return next(names for names in choices if len(set(names)) == len(names))


def _named_file(text: str) -> tuple[str, pathlib.Path]:
    """Reads NAME=FILE."""
    name, found, file = text.partition("=")
    if not (found and file and re.fullmatch(r"[\w -]+", name)):
        raise argparse.ArgumentTypeError(f"expected NAME=FILE, not {text}")
    return name, pathlib.Path(file)


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
