"""Keeps the web media that a teacher takes for what they were searched for (App. B).

    python -m data_prep.teacher_filter --data-root R --dataset insvideo --teacher RUN

The teacher is a finished run, or a file of what some network said. A medium is kept if
the teacher's first answer is its label, the class whose query found it; that is the
rule of OmniSource, whose author states it without a threshold. `--threshold` asks for
a probability of that class instead. `--against` names the lists that will be tested
on, as kinetics400/val; what shows the same as one of their videos is left out. Writes
the split `positive` beside the other; the label stays the query's.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.bias import near_duplicates, z_frequency
from smad_jax import errors, file_io
from smad_jax.commands import command_line
from smad_jax.data import catalog
from smad_jax.experiment import trained
from smad_jax.training import log


class Answers(NamedTuple):
    """What a teacher says of V media.

    Attributes:
        ids: [V] ids.
        probabilities: [V, K]; a row of zeros for a medium that could not be read.
        classes: [K] names.
    """

    ids: list[str]
    probabilities: np.ndarray
    classes: tuple[str, ...]


def agrees(
    probabilities: np.ndarray, labels: np.ndarray, *, threshold: float | None = None
) -> np.ndarray:
    """Returns [V] bool: whether the teacher takes each medium for what it is called.

    Args:
        probabilities: [V, K], a video's being the mean over its views; zeros for a
            medium that could not be read, which is never kept.
        labels: [V] int, the class of each medium's query; negative for a class that
            the teacher does not know, and then the medium is not kept.
        threshold: Least probability of that class, inclusive; None to ask that none be
            more probable, where of equal ones the first counts.
    """
    rows = np.arange(len(labels))
    known = (labels >= 0) & (probabilities.sum(axis=1) > 0)
    if threshold is None:
        return known & (probabilities.argmax(axis=1) == labels)
    return known & (probabilities[rows, labels] >= threshold)


def read_answers(path: pathlib.Path, classes: Sequence[str]) -> Answers:
    """Returns the answers in an NPZ file: `ids`, `probabilities`, perhaps `classes`.

    A file of `predictions/` in a run's folder is one.

    Args:
        path: The file.
        classes: [K] names where the file has none.

    Raises:
        DataError: if it is not such a file.
    """
    if not path.is_file():
        raise errors.DataError(f"no file of predictions at {path}")
    told = f"{path} must be an NPZ with `ids` and `probabilities`"
    with file_io.npz(path, told) as content:
        ids, values = content["ids"].tolist(), content["probabilities"]
        if "classes" in content:
            classes = content["classes"].tolist()
    if values.shape != (len(ids), len(classes)):
        raise errors.DataError(
            f"{path}: {len(ids)} ids and {len(classes)} classes need probabilities "
            f"[{len(ids)}, {len(classes)}], but they are {list(values.shape)}"
        )
    if not np.isfinite(values).all():
        raise errors.DataError(f"{path}: a probability is not finite")
    return Answers(ids, values, tuple(classes))


def _save(path: pathlib.Path, answers: Answers) -> None:
    """Writes what `read_answers` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:  # not by name: NumPy would add an ending to it
        np.savez(file, **answers._asdict())


def _ask(chosen: argparse.Namespace, source: catalog.Split) -> Answers:
    """What the teacher of the command line says of every medium of the split."""
    if chosen.predictions:
        return read_answers(chosen.predictions, source.classes)
    asked = trained.load(chosen.teacher, chosen.data_root, test_views=chosen.views)
    said = asked.predict(source)
    answers = Answers(said.ids.tolist(), said.probabilities, asked.classes)
    if chosen.save:
        _save(chosen.save, answers)
    return answers


def _rows_of(answers: Answers, split: catalog.Split) -> np.ndarray:
    """[V] row of `answers` for each medium of the split."""
    row_of = {id: row for row, id in enumerate(answers.ids)}
    missing = [id for id in split.ids if id not in row_of]
    if missing:
        raise errors.DataError(
            f"{len(missing)} of {len(split)} media of {split.dataset}/{split.name} "
            f"have no prediction, {missing[0]!r} among them"
        )
    return np.array([row_of[id] for id in split.ids])


def write_split(chosen: argparse.Namespace) -> list[str]:
    """Writes the split that the command line asks for; returns what there is to say.

    Raises:
        ConfigError: if the threshold is no probability.
        DataError: if data, run or predictions are missing, or nothing is kept.
    """
    if chosen.threshold is not None and not 0 < chosen.threshold <= 1:
        raise errors.ConfigError(
            f"--threshold must be above 0 and at most 1, but it is {chosen.threshold}"
        )
    source = catalog.open_split(chosen.data_root, chosen.dataset, chosen.split)
    answers = _ask(chosen, source)
    labels = z_frequency.renumber(source.labels, source.classes, answers.classes)
    if (labels < 0).all():
        raise errors.DataError(
            f"the teacher knows no class of {chosen.dataset}/{chosen.split}; its first "
            f"is {answers.classes[0]!r}, that of the data {source.classes[0]!r}"
        )
    probabilities = answers.probabilities[_rows_of(answers, source)]
    kept = agrees(probabilities, labels, threshold=chosen.threshold)
    if not kept.any():
        raise errors.DataError(
            f"the teacher takes none of {len(source)} media for what they are called; "
            "is it trained to its end, on classes of these names?"
        )
    screened = near_duplicates.leave_out(
        chosen.data_root,
        source,
        np.flatnonzero(kept),
        chosen.against,
        report=chosen.name,
        num_jobs=chosen.jobs,
    )
    rows = screened.rows
    catalog.write_split(
        chosen.data_root / chosen.dataset,
        chosen.name,
        [source.ids[row] for row in rows],
        source.labels[rows],
        source.classes,
    )
    unreadable = int((probabilities.sum(axis=1) == 0).sum())
    return [
        *_counts(source, kept),
        *([f"{unreadable} media cannot be read"] if unreadable else []),
        *(
            [f"{(labels < 0).sum()} media of classes that the teacher does not know"]
            if (labels < 0).any()
            else []
        ),
        *screened.lines,
        f"{chosen.name}: {len(rows)} of {len(source)} media, "
        f"{len(rows) / len(source):.1%}",
    ]


def _counts(source: catalog.Split, kept: np.ndarray) -> list[str]:
    """A line for each class that has media: how many are kept, of how many."""
    whole = np.bincount(source.labels, minlength=len(source.classes))
    found = np.bincount(source.labels[kept], minlength=len(source.classes))
    width = max(map(len, source.classes))
    return [
        f"{name:<{width}} {count:>8} of {total}"
        for name, count, total in zip(source.classes, found, whole, strict=True)
        if total
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.teacher_filter",
        description="Keeps web media that a teacher takes for what they are called.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data-root", type=pathlib.Path, required=True, help="folder of the data sets")
    add("--dataset", required=True, help="name of the web data set")
    add("--split", default="all", help="split to filter")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--teacher", type=pathlib.Path, help="folder of a finished run")
    who.add_argument("--predictions", type=pathlib.Path, help="NPZ of what one said")
    add("--threshold", type=float, help="least probability, instead of agreement")
    add("--views", type=int, default=0, help="test views; 0: as the run was tested")
    add("--save", type=pathlib.Path, help="keep the teacher's answers as this NPZ")
    add("--name", default="positive", help="name of the split to write")
    near_duplicates.add_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    with log.on_standard_error():
        return command_line.run(lambda: "\n".join(write_split(chosen)))


if __name__ == "__main__":
    sys.exit(main())
