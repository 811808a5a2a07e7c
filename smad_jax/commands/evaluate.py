"""`evaluate`: accuracy, fairness and worst groups of any network on any test set."""

import argparse
import dataclasses
import pathlib
from typing import Any

from smad_jax import errors, file_io
from smad_jax.commands import command_line, network
from smad_jax.data import catalog, label_names, selection
from smad_jax.evaluation import (
    contingency,
    groups,
    information,
    static_bias,
    summary,
)
from smad_jax.experiment import splits, trained

HELP = "accuracy, fairness and worst groups on any test set"

_TWINS = {  # what the accuracy on a split of these names is contrasted with
    static_bias.SCUBA: static_bias.SCUFO,
    static_bias.SCUFO: static_bias.SCUBA,
}
LEGEND = """\
The measures are NMI (Table 4); the less the network adds, the fairer. independence:
between answer and secondary label; oracle: between true action and label, what
flawless answers would show; amplified: the first minus the second, what the network
adds; separation: between answer and label within an action; sufficiency: between
action and label within an answer. "by chance" is the same after dealing the labels
anew in each group. Thirds are by how often an action is seen with its label here;
small sets raise every NMI. Worst groups are less accurate than the whole and than
their action with other labels, those first that are so beyond chance."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    network.add_options(parser)
    add = parser.add_argument
    add("--split", required=True, nargs="+", metavar="DATASET/SPLIT", help="test sets")
    add(
        "--aspects",
        nargs="*",
        help="secondary labels to measure against (default: all soft ones there are)",
    )
    add(
        "--bootstrap",
        type=command_line.whole_number(0),
        default=200,
        help="draws behind intervals; 0: none",
    )
    add(
        "--seed",
        type=command_line.whole_number(0),
        default=0,
        help="of draws and permutations",
    )
    add(
        "--mean",
        choices=information.MEANS,
        default="arithmetic",
        help="of two entropies, which NMI is divided by",
    )
    add(
        "--average",
        choices=contingency.AVERAGINGS,
        default="groups",
        help="separation and sufficiency: mean of the groups' NMI, or ratio of means",
    )
    add(
        "--min-videos",
        type=command_line.whole_number(1),
        default=groups.MIN_VIDEOS,
        help="smaller groups are passed over, unless all are smaller",
    )
    add(
        "--worst",
        type=command_line.whole_number(0),
        default=10,
        help="how many of the worst groups to list",
    )
    add(
        "--out",
        type=pathlib.Path,
        help="folder to write (default: evaluation/ in the run's folder)",
    )


def run(arguments: argparse.Namespace) -> str:
    """Tests the network on every split; writes JSON and predictions; returns tables.

    Raises:
        UserError: for whatever the user can put right.
    """
    asked = network.open_network(arguments)
    out = arguments.out or arguments.run / "evaluation"
    tables, found, measured = [], {}, False
    for place in arguments.split:
        given = _open(asked, place, arguments.aspects)
        split = selection.with_classes(given, asked.classes)
        names = {
            aspect: _label_names(asked, place, split, aspect)
            for aspect in split.aspects
        }
        name = place.replace("/", "-")
        file_io.check(out / f"{name}.json")
        said = found[place] = asked.predict(split)
        said.save(out / f"{name}.npz")
        report: dict[str, Any] = summary.summarize(
            said,
            {aspect: selection.hard_labels(split, aspect) for aspect in split.aspects},
            classes=asked.classes,
            num_bootstrap=arguments.bootstrap,
            seed=arguments.seed,
            min_videos=arguments.min_videos,
            num_worst=arguments.worst,
            mean=arguments.mean,
            average=arguments.average,
        )
        for aspect, part in report["aspects"].items():
            _name_labels(part, names[aspect])
        report |= {"run": str(arguments.run), "split": place}
        report["left_out"] = len(given) - len(split)
        measured = measured or bool(report["aspects"])
        file_io.write_json(out / f"{name}.json", report)
        tables += [table(place, report), f"written: {out / name}.json and .npz"]
    for place, moving in found.items():
        dataset, name = splits.divided(place)
        if name not in _TWINS:
            continue
        twin = f"{dataset}/{_TWINS[name]}"
        if twin not in found:
            tables.append(
                f"{place}: for the contrasted accuracy, add {twin} to --split"
            )
        elif name == static_bias.SCUBA:
            contrast = static_bias.contrast(moving, found[twin])
            file_io.write_json(
                out / f"{dataset.replace('/', '-')}-contrast.json",
                dataclasses.asdict(contrast),
            )
            tables.append(
                f"{dataset}: contrasted accuracy {contrast.contrasted:.1%}, "
                f"{contrast.scuba:.1%} moving and {contrast.scufo:.1%} frozen, of "
                f"{contrast.num_pairs} pairs"
            )
    return "\n\n".join([*tables, *([LEGEND] if measured else [])])


def _open(
    asked: trained.TrainedNetwork, place: str, wanted: list[str] | None
) -> catalog.Split:
    """The split with the soft labels that are wanted of it.

    Raises:
        ConfigError: if an aspect that is asked for has tags.
    """
    names = asked.labelled_aspects(place) if wanted is None else wanted
    split = asked.open_split(place, names)
    for name in wanted or ():
        if split.aspects[name].kind != "soft":
            raise errors.ConfigError(
                f"--aspects {name}: a video has several tags of it, and the measures "
                "need one label a video"
            )
    soft = {name: one for name, one in split.aspects.items() if one.kind == "soft"}
    return dataclasses.replace(split, aspects=soft)


def _label_names(
    asked: trained.TrainedNetwork, place: str, split: catalog.Split, aspect: str
) -> tuple[str, ...]:
    """What the labels of an aspect are called, if its data set knows."""
    num_labels = split.aspects[aspect].num_labels
    return label_names.stored(asked.dataset_folder(place), aspect, num_labels)


def _name_labels(part: dict[str, Any], names: tuple[str, ...]) -> None:
    """Adds the names of their labels to the worst groups."""
    for group in (part["worst_group"], *part["worst_groups"]) if names else ():
        group["name"] = names[group["label"]]


def table(place: str, report: dict[str, Any]) -> str:
    """Returns what a reader wants of a report of `summary.summarize`, as text."""
    score = report["accuracy"]
    worst = score["worst_class"]
    lines = [
        f"{place}: {report['num_videos']} videos of {report['num_classes']} classes"
        + (f", {report['unreadable']} unreadable" if report["unreadable"] else "")
        + (
            f"; {report['left_out']} left out, whose classes the network does not know"
            if report.get("left_out")
            else ""
        ),
        " ".join(f"{n} {v:.1%}" for n, v in score.items() if n != "worst_class"),
        f"worst class: {worst['name']}, {worst['accuracy']:.1%}",
    ]
    for name, part in report["aspects"].items():
        lines += ["", *_aspect_lines(name, part)]
    if report["num_classes"] < 2:
        lines.append("of one class only: nothing here tells of a bias between actions")
    lines += [
        f"{name}: no readable video has a label" for name in report["without_labels"]
    ]
    return "\n".join(lines)


def _aspect_lines(name: str, part: dict[str, Any]) -> list[str]:
    """The lines about one aspect."""
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
        f"{third['third']} {name}: {third['accuracy']:.1%} of "
        f"{third['num_videos']}; worst {third['worst_class']} "
        f"{third['worst_accuracy']:.1%}"
        for third in part["rarity"]
        if third["num_videos"]
    ]
    worst = part["worst_group"]
    lines.append(
        f"worst group: {worst['class']} with {worst.get('name', worst['label'])}, "
        f"{worst['accuracy']:.1%} of {worst['num_videos']}"
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
