"""Makes test sets of actors over other backgrounds: SCUBA and SCUFO.

    python -m data_prep.background_swap --data-root R --dataset embedded-seed0 \
        --split iid

Makes the data set `DATASET-swap` with the splits `scuba`, each actor over the scene of
a video of another class, and `scufo`, the middle frame of that repeated.
`python -m smad_jax evaluate --split DATASET-swap/scuba DATASET-swap/scufo`
reports the contrasted accuracy. People are located by `--masks`, a folder with `ID.npz`
(an array `mask` [T, H, W], true on people) or `ID.png` (one picture for all frames,
white on people), or by `--boxes`, a file in SDN's form. A video that they lack is left
out, and no background comes from it: there may be people in it. Without either, the
embedded benchmark has exact masks; in other videos the half of the picture that changes
most stands for the actor.
"""

import argparse
import collections
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
from smad_jax.base import command_line, file_io, sections
from smad_jax.data import catalog, people, records, video

HELP = "make test sets of actors over other backgrounds"

SHARES = (0.05, 0.5)  # least and largest share of the picture that the actor covers
SPLITS = ("scuba", "scufo")
_WHOLE = video.Limits(clip=1 << 30)  # every frame is rendered again, so all are read


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
    """The data set that was made.

    Attributes:
        folder: The data set's.
        num_videos: Videos in each of its splits.
        left_out: Number of videos left out, by reason.
        people: Origin of the masks, in words.
    """

    folder: pathlib.Path
    num_videos: int
    left_out: collections.Counter[str]
    people: str


class _LeftOut(Exception):
    """A video cannot be used; the text is the reason."""


