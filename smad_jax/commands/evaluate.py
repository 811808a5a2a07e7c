"""`evaluate`: accuracy, fairness and worst groups of any network on any test set."""

import argparse
import dataclasses
import pathlib
from typing import TYPE_CHECKING, Any, Unpack

from smad_jax.base import command_line, file_io
from smad_jax.commands import network
from smad_jax.evaluation import contingency, information

if TYPE_CHECKING:
    from smad_jax.commands import measures

LEGEND = """\
The measures are NMI (Table 4); the less the network adds, the fairer it is.
independence: between prediction and label of the aspect; oracle: between true action
and label, as perfect predictions would give; amplified: the first minus the second,
what the network adds; separation: between prediction and label within an action;
sufficiency: between action and label within a prediction. "by chance" is the same
after the labels are permuted within each group. Usual and rare are by how often an
action has its label in this set; `audit --train` counts training videos instead. Small
sets raise every NMI. Worst groups are less accurate than the whole set and than their
action with other labels; those that are so beyond chance come first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    network.add_options(parser)
    add, number = parser.add_argument, command_line.whole_number
    add("--split", required=True, nargs="+", metavar="DATASET/SPLIT", help="test sets")
    add(
        "--aspects",
        nargs="*",
        help="aspects to measure bias towards (default: all with soft labels)",
    )
    add(
        "--bootstrap",
        type=number(0),
        default=200,
        help="bootstrap draws for each interval; 0: no intervals",
    )
    add("--seed", type=number(0), default=0, help="random seed")
    add(
        "--mean",
        choices=information.MEANS,
        default="arithmetic",
        help="mean of the two entropies that NMI is divided by",
    )
    add(
        "--average",
        choices=contingency.AVERAGINGS,
        default="groups",
        help="separation and sufficiency: mean NMI of the groups, or ratio of means",
    )
    add(
        "--min-videos",
        type=number(1),
        default=10,
        help="videos that a group needs to be listed, unless all are smaller",
    )
    add("--worst", type=number(0), default=10, help="number of worst groups to list")
    add(
        "--out",
        type=pathlib.Path,
        help="folder to write (default: evaluation/ in the run's folder)",
    )


def run(
    *,
    split: list[str],
    aspects: list[str] | None,
    bootstrap: int,
    seed: int,
    mean: information.Mean,
    average: contingency.Averaging,
    min_videos: int,
    worst: int,
    out: pathlib.Path | None,
    **chosen: Unpack[network.Options],
) -> str:
    """Tests the network on every split; writes JSON and predictions; returns tables."""
    from smad_jax.commands import measures

    out = out or chosen["run"] / "evaluation"
    tables, found = [], {}
    with network.opened(**chosen) as trained:
        for place in split:
            name = place.replace("/", "-")
            file_io.check(out / f"{name}.json")
            one = found[place] = measures.evaluate(
                trained,
                place,
                aspects=aspects,
                bootstrap=bootstrap,
                seed=seed,
                mean=mean,
                average=average,
                min_videos=min_videos,
                worst=worst,
            )
            one.predictions.save(out / f"{name}.npz")
            report = {
                "run": str(chosen["run"]),
                "split": place,
                "left_out": one.left_out,
            }
            file_io.write_json(out / f"{name}.json", one.report | report)
            tables += [table(one), f"written: {out / name}.json and .npz"]
    for one in found.values():
        tables += _contrast(one, found, out)
    measured = any(one.report["aspects"] for one in found.values())
    return "\n\n".join([*tables, *([LEGEND] if measured else [])])


def _contrast(
    one: "measures.Evaluation",
    found: "dict[str, measures.Evaluation]",
    out: pathlib.Path,
) -> list[str]:
    """Writes the contrasted accuracy of a test of static bias; returns its line."""
    from smad_jax.commands import measures

    twin = one.contrast_place
    if twin is not None and twin not in found:
        return [f"{one.place}: for the contrasted accuracy, add {twin} to --split"]
    contrast = measures.contrast(one, found)
    if contrast is None:
        return []
    dataset = one.place.rpartition("/")[0]
    file_io.write_json(
        out / f"{dataset.replace('/', '-')}-contrast.json",
        dataclasses.asdict(contrast),
    )
    return [
        f"{dataset}: contrasted accuracy {contrast.contrasted:.1%}, "
        f"{contrast.scuba:.1%} moving and {contrast.scufo:.1%} frozen, of "
        f"{contrast.num_pairs} pairs"
    ]


def table(one: "measures.Evaluation") -> str:
    """Returns an evaluation as text."""
    report = one.report
    score = report["accuracy"]
    worst = score["worst_class"]
    unreadable = f", {report['unreadable']} unreadable" if report["unreadable"] else ""
    left_out = (
        f"; {one.left_out} left out, of classes that the network does not know"
        if one.left_out
        else ""
    )
    lines = [
        f"{one.place}: {report['num_videos']} videos of {report['num_classes']} classes"
        f"{unreadable}{left_out}",
        " ".join(f"{n} {v:.1%}" for n, v in score.items() if n != "worst_class"),
        f"worst class: {worst['name']}, {worst['accuracy']:.1%}",
    ]
    for name, part in report["aspects"].items():
        lines += ["", *_aspect_lines(name, part, score["top1"])]
    if report["num_classes"] < 2:
        lines.append("one class only: no bias between actions can be measured")
    lines += [
        f"{name}: no readable video has a label" for name in report["without_labels"]
    ]
    lines += [
        f"{name}: all videos have the same label; there is nothing to compare"
        for name in report["with_one_label"]
    ]
    return "\n".join(lines)


def _aspect_lines(name: str, part: dict[str, Any], accuracy: float) -> list[str]:
    """The lines about one aspect, with the accuracy over the whole set."""
    lines = [f"{name:<14}{'value':>8}  {'95 % interval':<18}{'by chance':>10}"]
    for measure, found in part["measures"].items():
        interval = (
            "" if found["low"] is None else f"{found['low']:.3f} to {found['high']:.3f}"
        )
        lines.append(
            f"{measure:<14}{found['value']:>8.3f}  {interval:<18}"
            f"{found['control']:>10.3f}"
        )
    odds = part["equalised_odds"]
    if odds["spread"] is not None:
        lines.append(
            f"accuracy of a class deviates by {odds['spread']:.1%} from {name} to "
            f"{name} ({odds['chance']:.1%} by chance), over {odds['num_classes']} "
            "classes"
        )
    lines += [
        f"{name} {third['third']} in this set: {third['accuracy']:.1%} of "
        f"{third['num_videos']}; worst {third['worst_class']} "
        f"{third['worst_accuracy']:.1%}"
        for third in part["rarity"]
        if third["num_videos"]
    ]
    worst = part["worst_group"]
    # Small groups do not count, so that the worst of the others may be a good one.
    lines.append(
        f"worst group: {worst['class']} with {worst.get('name', worst['label'])}, "
        f"{worst['accuracy']:.1%} of {worst['num_videos']}"
        if worst["accuracy"] < accuracy
        else "worst group: none of enough videos is less accurate than the whole set"
    )
    if part["worst_groups"]:
        lines.append(f"{'worst groups':<24}{name:>12}{'videos':>8}{'right':>8}")
        lines += [
            f"{group['class']:<24}{group.get('name', group['label']):>12}"
            f"{group['num_videos']:>8}"
            f"{group['accuracy']:>8.1%}"
            + ("" if group["beyond_chance"] else "  may be chance")
            for group in part["worst_groups"]
        ]
    return lines
