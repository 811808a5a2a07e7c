"""`svm`: a linear SVM on extracted features, over one or several splits (Table 5)."""

import argparse
import pathlib

import numpy as np

from smad_jax import errors, file_io
from smad_jax.commands import command_line
from smad_jax.data import catalog, preparation
from smad_jax.data.embedded import benchmark
from smad_jax.evaluation import features as feature_files
from smad_jax.evaluation import linear_svm, reports
from smad_jax.experiment import splits

HELP = "linear SVM on features, averaged over splits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    add, folder = parser.add_argument, pathlib.Path
    add(
        "--features",
        required=True,
        nargs="+",
        type=folder,
        metavar="NPZ",
        help="what the command `features` wrote, of all videos",
    )
    place = "DATASET/SPLIT"
    add("--train", required=True, nargs="+", metavar=place, help="lists to train on")
    add("--test", required=True, nargs="+", metavar=place, help="their test lists")
    add(
        "--data-root",
        type=folder,
        default=folder(preparation.default_root()),
        help="folder of the data sets; $DATA_ROOT changes the default",
    )
    add("--c", type=float, default=1.0, help="weight of the loss; 0: choose it")
    add(
        "--seed",
        type=command_line.whole_number(0),
        default=0,
        help="of solver and held-out tenth",
    )
    add(
        "--out",
        type=folder,
        help="JSON file to write too; a report for Table 5 is written beside the "
        "features where C is the paper's",
    )


def run(arguments: argparse.Namespace) -> str:
    """Returns the accuracy of each pair of lists, and their plain mean.

    Raises:
        UserError: for whatever the user can put right.
    """
    if len(arguments.train) != len(arguments.test):
        raise errors.ConfigError(
            f"--train has {len(arguments.train)} lists and --test "
            f"{len(arguments.test)}; they go in pairs"
        )
    if arguments.out:
        file_io.check(arguments.out)
    videos = feature_files.merged(
        [feature_files.Features.load(path) for path in arguments.features]
    )
    lines, found = [], []
    for train, test in zip(arguments.train, arguments.test, strict=True):
        rows, labels = _rows(arguments, videos, train)
        readable = videos.features[rows].any(axis=1)
        rows, labels = rows[readable], labels[readable]
        c = arguments.c or linear_svm.choose_c(
            videos.features[rows], labels, seed=arguments.seed
        )
        test_rows, test_labels = _rows(arguments, videos, test)
        right = linear_svm.accuracy(
            videos.features[rows],
            labels,
            videos.features[test_rows],
            test_labels,
            c=c,
            seed=arguments.seed,
        )
        found.append({"train": train, "test": test, "c": c, "accuracy": right})
        lines.append(
            f"{test}: {right:.1%} of {len(test_rows)}, trained on {len(rows)} of "
            f"{train}, C = {c:g}"
        )
    mean = float(np.mean([one["accuracy"] for one in found]))
    if len(found) > 1:
        lines.append(f"mean of {len(found)} splits: {mean:.1%}")
    for_table = arguments.features[0].with_name(reports.svm(arguments.test))
    places = [arguments.out] if arguments.out else []
    settings = {"c": arguments.c or "chosen", "views": videos.num_views}
    if other := reports.departures(settings, reports.SVM):
        lines.append(f"not for Table 5: {other}")
    else:
        places.append(for_table)
    for place in places:
        reports.write(
            place,
            arguments.features,
            {"mean": mean, "splits": found, "views": videos.num_views},
        )
        lines.append(f"written: {place}")
    return "\n".join(lines)


def _rows(
    arguments: argparse.Namespace, videos: feature_files.Features, place: str
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and labels of the videos of a list."""
    dataset, name = splits.divided(place)
    if dataset == benchmark.NAME:  # that of the draw whose features these are
        dataset = videos.dataset or dataset
    split = catalog.open_split(arguments.data_root, dataset, name)
    return videos.rows_of(split.ids), split.labels
