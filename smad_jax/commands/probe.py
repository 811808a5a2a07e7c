"""`probe`: what a fresh linear classifier reads about the scene from the features."""

import argparse
import dataclasses
import pathlib
from typing import Unpack

from smad_jax.base import command_line, file_io
from smad_jax.commands import network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    network.add_options(parser)
    add = parser.add_argument
    add("--split", required=True, metavar="DATASET/SPLIT", help="videos to probe on")
    add(
        "--aspects",
        nargs="*",
        help="aspects to probe for (default: all with soft labels)",
    )
    add(
        "--max-videos",
        type=int,
        default=20_000,
        help="largest number of videos; 0: all",
    )
    add("--strength", type=float, default=1.0, help="C of the logistic regression")
    add("--seed", type=command_line.whole_number(0), default=0, help="random seed")
    add("--out", type=pathlib.Path, help="JSON file to write as well")


def run(
    *,
    split: str,
    aspects: list[str] | None,
    max_videos: int,
    strength: float,
    seed: int,
    out: pathlib.Path | None,
    **chosen: Unpack[network.Options],
) -> str:
    """Returns the probe's accuracy for each aspect beside two that need no features."""
    from smad_jax.commands import measures

    if out:
        file_io.check(out)
    with network.opened(**chosen) as opened:
        found = measures.probe_features(
            opened,
            split,
            aspects=aspects or (),
            max_videos=max_videos,
            strength=strength,
            seed=seed,
        )
    adversary = measures.adversary_accuracy(chosen["run"])
    report = {}
    lines = [
        f"{'':<10}{'probe':>8}  {'95 % interval':<16}{'majority':>9}{'chance':>8}"
        f"{'adversary':>11}"
    ]
    for name, one in found.items():
        trained = adversary.get(name)
        report[name] = dataclasses.asdict(one) | {"adversary": trained}
        lines.append(
            f"{name:<10}{one.accuracy:>8.1%}  "
            f"{f'{one.low:.1%} to {one.high:.1%}':<16}{one.majority:>9.1%}"
            f"{one.chance:>8.1%}{'' if trained is None else f'{trained:.1%}':>11}"
        )
    lines.append(
        "the probe is trained on one half of the videos and tested on the other; the "
        "adversary is the run's own, at its last step and on training videos"
    )
    if out:
        file_io.write_json(out, report)
    return "\n".join(lines)
