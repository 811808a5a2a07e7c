"""Makes the embedded benchmark: 5,900 biased videos, labelled and split, in a minute.

    python -m data_prep.embedded --seed 0 --out DATA_ROOT

Renders a pool, a held-out set of the same bias (`iid`) and a set in scenes never
trained on (`rare`, the analogue of ARAS); stores them as encoded video; lets two small
networks pseudo-label them; and splits the pool by pseudo-scene (App. A.1) into
`train` and `tail`, the analogues of K200db-train and K200db-val. Another seed is
another benchmark: tune on one, report on others.
"""

import argparse
import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from data_prep import (
    contact_sheet,
    embedded_labellers,
    embedded_videos,
    k200db,
    z_frequency,
)
from smad_jax import aspects, errors
from smad_jax.data import catalog, embedded, records

Log = Callable[[str], object]

_VERSION = 1  # of pictures, encoding and labels; a new one makes everything anew
_NUM_SHARDS = 4


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Numbers of videos.

    Attributes:
        pool: Videos to be split into train and tail.
        iid: Held-out videos of the pool's distribution.
        rare: Videos in the rare scenes.
        tail_per_class: Tail has at least so many videos of each class.
        train_per_class: Train has exactly so many.
        stills: Pictures to train each labeller on.
    """

    pool: int = 4500
    iid: int = 800
    rare: int = 600
    tail_per_class: int = 60
    train_per_class: int = 250
    stills: int = 5000

    def scaled(self, share: float) -> "Sizes":
        """Returns sizes of about `share` times as many videos, for quick trials."""
        return Sizes(*(max(1, round(share * n)) for n in dataclasses.astuple(self)))


def _draw_sets(
    sizes: Sizes, bias: embedded.Bias, seed: int
) -> dict[str, embedded.Factors]:
    """What each set shows."""
    return {
        "pool": embedded.draw_factors(
            sizes.pool, seed=seed, stream=embedded_videos.STREAMS["pool"], bias=bias
        ),
        "iid": embedded.draw_factors(
            sizes.iid, seed=seed, stream=embedded_videos.STREAMS["iid"], bias=bias
        ),
        "rare": embedded.draw_rare_factors(
            sizes.rare, seed=seed, stream=embedded_videos.STREAMS["rare"]
        ),
    }


def _label(
    made: embedded_videos.Made, sets: dict[str, embedded.Factors]
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Pseudo-labels [V, Z] of both aspects, and the share of them that are right."""
    frames = np.concatenate([chunk.frames for chunk in made.chunks])
    flat = frames.reshape(-1, *frames.shape[2:])
    values, right = {}, {}
    for name, labeller in made.labellers.items():
        each = embedded_labellers.probabilities(labeller, flat)
        values[name] = each.reshape(*frames.shape[:2], -1).mean(axis=1)
        truth = np.concatenate([getattr(factors, name) for factors in sets.values()])
        there = truth != embedded.NONE
        right[name] = float((values[name].argmax(1) == truth)[there].mean())
    return values, right


def _write_factors(
    path: pathlib.Path,
    ids: Sequence[str],
    sets: dict[str, embedded.Factors],
    chunks: Sequence[embedded_videos.Chunk],
) -> None:
    """The truth: labels of every video, and which pixels are the actor's."""
    truth = {
        name: np.concatenate([getattr(factors, name) for factors in sets.values()])
        for name in embedded.Factors._fields
    }
    actor = np.concatenate([chunk.actor for chunk in chunks])
    np.savez_compressed(
        path,
        ids=np.array(ids),
        actor=actor,
        action=truth["action"],
        scene=truth["scene"],
        object=truth["object"],
    )


