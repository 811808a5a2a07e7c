r"""Chooses the videos whose frames alone reveal the action, as StillMix's bank.

    python -m data_prep.still_bank --data-root R --dataset mine --split train \
        --teacher runs/tsn_baseline --keep 0.5 --name stills

The teacher is a network for images: a finished run of TSN, or a file of any network's
predictions. The videos are ranked by the probability of the teacher's most probable
class, whether or not it is the label, and the upper part of the ranking becomes a split
beside the other. `configs/slowonly_still_mix.py:mine,bank=stills` trains with it.

Li et al., "Mitigating and Evaluating Static Bias of Action Representations in the
Background and the Foreground", ICCV 2023.
"""

import argparse
import dataclasses
import pathlib
import sys

import numpy as np

from data_prep import teacher_filter
from data_prep.bias import teachers
from data_prep.lists import command_options
from smad_jax import errors
from smad_jax.base import command_line
from smad_jax.data import catalog

HELP = "choose the videos whose frames alone reveal the action, for StillMix"


@dataclasses.dataclass(frozen=True)
class Options(teacher_filter.Teacher):
    """The choices of a bank.

    Attributes:
        keep: Share of the videos, above 0 and at most 1.
        name: Name of the split to write.
    """

    keep: float = 0.5
    name: str = "stills"


def most_certain(probabilities: np.ndarray, keep: float) -> np.ndarray:
    """Returns the rows of the most certain predictions, ascending.

    Args:
        probabilities: [V, K]; a row of zeros for an unreadable video, which is left
            out.
        keep: Share of the others, rounded up. Of equal ones the first are kept.
    """
    certainty = probabilities.max(axis=1)
    readable = np.flatnonzero(certainty > 0)
    order = readable[np.argsort(-certainty[readable], kind="stable")]
    return np.sort(order[: int(np.ceil(keep * len(order)))])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    command_options.add_dataset(parser)
    parser.add_argument("--split", default="train", help="split to choose from")
    command_options.add_options(parser, Options)


def run(
    *,
    data_root: pathlib.Path,
    dataset: str,
    split: str,
    options: Options,
) -> str:
    """Writes the split; returns its size, and how often the teacher was right.

    Raises:
        ConfigError: if the share is out of range.
        DataError: if predictions are missing, or all videos are unreadable.
    """
    from smad_jax.training import log

    if not 0 < options.keep <= 1:
        raise errors.ConfigError(
            f"--keep must be above 0 and at most 1, but it is {options.keep}"
        )
    with log.on_standard_error():
        source = catalog.open_split(data_root, dataset, split)
        answers = teacher_filter.answer(data_root, source, options)
    probabilities = answers.probabilities[teachers.rows_of(answers, source)]
    rows = most_certain(probabilities, options.keep)
    if not len(rows):
        raise errors.DataError(f"the teacher can read no video of {dataset}/{split}")
    catalog.write_split(
        data_root / dataset,
        options.name,
        [source.ids[row] for row in rows],
        source.labels[rows],
        source.classes,
    )
    least = probabilities[rows].max(axis=1).min()
    return (
        f"{options.name}: {len(rows)} of {len(source)} videos, those that the teacher "
        f"classifies with a probability of {least:.1%} or more"
    )


main = command_line.Program("python -m data_prep.still_bank", HELP, add_arguments, run)

if __name__ == "__main__":
    sys.exit(main())
