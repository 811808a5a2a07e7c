"""Makes the embedded benchmark: 5,900 biased videos, labelled and split, in a minute.

    python -m data_prep.embedded --seed 0 --out DATA_ROOT
    python -m data_prep.embedded --seed 0 --out DATA_ROOT --web

Renders a pool, a held-out set of the same bias (`iid`) and a set in scenes not trained
on (`rare`, the analogue of ARAS); stores them as encoded video; pseudo-labels them by
two small networks; and splits the pool by pseudo-scene (App. A.1) into `train` and
`tail`, the analogues of K200db-train and K200db-val. Another seed is another benchmark:
tune on one, report on others. `--web` makes the benchmark's web data (`web_media`).
"""

import argparse
import dataclasses
import json
import os
import pathlib
from typing import NamedTuple

import numpy as np

from data_prep.bias import redistribution, z_frequency
from data_prep.embedded import contact_sheet, dataset_folder, render, web_media
from smad_jax import errors
from smad_jax.base import command_line
from smad_jax.data import catalog
from smad_jax.data.embedded import benchmark, look

HELP = "make the embedded benchmark, unless it exists"

Log = dataset_folder.Log


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Numbers of videos.

    Attributes:
        pool: Videos to be split into train and tail.
        iid: Held-out videos of the pool's distribution.
        rare: Videos in the rare scenes.
        tail_per_class: Least number of tail's videos of each class.
        train_per_class: Exact number of train's videos of each class.
        stills: Pictures to train each labeller on.
        oracle: Videos of `oracle`, in which scene and object are independent of the
            action: as many as `train` has, or none.
    """

    pool: int = 4500
    iid: int = 800
    rare: int = 600
    tail_per_class: int = 60
    train_per_class: int = 250
    stills: int = 5000
    oracle: int = 0

    def scaled(self, share: float) -> "Sizes":
        """Returns sizes of about `share` times as many videos, for quick trials."""
        return Sizes(
            *(max(min(n, 1), round(share * n)) for n in dataclasses.astuple(self))
        )


class Edition(NamedTuple):
    """What a benchmark shows, how many videos of it, and how they look.

    Two cores make `rate` of them in a second.
    """

    bias: benchmark.Bias = benchmark.Bias()
    sizes: Sizes = Sizes()
    how: look.Look = benchmark.FIRST_LOOK
    rate: float = 140


def _favourite(share: float) -> benchmark.Bias:
    """An action has one favourite scene, with this probability."""
    return benchmark.Bias(scene_offsets=(0,), scene_shares=(share,))


_LATER = Sizes(iid=1200, rare=1200, train_per_class=200, oracle=2000)
_LARGE = look.Look(
    size=112,
    num_frames=8,
    height=(0.5, 0.9),
    middle=(0.25, 0.75),
    grain=0.15,
    pixel_format="yuv420p",
    crf=23,
)
EDITIONS = {
    benchmark.NAME: Edition(),
    benchmark.LASTING_NAME: Edition(_favourite(0.80), _LATER),
    benchmark.MILDER_NAME: Edition(_favourite(0.75), _LATER),
    benchmark.LARGE_NAME: Edition(
        _favourite(0.80), dataclasses.replace(_LATER, iid=800, rare=800), _LARGE, 60
    ),
}


def _draw_sets(
    sizes: Sizes, bias: benchmark.Bias, seed: int
) -> dict[str, benchmark.Factors]:
    """The contents of each set."""
    free = dataclasses.replace(bias, strength=0.0)
    drawn = {
        "pool": (sizes.pool, bias),
        "iid": (sizes.iid, bias),
        "oracle": (sizes.oracle, free),
    }
    sets = {
        name: benchmark.draw_factors(
            count, seed=seed, stream=render.STREAMS[name], bias=joint
        )
        for name, (count, joint) in drawn.items()
        if count
    }
    rare = benchmark.draw_rare_factors(
        sizes.rare, seed=seed, stream=render.STREAMS["rare"]
    )
    return {**sets, "rare": rare}


def _write_splits(
    folder: pathlib.Path,
    sets: dict[str, benchmark.Factors],
    ids: list[str],
    scene: np.ndarray,
    sizes: Sizes,
    seed: int,
) -> dict[str, float]:
    """Writes all splits; returns NMI of action and pseudo-scene for three of them."""
    actions = np.concatenate([factors.action for factors in sets.values()])
    start = 0
    for name, factors in sets.items():
        stop = start + len(factors.action)
        catalog.write_split(folder, name, ids[start:stop], actions[start:stop])
        start = stop
    pool = slice(0, sizes.pool)
    parts = redistribution.redistribute(
        ids[pool],
        actions[pool],
        scene[pool],
        benchmark.ACTIONS,
        redistribution.Sizes(sizes.tail_per_class, sizes.train_per_class),
        seed=seed,
    )
    measured = {"pool": np.arange(sizes.pool), "train": parts.train, "tail": parts.val}
    for name in ("train", "tail"):
        rows = measured[name]
        catalog.write_split(folder, name, [ids[row] for row in rows], actions[rows])
    return {
        name: z_frequency.normalized_mutual_information(actions[rows], scene[rows])
        for name, rows in measured.items()
    }


def _fill(
    folder: pathlib.Path,
    seed: int,
    edition: Edition,
    progress: Log,
) -> None:
    """Writes everything but `dataset.json` into an empty folder."""
    bias, sizes, how, _ = edition
    sets = _draw_sets(sizes, bias, seed)
    labels = {name: factors.action for name, factors in sets.items()}
    stored = render.store(folder, sets, labels, sizes.stills, seed, progress, how)
    scene = stored.pseudo_labels["scene"].argmax(1)
    nmi = _write_splits(folder, sets, stored.ids, scene, sizes, seed)
    right = stored.labeller_accuracy
    report = {"labeller_accuracy": right, "nmi_action_scene": nmi}
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    progress(f"labels right: scene {right['scene']:.1%}, object {right['object']:.1%}")
    values = ", ".join(f"{name} {value:.3f}" for name, value in nmi.items())
    progress(f"action-scene NMI: {values}")


def prepare(
    data_root: str | os.PathLike[str],
    seed: int,
    *,
    log: Log = print,
    name: str = benchmark.NAME,
    scale: float = 1.0,
    sizes: Sizes | None = None,
    bias: benchmark.Bias | None = None,
) -> pathlib.Path:
    """Makes the benchmark of one seed, unless it exists; returns its folder.

    The folder appears once it is complete. It holds the splits `train`, `tail`, `iid`,
    `rare` and `pool`, the aspects `scene` and `object`, the truth in `factors.npz`
    (`action`, `scene`, `object`, and `actor`, bits packed along the last axis) and
    measured biases in `report.json`.

    Args:
        data_root: Folder of the data sets.
        seed: At least 0; seeds share no video.
        log: Receives progress, one line at a time.
        name: One of `EDITIONS`; part of the folder's name.
        scale: Share of the edition's videos to make; part of the folder's name.
        sizes: Numbers of videos; by default the edition's.
        bias: Dependence of scene and action; by default the edition's.

    Raises:
        ConfigError: if there is no benchmark of this seed and scale.
        DataError: if the folder holds something else, or a class is too small to split.
    """
    edition = EDITIONS[name]
    edition = edition._replace(
        bias=bias or edition.bias, sizes=sizes or edition.sizes.scaled(scale)
    )
    bias, sizes, how, rate = edition
    recipe = {
        "maker": "data_prep.embedded",
        "version": render.VERSION,
        "seed": seed,
        # without a set that is not made: so the first edition's recipes stay the same
        "sizes": {k: v for k, v in dataclasses.asdict(sizes).items() if v},
        "bias": dataclasses.asdict(bias),
        # for the same reason, without the look if it is the first
        **({} if how == benchmark.FIRST_LOOK else {"look": how._asdict()}),
    }
    folder = pathlib.Path(data_root) / benchmark.folder_name(seed, scale, name=name)
    dataset_folder.make_once(
        folder,
        num_videos=sizes.pool + sizes.iid + sizes.oracle + sizes.rare,
        recipe=recipe,
        rate=rate,
        fill=lambda made, progress: _fill(made, seed, edition, progress),
        log=log,
    )
    return folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add, path = parser.add_argument, pathlib.Path
    add("--seed", type=int, default=0, help="random seed of the benchmark")
    add("--scale", type=float, default=1.0, help="share of the videos to make")
    command_line.add_data_root(parser, "--out")
    add("--name", choices=EDITIONS, default=benchmark.NAME, help="edition")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--web", action="store_true", help="make the web data of the benchmark"
    )
    what.add_argument("--sheet", type=path, help="PNG to draw example frames in")


def run(
    *,
    seed: int,
    scale: float,
    out: pathlib.Path,
    name: str,
    web: bool,
    sheet: pathlib.Path | None,
) -> str:
    """Makes the benchmark or its web data; returns the folder.

    Raises:
        ConfigError: for web data of a later edition.
    """
    if not web:
        folder = prepare(out, seed, name=name, scale=scale)
    elif name == benchmark.NAME:
        folder = web_media.prepare(out, seed, scale=scale)
    else:
        raise errors.ConfigError(
            f"all editions share the web data of a draw; leave out --name {name}"
        )
    if sheet:
        contact_sheet.write(folder, sheet)
    return str(folder)


main = command_line.Program("python -m data_prep.embedded", HELP, add_arguments, run)