class _Videos:
    """The videos of a split with their masks.

    Attributes:
        kind: Origin of the masks, in words.
        known: [V] bool, False for a video that the user's masks or boxes lack.
    """

    def __init__(self, split: catalog.Split, folder: pathlib.Path, options: Options):
        self._split = split
        self._masks: dict[str, pathlib.Path] = {}
        self._boxes: dict[str, people.Boxes] = {}
        self._exact: dict[str, np.ndarray] = {}
        self.known = np.ones(len(split), bool)
        given = options.masks or options.boxes
        if options.masks:
            self._masks = backgrounds.find_masks(options.masks, split.ids)
        elif options.boxes:
            self._boxes = people.read_boxes(options.boxes)
        elif (path := folder / "factors.npz").is_file():
            fault = f"{path} is damaged; make the benchmark again"
            with file_io.npz(path, fault) as truth:
                ids, packed = truth["ids"].tolist(), truth["actor"]
                self._exact = dict(zip(ids, packed, strict=True))
        if given:
            self.kind = f"{'masks' if options.masks else 'boxes'} of {given.name}"
            there = self._masks or self._boxes
            self.known = np.array([id in there for id in split.ids])
        elif all(id in self._exact for id in split.ids):
            self.kind = "exact masks of factors.npz"
        else:
            self.kind = "what moves, a guess"
        if not self.known.any():
            raise errors.DataError(
                f"{given} has none of the {len(split)} videos; the first is "
                f"{split.ids[0]!r}, the file's {next(iter(self._boxes), 'nothing')!r}"
            )

    def read(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames of the video in `row`, and the mask of the people in them.

        Raises:
            _LeftOut: if motion should show the people, and there is none.
            DataError: if a file of masks holds something else.
            VideoError: if the video cannot be decoded.
        """
        stored = self._split.video(row)
        count = stored.num_frames or video.probe(stored.video).num_frames
        frames = video.decode(
            stored.video, np.arange(count), num_frames=count, limits=_WHOLE
        )
        id, shape = self._split.ids[row], frames.shape[:3]
        shown = np.arange(count) // stored.stride * stored.stride
        if id in self._masks:
            return frames, backgrounds.read_mask(self._masks[id], id, shape)[shown]
        if id in self._boxes:
            return frames, people.box_mask(shape, shown, self._boxes[id])
        if id not in self._exact:
            mask = backgrounds.motion_mask(frames)
            if not mask.any():
                raise _LeftOut("nothing moves in the video, or in its background's")
            return frames, mask
        mask = np.unpackbits(self._exact[id], axis=-1).astype(bool)
        return frames, mask[:count, :, : frames.shape[2]]

    def actor(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames and mask of a video; raises _LeftOut if the actor is too small."""
        if not self.known[row]:
            raise _LeftOut(f"not among the {self.kind}")
        frames, mask = self.read(row)
        if not SHARES[0] <= mask.mean() <= SHARES[1]:
            raise _LeftOut(
                f"people cover less than {SHARES[0]:.0%} or more than {SHARES[1]:.0%} "
                "of the picture"
            )
        return frames, mask

    def scene(self, row: int) -> np.ndarray:
        """A frame of a video without its people, [H, W, 3]."""
        frames, mask = self.read(row)
        # A detector may miss the people of the first frames.
        first = int(mask.any(axis=(1, 2)).argmax())
        return backgrounds.scene_without_actor(frames[first], mask[first])


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
        rows, left_out = _fill(partial, options, split, videos)
        if not rows:
            raise errors.DataError(
                f"none of {len(split)} videos can be used:{_reasons(left_out)}"
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
    return Written(folder, len(rows), left_out, videos.kind)


def _reasons(left_out: collections.Counter[str]) -> str:
    """A line for each reason with its number of videos."""
    return "".join(f"\n  {count:>6} {why}" for why, count in left_out.most_common())


def _fill(
    folder: pathlib.Path, options: Options, split: catalog.Split, videos: _Videos
) -> tuple[list[int], collections.Counter[str]]:
    """Writes the videos; returns the rows of those used, and the others by reason."""
    rng = np.random.default_rng(options.seed)
    rows, left_out = [], collections.Counter()
    swap = options.background == "swap"
    usable = videos.known if swap else np.ones(len(split), bool)
    pairs = _pairs(split.labels, usable, rng)
    with records.RecordWriter(folder / "videos") as writer:
        for number, (row, other) in enumerate(pairs, start=1):
            if number % max(1, len(split) // 10) == 0:
                command_line.on_standard_error(f"{number} of {len(split)} videos")
            try:
                frames, mask = videos.actor(row)
                if not swap:
                    height, width = frames.shape[1:3]
                    background = backgrounds.stripes(height, width, rng)
                elif other is None:
                    raise _LeftOut("no other class has videos whose people are located")
                else:
                    background = videos.scene(other)
            except (_LeftOut, video.VideoError) as error:
                is_read = isinstance(error, _LeftOut)
                left_out[str(error) if is_read else "cannot be decoded"] += 1
                continue
            label, id = int(split.labels[row]), split.ids[row]
            clips = backgrounds.compose(frames, mask, background)
            for part, clip in zip(SPLITS, clips, strict=True):
                content = render.encode(clip)
                record = records.VideoRecord(f"{id}|{part}", content, label, len(clip))
                writer.write(record)
            rows.append(row)
    return rows, left_out


def _pairs(
    labels: np.ndarray, usable: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[int, int | None]]:
    """Every row with a random usable row of another class, None without any."""
    for row, label in enumerate(labels):
        others = np.flatnonzero((labels != label) & usable)
        yield row, int(rng.choice(others)) if len(others) else None


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
        f"{written.left_out.total()} left out; people by {written.people}"
        f"{_reasons(written.left_out)}\n"
        "python -m smad_jax evaluate --run RUN --data-root "
        f"{shlex.quote(str(data_root))} --split {name}/{SPLITS[0]} {name}/{SPLITS[1]}"
    )


main = command_line.Program(
    "python -m data_prep.background_swap", HELP, add_arguments, run
)

if __name__ == "__main__":
    sys.exit(main())
