"""Makes test sets of actors over other backgrounds: SCUBA and SCUFO.

    python -m data_prep.background_swap --data-root R --dataset embedded-seed0 \
        --split iid

Makes the data set `DATASET-swap` with the splits `scuba`, each actor over the scene of
a video of another class, and `scufo`, the middle frame of that repeated.
`python -m smad_jax evaluate --split DATASET-swap/scuba DATASET-swap/scufo`
reports the contrasted accuracy. People are located by `--masks`, a folder with `ID.npz`
(an array `mask` [T, H, W], true on people) or `ID.png` (one picture for all frames,
white on people), or by `--boxes`, a file in SDN's form. Without either, the embedded
benchmark has exact masks; in other videos the half of the picture that changes most
stands for the actor.
"""

import argparse
import dataclasses
import os
import pathlib
import shlex
import shutil
import sys
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

import numpy as np

from data_prep.bias import backgrounds
from data_prep.embedded import render
from data_prep.lists import command_options
from smad_jax import errors
from smad_jax.base import command_line, sections
from smad_jax.data import catalog, people, records, video

HELP = "make test sets of actors over other backgrounds"

SHARES = (0.05, 0.5)  # least and largest share of the picture that the actor covers
SPLITS = ("scuba", "scufo")


@dataclasses.dataclass(frozen=True)
class Options:
    """The choices of a data set of swapped backgrounds.

    Attributes:
        split: Split of the videos.
        background: Scene of another class, or stripes.
        name: Data set to make; empty for DATASET-swap.
        masks: Folder of masks of people.
        boxes: File of boxes around people, JSON or NPZ, in place of masks.
        seed: Random seed of the backgrounds.
    """

    split: str = "val"
    background: Literal["swap", "stripes"] = "swap"
    name: str = ""
    masks: pathlib.Path | None = None
    boxes: pathlib.Path | None = None
    seed: Annotated[int, sections.Range(least=0)] = 0


class Written(NamedTuple):
    """The data set that was made; `people` is the origin of the masks, in words."""

    folder: pathlib.Path
    num_videos: int
    num_left_out: int
    people: str


