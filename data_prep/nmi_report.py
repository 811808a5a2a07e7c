"""How much the scene or object tells of the action: Tables 10 and 12, Fig. 1 and 6.

    python -m data_prep.nmi_report table --data-root R --pool kinetics400/train \
        --splits kinetics400/k200db-train kinetics400/k200db-val --out report/table10
    python -m data_prep.nmi_report table --data-root R --pool insvideo/k200-all \
        --splits insvideo/k200-bias insvideo/k200-unbias --out report/table12
    python -m data_prep.nmi_report class --data-root R --pool kinetics400/train \
        --action abseiling --out report/fig1
    python -m data_prep.nmi_report shares --data-root R --actions abseiling yoga \
        --splits kinetics400/train googleimage/all --out report/fig6

Each split is compared with random ones of its size in each class, drawn from the pool
that it was cut from; small sets have a higher NMI for being small, so its difference
from those is what counts. The entropy is the mean over the classes of H(S | Y = y), in
nats (Sec. 5.2).
"""

import argparse
import logging
import pathlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.bias import scene_figures, z_frequency
from smad_jax import errors
from smad_jax.commands import command_line
from smad_jax.data import catalog, label_names, selection
from smad_jax.evaluation import information

_LOG = logging.getLogger(__name__)


class Row(NamedTuple):
    """A line of Table 10 or 12: a split and an aspect.

    Attributes:
        split: DATASET/SPLIT.
        aspect: Whose labels.
        videos: That have a label.
        classes: That have such videos.
        nmi: Of action and label.
        random: Mean NMI of random parts of the pool of this size in each class.
        random_std: Standard deviation of these; NaN of one.
        entropy: Mean over the classes of the labels' entropy, in nats.
        random_entropy: Mean of the same over the random parts.
    """

    split: str
    aspect: str
    videos: int
    classes: int
    nmi: float
    random: float
    random_std: float
    entropy: float
    random_entropy: float


def mean_entropy(actions: np.ndarray, factors: np.ndarray, num_classes: int) -> float:
    """Returns the mean over the classes of H(S | Y = y) in nats (Sec. 5.2).

    A class without videos is left out, which is logged.

    Args:
        actions: [V] int, 0..K - 1.
        factors: [V] int, none missing.
        num_classes: K.
    """
    found = information.group_entropies(factors, actions, num_groups=num_classes)
    empty = int(np.isnan(found).sum())
    if empty:
        _LOG.info("%d of %d classes have no labelled video", empty, num_classes)
    return float(np.nanmean(found))


def measure(
    name: str,
    aspect: str,
    part: tuple[np.ndarray, np.ndarray],
    pool: tuple[np.ndarray, np.ndarray],
    classes: Sequence[str],
    *,
    num_draws: int,
    seed: int,
) -> Row:
    """Returns the line of a split and an aspect.

    Args:
        name: DATASET/SPLIT.
        aspect: Whose labels.
        part: Actions and labels of the split, each [V] int; negative where missing.
        pool: The same of what random parts are drawn from; negative actions for other
            classes.
        classes: [K] names, for both.
        num_draws: Random parts.
        seed: Of the draws.

    Raises:
        DataError: if the split has no labels, or the pool has fewer videos of a class.
    """
    actions, factors = _labelled(*part)
    if not len(actions):
        raise errors.DataError(f"no video of {name} has a label for {aspect!r}")
    pool_actions, pool_factors = _labelled(*pool)
    wanted = np.bincount(actions, minlength=len(classes))
    there = np.bincount(pool_actions, minlength=len(classes))
    if (there < wanted).any():
        label = int(np.argmax(there < wanted))
        raise errors.DataError(
            f"the pool has {there[label]} videos of {classes[label]!r}, but {name} has "
            f"{wanted[label]}; --pool must be the split that it was cut from"
        )
    drawn = []
    for draw in range(num_draws):
        rows = z_frequency.draw_per_class(pool_actions, wanted, seed=seed + draw)
        drawn.append(_measures(pool_actions[rows], pool_factors[rows], len(classes)))
    nmi, entropy = _measures(actions, factors, len(classes))
    random, random_entropy = np.mean(drawn, axis=0)
    spread = float(np.std(drawn, axis=0, ddof=1)[0]) if num_draws > 1 else float("nan")
    return Row(
        split=name,
        aspect=aspect,
        videos=len(actions),
        classes=int((wanted > 0).sum()),
        nmi=nmi,
        random=float(random),
        random_std=spread,
        entropy=entropy,
        random_entropy=float(random_entropy),
    )


