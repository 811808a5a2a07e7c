"""The search for an edition of the embedded benchmark whose bias outlasts training.

python -m tests.benchmarks.lasting_bias
python -m tests.benchmarks.lasting_bias --train --work /tmp/search

Prints the table of the recorded runs in lasting_bias.jsonl, as docs/embedded.md shows
it; --train first makes the data sets and runs of `RUNS` that have no record, one after
the other. An oracle trains on as many videos with scene and object independent of the
action; a number behind MAAT or SMAD is the weight of each of its losses, from the first
step on. All runs are on draws that no table of results uses.
"""

import argparse
import ast
import dataclasses
import json
import pathlib
import statistics
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.embedded import make
from smad_jax.data import catalog
from smad_jax.data.embedded import benchmark
from smad_jax.experiment import config_files, run
from smad_jax.reporting import tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECORDS = pathlib.Path(__file__).with_suffix(".jsonl")
SETS = ("iid", "tail", "rare")
CONFIGS = {
    "baseline": "slowonly_baseline.py",
    "oracle": "slowonly_baseline.py",
    "MAAT": "slowonly_smad.py:saar=off",
    "SMAD": "slowonly_smad.py",
}


class Trial(NamedTuple):
    """A run of the search.

    Attributes:
        share: P(favourite scene | action); the other eleven scenes divide the rest.
        videos: Training videos.
        shift: Largest random shift of a training clip, in pixels.
        arm: A key of `CONFIGS`, and perhaps an adversarial weight.
        epochs: Length of training.
        draw: Random seed of data and network.
        change: A key of the config and its value, or empty.
    """

    share: float
    videos: int
    shift: int
    arm: str
    epochs: int
    draw: int = 1001
    change: str = ""