class _Videos:
    """The videos of a split with their masks.

    Attributes:
        kind: Origin of the masks, in words.
    """

    def __init__(self, split: catalog.Split, folder: pathlib.Path, options: Options):
        self._split = split
        self._masks = options.masks
        self._boxes = None if not options.boxes else people.read_boxes(options.boxes)
        self._exact: dict[str, np.ndarray] = {}
        given = options.masks or options.boxes
        if given is None and (folder / "factors.npz").is_file():
            with np.load(folder / "factors.npz") as truth:
                ids, packed = truth["ids"].tolist(), truth["actor"]
            self._exact = dict(zip(ids, packed, strict=True))
        if given is not None:
            self.kind = f"{'masks' if options.masks else 'boxes'} of {given.name}"
        elif all(id in self._exact for id in split.ids):
            self.kind = "exact masks of factors.npz"
        else:
            self.kind = "what moves, a guess"

    def read(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames and mask of the video in `row`; the mask is empty where unknown.

        Raises:
            DataError: if a file of masks holds something else.
            VideoError: if the video cannot be decoded.
        """
        stored = self._split.video(row)
        count = stored.num_frames or video.probe(stored.video).num_frames
        frames = video.decode(stored.video, np.arange(count), num_frames=count)
        id = self._split.ids[row]
        if self._masks is not None:
            return frames, backgrounds.read_mask(self._masks, id, frames.shape[:3])
        if self._boxes is not None:
            if id not in self._boxes:
                return frames, np.zeros(frames.shape[:3], bool)
            return frames, people.box_mask(
                frames.shape[:3], np.arange(count), self._boxes[id]
            )
        if id not in self._exact:
            return frames, backgrounds.motion_mask(frames)
        mask = np.unpackbits(self._exact[id], axis=-1).astype(bool)
        return frames, mask[:count, :, : frames.shape[2]]


def write(data_root: pathlib.Path, dataset: str, options: Options) -> Written:
    """Makes a data set of swapped backgrounds, complete or not at all.

    Raises:
        ConfigError: if it exists.
        DataError: if the videos are missing or none can be used.
    """
    name = options.name or f"{dataset}-swap"
    if pathlib.PurePath(name).name != name:
        raise errors.ConfigError(f"--name {name} must be a plain folder name")
    if options.masks and options.boxes:
        raise errors.ConfigError("give --masks or --boxes, not both")
    if options.masks and not options.masks.is_dir():
        raise errors.DataError(f"no folder of masks at {options.masks}")
    folder = data_root / name
    if folder.exists():
        raise errors.ConfigError(f"{folder} exists; choose another --name")
    split = catalog.open_split(data_root, dataset, options.split)
    if options.background == "swap" and len(np.unique(split.labels)) < 2:
        raise errors.DataError("backgrounds of other classes need two classes or more")
    partial = data_root / f".{name}.partial-{os.getpid()}"
    try:
        videos = _Videos(split, data_root / dataset, options)
        rows = _fill(partial, options, split, videos)
        if not rows:
            raise errors.DataError(
                f"none of {len(split)} videos can be used; an actor must cover "
                f"{SHARES[0]:.0%} to {SHARES[1]:.0%} of the picture"
            )
        for part in SPLITS:
            ids = [f"{split.ids[row]}|{part}" for row in rows]
            catalog.write_split(partial, part, ids, split.labels[rows])
        catalog.write_dataset_file(
            partial,
            name=name,
            classes=split.classes,
            num_videos=2 * len(rows),
            recipe={
                "made_by": "data_prep.background_swap",
                "source": f"{dataset}/{options.split}",
                "background": options.background,
                "seed": options.seed,
                "masks": videos.kind,
            },
        )
        os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Written(folder, len(rows), len(split) - len(rows), videos.kind)


def _fill(
    folder: pathlib.Path, options: Options, split: catalog.Split, videos: _Videos
) -> list[int]:
    """Writes the videos; returns the rows of those used."""
    rng = np.random.default_rng(options.seed)
    rows = []
    with records.RecordWriter(folder / "videos") as writer:
        for number, (row, other) in enumerate(_pairs(split.labels, rng), start=1):
            if number % max(1, len(split) // 10) == 0:
                print(f"{number} of {len(split)} videos", file=sys.stderr)
            try:
                frames, mask = videos.read(row)
                if not SHARES[0] <= mask.mean() <= SHARES[1]:
                    continue
                if options.background == "stripes":
                    height, width = frames.shape[1:3]
                    background = backgrounds.stripes(height, width, rng)
                else:
                    scenes, actors = videos.read(other)
                    background = backgrounds.scene_without_actor(scenes[0], actors[0])
            except video.VideoError:
                continue
            label, id = int(split.labels[row]), split.ids[row]
            clips = backgrounds.compose(frames, mask, background)
            for part, clip in zip(SPLITS, clips, strict=True):
                content = render.encode(clip)
                record = records.VideoRecord(f"{id}|{part}", content, label, len(clip))
                writer.write(record)
            rows.append(row)
    return rows


def _pairs(labels: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Every row with a random row of another class; with itself where there is none."""
    for row, label in enumerate(labels):
        others = np.flatnonzero(labels != label)
        yield row, int(rng.choice(others)) if len(others) else row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    command_options.add_dataset(parser)
    command_options.add_options(parser, Options)


def run(*, data_root: pathlib.Path, dataset: str, options: Options) -> str:
    """Makes the data set; returns its size and the command that evaluates on it."""
    written = write(data_root, dataset, options)
    name = written.folder.name
    return (
        f"{written.folder}: {written.num_videos} videos and their frozen twins, "
        f"{written.num_left_out} left out; people by {written.people}\n"
        "python -m smad_jax evaluate --run RUN --data-root "
        f"{shlex.quote(str(data_root))} --split {name}/{SPLITS[0]} {name}/{SPLITS[1]}"
    )


main = command_line.Program(
    "python -m data_prep.background_swap", HELP, add_arguments, run
)

if __name__ == "__main__":
    sys.exit(main())
