"""`predict`: a folder of videos to a table of likely actions and a sheet of them."""

import argparse
import collections
import contextlib
import csv
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from smad_jax import errors, file_io
from smad_jax.commands import command_line, network
from smad_jax.data import bad_videos, catalog, pipeline, records, video
from smad_jax.experiment import trained
from smad_jax.reporting import figures

HELP = "a folder of videos to a CSV of likely actions and a picture sheet"

_EXTENSIONS = (*video.EXTENSIONS, *video.IMAGE_EXTENSIONS)


class Files:
    """The videos of a folder, in the place of a data set's records."""

    def __init__(self, folder: pathlib.Path, ids: Sequence[str]) -> None:
        self._folder = folder
        self._ids = ids

    def video(self, position: int) -> records.VideoRecord:
        """Returns the file at `position`; its frames are counted when it is opened.

        Raises:
            VideoError: if it cannot be read.
        """
        id = self._ids[position]
        try:
            content = (self._folder / id).read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            raise video.VideoError("missing", reason) from error
        return records.VideoRecord(id, content, 0, 0)


class Failure(NamedTuple):
    """Why a video cannot be used; the attributes are those of `BadVideos.record`."""

    id: str
    reason: str
    detail: str


class Failures(bad_videos.BadVideos):
    """Remembers every video that fails, with the reason, and never stops."""

    def __init__(self, num_videos: int) -> None:
        super().__init__(None, limit=1.0, num_videos=num_videos)
        self.found: dict[int, Failure] = {}

    def record(
        self, index: int, id: str, reason: str, detail: str, replacement: str | None
    ) -> None:
        """Notes them under the video's row."""
        super().record(index, id, reason, detail, replacement)
        self.found[index] = Failure(id, reason, detail)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    network.add_options(parser)
    add, folder = parser.add_argument, pathlib.Path
    add(
        "--videos",
        type=folder,
        required=True,
        help="folder, searched to its depths, or one file",
    )
    add("--out", type=folder, default=folder("predictions.csv"), help="CSV to write")
    add(
        "--top",
        type=command_line.whole_number(1),
        default=5,
        help="likeliest classes to list",
    )
    add(
        "--pictures",
        type=command_line.whole_number(0),
        default=36,
        help="videos on the sheet; 0: no sheet",
    )


def run(arguments: argparse.Namespace) -> str:
    """Predicts every video; returns where the files are, and the bad videos.

    Raises:
        UserError: for whatever the user can put right.
    """
    if arguments.out.suffix.lower() == ".png":
        raise errors.ConfigError(
            f"--out {arguments.out} is the name of the sheet; name the table, .csv"
        )
    split = open_videos(arguments.videos)
    file_io.check(arguments.out)
    asked = network.open_network(arguments)
    failures, frames = Failures(len(split)), {}
    with contextlib.closing(asked.test_batches(split, failures)) as batches:
        watched = _watch(batches, frames, arguments.pictures)
        said, _ = asked.predictor.run(watched, np.asarray(split.ids), split.labels)
    _write_csv(arguments.out, asked, split.ids, said.probabilities, failures, arguments)
    if failures.count == len(split):
        raise errors.DataError(
            "\n".join([f"{arguments.out}: no answer for any video", *_told(failures)])
        )
    lines = [f"{arguments.out}: {len(split) - failures.count} of {len(split)} videos"]
    if arguments.pictures:
        sheet = arguments.out.with_suffix(".png")
        figures.sheet(sheet, split.ids, frames, said.probabilities, asked.classes)
        lines.append(f"{sheet}: {len(frames)} of them")
    return "\n".join([*lines, *_told(failures)])


def _told(failures: Failures) -> list[str]:
    """Lines about the videos that cannot be used, and what can be done."""
    if not failures.found:
        return []
    counts = collections.Counter(one.reason for one in failures.found.values())
    told = ", ".join(f"{reason} {n}" for reason, n in counts.most_common())
    return [
        f"{failures.count} cannot be used ({told}):",
        *(
            f"  {one.id}: {one.reason}, {one.detail}"
            for _, one in sorted(failures.found.items())
        ),
        "what a player still shows is mended by writing it anew (ffmpeg -i OLD "
        "NEW.mp4); the rest has to be copied or downloaded again",
    ]


def open_videos(place: pathlib.Path) -> catalog.Split:
    """Returns the videos and images of a folder, or one file, as an unlabelled split.

    Raises:
        DataError: if there is none.
    """
    if not place.exists():
        raise errors.DataError(f"--videos {place} is not a folder, nor a file")
    folder = place if place.is_dir() else place.parent
    ids = [place.name]
    if place.is_dir():
        ids = sorted(
            os.path.relpath(os.path.join(below, name), folder)
            for below, _, names in os.walk(folder)
            for name in names
            if name.lower().endswith(_EXTENSIONS)
        )
    if not ids:
        raise errors.DataError(
            f"no videos in {folder}; files of these endings count: "
            f"{' '.join(_EXTENSIONS)}"
        )
    return catalog.Split(
        dataset=str(folder),
        name="",
        ids=tuple(ids),
        labels=np.zeros(len(ids), np.int32),
        classes=("",),
        aspects={},
        aspect_labels={},
        aspect_mask={},
        reader=Files(folder, ids),
        positions=np.arange(len(ids)),
    )


def _watch(
    batches: Iterable[pipeline.TestBatch],
    frames: dict[int, np.ndarray],
    count: int,
) -> Iterator[pipeline.TestBatch]:
    """Yields the batches, and keeps the middle frame of the first `count` videos."""
    for batch in batches:
        views, num_frames = batch["video"].shape[1:3]
        usable = batch["mask"] & ~batch["unreadable"]
        for row in np.flatnonzero(usable)[: max(count - len(frames), 0)]:
            middle = batch["video"][row, views // 2, num_frames // 2]
            frames[int(batch["index"][row])] = middle.copy()
        yield batch


def _write_csv(
    path: pathlib.Path,
    asked: trained.TrainedNetwork,
    ids: Sequence[str],
    probabilities: np.ndarray,
    failures: Failures,
    arguments: argparse.Namespace,
) -> None:
    """Writes one line a video: the likeliest classes, or why there are none.

    The audit reads it: `class_1` is the answer.
    """
    top = min(arguments.top, len(asked.classes))
    heads = [f"{name}_{rank + 1}" for rank in range(top) for name in ("class", "p")]
    with (
        file_io.whole(path) as partial,
        # a name that is no text keeps its bytes, written as \xff
        open(
            partial, "w", encoding="utf-8", errors="backslashreplace", newline=""
        ) as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["id", "problem", *heads])
        for row, id in enumerate(ids):
            if failure := failures.found.get(row):
                problem = f"{failure.reason}: {failure.detail}"
                writer.writerow([id, problem, *[""] * 2 * top])
                continue
            cells: list[str] = []
            for label in np.argsort(-probabilities[row], kind="stable")[:top]:
                value = f"{probabilities[row, label]:.4f}"
                cells += [asked.classes[label], value]
            writer.writerow([id, "", *cells])