# In the order in which they were made, each chosen after the one before.
RUNS = (
    Trial(0.85, 2500, 2, "baseline", 12),
    Trial(0.80, 2500, 2, "baseline", 12),
    Trial(0.70, 1000, 2, "baseline", 40),
    Trial(0.80, 1000, 2, "oracle", 40),
    Trial(0.80, 2500, 2, "baseline", 40),
    Trial(0.83, 2500, 2, "baseline", 24),
    Trial(0.80, 2500, 0, "baseline", 20),
    Trial(0.80, 2500, 0, "oracle", 20),
    Trial(0.80, 2500, 0, "baseline", 40),
    Trial(0.80, 2500, 0, "MAAT", 20),
    Trial(0.80, 1500, 0, "baseline", 32),
    Trial(0.80, 1500, 0, "baseline", 64),
    Trial(0.80, 1500, 0, "oracle", 32),
    Trial(0.80, 2500, 0, "baseline", 24),
    Trial(0.80, 2500, 0, "baseline", 48),
    # so strong a bias that no weight raises the tail above a guess
    Trial(0.80, 2000, 0, "oracle", 30),
    Trial(0.80, 2000, 0, "baseline", 30),
    Trial(0.80, 2000, 0, "baseline", 60),
    Trial(0.80, 2000, 0, "baseline", 30, 1002),
    Trial(0.80, 2000, 0, "baseline", 30, 1003),
    *(Trial(0.80, 2000, 0, f"MAAT {weight}", 30) for weight in (0.15, 0.3, 0.6)),
    *(Trial(0.80, 2000, 0, f"SMAD {weight}", 30) for weight in (0.15, 0.3)),
    # less of a bias, which adversaries can act on, but does it last?
    Trial(0.70, 2000, 0, "baseline", 30),
    Trial(0.70, 2000, 0, "MAAT 0.6", 30),
    Trial(0.70, 2000, 0, "MAAT 1.2", 30),
    Trial(0.60, 2000, 0, "baseline", 30),
    Trial(0.60, 2000, 0, "MAAT 0.6", 30),
    Trial(0.70, 2000, 0, "baseline", 60),
    Trial(0.70, 2000, 0, "baseline", 30, 1002),
    Trial(0.70, 2000, 0, "SMAD 0.6", 30),
    Trial(0.80, 2000, 0, "MAAT 1.2", 30, change="method.ramp='dann'"),
    Trial(0.75, 2000, 0, "baseline", 60),
    Trial(0.75, 2000, 0, "baseline", 30),
    Trial(0.75, 2000, 0, "MAAT 0.6", 30),
    Trial(0.80, 2000, 0, "MAAT 1.2", 30, change="optimizer.learning_rate=0.0015"),
    Trial(0.80, 2000, 0, "MAAT 0.9", 30),
    Trial(0.70, 2000, 0, "baseline", 30, change="optimizer.learning_rate=0.0015"),
    Trial(0.70, 2000, 0, "baseline", 60, change="optimizer.learning_rate=0.0015"),
    Trial(0.70, 2000, 0, "MAAT 0.3", 30),
    Trial(0.70, 2000, 0, "baseline", 120),
    Trial(0.70, 2000, 0, "baseline", 30, change="optimizer.weight_decay=0.0"),
    Trial(0.70, 2000, 0, "baseline", 60, change="optimizer.weight_decay=0.0"),
    Trial(0.75, 2000, 0, "MAAT 0.3", 30),
    Trial(0.75, 2000, 0, "baseline", 60, change="optimizer.weight_decay=0.0"),
    Trial(0.77, 2000, 0, "baseline", 60),
    Trial(0.77, 2000, 0, "baseline", 30),
    Trial(0.77, 2000, 0, "MAAT 0.3", 30),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.lasting_bias")
    add = parser.add_argument
    add("--train", action="store_true", help="make the runs without a record")
    add("--work", type=pathlib.Path, default="search", help="folder of data and runs")
    chosen = parser.parse_args(arguments)
    for trial in RUNS if chosen.train else ():
        if trial not in read():
            values = {k: round(v, 3) for k, v in measured(trial, chosen.work).items()}
            line = json.dumps(trial._asdict() | values)
            with RECORDS.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
    print(table())
    return 0


def read() -> dict[Trial, dict[str, float]]:
    """Returns what was measured of every recorded run."""
    found = {}
    for line in RECORDS.read_text("utf-8").splitlines():
        values = json.loads(line)
        named = {name: values.pop(name) for name in Trial._fields if name in values}
        found[Trial(**named)] = values
    return found


def table() -> str:
    """Returns the recorded runs as Markdown."""
    header = ["favourite", "videos", "contradict", "shift", "arm", "change", "draw"]
    header += ["epochs", "train", *SETS, "seconds"]
    rows = [
        [
            f"{trial.share:.0%}",
            f"{trial.videos:,}",
            f"{values['contradict']:.1%}" if trial.arm != "oracle" else "",
            str(trial.shift),
            trial.arm,
            trial.change.partition(".")[2],
            str(trial.draw),
            str(trial.epochs),
            *(f"{values[name]:.1f}" for name in ("train", *SETS)),
            f"{values['seconds']:.0f}",
        ]
        for trial, values in read().items()
    ]
    return tables.markdown(header, rows)


def measured(trial: Trial, work: pathlib.Path) -> dict[str, float]:
    """Trains and tests; returns accuracies in per cent and processor seconds."""
    root = work / f"{trial.share}-{trial.videos}"
    sizes = dataclasses.replace(
        make.EDITIONS[benchmark.LASTING_NAME].sizes,
        train_per_class=trial.videos // len(benchmark.ACTIONS),
        oracle=trial.videos,
    )
    folder = make.prepare(
        root,
        trial.draw,
        name=benchmark.LASTING_NAME,
        sizes=sizes,
        bias=benchmark.Bias(scene_offsets=(0,), scene_shares=(trial.share,)),
    )
    name, _, weight = trial.arm.partition(" ")
    file, _, argument = CONFIGS[name].partition(":")
    config = config_files.load_config(
        f"{ROOT / 'configs' / file}:{benchmark.LASTING_NAME},{argument}"
    )
    config.data.root = str(root)
    config.seed = config.data.embedded_seed = trial.draw
    config.training.epochs = trial.epochs
    config.data.transform.shift = trial.shift
    if weight:
        config.optimizer.learning_rate = 3e-3
        config.method.ramp = "constant"
        settings = config.method.settings
        settings.soft_ce_weight = settings.kl_weight = float(weight)
    if trial.change:
        key, _, value = trial.change.partition("=")
        config.update_from_flattened_dict({key: ast.literal_eval(value)})
    if trial.arm == "oracle":
        config.data.train = f"{benchmark.LASTING_NAME}/oracle"
    place = work / "-".join(map(str, trial))
    scores = run.train_and_test(config, place)
    steps = (place / "metrics.jsonl").read_text("utf-8").splitlines()[-3:]
    results = json.loads((place / "results.json").read_text("utf-8"))
    return {
        "train": 100
        * statistics.fmean(json.loads(s)["accuracy/action"] for s in steps),
        **{name: 100 * scores[f"{name}/top1"] for name in SETS},
        "contradict": contradicting(folder),
        "seconds": results["processor_seconds"],
    }


def contradicting(folder: pathlib.Path) -> float:
    """Returns the share of training videos whose scene suggests another action."""
    split = catalog.open_split(folder.parent, folder.name, "train", aspects=["scene"])
    scene = split.aspect_labels["scene"].argmax(1)
    counts = np.zeros((len(benchmark.SCENES), len(benchmark.ACTIONS)))
    np.add.at(counts, (scene, split.labels), 1)
    return float(1 - counts.max(1).sum() / counts.sum())


if __name__ == "__main__":
    sys.exit(main())
