"""The tables of the paper beside what finished runs say.

Where a number comes from is written down once, in `source`: a run of `main.py`, found
by the name of its folder, a split, or another command. An empty cell names what would
fill it.
"""

import fnmatch
import json
import pathlib
import shlex
from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.data import catalog, preparation, selection
from smad_jax.evaluation import fairness, information
from smad_jax.reporting import paper, runs, tables
from smad_jax.reporting.audit import inputs, joining

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
    """Where a number of ours comes from.

    Attributes:
        command: What makes it; empty if nothing here does.
        then: What else has to be run, in words.
        folders: Names of the runs' folders below `--runs`, if they are runs of
            `main.py`; their mean is the number.
        metric: Its name in `results.json`.
        split: DATASET/SPLIT, if it says something of data: how many videos there are.
        aspect: If given, the NMI of action and this aspect's label instead.
    """

    command: str
    then: str = ""
    folders: tuple[str, ...] = ()
    metric: str = ""
    split: str = ""
    aspect: str = ""


def table(number: int, folder: pathlib.Path, data_root: pathlib.Path) -> str:
    """Returns one table in Markdown: a line for every number of the paper.

    Args:
        number: 1 to 15.
        data_root: Where the data sets are.
        folder: Where the runs are; `NAME`, `NAME/seed*` and `NAME-seed*` of one
            experiment are averaged.

    Raises:
        ConfigError: if there is no such table.
    """
    if number not in paper.TABLES:
        raise errors.ConfigError(
            f"the paper's tables are 1 to {max(paper.TABLES)}, not {number}"
        )
    published = paper.TABLES[number]
    rows, missing = [], {}
    for row in published.rows:
        for column, cell in zip(published.columns, row.cells, strict=True):
            if cell is None:
                continue
            found = source(number, row.name, column)
            ours, count = _ours(found, folder, data_root)
            shown, difference = "", ""
            if count:
                shown = _shown(ours, published.digits)
                shown += f" (mean of {count})" if count > 1 else ""
                difference = f"{ours - cell.value:+.{published.digits}f}"
            else:
                missing.setdefault(_advice(found), []).append(len(rows) + 1)
            rows.append(
                (
                    str(len(rows) + 1),
                    row.name,
                    column,
                    _shown(cell.value, published.digits)
                    + (
                        ""
                        if cell.change is None
                        else f" ({cell.change:+.{published.digits}f})"
                    ),
                    shown,
                    difference,
                )
            )
    header = ("", "row", "column", "paper", "ours", "difference")
    lines = [f"Table {number}. {published.title}.", "", tables.markdown(header, rows)]
    if missing:
        lines += ["", "Empty cells, and what fills them:", ""]
        lines += [f"- {_ranges(cells)}: {advice}" for advice, cells in missing.items()]
    return "\n".join(lines)


def source(number: int, row: str, column: str) -> Source:
    """Returns where our number for a cell of the paper comes from."""
    if number in (5, 6):
        return _transfer(number, row, column)
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
    """The config, as `file:argument`, and the test set, as the paper names it."""
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
    """Runs of `main.py`, the first with its command; of no such config, nothing."""
    folders = []
    for one in (config, *others):
        file, _, argument = one.partition(":")
        if not file or not (_ROOT / "configs" / f"{file}.py").is_file():
            return Source("")
        plain = argument.replace(",", "-").replace("=", "-").replace("/", "-")
        folders.append("-".join(part for part in (file, plain) if part))
    file, _, argument = config.partition(":")
    flag = f"configs/{file}.py" + (f":{argument}" if argument else "")
    command = f"python main.py --config {shlex.quote(flag)}"
    return Source(command, folders=tuple(folders), metric=metric)


def _transfer(number: int, row: str, column: str) -> Source:
    """Few-shot and SVM, whose commands print what they find, and fine-tuning."""
    if number == 6:
        return _finetuning(row, column)
    if column.startswith("GYM"):
        return Source("python -m smad_jax.evaluation few_shot --features NPZ")
    name, part = column.lower(), "-v2" if column == "Diving48" else "1"
    return Source(
        "python -m smad_jax.evaluation svm --features NPZ "
        f"--train {name}/train{part} --test {name}/test{part}"
    )


def _finetuning(row: str, column: str) -> Source:
    """Table 6: the mean of three splits of UCF101 and HMDB51, one of Diving48."""
    name = column.lower().rstrip("*")
    if "MiniKinetics" in row:
        if "IG-unbias" in row or "SDN" in row:
            return Source("")  # no config of ours trains these on MiniKinetics
        kind = "smad" if row.startswith("+") else "baseline"
        file, run = "transfer", f"resnet3d_{kind}-minikinetics"
    else:
        file, run = "finetune", "slowonly_smad-k200db"
        if "IG-unbias" in row:
            run = "slowonly_combined-k200db-media-videos"
        elif not row.startswith("+"):
            run = "slowonly_baseline-k200db"
    argument = f"{name},labels=v1" if column.endswith("*") else name
    if run not in ("slowonly_smad-k200db", "resnet3d_smad-minikinetics"):
        argument += f",run=runs/{run}"
    if not row.startswith("+"):
        argument += ",saar=off"
    if name == "diving48":
        part = "v1" if column.endswith("*") else "v2"
        return _run(f"{file}:{argument}", f"diving48-test-{part}/top1")
    others = [f"{file}:{argument},split={split}" for split in (2, 3)]
    found = _run(f"{file}:{argument}", f"{name}-test*/top1", *others)
    return found._replace(then="split=2 and split=3 likewise")


