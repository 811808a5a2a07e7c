"""What preparing Kinetics-400 and OmniSource takes, from measured rates.

python -m tests.benchmarks.scale_plan rates.json

The file holds what was measured, one number a key, as `RATES` lists them; a key that is
missing leaves its cells empty rather than guessed. Prints the table of `docs/scale.md`.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import sys
from collections.abc import Mapping, Sequence

RATES = {
    "video_mib": "mean size of a video file, in MiB",
    "image_mib": "mean size of an image file, in MiB",
    "build_videos": "videos a second and core that build_records checks and stores",
    "build_images": "images a second and core that build_records checks and stores",
    "decode_videos": "videos a second and core whose 25 frames are decoded",
    "decode_images": "images a second and core that are decoded",
    "network_images": "images a second through the labeller on the accelerator",
    "core_hour_cost": "price of a core for an hour",
    "accelerator_hour_cost": "price of an accelerator for an hour",
}
_SHARD_MIB = 256
_FRAMES = 25
_LABELS = 365 + 1000  # scene and object, two bytes each


@dataclasses.dataclass(frozen=True)
class Source:
    """A download: its name, how many items, and whether they are images."""

    name: str
    items: int
    kind: str


SOURCES = (
    Source("Kinetics-400 videos", 240_000, "videos"),
    Source("OmniSource images", 6_000_000, "images"),
    Source("OmniSource videos", 1_100_000, "videos"),
)


def cells(source: Source, rates: Mapping[str, float]) -> list[str]:
    """Returns the cells of a source: bytes, shards, hours a step, labels, cost."""
    get = {key: rates.get(key, math.nan) for key in RATES}
    singular = source.kind.removesuffix("s")
    mib = source.items * get[f"{singular}_mib"]
    build = source.items / get[f"build_{source.kind}"] / 3600
    decode = source.items / get[f"decode_{source.kind}"] / 3600
    frames = source.items * (_FRAMES if source.kind == "videos" else 1)
    network = 2 * frames / get["network_images"] / 3600  # scene and object
    cost = (build + 2 * decode) * get["core_hour_cost"]
    cost += network * get["accelerator_hour_cost"]
    return [
        source.name,
        _text(mib / 2**20, "{:.2f} TiB"),
        _text(math.ceil(mib / _SHARD_MIB) if mib == mib else mib, "{:,}"),
        _text(build, "{:,.0f}"),
        _text(2 * decode, "{:,.0f}"),
        _text(network, "{:,.0f}"),
        _text(2 * _LABELS * source.items / 2**30, "{:.1f} GiB"),
        _text(cost, "{:,.0f}"),
    ]


def _text(value: float, form: str) -> str:
    return "not measured" if value != value else form.format(value)


def table(rates: Mapping[str, float]) -> str:
    """Returns the plan as a Markdown table."""
    head = (
        "source | stored | shards | core-hours, records | core-hours, decoding for "
        "scene and object | accelerator-hours, both | labels | cost"
    )
    lines = [f"| {head} |", "|" + " --- |" * (head.count("|") + 1)]
    lines += [f"| {' | '.join(cells(source, rates))} |" for source in SOURCES]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    keys = "\n".join(f"  {key}: {text}" for key, text in RATES.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.scale_plan",
        description=f"What preparing the paper's data takes. Keys of RATES:\n{keys}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rates", type=pathlib.Path, nargs="?", metavar="RATES")
    chosen = parser.parse_args(arguments)
    rates = json.loads(chosen.rates.read_text("utf-8")) if chosen.rates else {}
    if unknown := sorted(rates.keys() - RATES):
        parser.error(f"unknown rates {', '.join(unknown)}; known: {', '.join(RATES)}")
    print(table(rates))
    return 0


if __name__ == "__main__":
    sys.exit(main())
