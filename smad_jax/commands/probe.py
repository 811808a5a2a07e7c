"""`probe`: what a fresh linear classifier reads of the scene off the features."""

import argparse
import dataclasses
import json
import pathlib

import numpy as np

from smad_jax import errors, file_io
from smad_jax.commands import command_line, network
from smad_jax.data import catalog, selection
from smad_jax.evaluation import probe

HELP = "a fresh linear probe of scene, object, ... on frozen features"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    network.add_options(parser)
    add = parser.add_argument
    add("--split", required=True, metavar="DATASET/SPLIT", help="labelled videos")
    add(
        "--aspects",
        nargs="*",
        help="what to probe for (default: all soft ones that the data set has)",
    )
    add("--max-videos", type=int, default=20_000, help="use as many; 0: all")
    add("--strength", type=float, default=1.0, help="C of the logistic regression")
    add("--seed", type=command_line.whole_number(0), default=0, help="of the halves")
    add("--out", type=pathlib.Path, help="JSON file to write too")


def run(arguments: argparse.Namespace) -> str:
    """Returns the probe's accuracy for each aspect beside what needs no features.

    Raises:
        UserError: for whatever the user can put right.
    """
    if arguments.strength <= 0:
        raise errors.ConfigError(
            f"--strength must be above 0, not {arguments.strength}"
        )
    if arguments.out:
        file_io.check(arguments.out)
    asked = network.open_network(arguments)
    place = arguments.split
    names = arguments.aspects or asked.labelled_aspects(place)
    split = asked.open_split(place, names)
    soft = [name for name in names if split.aspects[name].kind == "soft"]
    if not soft or (arguments.aspects and len(soft) < len(names)):
        others = ", ".join(sorted(set(names) - set(soft))) or "any aspect"
        raise errors.DataError(f"{place} has no soft labels of {others} to probe for")
    features = asked.predict(_unlabelled(split)).features
    adversary = _adversary(arguments.run)
    report = {}
    lines = [
        f"{'':<10}{'probe':>8}  {'95 % interval':<16}{'majority':>9}{'chance':>8}"
        f"{'adversary':>11}"
    ]
    for name in soft:
        found = probe.evaluate(
            features,
            selection.hard_labels(split, name),
            max_videos=arguments.max_videos,
            strength=arguments.strength,
            seed=arguments.seed,
        )
        trained = adversary.get(name)
        report[name] = dataclasses.asdict(found) | {"adversary": trained}
        lines.append(
            f"{name:<10}{found.accuracy:>8.1%}  "
            f"{f'{found.low:.1%} to {found.high:.1%}':<16}{found.majority:>9.1%}"
            f"{found.chance:>8.1%}{'' if trained is None else f'{trained:.1%}':>11}"
        )
    lines.append(
        "the probe learns from one half of the videos and is tested on the other; the "
        "adversary is the run's own, at its end and on training videos"
    )
    if arguments.out:
        file_io.write_json(arguments.out, report)
    return "\n".join(lines)


def _unlabelled(split: catalog.Split) -> catalog.Split:
    """The split as the network sees it; its labels may be of any classes."""
    return dataclasses.replace(split, labels=np.zeros_like(split.labels))


def _adversary(run: pathlib.Path) -> dict[str, float]:
    """The accuracy of each adversarial head at the run's last logged step."""
    path = run / "metrics.jsonl"
    if not path.is_file():
        return {}
    last = json.loads(path.read_text("utf-8").splitlines()[-1])
    return {
        key.removeprefix("accuracy/"): value
        for key, value in last.items()
        if key.startswith("accuracy/")
    }
