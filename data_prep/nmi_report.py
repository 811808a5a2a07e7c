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
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from data_prep.bias import association, scene_figures, z_frequency
from data_prep.lists import command_options
from smad_jax import errors
from smad_jax.commands import command_line
from smad_jax.data import catalog, label_names, selection

HELP = "measure how far scene or object reveal the action, as table and figure"


def table(
    data_root: pathlib.Path,
    splits: Sequence[str],
    pool: str,
    aspects: Sequence[str] = ("scene",),
    *,
    draws: int = 5,
    seed: int = 0,
) -> list[association.Row]:
    """Returns NMI and entropy of splits (Tables 10 and 12).

    Args:
        data_root: The folder of the data sets.
        splits: DATASET/SPLIT each.
        pool: DATASET/SPLIT that they were cut from.
        aspects: Names of the aspects.
        draws: Number of random parts.
        seed: Random seed of the first.

    Raises:
        DataError: if data are missing, or the pool has fewer videos of a class.
    """
    source = command_options.open_place(data_root, pool, "--pool", aspects)
    pool_factors = {aspect: selection.hard_labels(source, aspect) for aspect in aspects}
    rows = []
    for place in splits:
        split = command_options.open_place(data_root, place, "--splits", aspects)
        actions = z_frequency.renumber(source.labels, source.classes, split.classes)
        rows += [
            association.measure(
                place,
                aspect,
                (split.labels, selection.hard_labels(split, aspect)),
                (actions, pool_factors[aspect]),
                split.classes,
                num_draws=draws,
                seed=seed,
            )
            for aspect in aspects
        ]
    return rows


def class_counts(
    data_root: pathlib.Path,
    pool: str,
    action: str,
    aspect: str = "scene",
    names: pathlib.Path | None = None,
    *,
    val_per_class: int = 50,
) -> list[scene_figures.CountRow]:
    """Returns the scenes of one class and the cut between them (Fig. 1).

    Args:
        data_root: The folder of the data sets.
        pool: DATASET/SPLIT.
        action: Name of the class.
        aspect: Aspect of the labels.
        names: File of the labels' names; None for those of the data set.
        val_per_class: Videos held out, as for `k200db`.

    Raises:
        ConfigError: if there is no such class.
        DataError: if data are missing.
    """
    split = command_options.open_place(data_root, pool, "--pool", (aspect,))
    labels = _label_names(data_root, pool, split, aspect, names)
    factors = selection.hard_labels(split, aspect)
    here = factors[split.labels == _class_number(split, action)]
    return scene_figures.counts_of_class(here, labels, num_val=val_per_class)


def class_shares(
    data_root: pathlib.Path,
    splits: Sequence[str],
    actions: Sequence[str],
    aspect: str = "scene",
    names: pathlib.Path | None = None,
    *,
    top: int = 10,
    order: scene_figures.Order = "own",
) -> list[scene_figures.ShareRow]:
    """Returns the scenes of classes in several sources (Fig. 6).

    Args:
        data_root: The folder of the data sets.
        splits: DATASET/SPLIT of each source.
        actions: Names of classes.
        aspect: Aspect of the labels.
        names: File of the labels' names; None for those of the data set.
        top: Scenes shown.
        order: Each source's `own` order of scenes, or the `first` source's for all.

    Raises:
        ConfigError: if there is no such class.
        DataError: if data are missing.
    """
    sources, labels = {}, []
    for place in splits:
        split = command_options.open_place(data_root, place, "--splits", (aspect,))
        labels = _label_names(data_root, place, split, aspect, names)
        counts = z_frequency.label_counts(
            split.labels,
            selection.hard_labels(split, aspect),
            num_classes=len(split.classes),
            num_labels=len(labels),
        )
        sources[place] = counts[[_class_number(split, action) for action in actions]]
    return scene_figures.shares_of_classes(
        sources, actions, labels, top=top, order=order
    )


def _label_names(
    data_root: pathlib.Path,
    place: str,
    split: catalog.Split,
    aspect: str,
    names: pathlib.Path | None,
) -> Sequence[str]:
    """Names of the aspect's labels: of the file, of the data set, or numbers."""
    num_labels = split.aspects[aspect].num_labels
    if names:
        return label_names.read(names, num_labels)
    folder = data_root / place.rpartition("/")[0]
    stored = label_names.stored(folder, aspect, num_labels)
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