def _data(number: int, row: str, column: str) -> Source:
    """A figure about data, and the command that makes the split that has it."""
    place = "python -m data_prep.{} --data-root datasets --dataset {}"
    if number == 10:
        factor, _, split = row.partition(": ")
        name, flags = {
            "scene": ("k200db", ""),
            "object": ("k200db-object", " --aspect object --name k200db-object"),
            "scene & object": ("k200both", " --second-aspect object --name k200both"),
        }[factor]
        return Source(
            place.format("k200db", "kinetics400") + flags,
            split=f"kinetics400/{name}-{split.rpartition('-')[2]}",
            aspect="object" if column.endswith("O)") else "scene",
        )
    images = column.startswith(("GG", "Google"))
    dataset = "googleimage" if images else "insvideo"
    if row == "Raw":
        return Source(
            preparation.build_line("datasets", dataset), split=f"{dataset}/all"
        )
    name = "k200" if "200" in row + column else "k400"
    target = "kinetics400/k200db-train" if name == "k200" else "kinetics400/train"
    command = (
        f"{place.format('omnidebias', dataset)} --split positive-{name} "
        f"--target {target} --name {name}"
    )
    if number == 12:
        return Source(command, split=f"{dataset}/{name}-{row}", aspect="scene")
    part = f"{name}-unbias" if row.endswith("1/3") else f"positive-{name}"
    return Source(command, split=f"{dataset}/{part}")


def _ours(
    found: Source, folder: pathlib.Path, data_root: pathlib.Path
) -> tuple[float, int]:
    """The number, and how many runs it is the mean of; 0 if one is missing."""
    if found.split:
        value = _of_data(found, data_root)
        return value or 0.0, value is not None
    values = [_over_seeds(folder, name, found.metric) for name in found.folders]
    if not all(values):
        return 0.0, 0
    scale = 100 if found.metric.endswith("/top1") else 1
    mean = np.mean([np.mean(seeds) for seeds in values]) if values else 0
    return scale * float(mean), sum(map(len, values))


def _over_seeds(folder: pathlib.Path, name: str, metric: str) -> list[float]:
    """A metric of the runs of one experiment."""
    places = [
        place
        for pattern in (name, f"{name}/seed*", f"{name}-seed*")
        for place in sorted(folder.glob(pattern))
    ]
    known = (_value(run, metric) for run in filter(None, map(runs.find, places)))
    return [value for value in known if value is not None]


def _of_data(found: Source, data_root: pathlib.Path) -> float | None:
    """A figure about a split; None if it or its labels are not there, or broken."""
    dataset, _, name = found.split.partition("/")
    wanted = (found.aspect,) if found.aspect else ()
    try:
        split = catalog.open_split(data_root, dataset, name, aspects=wanted)
    except errors.DataError:
        return None
    if not wanted:
        return len(split)
    factor = selection.hard_labels(split, found.aspect)
    known = factor >= 0
    if not known.any():
        return None
    return information.normalized_mutual_information(split.labels[known], factor[known])


def _value(run: runs.Run, metric: str) -> float | None:
    """A metric of a run, `*` standing for anything.

    Those of Table 4 come from its predictions, if labels are there.
    """
    for name in fnmatch.filter(run.results, metric):
        return run.results[name]
    place, _, name = metric.partition("/")
    predictions = run.folder / "predictions" / f"{place}.npz"
    if name not in _DEPENDENCE or not predictions.is_file():
        return None
    config = json.loads((run.folder / "config.json").read_text("utf-8"))
    root = config["data"]["root"] or preparation.default_root()
    dataset = config["evaluation"]["sets"][place].partition("/")[0]
    try:
        joined = joining.join(
            {run.folder.name: inputs.read(predictions, "prediction")},
            inputs.read(predictions, "label"),
            {"scene": inputs.read(pathlib.Path(root) / dataset, "scene")},
        )
    except errors.DataError:  # no scene labels on this machine
        return None
    [predicted] = joined.models.values()
    return _DEPENDENCE[name](joined.labels, predicted, joined.aspects[0].values)


def _independence(label: np.ndarray, predicted: np.ndarray, scene: np.ndarray) -> float:
    del label
    return fairness.independence(predicted, scene)


_DEPENDENCE = {
    "independence": _independence,
    "separation": fairness.separation,
    "sufficiency": fairness.sufficiency,
}


def _advice(found: Source) -> str:
    if not found.command:
        return "no command here makes it yet"
    return f"`{found.command}`" + (f", {found.then}" if found.then else "")


def _shown(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def _ranges(numbers: list[int]) -> str:
    """Numbers in short: 1-3, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
