"""The tables of the paper beside what finished runs say.

Where a number comes from is written down once, in `source`: a run of `main.py`, found
by the name of its folder, or another command. An empty cell names what would fill it.
"""

import json
import pathlib
import shlex
from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.data import preparation
from smad_jax.evaluation import fairness
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
        folder: Name of the run's folder below `--runs`, if it is a run of `main.py`.
        metric: Its name in `results.json`.
    """

    command: str
    folder: str = ""
    metric: str = ""


def table(number: int, folder: pathlib.Path) -> str:
    """Returns one table in Markdown: a line for every number of the paper.

    Args:
        number: 1 to 15.
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
            ours, count = _ours(found, folder)
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
        return Source(_data_command(number, row, column))
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


def _run(config: str, metric: str) -> Source:
    """A run of `main.py`; of a config that is not there, nothing."""
    file, _, argument = config.partition(":")
    if not file or not (_ROOT / "configs" / f"{file}.py").is_file():
        return Source("")
    flag = f"configs/{file}.py" + (f":{argument}" if argument else "")
    plain = argument.replace(",", "-").replace("=", "-").replace("/", "-")
    folder = "-".join(part for part in (file, plain) if part)
    return Source(f"python main.py --config {shlex.quote(flag)}", folder, metric)


def _transfer(number: int, row: str, column: str) -> Source:
    """Few-shot, SVM and fine-tuning; their own commands print what they find."""
    if "unbias" in row and "SMAD" in row:
        return Source("")  # nothing trains the combination yet
    if number == 5:
        if not (_ROOT / "smad_jax/evaluation/__main__.py").is_file():
            return Source("")
        if column.startswith("GYM"):
            return Source("python -m smad_jax.evaluation few_shot --features NPZ")
        name, part = column.lower(), "-v2" if column == "Diving48" else "1"
        return Source(
            "python -m smad_jax.evaluation svm --features NPZ "
            f"--train {name}/train{part} --test {name}/test{part}"
        )
    name = "finetune" if "K200db" in row else "transfer"
    if not (_ROOT / "configs" / f"{name}.py").is_file():
        return Source("")
    argument = column.lower().replace("48*", "48,labels=v1")
    if name == "transfer":
        argument += ",run=RUN"
    elif not row.startswith("+"):
        argument += ",run=runs/slowonly_baseline-k200db,saar=off"
    return Source(f"python main.py --config configs/{name}.py:{argument}")


def _data_command(number: int, row: str, column: str) -> str:
    """The command that prints a figure about data; none for a split by two factors."""
    if number == 10:
        factor = row.partition(":")[0]
        names = {"scene": "", "object": " --aspect object --name k200db-object"}
        if factor not in names:
            return ""
        return (
            "python -m data_prep.k200db --data-root datasets --dataset kinetics400"
            + names[factor]
        )
    images = column.startswith(("GG", "Google"))
    dataset = "googleimage" if images else "insvideo"
    if row == "Raw":
        media = f"{dataset}{' --images' * images} --holdout 0"
        return (
            f"python -m data_prep.build_records --videos {media} --name {dataset} "
            "--out datasets"
        )
    target = (
        "kinetics400/k200db-train" if "200" in row + column else "kinetics400/train"
    )
    name = "k200" if "200" in row + column else "k400"
    return (
        f"python -m data_prep.omnidebias --data-root datasets --dataset {dataset} "
        f"--split positive-{name} --target {target} --name {name}"
    )


def _ours(found: Source, folder: pathlib.Path) -> tuple[float, int]:
    """The mean over the seeds of a run, and how many there are."""
    if not found.folder:
        return 0.0, 0
    places = [folder / found.folder, *folder.glob(f"{found.folder}/seed*")]
    places += folder.glob(f"{found.folder}-seed*")
    finished = filter(None, map(runs.find, sorted(places)))
    known = (_value(run, found.metric) for run in finished)
    values = [value for value in known if value is not None]
    scale = 100 if found.metric.endswith("/top1") else 1
    return (scale * float(np.mean(values)) if values else 0.0), len(values)


def _value(run: runs.Run, metric: str) -> float | None:
    """A metric of a run; those of Table 4 from its predictions, if labels are there."""
    if metric in run.results:
        return run.results[metric]
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
    return f"`{found.command}`" if found.command else "no command here makes it yet"


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