def _write_csv(out: pathlib.Path, rows: Sequence[NamedTuple]) -> pathlib.Path:
    path = _beside(out, "csv")
    scene_figures.write_csv(path, rows)
    return path


def _run_table(
    *,
    data_root: pathlib.Path,
    out: pathlib.Path,
    splits: Sequence[str],
    pool: str,
    aspects: Sequence[str],
    draws: int,
    seed: int,
) -> str:
    """Writes the table as CSV and Markdown; returns it."""
    rows = table(data_root, splits, pool, aspects, draws=draws, seed=seed)
    _write_csv(out, rows)
    text = association.markdown(rows)
    _beside(out, "md").write_text(f"{text}\n", "utf-8")
    return text


def _run_class(
    *,
    data_root: pathlib.Path,
    out: pathlib.Path,
    pool: str,
    action: str,
    aspect: str,
    names: pathlib.Path | None,
    val_per_class: int,
) -> str:
    """Writes Fig. 1; returns the paths."""
    rows = class_counts(
        data_root, pool, action, aspect, names, val_per_class=val_per_class
    )
    written = [_write_csv(out, rows), *scene_figures.draw_counts(rows, action, out)]
    held = sum(row.videos for row in rows if row.side == "val")
    return (
        f"{action}: {len(rows)} scenes, {held} of {sum(row.videos for row in rows)} "
        f"videos held out for validation\n{', '.join(map(str, written))}"
    )


def _run_shares(
    *,
    data_root: pathlib.Path,
    out: pathlib.Path,
    splits: Sequence[str],
    actions: Sequence[str],
    aspect: str,
    names: pathlib.Path | None,
    top: int,
    order: scene_figures.Order,
) -> str:
    """Writes Fig. 6; returns the paths."""
    rows = class_shares(data_root, splits, actions, aspect, names, top=top, order=order)
    written = [_write_csv(out, rows), *scene_figures.draw_shares(rows, out)]
    return ", ".join(map(str, written))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the three reports and their options."""
    commands = parser.add_subparsers(required=True, metavar="REPORT")
    path = pathlib.Path

    def report(name: str, text: str, run: Callable[..., str]):
        made = commands.add_parser(
            name,
            help=text,
            description=text,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        made.set_defaults(report=run)
        add = made.add_argument
        add("--data-root", type=path, required=True, help="folder of the data sets")
        add("--out", type=path, required=True, help="path of the output, no ending")
        return add

    add = report("table", "NMI and entropy of splits (Tables 10, 12)", _run_table)
    add("--splits", nargs="+", required=True, help="DATASET/SPLIT each")
    add("--pool", required=True, help="DATASET/SPLIT that they were cut from")
    add("--aspects", nargs="+", default=["scene"], help="names of aspects")
    add("--draws", type=int, default=5, help="number of random parts")
    add("--seed", type=int, default=0, help="random seed of the random parts")

    one = report("class", "scenes of a class and the cut between them", _run_class)
    one("--pool", required=True, help="DATASET/SPLIT")
    one("--action", required=True, help="name of the class")
    one("--val-per-class", type=int, default=50, help="as for k200db")

    shares = report("shares", "scenes of classes in several sources", _run_shares)
    shares("--splits", nargs="+", required=True, help="DATASET/SPLIT each")
    shares("--actions", nargs="+", required=True, help="names of classes")
    shares("--top", type=int, default=10, help="number of scenes shown")
    shares(
        "--order",
        choices=("own", "first"),
        default="own",
        help="each source's own order of scenes, or the first source's for all",
    )
    for add in (one, shares):
        add("--aspect", default="scene", help="aspect of the labels")
        add("--names", type=path, help="file of the labels' names, one a line")


def run(*, report: Callable[..., str], **options: object) -> str:
    """Writes a report; returns the table, or the paths of the figures."""
    return report(**options)


main = command_line.Program("python -m data_prep.nmi_report", HELP, add_arguments, run)

if __name__ == "__main__":
    sys.exit(main())
