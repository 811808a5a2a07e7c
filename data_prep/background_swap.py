"""Test sets that show actors over other backgrounds: SCUBA and SCUFO.

    python -m data_prep.background_swap --data-root R --dataset embedded-seed0 \
        --split iid

Makes the data set `DATASET-swap` with the splits `scuba`, each actor over the scene of
a video of another class, and `scufo`, the middle frame of that repeated.
`python -m smad_jax.evaluation evaluate --split DATASET-swap/scuba DATASET-swap/scufo`
gives the contrasted accuracy. Where people are is said by `--masks`, a folder with
`ID.npz` (an array `mask` [T, H, W], true where people are) or `ID.png` (one picture for
all frames, white where they are), or by `--boxes`, a file as SDN takes it; without
either it is known of the embedded benchmark, and of other videos it is what moves, the
half of the picture that changes most over the video.
"""

import argparse
import os
import pathlib
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from data_prep.embedded import render
from smad_jax import errors, file_io
from smad_jax.commands import command_line
from smad_jax.data import catalog, people, records, video

BACKGROUNDS = ("swap", "stripes")
MOVING_SHARE = 0.5  # of the picture, where only motion tells
SHARES = (0.05, 0.5)  # of a usable video the actor covers so much
SPLITS = ("scuba", "scufo")


class _Chosen(NamedTuple):
    """A video in row `row`, and the row of the video whose background it gets."""

    row: int
    other: int


def motion_mask(frames: np.ndarray) -> np.ndarray:
    """Returns [T, H, W] bool, the half of the picture that changes most, for all T.

    Mean absolute difference of neighbouring frames, blurred over a tenth of the
    picture. FAME refines such a mask by colour, which is not done here. Where nothing
    moves, no pixel is in it.

    Args:
        frames: [T, H, W, 3] uint8.
    """
    height, width = frames.shape[1:3]
    change = np.zeros((height, width), np.float32)
    if len(frames) > 1:
        steps = np.abs(np.diff(frames.astype(np.float32), axis=0))
        change = steps.sum(axis=-1).mean(axis=0)
    if not change.any():
        return np.zeros(frames.shape[:3], bool)
    size = max(1, round(min(height, width) / 10)) // 2 * 2 + 1
    change = cv2.GaussianBlur(change, (size, size), size / 3)
    order = np.argsort(change, axis=None, kind="stable")[::-1]
    mask = np.zeros(height * width, bool)
    mask[order[: round(MOVING_SHARE * len(order))]] = True
    return np.broadcast_to(mask.reshape(height, width), frames.shape[:3])


