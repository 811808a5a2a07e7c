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
    "build_videos": "videos a second and core that build_records checks and stores",
    "build_images": "images a second and core that build_records checks and stores",
    "decode_videos": "videos a second and core whose 25 frames are decoded",
    "decode_images": "images a second and core that are decoded",
    "core_images": "images a second and core through the labeller, no accelerator",
    "network_images": "images a second through the labeller on the accelerator",
    "core_hour_cost": "price of a core for an hour",
    "accelerator_hour_cost": "price of an accelerator for an hour",
}
_SHARD_MIB = 256
_FRAMES = 25
_LABELS = 365 + 1000  # scene and object, two bytes each


@dataclasses.dataclass(frozen=True)
class Source:
    """A download.

    Attributes:
        name: What it is called.
        items: How many videos or images.
        kind: `videos` or `images`.
        mib: Mean size of a file.
    """

    name: str
    items: int
    kind: str
    mib: float


# Sizes from the table of OmniSource's release (tools/data/omnisource of mmaction2 0.x):
# 76,030 Kinetics clips in 45.6 GB, 6,705,530 images in 489.9, 732,855 videos in 1487.6.
SOURCES = (
    Source("Kinetics-400 videos", 240_000, "videos", 0.61),
    Source("OmniSource images", 6_000_000, "images", 0.075),
    Source("OmniSource videos", 1_100_000, "videos", 2.08),
)


def cells(source: Source, rates: Mapping[str, float]) -> list[str]:
    """Returns the cells of a source: bytes, shards, hours a step, labels, cost."""
    get = {key: rates.get(key, math.nan) for key in RATES}
    mib = source.items * source.mib
    build = source.items / get[f"build_{source.kind}"] / 3600
    decode = source.items / get[f"decode_{source.kind}"] / 3600
    frames = source.items * (_FRAMES if source.kind == "videos" else 1)
    # scene and object
    network, on_cores = (
        2 * frames / get[key] / 3600 for key in ("network_images", "core_images")
    )
    cost = (build + 2 * decode) * get["core_hour_cost"]
    if math.isnan(network):
        cost += on_cores * get["core_hour_cost"]
    else:
        cost += network * get["accelerator_hour_cost"]
    return [
        source.name,
        f"{mib / 2**20:.2f} TiB",
        f"{math.ceil(mib / _SHARD_MIB):,}",
        _text(build, "{:,.0f}"),
        _text(2 * decode, "{:,.0f}"),
        _text(on_cores, "{:,.0f}"),
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
        "scene and object | core-hours, network, both | or accelerator-hours | labels "
        "| cost"
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
