"""`few_shot`: episodes of few examples on extracted features (Table 5)."""

import argparse
import dataclasses
import pathlib

from smad_jax import file_io
from smad_jax.commands import command_line
from smad_jax.evaluation import features as feature_files
from smad_jax.evaluation import few_shot, reports

HELP = "few-shot episodes by cosine similarity"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    add = parser.add_argument
    add(
        "--features",
        required=True,
        type=pathlib.Path,
        metavar="NPZ",
        help="what the command `features` wrote",
    )
    add("--shots", type=int, nargs="+", default=[1, 5], help="examples of each class")
    add("--ways", type=int, default=5, help="classes of an episode")
    add("--queries", type=int, default=1, help="queries of each class")
    add(
        "--episodes",
        type=command_line.whole_number(2),  # one has no interval
        default=10_000,
        help="how many episodes",
    )
    add(
        "--rule",
        choices=few_shot.RULES,
        default=few_shot.RULES[0],
        help="how several examples make one score",
    )
    add("--seed", type=command_line.whole_number(0), default=0, help="of the episodes")
    add(
        "--out",
        type=pathlib.Path,
        help="JSON file to write too; a report for Table 5 is written beside the "
        "features where the episodes are the paper's",
    )


def run(arguments: argparse.Namespace) -> str:
    """Returns the accuracy for each number of shots.

    Raises:
        UserError: for whatever the user can put right.
    """
    if arguments.out:
        file_io.check(arguments.out)
    videos = feature_files.Features.load(arguments.features)
    readable = videos.features.any(axis=1)
    settings = {
        "ways": arguments.ways,
        "queries": arguments.queries,
        "episodes": arguments.episodes,
        "rule": arguments.rule,
        "views": videos.num_views,
        "seed": arguments.seed,
    }
    lines, report = [], {}
    for shots in arguments.shots:
        found = few_shot.evaluate(
            videos.features[readable],
            videos.labels[readable],
            videos.ids[readable],
            num_ways=arguments.ways,
            num_shots=shots,
            num_queries=arguments.queries,
            num_episodes=arguments.episodes,
            rule=arguments.rule,
            seed=arguments.seed,
        )
        report[f"{shots}-shot"] = dataclasses.asdict(found) | settings
        lines.append(
            f"{shots}-shot, {arguments.ways}-way: {found.accuracy:.1%} "
            f"± {found.interval:.1%} over {found.num_episodes} episodes of "
            f"{found.num_classes} classes"
        )
    if not readable.all():
        lines.append(f"{(~readable).sum()} unreadable videos are left out")
    path = arguments.features
    for_table = path.with_name(reports.few_shot(path.stem))
    places = [arguments.out] if arguments.out else []
    if other := reports.departures(settings, reports.FEW_SHOT):
        lines.append(f"not for Table 5: {other}")
    else:
        places.append(for_table)
    for place in places:
        reports.write(place, [path], report)
        lines.append(f"written: {place}")
    return "\n".join(lines)