def read_mask(folder: pathlib.Path, id: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Returns the mask of a video from a folder of them, [T, H, W] bool.

    Args:
        folder: Holds `ID.npz` or `ID.png`, the id with or without the video's ending.
        id: Of the video.
        shape: T, H, W of the video. Masks of another H and W are resized; one of a
            single frame is that of all. Without a file the mask is empty.

    Raises:
        DataError: if the file holds something else.
    """
    names = (id, os.path.splitext(id)[0])
    paths = [folder / f"{name}{end}" for name in names for end in (".npz", ".png")]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return np.zeros(shape, bool)
    told = (
        f"{path} must be a picture, or an NPZ file with `mask` [{shape[0]}, H, W] for "
        f"the {shape[0]} frames of {id!r}"
    )
    if path.suffix == ".png":
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        mask = None if picture is None else picture[None] > 127
    else:
        with file_io.npz(path, told) as arrays:
            mask = arrays["mask"] > 0
    if mask is None or mask.ndim != 3 or len(mask) not in (1, shape[0]):
        raise errors.DataError(told)
    height, width = shape[1:]
    if mask.shape[1:] != (height, width):
        how = {"dsize": (width, height), "interpolation": cv2.INTER_NEAREST}
        mask = np.stack([cv2.resize(part, **how) for part in mask.astype(np.uint8)])
    return np.broadcast_to(mask.astype(bool), shape)


def scene_without_actor(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns a frame [H, W, 3] with what lies under the mask [H, W] painted over."""
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    return cv2.inpaint(frame, grown, 3, cv2.INPAINT_TELEA)


def stripes(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Returns [H, W, 3] uint8: sinusoidal stripes of random colour and direction."""
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:height, :width]
    across = rows * np.sin(angle) + columns * np.cos(angle)
    wave = np.sin(across * 2 * np.pi / (min(height, width) / 4) + phase)
    share = (wave[..., None] + 1) / 2
    first, second = rng.uniform(0, 255, (2, 3))
    return np.rint(share * first + (1 - share) * second).astype(np.uint8)


def compose(
    frames: np.ndarray, mask: np.ndarray, background: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns SCUBA and SCUFO, both [T, H, W, 3] uint8.

    Args:
        frames: [T, H, W, 3] uint8.
        mask: [T, H, W] bool, where the actor is.
        background: [H', W', 3] uint8, resized where it is of another size.
    """
    height, width = frames.shape[1:3]
    if background.shape[:2] != (height, width):
        background = cv2.resize(background, (width, height))
    moving = np.where(mask[..., None], frames, background)
    frozen = np.repeat(moving[len(moving) // 2][None], len(moving), axis=0)
    return moving, frozen


class _Videos:
    """The videos of a split with their masks.

    Attributes:
        kind: Where the masks come from, in words.
    """

    def __init__(
        self,
        split: catalog.Split,
        folder: pathlib.Path,
        masks: pathlib.Path | None,
        boxes: pathlib.Path | None,
    ) -> None:
        self._split = split
        self._masks = masks
        self._boxes = None if boxes is None else people.read_boxes(boxes)
        self._exact: dict[str, np.ndarray] = {}
        given = masks or boxes
        if given is None and (folder / "factors.npz").is_file():
            with np.load(folder / "factors.npz") as truth:
                ids, packed = truth["ids"].tolist(), truth["actor"]
            self._exact = dict(zip(ids, packed, strict=True))
        if given is not None:
            self.kind = f"{'masks' if masks else 'boxes'} of {given.name}"
        elif all(id in self._exact for id in split.ids):
            self.kind = "exact masks of factors.npz"
        else:
            self.kind = "what moves, a guess"

    def read(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames and masks of the video in `row`.

        A mask is empty where nothing says who is where.

        Raises:
            DataError: if a file of masks holds something else.
            VideoError: if it cannot be decoded.
        """
        stored = self._split.video(row)
        count = stored.num_frames or video.probe(stored.video).num_frames
        frames = video.decode(stored.video, np.arange(count), num_frames=count)
        id = self._split.ids[row]
        if self._masks is not None:
            return frames, read_mask(self._masks, id, frames.shape[:3])
        if self._boxes is not None:
            if id not in self._boxes:
                return frames, np.zeros(frames.shape[:3], bool)
            return frames, people.box_mask(
                frames.shape[:3], np.arange(count), self._boxes[id]
            )
        if id not in self._exact:
            return frames, motion_mask(frames)
        mask = np.unpackbits(self._exact[id], axis=-1).astype(bool)
        return frames, mask[:count, :, : frames.shape[2]]


def write(chosen: argparse.Namespace) -> list[str]:
    """Makes the data set that the command line asks for; returns what to say.

    Raises:
        ConfigError: if it exists.
        DataError: if the videos are missing or none can be used.
    """
    name = chosen.name or f"{chosen.dataset}-swap"
    if pathlib.PurePath(name).name != name:
        raise errors.ConfigError(f"--name {name} must be a plain folder name")
    if chosen.masks and chosen.boxes:
        raise errors.ConfigError("give --masks or --boxes, not both")
    if chosen.masks and not chosen.masks.is_dir():
        raise errors.DataError(f"no folder of masks at {chosen.masks}")
    folder = chosen.data_root / name
    if folder.exists():
        raise errors.ConfigError(f"{folder} exists; choose another --name")
    split = catalog.open_split(chosen.data_root, chosen.dataset, chosen.split)
    if chosen.background == "swap" and len(np.unique(split.labels)) < 2:
        raise errors.DataError("backgrounds of other classes need two classes or more")
    partial = chosen.data_root / f".{name}.partial-{os.getpid()}"
    try:
        place = chosen.data_root / chosen.dataset
        videos = _Videos(split, place, chosen.masks, chosen.boxes)
        ids, labels, left_out = _fill(partial, chosen, split, videos)
        if not ids:
            raise errors.DataError(
                f"none of {len(split)} videos can be used; an actor must cover "
                f"{SHARES[0]:.0%} to {SHARES[1]:.0%} of the picture"
            )
        for part in SPLITS:
            catalog.write_split(partial, part, [f"{id}|{part}" for id in ids], labels)
        catalog.write_dataset_file(
            partial,
            name=name,
            classes=split.classes,
            num_videos=2 * len(ids),
            recipe={
                "made_by": "data_prep.background_swap",
                "source": f"{chosen.dataset}/{chosen.split}",
                "background": chosen.background,
                "seed": chosen.seed,
                "masks": videos.kind,
            },
        )
        os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [
        f"{folder}: {len(ids)} videos and their frozen twins, {left_out} left out; "
        f"people by {videos.kind}",
        "python -m smad_jax.evaluation evaluate --run RUN --data-root "
        f"{shlex.quote(str(chosen.data_root))} --split {name}/{SPLITS[0]} "
        f"{name}/{SPLITS[1]}",
    ]


def _fill(
    folder: pathlib.Path,
    chosen: argparse.Namespace,
    split: catalog.Split,
    videos: _Videos,
) -> tuple[list[str], list[int], int]:
    """Writes the videos; returns sources, labels, and how many were left out."""
    rng = np.random.default_rng(chosen.seed)
    ids, labels = [], []
    with records.RecordWriter(folder / "videos") as writer:
        for number, (row, other) in enumerate(_pairs(split.labels, rng), start=1):
            if number % max(1, len(split) // 10) == 0:
                print(f"{number} of {len(split)} videos", file=sys.stderr)
            try:
                frames, mask = videos.read(row)
                if not SHARES[0] <= mask.mean() <= SHARES[1]:
                    continue
                if chosen.background == "stripes":
                    height, width = frames.shape[1:3]
                    background = stripes(height, width, rng)
                else:
                    theirs, where = videos.read(other)
                    background = scene_without_actor(theirs[0], where[0])
            except video.VideoError:
                continue
            label, id = int(split.labels[row]), split.ids[row]
            for part, clip in zip(
                SPLITS, compose(frames, mask, background), strict=True
            ):
                content = render.encode(clip)
                record = records.VideoRecord(f"{id}|{part}", content, label, len(clip))
                writer.write(record)
            ids.append(id)
            labels.append(label)
    return ids, labels, len(split) - len(ids)


def _pairs(labels: np.ndarray, rng: np.random.Generator) -> Iterator[_Chosen]:
    """Every row with a row of another class; itself where there is none."""
    for row, label in enumerate(labels):
        others = np.flatnonzero(labels != label)
        yield _Chosen(row, int(rng.choice(others)) if len(others) else row)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.background_swap",
        description="Makes test sets of actors over other backgrounds.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data-root", type=pathlib.Path, required=True, help="folder of the data sets")
    add("--dataset", required=True, help="whose videos")
    add("--split", default="val", help="which of them")
    add("--background", choices=BACKGROUNDS, default="swap", help="what is put there")
    add("--name", default="", help="data set to make; empty: DATASET-swap")
    add("--masks", type=pathlib.Path, metavar="FOLDER", help="masks of people")
    add("--boxes", type=pathlib.Path, metavar="FILE", help="or boxes, JSON or NPZ")
    add(
        "--seed",
        type=command_line.whole_number(0),
        default=0,
        help="of the choice of backgrounds",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    return command_line.run(lambda: "\n".join(write(chosen)))


if __name__ == "__main__":
    sys.exit(main())
