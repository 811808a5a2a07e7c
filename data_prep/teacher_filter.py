"""Keeps the web media whose label a teacher also predicts (App. B).

    python -m data_prep.teacher_filter --data-root R --dataset insvideo --teacher RUN

The teacher is a finished run, or a file of any network's predictions. A medium is kept
if the teacher's most probable class is its label, the class whose query found it; this
is the rule of OmniSource, whose author states no threshold. `--threshold` requires a
probability of that class instead. `--against` names test lists, as kinetics400/val:
near-duplicates of their videos are left out. Writes the split `positive` beside the
other; the label stays the query's.
"""

import argparse
import dataclasses
import pathlib
import sys
from typing import NamedTuple

import numpy as np

from data_prep.bias import near_duplicates, teachers, z_frequency
from data_prep.lists import command_options
from smad_jax import errors
from smad_jax.base import command_line, file_io
from smad_jax.data import catalog

HELP = "keep the web media whose label a teacher also predicts"


@dataclasses.dataclass(frozen=True)
class Teacher:
    """Where a network's predictions come from: a run or a file, one of the two.

    Attributes:
        teacher: Folder of a finished run.
        predictions: File of any network's predictions (NPZ).
        views: Test views; 0 for those of the run.
        save: File to store the run's predictions in (NPZ).
    """

    teacher: pathlib.Path | None = None
    predictions: pathlib.Path | None = None
    views: int = 0
    save: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True)
class Options(Teacher):
    """The choices of a filter.

    Attributes:
        threshold: Least probability of the label, above 0 and at most 1, in place of
            agreement.
        name: Name of the split to write.
        against: Lists, DATASET/SPLIT each, whose near-duplicates are left out.
        jobs: Videos hashed at once, for --against.
    """

    threshold: float | None = None
    name: str = "positive"
    against: tuple[str, ...] = ()
    jobs: int = 2


class Written(NamedTuple):
    """The split that was written.

    Attributes:
        agreed: [V] bool, media of the source whose label the teacher predicts.
        rows: Their rows without near-duplicates, as written.
        num_unreadable: Media that the teacher could not read.
        num_unknown: Media of classes that the teacher does not know.
        duplicates: A line for each list compared with.
        warning: That nothing is left of some classes; empty if something is of all.
    """

    agreed: np.ndarray
    rows: np.ndarray
    num_unreadable: int
    num_unknown: int
    duplicates: list[str]
    warning: str = ""


def agrees(
    probabilities: np.ndarray, labels: np.ndarray, *, threshold: float | None = None
) -> np.ndarray:
    """Returns [V] bool: whether the teacher predicts the label of each medium.

    Args:
        probabilities: [V, K], the mean over a video's views; zeros for an unreadable
            medium, which is never kept.
        labels: [V] int, the class of each medium's query; negative for one that the
            teacher does not know, whose medium is not kept.
        threshold: Least probability of that class, inclusive; None requires that no
            class is more probable, where the first of equal ones counts.
    """
    rows = np.arange(len(labels))
    known = (labels >= 0) & (probabilities.sum(axis=1) > 0)
    if threshold is None:
        return known & (probabilities.argmax(axis=1) == labels)
    return known & (probabilities[rows, labels] >= threshold)


def predict(
    data_root: pathlib.Path, source: catalog.Split, run: pathlib.Path, views: int = 0
) -> teachers.Answers:
    """Returns the predictions of the finished run in a folder; 0 views: as in its test.

    Raises:
        DataError: if there is no such run, or too many media are unreadable.
    """
    from smad_jax.experiment import trained  # takes seconds, which --help must not

    teacher = trained.load(run, data_root, test_views=views)
    predicted = teacher.predict(source)
    return teachers.Answers(
        predicted.ids.tolist(), predicted.probabilities, teacher.classes
    )


def answer(
    data_root: pathlib.Path, source: catalog.Split, given: Teacher
) -> teachers.Answers:
    """Returns the predictions of a split of a data set in a folder.

    Raises:
        ConfigError: if not exactly one of a run and a file is given.
        DataError: if it cannot be used.
    """
    if given.predictions and not given.teacher:
        return teachers.read_answers(given.predictions, source.classes)
    if not given.teacher or given.predictions:
        raise errors.ConfigError(
            "give --teacher RUN or --predictions FILE, one of them"
        )
    answers = predict(data_root, source, given.teacher, given.views)
    if given.save:
        file_io.write_npz(given.save, answers._asdict())
    return answers


