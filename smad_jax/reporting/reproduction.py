"""The tables of the paper beside the results of finished runs.

Below a table, the commands that fill its empty cells, from `sources`.
"""

import fnmatch
import pathlib

import numpy as np

from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.data import catalog, preparation, selection
from smad_jax.evaluation import fairness, information
from smad_jax.reporting import paper, runs, sources, tables
from smad_jax.reporting.audit import inputs, joining


def table(number: int, folder: pathlib.Path, data_root: pathlib.Path) -> str:
    """Returns one table in Markdown: a line for every number of the paper.

    Args:
        number: 1 to 15.
        folder: Folder of the runs; `NAME`, `NAME/seed*` and `NAME-seed*` of one
            experiment are averaged.
        data_root: Folder of the data sets.

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
            found = sources.source(number, row.name, column)
            ours, count = _ours(found, folder, data_root)
            digits, place = published.digits, str(len(rows) + 1)
            change = "" if cell.change is None else f" ({cell.change:+.{digits}f})"
            shown, difference = "", ""
            if count:
                shown = f"{ours:,.{digits}f}" + f" (mean of {count})" * (count > 1)
                difference = f"{ours - cell.value:+.{digits}f}"
            else:
                missing.setdefault(_advice(found), []).append(len(rows) + 1)
            paper_cell = f"{cell.value:,.{digits}f}{change}"
            rows.append((place, row.name, column, paper_cell, shown, difference))
    header = ("", "row", "column", "paper", "ours", "difference")
    lines = [f"Table {number}. {published.title}.", "", tables.markdown(header, rows)]
    if missing:
        lines += ["", "Empty cells, and what fills them:", ""]
        lines += [f"- {_ranges(cells)}: {advice}" for advice, cells in missing.items()]
    return "\n".join(lines)


def _ours(
    found: sources.Source, folder: pathlib.Path, data_root: pathlib.Path
) -> tuple[float, int]:
    """The number, and how many runs it averages; 0 if one is missing."""
    if found.split:
        value = _of_data(found, data_root)
        return value or 0.0, value is not None
    values = [_over_seeds(folder, name, found) for name in found.folders]
    if not all(values):
        return 0.0, 0
    scale = 100 if found.report or found.metric.endswith("/top1") else 1
    mean = np.mean([np.mean(seeds) for seeds in values]) if values else 0
    return scale * float(mean), sum(map(len, values))


def _over_seeds(folder: pathlib.Path, name: str, found: sources.Source) -> list[float]:
    """A metric of the runs of one experiment."""
    places = [
        place
        for pattern in (name, f"{name}/seed*", f"{name}-seed*")
        for place in sorted(folder.glob(pattern))
    ]
    finished = filter(None, map(runs.find, places))
    if found.read is not None:
        known = (found.read(run.folder / found.report) for run in finished)
    else:
        known = (_value(run, found.metric) for run in finished)
    return [value for value in known if value is not None]


def _of_data(found: sources.Source, data_root: pathlib.Path) -> float | None:
    """A figure about a split; None if it or its labels are missing or broken."""
    dataset, _, name = found.split.partition("/")
    aspects = (found.aspect,) if found.aspect else ()
    try:
        split = catalog.open_split(data_root, dataset, name, aspects=aspects)
    except errors.DataError:
        return None
    if not aspects:
        return len(split)
    hard = selection.hard_labels(split, found.aspect)
    known = hard >= 0
    if not known.any():
        return None
    return information.normalized_mutual_information(split.labels[known], hard[known])


def _value(run: runs.Run, metric: str) -> float | None:
    """A metric of a run, where `*` matches any text.

    Those of Table 4 are computed from its predictions, if there are labels.
    """
    for name in fnmatch.filter(run.results, metric):
        return run.results[name]
    place, _, name = metric.partition("/")
    predictions = run.folder / "predictions" / f"{place}.npz"
    if name not in _DEPENDENCE or not predictions.is_file():
        return None
    config = file_io.read_json(run.folder / "config.json", "run the training again")
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


def _advice(found: sources.Source) -> str:
    if not found.commands:
        return "no command makes it yet"
    listed = ", then ".join(f"`{command}`" for command in found.commands)
    return listed + (f", {found.note}" if found.note else "")


def _ranges(numbers: list[int]) -> str:
    """Numbers in short: 1-3, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