def _labelled(
    actions: np.ndarray, factors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Actions and labels of the videos that have both."""
    usable = (actions >= 0) & (factors >= 0)
    return actions[usable], factors[usable]


def _measures(
    actions: np.ndarray, factors: np.ndarray, num_classes: int
) -> tuple[float, float]:
    """NMI and mean entropy of labelled videos."""
    return (
        information.normalized_mutual_information(actions, factors),
        mean_entropy(actions, factors, num_classes),
    )


def markdown(rows: Sequence[Row]) -> str:
    """Returns the table as Tables 10 and 12 have it, with the random parts beside."""
    lines = [
        "| split | aspect | videos | NMI | random part | difference | entropy, nats "
        "| random part |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        spread = "" if np.isnan(row.random_std) else f" ± {row.random_std:.4f}"
        lines.append(
            f"| {row.split} | {row.aspect} | {row.videos} | {row.nmi:.4f} "
            f"| {row.random:.4f}{spread} | {row.nmi - row.random:+.4f} "
            f"| {row.entropy:.3f} | {row.random_entropy:.3f} |"
        )
    return "\n".join(lines)


def _label_names(
    chosen: argparse.Namespace, place: str, split: catalog.Split
) -> Sequence[str]:
    """Names of the aspect's labels: of --names, of the data set, or numbers."""
    num_labels = split.aspects[chosen.aspect].num_labels
    if chosen.names:
        return label_names.read(chosen.names, num_labels)
    folder = chosen.data_root / place.rpartition("/")[0]
    stored = label_names.stored(folder, chosen.aspect, num_labels)
    return stored or [str(label) for label in range(num_labels)]


def _beside(out: pathlib.Path, ending: str) -> pathlib.Path:
    """The file of an output; dots in its name are the user's."""
    return out.with_name(f"{out.name}.{ending}")


def _open(root: pathlib.Path, place: str, aspects: Sequence[str]) -> catalog.Split:
    dataset, _, name = place.rpartition("/")
    if not dataset or not name:
        raise errors.ConfigError(f"a split is DATASET/SPLIT, but got {place!r}")
    return catalog.open_split(root, dataset, name, aspects=aspects)


def _run_table(chosen: argparse.Namespace) -> str:
    """Writes the table as CSV and Markdown; returns it."""
    pool = _open(chosen.data_root, chosen.pool, chosen.aspects)
    pool_factors = {a: selection.hard_labels(pool, a) for a in chosen.aspects}
    rows = []
    for place in chosen.splits:
        split = _open(chosen.data_root, place, chosen.aspects)
        actions = z_frequency.renumber(pool.labels, pool.classes, split.classes)
        rows += [
            measure(
                place,
                aspect,
                (split.labels, selection.hard_labels(split, aspect)),
                (actions, pool_factors[aspect]),
                split.classes,
                num_draws=chosen.draws,
                seed=chosen.seed,
            )
            for aspect in chosen.aspects
        ]
    scene_figures.write_csv(_beside(chosen.out, "csv"), rows)
    text = markdown(rows)
    _beside(chosen.out, "md").write_text(f"{text}\n", "utf-8")
    return text


def _class_number(split: catalog.Split, name: str) -> int:
    if name not in split.classes:
        raise errors.ConfigError(
            f"{split.dataset}/{split.name} has no class {name!r}; its first is "
            f"{split.classes[0]!r}"
        )
    return split.classes.index(name)


def _run_class(chosen: argparse.Namespace) -> str:
    """Writes Fig. 1; returns where."""
    split = _open(chosen.data_root, chosen.pool, (chosen.aspect,))
    names = _label_names(chosen, chosen.pool, split)
    factors = selection.hard_labels(split, chosen.aspect)
    here = factors[split.labels == _class_number(split, chosen.action)]
    rows = scene_figures.counts_of_class(here, names, num_val=chosen.val_per_class)
    scene_figures.write_csv(_beside(chosen.out, "csv"), rows)
    paths = scene_figures.draw_counts(rows, chosen.action, chosen.out)
    held = sum(row.videos for row in rows if row.side == "val")
    return (
        f"{chosen.action}: {len(rows)} scenes, {held} of "
        f"{sum(row.videos for row in rows)} videos on the side of validation\n"
        f"{_beside(chosen.out, 'csv')}, {', '.join(map(str, paths))}"
    )


def _run_shares(chosen: argparse.Namespace) -> str:
    """Writes Fig. 6; returns where."""
    sources, names = {}, []
    for place in chosen.splits:
        split = _open(chosen.data_root, place, (chosen.aspect,))
        names = _label_names(chosen, place, split)
        factors = selection.hard_labels(split, chosen.aspect)
        labels = [_class_number(split, action) for action in chosen.actions]
        counts = z_frequency.label_counts(
            split.labels,
            factors,
            num_classes=len(split.classes),
            num_labels=len(names),
        )
        sources[place] = counts[labels]
    rows = scene_figures.shares_of_classes(
        sources, chosen.actions, names, top=chosen.top, order=chosen.order
    )
    scene_figures.write_csv(_beside(chosen.out, "csv"), rows)
    paths = scene_figures.draw_shares(rows, chosen.out)
    return f"{_beside(chosen.out, 'csv')}, {', '.join(map(str, paths))}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.nmi_report",
        description="How much scene or object tell of the action, as table and figure.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    path = pathlib.Path

    def command(name: str, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=text,
            description=text,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        made.add_argument("--data-root", type=path, required=True, help="data sets")
        made.add_argument("--out", type=path, required=True, help="without ending")
        return made

    table = command("table", "NMI and entropy of splits (Tables 10 and 12)")
    table.add_argument("--splits", nargs="+", required=True, help="DATASET/SPLIT each")
    table.add_argument("--pool", required=True, help="DATASET/SPLIT they were cut from")
    table.add_argument("--aspects", nargs="+", default=["scene"], help="names")
    table.add_argument("--draws", type=int, default=5, help="random parts")
    table.add_argument("--seed", type=int, default=0, help="of the random parts")
    table.set_defaults(run=_run_table)

    one = command("class", "scenes of one class and the cut between them (Fig. 1)")
    one.add_argument("--pool", required=True, help="DATASET/SPLIT")
    one.add_argument("--action", required=True, help="name of the class")
    one.add_argument("--val-per-class", type=int, default=50, help="as for k200db")
    one.set_defaults(run=_run_class)

    shares = command("shares", "scenes of classes in several sources (Fig. 6)")
    shares.add_argument("--splits", nargs="+", required=True, help="DATASET/SPLIT each")
    shares.add_argument("--actions", nargs="+", required=True, help="names of classes")
    shares.add_argument("--top", type=int, default=10, help="scenes shown")
    shares.add_argument(
        "--order",
        choices=("own", "first"),
        default="own",
        help="each source's own order of scenes, or the first source's for all",
    )
    shares.set_defaults(run=_run_shares)
    for figure in (one, shares):
        figure.add_argument("--aspect", default="scene", help="whose labels")
        figure.add_argument("--names", type=path, help="label names, one a line")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    return command_line.run(lambda: chosen.run(chosen))


if __name__ == "__main__":
    sys.exit(main())