def write_split(
    folder: pathlib.Path,
    source: catalog.Split,
    answers: teachers.Answers,
    options: Options,
) -> Written:
    """Writes the media whose label the teacher predicts as a split of a data set.

    The answers have any order. The data sets of `options.against` are beside `folder`.

    Raises:
        DataError: if predictions are missing, or nothing is kept.
    """
    labels = z_frequency.renumber(source.labels, source.classes, answers.classes)
    if (labels < 0).all():
        raise errors.DataError(
            f"the teacher knows no class of {source.dataset}/{source.name}; its first "
            f"is {answers.classes[0]!r}, that of the data {source.classes[0]!r}"
        )
    probabilities = answers.probabilities[teachers.rows_of(answers, source)]
    agreed = agrees(probabilities, labels, threshold=options.threshold)
    if not agreed.any():
        raise errors.DataError(
            f"the teacher agrees with none of the {len(source)} labels; did its "
            "training finish, on classes of these names?"
        )
    screened = near_duplicates.leave_out(
        folder.parent,
        source,
        np.flatnonzero(agreed),
        options.against,
        report=options.name,
        num_jobs=options.jobs,
    )
    rows = screened.rows
    catalog.write_split(
        folder,
        options.name,
        [source.ids[row] for row in rows],
        source.labels[rows],
        source.classes,
    )
    unreadable = int((probabilities.sum(axis=1) == 0).sum())
    unknown = int((labels < 0).sum())
    warning = _warning(source, labels, probabilities, agreed)
    return Written(agreed, rows, unreadable, unknown, screened.lines, warning)


def _warning(
    source: catalog.Split,
    labels: np.ndarray,
    probabilities: np.ndarray,
    agreed: np.ndarray,
) -> str:
    """What to do if the teacher keeps nothing of some classes that it knows."""
    known = (labels >= 0) & (probabilities.sum(axis=1) > 0)
    empty = np.setdiff1d(source.labels[known], source.labels[agreed])
    if not len(empty):
        return ""
    there = np.unique(source.labels[known])
    names = ", ".join(repr(source.classes[label]) for label in empty[:5])
    answers = probabilities[known].argmax(axis=1)
    size = probabilities.shape[1]
    shares = [np.bincount(one, minlength=size) for one in (answers, labels[known])]
    chance = float(shares[0] @ shares[1]) / known.sum() ** 2
    return (
        f"nothing is left of {len(empty)} of {len(there)} classes: {names}"
        f"{', ...' * (len(empty) > 5)}. The teacher predicts the label of "
        f"{(answers == labels[known]).mean():.1%} of the media; shuffled predictions "
        f"would be right for {chance:.1%}. Train the teacher for longer or on more "
        f"videos, or keep media by a lower bar, such as --threshold {1 / size:.2g}"
    )


def summary(source: catalog.Split, written: Written, name: str) -> str:
    """Returns the numbers of each class that has media, and of all, as lines."""
    whole = np.bincount(source.labels, minlength=len(source.classes))
    kept = np.bincount(source.labels[written.agreed], minlength=len(source.classes))
    width = max(map(len, source.classes))
    lines = [
        f"{label:<{width}} {count:>8} of {total}"
        for label, count, total in zip(source.classes, kept, whole, strict=True)
        if total
    ]
    if written.num_unreadable:
        lines.append(f"{written.num_unreadable} media cannot be read")
    if written.num_unknown:
        lines.append(
            f"{written.num_unknown} media of classes that the teacher does not know"
        )
    num_kept = len(written.rows)
    share = num_kept / len(source)
    return "\n".join(
        [
            *lines,
            *written.duplicates,
            f"{name}: {num_kept} of {len(source)} media, {share:.1%}",
        ]
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    command_options.add_dataset(parser)
    parser.add_argument("--split", default="all", help="split to filter")
    command_options.add_options(parser, Options)


def run(
    *,
    data_root: pathlib.Path,
    dataset: str,
    split: str,
    options: Options,
) -> str:
    """Writes the split; returns its numbers."""
    from smad_jax.training import log

    threshold = options.threshold
    if threshold is not None and not 0 < threshold <= 1:
        raise errors.ConfigError(
            f"--threshold must be above 0 and at most 1, but it is {threshold}"
        )
    with log.on_standard_error():
        source = catalog.open_split(data_root, dataset, split)
        answers = answer(data_root, source, options)
        written = write_split(data_root / dataset, source, answers, options)
        if written.warning:
            command_line.on_standard_error(f"warning: {written.warning}")
    return summary(source, written, options.name)


main = command_line.Program(
    "python -m data_prep.teacher_filter", HELP, add_arguments, run
)

if __name__ == "__main__":
    sys.exit(main())
