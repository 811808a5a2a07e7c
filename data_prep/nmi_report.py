"""Measures how far the scene or object reveals the action: Tables 10, 12, Fig. 1, 6.

    python -m data_prep.nmi_report table --data-root R --pool kinetics400/train \
        --splits kinetics400/k200db-train kinetics400/k200db-val --out report/table10
    python -m data_prep.nmi_report table --data-root R --pool insvideo/k200-all \
        --splits insvideo/k200-bias insvideo/k200-unbias --out report/table12
    python -m data_prep.nmi_report class --data-root R --pool kinetics400/train \
        --action abseiling --out report/fig1
    python -m data_prep.nmi_report shares --data-root R --actions abseiling yoga \
        --splits kinetics400/train googleimage/all --out report/fig6

Each split is compared with random ones of its size in each class, drawn from the pool
that it was cut from: a small set has a higher NMI because it is small, so only the
difference counts. The entropy is the mean over the classes of H(S | Y = y), in nats
(Sec. 5.2).
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Sequence

from data_prep.bias import association, scene_figures, z_frequency
from data_prep.lists import command_options
from smad_jax import errors
from smad_jax.base import command_line, sections
from smad_jax.data import catalog, label_names, selection

HELP = "measure how far scene or object reveal the action, as table and figure"


@dataclasses.dataclass(frozen=True)
class Table:
    """NMI and entropy of splits (Tables 10 and 12).

    Attributes:
        pool: Split, DATASET/SPLIT, that the others were cut from.
        splits: Splits, DATASET/SPLIT each.
        aspects: Names of aspects.
        draws: Number of random parts.
        seed: Random seed of the first random part.
    """

    pool: str
    splits: tuple[str, ...]
    aspects: tuple[str, ...] = ("scene",)
    draws: int = 5
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class OneClass:
    """Scenes of one class and the cut between them (Fig. 1).

    Attributes:
        pool: Split of the class, DATASET/SPLIT.
        action: Name of the class.
        val_per_class: Least number of videos held out, as in k200db.
        aspect: Aspect of the labels.
        names: File of the labels' names, one per line.
    """

    pool: str
    action: str
    val_per_class: int = 50
    aspect: str = "scene"
    names: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True)
class Shares:
    """Scenes of classes in several sources (Fig. 6).

    Attributes:
        splits: Sources, DATASET/SPLIT each.
        actions: Names of classes.
        top: Number of scenes shown.
        order: Each source's own order of scenes, or the first source's for all.
        aspect: Aspect of the labels.
        names: File of the labels' names, one per line.
    """

    splits: tuple[str, ...]
    actions: tuple[str, ...]
    top: int = 10
    order: scene_figures.Order = "own"
    aspect: str = "scene"
    names: pathlib.Path | None = None


_REPORTS = {"table": Table, "class": OneClass, "shares": Shares}


def table(data_root: pathlib.Path, report: Table) -> list[association.Row]:
    """Returns the rows of a table.

    Raises:
        DataError: if data are missing, or the pool has fewer videos of a class.
    """
    aspects = report.aspects
    pool = command_options.open_place(data_root, report.pool, "--pool", aspects)
    pool_factors = {aspect: selection.hard_labels(pool, aspect) for aspect in aspects}
    rows = []
    for place in report.splits:
        split = command_options.open_place(data_root, place, "--splits", aspects)
        actions = z_frequency.renumber(pool.labels, pool.classes, split.classes)
        rows += [
            association.measure(
                place,
                aspect,
                (split.labels, selection.hard_labels(split, aspect)),
                (actions, pool_factors[aspect]),
                split.classes,
                num_draws=report.draws,
                seed=report.seed,
            )
            for aspect in aspects
        ]
    return rows


def class_counts(
    data_root: pathlib.Path, report: OneClass
) -> list[scene_figures.CountRow]:
    """Returns the bars of Fig. 1.

    Raises:
        ConfigError: if there is no such class.
        DataError: if data are missing.
    """
    split = command_options.open_place(
        data_root, report.pool, "--pool", (report.aspect,)
    )
    names = _label_names(data_root, report.pool, split, report)
    factors = selection.hard_labels(split, report.aspect)
    here = factors[split.labels == _class_number(split, report.action)]
    return scene_figures.counts_of_class(here, names, num_val=report.val_per_class)


def class_shares(
    data_root: pathlib.Path, report: Shares
) -> list[scene_figures.ShareRow]:
    """Returns the bars of Fig. 6.

    Raises:
        ConfigError: if there is no such class.
        DataError: if data are missing.
    """
    sources, names = {}, []
    for place in report.splits:
        split = command_options.open_place(
            data_root, place, "--splits", (report.aspect,)
        )
        names = _label_names(data_root, place, split, report)
        counts = z_frequency.label_counts(
            split.labels,
            selection.hard_labels(split, report.aspect),
            num_classes=len(split.classes),
            num_labels=len(names),
        )
        labels = [_class_number(split, action) for action in report.actions]
        sources[place] = counts[labels]
    return scene_figures.shares_of_classes(
        sources, report.actions, names, top=report.top, order=report.order
    )


def _label_names(
    data_root: pathlib.Path, place: str, split: catalog.Split, report: OneClass | Shares
) -> Sequence[str]:
    """Names of the aspect's labels: of the file, of the data set, or numbers."""
    num_labels = split.aspects[report.aspect].num_labels
    if report.names:
        return label_names.read(report.names, num_labels)
    folder = data_root / place.rpartition("/")[0]
    stored = label_names.stored(folder, report.aspect, num_labels)
    return stored or [str(label) for label in range(num_labels)]


