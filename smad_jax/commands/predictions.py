"""Predicting loose files: the videos and images of a folder, or one of them."""

import collections
import contextlib
import csv
import dataclasses
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from smad_jax.base import file_io
from smad_jax.data import bad_videos, catalog, loose_files, views
from smad_jax.experiment import trained


class Failure(NamedTuple):
    """Why a video cannot be used; the attributes are those of `BadVideos.record`."""

    id: str
    reason: str
    detail: str


@dataclasses.dataclass(frozen=True)
class Answers:
    """Predictions of V files.

    Attributes:
        ids: [V] paths below the folder.
        classes: [K] names.
        probabilities: [V, K]; zeros for a file that cannot be used.
        failures: By row, why a file cannot be used.
        frames: By row, the middle frame of some videos, [H, W, 3] uint8 RGB.
    """

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: np.ndarray
    failures: Mapping[int, Failure]
    frames: dict[int, np.ndarray]

    def reasons(self) -> str:
        """Returns how many files fail for each reason, the most frequent first."""
        counts = collections.Counter(one.reason for one in self.failures.values())
        return ", ".join(f"{reason} {n}" for reason, n in counts.most_common())

    def write_csv(self, path: str | os.PathLike[str], top: int = 5) -> None:
        """Writes one line per file: its likeliest classes, or why there are none.

        `audit` reads it: `class_1` is the prediction.
        """
        top = min(top, len(self.classes))
        heads = [f"{name}_{rank + 1}" for rank in range(top) for name in ("class", "p")]
        with (
            file_io.whole(pathlib.Path(path)) as partial,
            # a name that is no text keeps its bytes, written as \xff
            open(
                partial, "w", encoding="utf-8", errors="backslashreplace", newline=""
            ) as file,
        ):
            writer = csv.writer(file)
            writer.writerow(["id", "problem", *heads])
            for row, id in enumerate(self.ids):
                if failure := self.failures.get(row):
                    problem = f"{failure.reason}: {failure.detail}"
                    writer.writerow([file_io.cell(id), problem, *[""] * 2 * top])
                    continue
                shares = self.probabilities[row]
                cells: list[str] = []
                for label in np.argsort(-shares, kind="stable")[:top]:
                    cells += [self.classes[label], f"{shares[label]:.4f}"]
                writer.writerow([*map(file_io.cell, (id, "", *cells))])


def predict(
    network: trained.TrainedNetwork,
    videos: str | os.PathLike[str] | catalog.Split,
    *,
    num_frames: int = 0,
) -> Answers:
    """Predicts every video and image of a folder, or one file.

    Args:
        network: From `load_run`.
        videos: The folder, searched recursively, the file, or what
            `loose_files.open_files` returned.
        num_frames: Keep the middle frame of as many videos.

    Raises:
        DataError: if there is nothing to predict.
    """
    split = (
        videos if isinstance(videos, catalog.Split) else loose_files.open_files(videos)
    )
    failures = _Failures(len(split))
    frames: dict[int, np.ndarray] = {}
    with contextlib.closing(network.test_batches(split, failures)) as batches:
        watched = _watch(batches, frames, num_frames)
        found = network.predictor.run(watched, np.asarray(split.ids), split.labels)
    return Answers(
        split.ids, network.classes, found.probabilities, failures.found, frames
    )


class _Failures(bad_videos.BadVideos):
    """Stores every video that fails, with the reason, and never stops."""

    def __init__(self, num_videos: int) -> None:
        super().__init__(None, limit=1.0, num_videos=num_videos)
        self.found: dict[int, Failure] = {}

    def record(
        self, index: int, id: str, reason: str, detail: str, replacement: str | None
    ) -> None:
        """Stores them under the video's row."""
        super().record(index, id, reason, detail, replacement)
        self.found[index] = Failure(id, reason, detail)


def _watch(
    batches: Iterable[views.TestBatch],
    frames: dict[int, np.ndarray],
    count: int,
) -> Iterator[views.TestBatch]:
    """Yields the batches, and keeps the middle frame of the first `count` videos."""
    for batch in batches:
        num_views, num_frames = batch["video"].shape[1:3]
        usable = batch["mask"] & ~batch["unreadable"]
        for row in np.flatnonzero(usable)[: max(count - len(frames), 0)]:
            middle = batch["video"][row, num_views // 2, num_frames // 2]
            frames[int(batch["index"][row])] = middle.copy()
        yield batch
