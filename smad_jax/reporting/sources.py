"""The source of our number for each number of the paper.

A source is a run of `main.py`, found by the name of its folder; a report that a command
writes into such a folder; or a split of a data set. Commands that make it are listed in
order.
"""

import functools
import pathlib
import shlex
from collections.abc import Callable
from typing import NamedTuple

from smad_jax.data import preparation
from smad_jax.evaluation import reports
from smad_jax.experiment import run_folder

_ROOT = pathlib.Path(__file__).parents[2]
_SETS = {
    "ARAS-64": "aras64",
    "ARAS-104": "aras104",
    "K200-val": "k200-val",
    "K200-unbias": "k200db-val",
    "K200db-val": "k200db-val",
    "K200both-val": "k200both-val",
    "K400-val": "k400-val",
}
_NETWORKS = {"2D": "tsn", "TSN": "tsn", "3D": "slowonly", "SlowOnly": "slowonly"}
_METHODS = {
    "Baseline": "baseline:k200db",
    "AdaBN": "adabn:k200db",
    "FrameShuffle": "frame_shuffle:k200db",
    "SDN": "sdn:k200db",
    "DANN": "dann:k200db",
    "MMD": "mmd:k200db",
    "SAVA": "sava:k200db",
    "SMAD": "smad:k200db",
    "MAAT": "smad:k200db,saar=off",
    "SAAR": "smad:k200db,aspects=none",
    "MAAT + SAAR": "smad:k200db",
    "SoftCE": "smad:k200db,loss=soft_ce",
    "KL": "smad:k200db,loss=kl",
    "SoftCE + KL": "smad:k200db",
    "OmniDebias": "omnidebias:k200db",
    "Combination": "combined:k200db",
}
_ADAPTING = ("dann", "mmd", "sava")  # a model for each test set


class Source(NamedTuple):
    """The source of one of our numbers.

    Attributes:
        commands: The commands that make it, in order; empty if there are none.
        note: A hint on further runs.
        folders: Names of the runs' folders below `--runs`; the number is their mean.
        metric: Its name in `results.json`.
        report: Instead of a metric, the file of another command in a run's folder.
        read: Reads an accuracy, 0 to 1, from the report; None if it has none.
        split: DATASET/SPLIT, for a number about data: its number of videos.
        aspect: If given, the NMI of action and this aspect's label instead.
    """

    commands: tuple[str, ...] = ()
    note: str = ""
    folders: tuple[str, ...] = ()
    metric: str = ""
    report: str = ""
    read: Callable[[pathlib.Path], float | None] | None = None
    split: str = ""
    aspect: str = ""


def source(number: int, row: str, column: str) -> Source:
    """Returns the source of our number for a cell of the paper."""
    if number == 5:
        return _frozen(row, column)
    if number == 6:
        return _finetuning(row, column)
    if number in (10, 11, 12):
        return _data(number, row, column)
    config, place = _experiment(number, row, column)
    if number == 4:
        return _run(config, f"k200-val/{column.lower()}")
    place = _SETS[place]
    if config.partition(":")[0].removeprefix("slowonly_") in _ADAPTING:
        config += f",target={place}" if place != "k200db-val" else ""
    return _run(config, f"{place}/top1")


def _experiment(number: int, row: str, column: str) -> tuple[str, str]:
    """The config, as `file:argument`, and the paper's name of the test set."""
    network, _, rest = row.partition(": ")
    if number == 1:
        return f"{_NETWORKS[network]}_baseline:k200db", rest
    if number == 2:
        return _table_2(row, column)
    if number in (3, 4):
        return _method(row), column
    if number in (7, 13):
        return _method(column), row
    if number == 8:
        aspects = row.replace(", ", "+")
        smad = f"slowonly_smad:k200both,aspects={aspects}"
        return "slowonly_baseline:k200both" if row == "None" else smad, "K200both-val"
    if not rest:  # Table 14 has one network
        network, rest = "3D", row
    train = "k400" if number == 15 else "k200db"
    return _web(_NETWORKS[network], train, rest), column


def _method(name: str) -> str:
    """The SlowOnly config of a method."""
    return f"slowonly_{_METHODS[name]}" if name in _METHODS else ""


def _table_2(row: str, column: str) -> tuple[str, str]:
    network, train = row.split(" ")
    component, _, place = column.partition(": ")
    train = train.removesuffix("-train").lower()
    if place == "ARAS":
        place = "ARAS-64" if train == "k200db" else "ARAS-104"
    place = place.replace("K200/400", "K200" if train == "k200db" else "K400")
    if component == "SMAD":
        return f"{_NETWORKS[network]}_smad:{train}", place
    if component == "Combination":
        return f"{_NETWORKS[network]}_combined:{train}", place
    part = "GG-unbias" if network == "2D" else "[GG+IG]-unbias"
    return _web(_NETWORKS[network], train, part), place


def _web(network: str, train: str, part: str) -> str:
    """The config of joint training with a part of the web data."""
    if part == "None":
        return f"{network}_baseline:{train}"
    source_name, _, third = part.rpartition("-")
    media = {"GG": "images", "IG": "videos", "[GG+IG]": "images+videos"}[source_name]
    usual = "images" if network == "tsn" else "images+videos"
    argument = train + (f",web={third}" if third != "unbias" else "")
    argument += f",media={media}" if media != usual else ""
    return f"{network}_omnidebias:{argument}"


