"""`audit`: a page on the bias of any classifier's predictions."""

import argparse
import pathlib
import re

from smad_jax import errors
from smad_jax.base import command_line, file_io


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    add, number = parser.add_argument, command_line.whole_number
    file = {"type": pathlib.Path, "metavar": "FILE"}
    add(
        "--predictions",
        required=True,
        **file,
        help="CSV with a header, or NPZ: id, and prediction or one column of "
        "probabilities per class",
    )
    add("--labels", **file, help="id and label (default: those of --predictions)")
    add("--other", **file, help="predictions of a second model, to compare")
    add(
        "--aspect",
        action="append",
        required=True,
        type=_named_file,
        metavar="NAME=FILE",
        help="pseudo-labels, such as scene=scene.csv; CSV, NPZ, an aspect's .tfrecord "
        "or a data set's folder; may be repeated",
    )
    add("--classes", **file, help="names of the actions, one per line")
    add(
        "--names",
        action="append",
        default=[],
        type=_named_file,
        metavar="NAME=FILE",
        help="names of an aspect's labels, one per line; may be repeated",
    )
    rare = "usual and rare scenes are then those of training"
    add("--train", **file, help=f"id and label of each training video; {rare}")
    add(
        "--videos",
        type=pathlib.Path,
        metavar="FOLDER",
        help="videos named by id, or a data set's folder, for thumbnails",
    )
    add(
        "--model-names",
        nargs="+",
        default=[],
        metavar="NAME",
        help="names of the models on the page",
    )
    add(
        "--bootstrap",
        type=number(0),
        default=200,
        help="bootstrap draws for each interval of NMI; 0: no intervals",
    )
    add("--seed", type=number(0), default=0, help="random seed")
    page = pathlib.Path("audit.html")
    add("--out", type=pathlib.Path, default=page, help="HTML page to write")


def run(
    *,
    predictions: pathlib.Path,
    labels: pathlib.Path | None,
    other: pathlib.Path | None,
    aspect: list[tuple[str, pathlib.Path]],
    classes: pathlib.Path | None,
    names: list[tuple[str, pathlib.Path]],
    train: pathlib.Path | None,
    videos: pathlib.Path | None,
    model_names: list[str],
    bootstrap: int,
    seed: int,
    out: pathlib.Path,
) -> str:
    """Writes the page; returns its first screen as text, and where it is."""
    from smad_jax.reporting.audit import audits, page, thumbnails

    files = [file for _, file in (*aspect, *names)]
    files += filter(None, (predictions, other, labels, train, classes))
    if out.resolve() in {file.resolve() for file in files}:
        raise errors.ConfigError(f"--out {out} is one of the files to be read")
    file_io.check(out)
    aspects = dict(aspect)
    if len(aspects) < len(aspect):
        raise errors.ConfigError("--aspect names one aspect twice")
    report = command_line.on_standard_error
    report("reading")
    audit = audits.audit(
        predictions,
        labels,
        aspects,
        other=other,
        train=train,
        classes=classes or (),
        names=dict(names),
        model_names=model_names,
        bootstrap=bootstrap,
        seed=seed,
        report=report,
    )
    pictures = {}
    if videos:
        report("reading videos")
        wanted = page.examples(audit)
        pictures = thumbnails.thumbnails(videos, wanted)
        if wanted and not pictures:
            report(
                f"note: no video to be shown is in {videos} and can be read; their "
                f"files are found by id, such as {wanted[0]!r}"
            )
    first_screen = audits.write_page(audit, out, pictures=pictures, seed=seed)
    return f"{first_screen}\n\naudit: {out}"


def _named_file(text: str) -> tuple[str, pathlib.Path]:
    """Reads NAME=FILE."""
    name, found, file = text.partition("=")
    if not (found and file and re.fullmatch(r"[\w -]+", name)):
        raise argparse.ArgumentTypeError(f"expected NAME=FILE, not {text}")
    return name, pathlib.Path(file)
