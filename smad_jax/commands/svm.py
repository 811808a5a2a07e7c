"""`svm`: a linear SVM on extracted features, over one or several splits (Table 5)."""

import argparse
import pathlib

from smad_jax.base import command_line, file_io


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    add, folder = parser.add_argument, pathlib.Path
    add(
        "--features",
        required=True,
        nargs="+",
        type=folder,
        metavar="NPZ",
        help="files of the command `features`, of all videos",
    )
    place = "DATASET/SPLIT"
    add("--train", required=True, nargs="+", metavar=place, help="lists to train on")
    add("--test", required=True, nargs="+", metavar=place, help="their test lists")
    command_line.add_data_root(parser)
    add("--c", type=float, default=1.0, help="weight of the loss; 0: choose it")
    add(
        "--seed",
        type=command_line.whole_number(0),
        default=0,
        help="random seed of the solver and the held-out tenth",
    )
    add(
        "--out",
        type=folder,
        help="JSON file to write too; with the paper's C, a report for Table 5 is "
        "written beside the features",
    )


def run(
    *,
    features: list[pathlib.Path],
    train: list[str],
    test: list[str],
    data_root: pathlib.Path,
    c: float,
    seed: int,
    out: pathlib.Path | None,
) -> str:
    """Returns the accuracy of each pair of lists, and their plain mean."""
    import numpy as np

    from smad_jax.commands import extracted
    from smad_jax.evaluation import features as feature_files
    from smad_jax.evaluation import reports

    if out:
        file_io.check(out)
    videos = feature_files.merged(
        [feature_files.Features.load(path) for path in features]
    )
    found = extracted.svm(videos, train, test, data_root, c=c, seed=seed)
    lines = [
        f"{one.test}: {one.accuracy:.1%} of {one.num_test}, trained on {one.num_train} "
        f"of {one.train}, C = {one.c:g}"
        for one in found
    ]
    mean = float(np.mean([one.accuracy for one in found]))
    if len(found) > 1:
        lines.append(f"mean of {len(found)} splits: {mean:.1%}")
    places = [out] if out else []
    settings = {"c": c or "chosen", "views": videos.num_views}
    if other := reports.departures(settings, reports.SVM):
        lines.append(f"not for Table 5: {other}")
    else:
        places.append(features[0].with_name(reports.svm(test)))
    splits = [
        {name: getattr(one, name) for name in ("train", "test", "c", "accuracy")}
        for one in found
    ]
    for place in places:
        reports.write(
            place, features, {"mean": mean, "splits": splits, "views": videos.num_views}
        )
        lines.append(f"written: {place}")
    return "\n".join(lines)