def _run(config: str, metric: str, *others: str) -> Source:
    """Runs of `main.py` and the first one's command; empty without such a config."""
    folders = []
    for one in (config, *others):
        file, _, argument = one.partition(":")
        if not file or not (_ROOT / "configs" / f"{file}.py").is_file():
            return Source()
        folders.append(run_folder.run_name(file, argument))
    file, _, argument = config.partition(":")
    flag = f"configs/{file}.py" + (f":{argument}" if argument else "")
    command = f"python main.py --config {shlex.quote(flag)}"
    return Source((command,), folders=tuple(folders), metric=metric)


def _frozen(row: str, column: str) -> Source:
    """Table 5: reports of two commands beside the features of a run."""
    name = {
        "w/o. Debiasing": "slowonly_baseline:k200db",
        "+ SMAD": "slowonly_smad:k200db",
        "+ IG-all": "slowonly_omnidebias:k200db,web=all,media=videos",
        "+ IG-unbias": "slowonly_omnidebias:k200db,media=videos",
        "+ SMAD, IG-unbias": "slowonly_combined:k200db,media=videos",
    }[row]
    program = "python -m smad_jax.evaluation"
    if column.startswith("GYM"):
        split, use = "gym99/val", "few_shot"
        place = reports.few_shot(split)
        shots = int(column.removeprefix("GYM-").removesuffix("shot"))
        read = functools.partial(reports.few_shot_accuracy, shots=shots)
    else:
        dataset = column.lower()
        # Table 5 names no version of Diving48's labels; that of Table 6 is used
        lists = ("v2-{}",) if dataset == "diving48" else ("{}1", "{}2", "{}3")
        train, test = (
            [f"{dataset}/{name.format(part)}" for name in lists]
            for part in ("train", "val")
        )
        split = f"{dataset}/all"
        use = f"svm --train {' '.join(train)} --test {' '.join(test)}"
        place = reports.svm(test)
        read = functools.partial(reports.svm_accuracy, train=train, tests=test)
    found = _run(name, "")
    run = f"runs/{found.folders[0]}"
    features = f"{run}/features/{split.replace('/', '-')}.npz"
    return found._replace(
        commands=(
            *found.commands,
            f"{program} features --run {run} --split {split}",
            f"{program} {use} --features {features}",
        ),
        report=f"features/{place}",
        read=read,
    )


def _finetuning(row: str, column: str) -> Source:
    """Table 6: the mean of three splits of UCF101 and HMDB51, one of Diving48."""
    name, kind = column.lower().rstrip("*"), "baseline"
    if "SDN" in row:
        kind = "sdn"
    elif row.startswith("+"):
        kind = "combined" if "IG-unbias" in row else "smad"
    if "MiniKinetics" in row:
        file, run = "transfer", f"resnet3d_{kind}:minikinetics"
    else:
        file, run = "finetune", f"slowonly_{kind}:k200db"
    if kind == "combined":
        run += ",media=videos"
    pretrained = _run(run, "")
    argument = f"{name},labels=v1" if column.endswith("*") else name
    if kind != "smad":
        argument += f",run=runs/{pretrained.folders[0]}"
    if kind in ("baseline", "sdn"):
        argument += ",saar=off"
    if name == "diving48":
        test = "val" if column.endswith("*") else "v2-val"
        found = _run(f"{file}:{argument}", f"{name}-{test}/top1")
    else:
        others = [f"{file}:{argument},split={split}" for split in (2, 3)]
        found = _run(f"{file}:{argument}", f"{name}-val*/top1", *others)
        found = found._replace(note="and the same with split=2 and split=3")
    return found._replace(commands=(*pretrained.commands, *found.commands))


def _data(number: int, row: str, column: str) -> Source:
    """A figure about data, and the command that makes its split."""
    place = "python -m data_prep.{} --data-root datasets --dataset {}"
    if number == 10:
        factor, _, split = row.partition(": ")
        name, flags = {
            "scene": ("k200db", ""),
            "object": ("k200db-object", " --aspect object --name k200db-object"),
            "scene & object": ("k200both", " --second-aspect object --name k200both"),
        }[factor]
        return Source(
            (place.format("k200db", "kinetics400") + flags,),
            split=f"kinetics400/{name}-{split.rpartition('-')[2]}",
            aspect="object" if column.endswith("O)") else "scene",
        )
    images = column.startswith(("GG", "Google"))
    dataset = "googleimage" if images else "insvideo"
    if row == "Raw":
        return Source(
            (preparation.build_line("datasets", dataset),), split=f"{dataset}/all"
        )
    name = "k200" if "200" in row + column else "k400"
    part = row if number == 12 else "unbias"
    lines = preparation.commands("datasets", dataset, f"{name}-{part}")
    commands = tuple(line for line in lines if not line.startswith("#"))
    if number == 12:
        return Source(commands, split=f"{dataset}/{name}-{row}", aspect="scene")
    if row.endswith("1/3"):
        return Source(commands, split=f"{dataset}/{name}-unbias")
    return Source(commands[:-1], split=f"{dataset}/positive-{name}")
