"""In how many draws MAAT and SMAD train, by adversarial weight and number of aspects.

python -m tests.benchmarks.trained_share --write PAGE --figure FILE

Reads the recorded runs of the study `lasting-weights` and trains nothing. A draw trains
if it is above its baseline on the tail and at least half as good on iid, as the study
said before its runs. Without SAAR the network is MAAT, with it SMAD (Sec. 5.1).
"""

import argparse
import pathlib
import sys
from collections.abc import Mapping, Sequence

import matplotlib.figure

from smad_jax import errors
from smad_jax.reporting import design, documents, kept, runs, study, tables

STUDY = "configs/study.py:lasting-weights"
PART = "trained-share"
METHODS = {"MAAT": "o", "SMAD": "s"}
Scores = Mapping[str, Mapping[str, Sequence[float]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.trained_share")
    file = pathlib.Path
    parser.add_argument(
        "--records", type=file, default=file("docs/results/study-runs.jsonl")
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--write", type=file, help="page with the part trained-share")
    parser.add_argument("--figure", type=file, help="file of the plot")
    chosen = parser.parse_args(arguments)
    shares = share_by_arm(recorded(design.load(STUDY), chosen.records, chosen.seeds))
    text = table(shares, len(chosen.seeds))
    print(text)
    if chosen.write:
        documents.replace(chosen.write, PART, text)
    if chosen.figure:
        draw(shares, chosen.figure)
    return 0


def recorded(
    chosen: design.Design, file: pathlib.Path, seeds: Sequence[int]
) -> dict[str, dict[str, list[float]]]:
    """Returns top-1 of every arm by test set, one number for each seed.

    Raises:
        DataError: if a run is not on record.
    """
    records = kept.Records(file)
    scores: dict[str, dict[str, list[float]]] = {}
    for arm in chosen.arms:
        config, flags = chosen.command(arm)
        found = []
        for seed in seeds:
            job = runs.Job(config, (*flags, *study.seed_flags(seed)), pathlib.Path())
            if (run := records.find(job)) is None:
                raise errors.DataError(
                    f"{file} has no run of {arm} with seed {seed}; make it with "
                    f"python -m smad_jax study --config {STUDY} --records {file}"
                )
            found.append(run.results)
        scores[arm] = {
            name: [results[f"{name}/top1"] for results in found] for name in chosen.sets
        }
    return scores


def share_by_arm(scores: Scores) -> dict[tuple[str, str, float], float]:
    """Returns the share of draws that train, by method, number of aspects and weight.

    Args:
        scores: Top-1 by arm and test set; arms are the baseline, and others named
            `SMAD 0.3, two`.
    """
    usual = scores["baseline"]
    shares = {}
    for arm, found in scores.items():
        if arm == "baseline":
            continue
        name, count = arm.split(", ")
        method, weight = name.split()
        draws = zip(
            found["tail"], usual["tail"], found["iid"], usual["iid"], strict=True
        )
        trains = [
            tail > usual_tail and iid >= usual_iid / 2
            for tail, usual_tail, iid, usual_iid in draws
        ]
        shares[method, count, float(weight)] = sum(trains) / len(trains)
    return shares


def table(shares: Mapping[tuple[str, str, float], float], num_draws: int) -> str:
    """Returns for each number of aspects and weight how many draws train."""
    settings = dict.fromkeys((count, weight) for _, count, weight in shares)
    rows = [
        [count, f"{weight:g}"]
        + [f"{shares[method, count, weight] * num_draws:.0f}" for method in METHODS]
        for count, weight in settings
    ]
    head = (
        f"Draws of {num_draws} that train, by number of aspects and their weight.\n\n"
    )
    return head + tables.markdown(("aspects", "weight", *METHODS), rows)


def draw(shares: Mapping[tuple[str, str, float], float], path: pathlib.Path) -> None:
    """Draws a panel for each number of aspects: share of draws against weight."""
    counts = list(dict.fromkeys(count for _, count, _ in shares))
    figure = matplotlib.figure.Figure((3 * len(counts), 2.8), layout="tight")
    panels = figure.subplots(1, len(counts), sharey=True, squeeze=False)
    for panel, count in zip(panels[0], counts, strict=True):
        for method, marker in METHODS.items():
            points = sorted(
                (weight, share)
                for (name, number, weight), share in shares.items()
                if (name, number) == (method, count)
            )
            panel.plot(*zip(*points, strict=True), marker=marker, label=method)
        panel.set_xscale("log")
        panel.set_xticks(*[[weight for weight, _ in points]] * 2)
        panel.minorticks_off()
        panel.set_title(f"{count} aspect{'s' * (count != 'one')}")
        panel.set_xlabel("adversarial weight")
    panels[0][0].set_ylabel("share of draws that train")
    panels[0][0].set_ylim(-0.05, 1.05)
    panels[0][0].legend(frameon=False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    sys.exit(main())
