"""`few_shot`: episodes of few examples on extracted features (Table 5)."""

import argparse
import dataclasses
import pathlib

from smad_jax.base import command_line, file_io
from smad_jax.evaluation import features as feature_files
from smad_jax.evaluation import few_shot, reports


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    add = parser.add_argument
    add(
        "--features",
        required=True,
        type=pathlib.Path,
        metavar="NPZ",
        help="file of the command `features`",
    )
    add("--shots", type=int, nargs="+", default=[1, 5], help="examples of each class")
    add("--ways", type=int, default=5, help="classes of an episode")
    add("--queries", type=int, default=1, help="queries of each class")
    add(
        "--episodes",
        type=command_line.whole_number(2),  # one has no interval
        default=10_000,
        help="number of episodes",
    )
    add(
        "--rule",
        choices=few_shot.RULES,
        default=few_shot.RULES[0],
        help="how several examples make one score",
    )
    add("--seed", type=command_line.whole_number(0), default=0, help="random seed")
    add(
        "--out",
        type=pathlib.Path,
        help="JSON file to write too; with the paper's episodes, a report for Table 5 "
        "is written beside the features",
    )


def run(
    *,
    features: pathlib.Path,
    shots: list[int],
    ways: int,
    queries: int,
    episodes: int,
    rule: few_shot.Rule,
    seed: int,
    out: pathlib.Path | None,
) -> str:
    """Returns the accuracy for each number of shots."""
    if out:
        file_io.check(out)
    videos = feature_files.Features.load(features)
    readable = videos.features.any(axis=1)
    settings = {
        "ways": ways,
        "queries": queries,
        "episodes": episodes,
        "rule": rule,
        "views": videos.num_views,
        "seed": seed,
    }
    lines, report = [], {}
    for number in shots:
        found = few_shot.evaluate(
            videos.features[readable],
            videos.labels[readable],
            videos.ids[readable],
            num_ways=ways,
            num_shots=number,
            num_queries=queries,
            num_episodes=episodes,
            rule=rule,
            seed=seed,
        )
        report[f"{number}-shot"] = dataclasses.asdict(found) | settings
        lines.append(
            f"{number}-shot, {ways}-way: {found.accuracy:.1%} ± {found.interval:.1%} "
            f"over {found.num_episodes} episodes of {found.num_classes} classes"
        )
    if not readable.all():
        lines.append(f"{(~readable).sum()} unreadable videos are left out")
    places = [out] if out else []
    if other := reports.departures(settings, reports.FEW_SHOT):
        lines.append(f"not for Table 5: {other}")
    else:
        places.append(features.with_name(reports.few_shot(features.stem)))
    for place in places:
        reports.write(place, [features], report)
        lines.append(f"written: {place}")
    return "\n".join(lines)