def _class_number(split: catalog.Split, name: str) -> int:
    if name not in split.classes:
        raise errors.ConfigError(
            f"{split.dataset}/{split.name} has no class {name!r}; its first is "
            f"{split.classes[0]!r}"
        )
    return split.classes.index(name)


def _beside(out: pathlib.Path, ending: str) -> pathlib.Path:
    """The file of an output; dots in its name are the user's."""
    return out.with_name(f"{out.name}.{ending}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the three reports and their options."""
    commands = parser.add_subparsers(dest="report", required=True, metavar="REPORT")
    for name, kind in _REPORTS.items():
        text = (kind.__doc__ or "").partition("\n")[0].removesuffix(".")
        made = commands.add_parser(
            name,
            help=text[:1].lower() + text[1:],
            description=text,
            formatter_class=parser.formatter_class,
        )
        command_line.add_data_root(made)
        out = {"type": pathlib.Path, "help": "path of the output, without an ending"}
        made.add_argument("--out", required=True, **out)
        command_options.add_options(made, kind)


def run(
    *, report: str, data_root: pathlib.Path, out: pathlib.Path, **options: object
) -> str:
    """Writes a report; returns the table, or the paths of the figures."""
    csv = _beside(out, "csv")
    if report == "table":
        measured = table(data_root, sections.read(Table, "", options))
        scene_figures.write_csv(csv, measured)
        text = association.markdown(measured)
        _beside(out, "md").write_text(f"{text}\n", "utf-8")
        return text
    if report == "class":
        one = sections.read(OneClass, "", options)
        counts = class_counts(data_root, one)
        scene_figures.write_csv(csv, counts)
        paths = scene_figures.draw_counts(counts, one.action, out)
        held = sum(row.videos for row in counts if row.side == "val")
        return (
            f"{one.action}: {len(counts)} scenes, {held} of "
            f"{sum(row.videos for row in counts)} videos held out for validation\n"
            f"{csv}, {', '.join(map(str, paths))}"
        )
    shares = class_shares(data_root, sections.read(Shares, "", options))
    scene_figures.write_csv(csv, shares)
    paths = scene_figures.draw_shares(shares, out)
    return f"{csv}, {', '.join(map(str, paths))}"


main = command_line.Program("python -m data_prep.nmi_report", HELP, add_arguments, run)

if __name__ == "__main__":
    sys.exit(main())