def _write_splits(
    folder: pathlib.Path,
    sets: dict[str, embedded.Factors],
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
    parts = k200db.redistribute(
        ids[pool],
        actions[pool],
        scene[pool],
        embedded.ACTIONS,
        k200db.Sizes(sizes.tail_per_class, sizes.train_per_class),
        seed=seed,
    )
    for name, rows in (("train", parts.train), ("tail", parts.val)):
        catalog.write_split(folder, name, [ids[row] for row in rows], actions[rows])
    return {
        name: z_frequency.normalized_mutual_information(actions[rows], scene[rows])
        for name, rows in (
            ("pool", np.arange(sizes.pool)),
            ("train", parts.train),
            ("tail", parts.val),
        )
    }


def _fill(
    folder: pathlib.Path,
    seed: int,
    sizes: Sizes,
    bias: embedded.Bias,
    progress: Log,
) -> None:
    """Writes everything but `dataset.json` into an empty folder."""
    sets = _draw_sets(sizes, bias, seed)
    made = embedded_videos.make(sets, sizes.stills, seed, progress)
    ids = [
        f"{name}-{number:05}"
        for name, factors in sets.items()
        for number in range(len(factors.action))
    ]
    actions = np.concatenate([factors.action for factors in sets.values()])
    files = [file for chunk in made.chunks for file in chunk.videos]
    with records.RecordWriter(folder / "videos", _NUM_SHARDS) as writer:
        for id, file, action in zip(ids, files, actions, strict=True):
            writer.write(
                records.VideoRecord(id, file, int(action), embedded.NUM_FRAMES)
            )
    _write_factors(folder / "factors.npz", ids, sets, made.chunks)
    values, right = _label(made, sets)
    for name, rows in values.items():
        records.write_aspect(folder, name, ids, rows)
    nmi = _write_splits(folder, sets, ids, values["scene"].argmax(1), sizes, seed)
    report = {"labeller_accuracy": right, "nmi_action_scene": nmi}
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    progress(
        f"labels right: scene {right['scene']:.1%}, object {right['object']:.1%}; "
        f"NMI of action and scene: pool {nmi['pool']:.3f}, train {nmi['train']:.3f}, "
        f"tail {nmi['tail']:.3f}"
    )


def _aspects() -> dict[str, aspects.Aspect]:
    source = "a small {} network trained on rendered still pictures"
    return {
        "scene": aspects.Aspect(
            "scene", "soft", len(embedded.SCENES), source.format("mean-pooling")
        ),
        "object": aspects.Aspect(
            "object", "soft", len(embedded.OBJECTS), source.format("max-pooling")
        ),
    }


def _is_cached(folder: pathlib.Path, recipe: catalog.Json, log: Log) -> bool:
    """Whether `folder` holds what this recipe makes."""
    if not folder.exists():
        return False
    if not (folder / "dataset.json").is_file():
        raise errors.DataError(
            f"{folder} exists but is no data set (it has no dataset.json); remove it"
        )
    if catalog.read_dataset_file(folder).recipe == recipe:
        return True
    log(f"{folder.name} was made by another recipe; it is made anew")
    return False


def prepare(
    data_root: str | os.PathLike[str],
    seed: int,
    *,
    log: Log = print,
    scale: float = 1.0,
    sizes: Sizes | None = None,
    bias: embedded.Bias | None = None,
) -> pathlib.Path:
    """Makes the benchmark of one seed, unless it is there; returns its folder.

    The folder appears only when it is complete. It holds the splits `train`, `tail`,
    `iid`, `rare` and `pool`, the aspects `scene` and `object`, the truth in
    `factors.npz` (`action`, `scene`, `object`, and `actor`, bits packed along the last
    axis) and measured biases in `report.json`.

    Args:
        data_root: Folder of the data sets.
        seed: At least 0; another seed shares no video.
        log: Told about progress, one line at a time.
        scale: Share of the benchmark's videos to make; part of the folder's name.
        sizes: Numbers of videos; by default the benchmark's.
        bias: How far the scene betrays the action; by default the benchmark's.

    Raises:
        DataError: if the folder is taken by something else, or the sizes leave a class
            too small to split.
    """
    if seed < 0:
        raise errors.ConfigError(f"seed must be at least 0, not {seed}")
    sizes, bias = sizes or Sizes().scaled(scale), bias or embedded.Bias()
    recipe = json.loads(
        json.dumps(
            {
                "maker": "data_prep.embedded",
                "version": _VERSION,
                "seed": seed,
                "sizes": dataclasses.asdict(sizes),
                "bias": dataclasses.asdict(bias),
            }
        )
    )
    root = pathlib.Path(data_root)
    folder = root / embedded.folder_name(seed, scale)
    if _is_cached(folder, recipe, log):
        return folder
    root.mkdir(parents=True, exist_ok=True)
    with _alone(root / f".{folder.name}.lock", log):
        if not _is_cached(folder, recipe, lambda _: None):
            _build(folder, seed, sizes, bias, recipe, log)
    return folder


def _build(
    folder: pathlib.Path,
    seed: int,
    sizes: Sizes,
    bias: embedded.Bias,
    recipe: Mapping[str, catalog.Json],
    log: Log,
) -> None:
    """Makes the data set beside its place and moves it there when it is complete."""
    began = time.monotonic()

    def progress(text: str) -> None:
        log(f"{folder.name}: {text} ({time.monotonic() - began:.0f} s)")

    num_videos = sizes.pool + sizes.iid + sizes.rare
    progress(f"making {num_videos} videos, about a minute on two cores, once")
    prefix = f".{folder.name}-"
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=prefix) as scratch:
        made = pathlib.Path(scratch) / folder.name
        made.mkdir()
        _fill(made, seed, sizes, bias, progress)
        catalog.write_dataset_file(
            made,
            name=folder.name,
            classes=embedded.ACTIONS,
            num_videos=num_videos,
            aspects=_aspects(),
            recipe=recipe,
        )
        if folder.exists():
            shutil.move(folder, pathlib.Path(scratch) / "old")
        os.rename(made, folder)
    progress(f"ready in {folder}")


def _inode(path: pathlib.Path) -> int | None:
    """The number of the file at `path`, None if there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _alone(path: pathlib.Path, log: Log) -> Iterator[None]:
    """Waits until no other process makes the same data set; leaves no file behind."""
    while True:
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log(f"waiting for the process that holds {path}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            # who held it before has removed the file, so others may hold a new one
            if _inode(path) != os.fstat(lock.fileno()).st_ino:
                continue
            try:
                yield
            finally:
                path.unlink()
            return


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.embedded",
        description="Makes the embedded benchmark, unless it is there already.",
    )
    parser.add_argument("--seed", type=int, default=0, help="which benchmark")
    parser.add_argument(
        "--out", type=pathlib.Path, required=True, help="folder of the data sets"
    )
    parser.add_argument("--sheet", type=pathlib.Path, help="write pictures as this PNG")
    chosen = parser.parse_args(arguments)
    try:
        folder = prepare(chosen.out, chosen.seed)
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if chosen.sheet:
        contact_sheet.write(folder, chosen.sheet)
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
