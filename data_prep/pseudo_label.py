"""Pseudo-labels of an aspect for a data set: joined from a file, or by appearance.

    python -m data_prep.pseudo_label --data-root R --dataset D --aspect scene --from F
    python -m data_prep.pseudo_label --data-root R --dataset D --labeller appearance

F holds what a network gave elsewhere (App. A.1 uses ResNet-50 of Places365 and
ImageNet): a CSV `id,p0,p1,...` or `id,label`, or an NPZ with `ids` and
`probabilities`. Where no network is at hand, `appearance` clusters the videos by
colour and edges of a few frames: no names, but soft labels of what a scene looks like.
"""

import argparse
import concurrent.futures
import csv
import dataclasses
import difflib
import pathlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import scipy.cluster.vq

from smad_jax import aspects, errors
from smad_jax.data import catalog, records, sampling, video

_TOLERANCE = 0.01  # of a row's sum; files often round to two or three digits
_SIDE = 64  # pixels; frames are shrunk to a square before they are described
_ATTEMPTS = 20


class Labels(NamedTuple):
    """Soft labels of V videos: ids, and [V, Z] float32 rows that sum to one."""

    ids: list[str]
    values: np.ndarray


def read_csv(path: pathlib.Path, *, num_labels: int | None = None) -> Labels:
    """Returns the labels of a CSV, `id,p0,p1,...` or `id,label`; a header may lead.

    Args:
        path: The file.
        num_labels: Z. Rows of probabilities need not state it; hard labels must.

    Raises:
        DataError: naming file and line, if a row breaks a rule.
    """
    ids, rows = [], []
    width, first_line = 0, {}
    for line, row in _csv_rows(path):
        where = f"{path}, line {line}"
        if not width:
            width = len(row)
            if width < 2:
                raise errors.DataError(f"{where}: expected `id,p0,p1,...`, found {row}")
        if len(row) != width:
            raise errors.DataError(
                f"{where}: {len(row)} columns, but the rows before have {width}"
            )
        if (id := row[0]) in first_line:
            raise errors.DataError(
                f"{where}: id {id!r} was on line {first_line[id]} before"
            )
        first_line[id] = line
        numbers = _numbers(row[1:], where)
        if width == 2:
            numbers = _one_hot(numbers[0], num_labels, where)
        ids.append(id)
        rows.append(_checked(numbers, num_labels, where))
    if not ids:
        raise errors.DataError(f"{path} holds no labels")
    return Labels(ids, np.stack(rows))


def _csv_rows(path: pathlib.Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row but a header."""
    if not path.is_file():
        raise errors.DataError(f"no file of labels at {path}")
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        for number, row in enumerate(reader):
            if not row or (number == 0 and row[0].strip().lower() == "id"):
                continue
            yield reader.line_num, [cell.strip() for cell in row]


def _numbers(cells: Sequence[str], where: str) -> np.ndarray:
    try:
        return np.array([float(cell) for cell in cells])
    except ValueError as error:
        raise errors.DataError(f"{where}: {error}") from error


def _one_hot(label: float, num_labels: int | None, where: str) -> np.ndarray:
    if num_labels is None:
        raise errors.DataError(
            f"{where}: hard labels do not say how many there are; give --num-labels"
        )
    if label != int(label if np.isfinite(label) else -1) or not 0 <= label < num_labels:
        raise errors.DataError(
            f"{where}: label {label:g} must be a whole number from 0 to "
            f"{num_labels - 1}"
        )
    return np.eye(num_labels)[int(label)]


def _checked(row: np.ndarray, num_labels: int | None, where: str) -> np.ndarray:
    """`row` as float32, if it is a distribution over `num_labels` labels."""
    if num_labels is not None and len(row) != num_labels:
        raise errors.DataError(
            f"{where}: {len(row)} probabilities, but the aspect has {num_labels} labels"
        )
    if not np.isfinite(row).all():
        raise errors.DataError(
            f"{where}: probability {int(np.argmin(np.isfinite(row)))} is not finite"
        )
    if row.min() < 0 or abs(row.sum() - 1) > _TOLERANCE:
        raise errors.DataError(
            f"{where}: probabilities must be at least 0 and sum to 1, but the least is "
            f"{row.min():g} and the sum {row.sum():g}"
        )
    return (row / row.sum()).astype(np.float32)


def read_npz(path: pathlib.Path, *, num_labels: int | None = None) -> Labels:
    """Returns the labels of an NPZ with `ids` [V] and `probabilities` [V, Z].

    Raises:
        DataError: naming file and row, if a row breaks a rule.
    """
    if not path.is_file():
        raise errors.DataError(f"no file of labels at {path}")
    try:
        with np.load(path, allow_pickle=False) as content:
            ids, values = content["ids"].tolist(), content["probabilities"]
    except (KeyError, ValueError, OSError) as error:
        raise errors.DataError(
            f"{path} must be an NPZ with `ids` and `probabilities`: {error}"
        ) from error
    if values.ndim != 2 or len(values) != len(ids) or not ids:
        raise errors.DataError(
            f"{path}: {len(ids)} ids need probabilities [{len(ids)}, Z], but they are "
            f"{list(values.shape)}"
        )
    ids = [id.decode() if isinstance(id, bytes) else str(id) for id in ids]
    seen: set[str] = set()
    for row, id in enumerate(ids):
        if id in seen:
            raise errors.DataError(f"{path}, row {row}: id {id!r} comes twice")
        seen.add(id)
    rows = [
        _checked(value.astype(np.float64), num_labels, f"{path}, row {row}")
        for row, value in enumerate(values)
    ]
    return Labels(ids, np.stack(rows))


def check_ids(ids: Iterable[str], known: Sequence[str]) -> None:
    """Does nothing if every id is that of a stored video.

    Raises:
        DataError: naming the first unknown ids and the nearest known one.
    """
    stored = set(known)
    unknown = [id for id in ids if id not in stored]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise errors.DataError(
            f"{len(unknown)} labels belong to no stored video, the first to "
            f"{unknown[0]!r}{hint}"
        )


def describe_frames(frames: np.ndarray) -> np.ndarray:
    """Returns one descriptor of what frames look like, [D] float64.

    Histograms of colour (4 x 4 x 4) and of gradient orientation (8, weighted by
    strength) in quarters of the frame; each sums to one over the frame, then the root
    is taken, so that Euclidean distance compares distributions. Mean over the frames.

    Args:
        frames: [T, H, W, 3] uint8, RGB.
    """
    rows = []
    for frame in frames:
        small = cv2.resize(frame, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        level = (small // 64).astype(np.int64)
        colour = np.bincount(
            (level @ np.array([16, 4, 1])).ravel(), minlength=64
        ).astype(np.float64)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float64)
        down, across = np.gradient(grey)
        turn = np.floor(np.arctan2(down, across) % np.pi / np.pi * 8).astype(np.int64)
        side = np.arange(_SIDE) * 2 // _SIDE
        quarter = side[:, None] * 2 + side
        edges = np.bincount(
            (quarter * 8 + np.minimum(turn, 7)).ravel(),
            weights=np.hypot(down, across).ravel(),
            minlength=32,
        )
        rows.append(
            np.concatenate(
                [colour / colour.sum(), edges / max(float(edges.sum()), 1e-9)]
            )
        )
    return np.sqrt(np.mean(rows, axis=0))


def cluster(descriptors: np.ndarray, num_labels: int, *, seed: int) -> np.ndarray:
    """Returns [V, Z] float32 soft labels: softmax of squared distances to k means.

    The temperature is set so that a middling video is e^2 times likelier to belong to
    its own cluster than to the next. Clusters are numbered from large to small.

    Args:
        descriptors: [V, D] float64.
        num_labels: Z, at least 2.
        seed: Of the first means.

    Raises:
        DataError: if there are too few different videos for so many clusters.
    """
    different = len(np.unique(descriptors, axis=0))
    if not 2 <= num_labels <= different:
        raise errors.DataError(
            f"number of labels must be 2 to {different}, the number of videos that "
            f"look different, but it is {num_labels}"
        )
    rng = np.random.default_rng(seed)
    for _ in range(_ATTEMPTS):
        try:
            means, member = scipy.cluster.vq.kmeans2(
                descriptors, num_labels, iter=50, minit="++", missing="raise", rng=rng
            )
            break
        except scipy.cluster.vq.ClusterError:  # a cluster ran empty; start elsewhere
            continue
    else:
        raise errors.DataError(
            f"{num_labels} clusters do not stay filled; ask for fewer (--num-labels)"
        )
    size = np.bincount(member, minlength=num_labels)
    means = means[np.argsort(-size, kind="stable")]
    squared = ((descriptors[:, None] - means) ** 2).sum(axis=-1)
    nearest = np.partition(squared, 1, axis=1)
    gap = float(np.median(nearest[:, 1] - nearest[:, 0]))
    logits = -squared / max(gap / 2, 1e-12)
    weight = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


def label_by_appearance(
    folder: pathlib.Path, *, num_labels: int, num_frames: int, seed: int, num_jobs: int
) -> Labels:
    """Returns soft labels of a data set's videos by clustering how they look.

    A video that cannot be decoded, or whose record is damaged, gets no label
    (training masks it) and is named on stderr.

    Args:
        folder: The data set's folder.
        num_labels: Z.
        num_frames: Frames of each video to look at, evenly spaced.
        seed: Of the clustering.
        num_jobs: Videos decoded at the same time.
    """
    reader = records.RecordReader(folder, "videos")

    def describe(position: int) -> np.ndarray | None:
        try:
            stored = reader.video(position)
            indices = sampling.test_frames(stored.num_frames, count=num_frames)
            frames = video.decode(stored.video, indices, num_frames=stored.num_frames)
        except (video.VideoError, errors.DataError) as error:
            id = reader.ids[position]
            print(f"no label for {id!r}: {error}", file=sys.stderr)
            return None
        return describe_frames(frames)

    # by id: how the videos were written must not decide the clusters
    positions = sorted(range(len(reader)), key=lambda position: reader.ids[position])
    with concurrent.futures.ThreadPoolExecutor(num_jobs) as pool:
        found = list(zip(positions, pool.map(describe, positions), strict=True))
    readable = [(place, row) for place, row in found if row is not None]
    if not readable:
        raise errors.DataError(f"no video of {folder} can be decoded")
    values = cluster(np.stack([row for _, row in readable]), num_labels, seed=seed)
    return Labels([reader.ids[place] for place, _ in readable], values)


def _given_labels(chosen: argparse.Namespace, known: Sequence[str]) -> Labels:
    """Labels of `--from`, each of a stored video."""
    read = read_npz if chosen.source.suffix == ".npz" else read_csv
    num_labels = chosen.num_labels
    if num_labels is None and read is read_csv and chosen.aspect in aspects.ASPECTS:
        lines = _csv_rows(chosen.source)
        if len(next(lines, (0, []))[1]) == 2:  # hard labels state no number of labels
            num_labels = aspects.get(chosen.aspect).num_labels
    labels = read(chosen.source, num_labels=num_labels)
    check_ids(labels.ids, known)
    return labels


def run(chosen: argparse.Namespace) -> str:
    """Makes the labels that the command line asks for; returns what there is to say.

    Raises:
        ConfigError: if the aspect has tags instead of soft labels.
        DataError: if data are missing or malformed.
    """
    folder = chosen.data_root / chosen.dataset
    catalog.read_dataset_file(folder)
    known = records.RecordReader(folder, "videos").ids
    if chosen.aspect in aspects.ASPECTS:
        aspect = aspects.get(chosen.aspect)
    else:
        aspect = aspects.Aspect(chosen.aspect, "soft", 2, "")
    if aspect.kind != "soft":
        raise errors.ConfigError(
            f"{chosen.aspect!r} has tags given by people, not pseudo-labels; run "
            "python -m data_prep.hvu_tags"
        )
    if chosen.source:
        labels = _given_labels(chosen, known)
        source = f"joined from {chosen.source.name}"
    else:
        labels = label_by_appearance(
            folder,
            num_labels=chosen.num_labels or 16,
            num_frames=chosen.num_frames,
            seed=chosen.seed,
            num_jobs=chosen.jobs,
        )
        source = "clusters of appearance"
    num_labels = labels.values.shape[1]
    aspect = dataclasses.replace(aspect, num_labels=num_labels, source=source)
    catalog.add_aspect(folder, aspect, labels.ids, labels.values)
    return (
        f"{chosen.aspect}: {num_labels} labels, {source}, for {len(labels.ids)} of "
        f"{len(known)} videos"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.pseudo_label",
        description="Stores soft labels of an aspect beside a data set's videos.",
    )
    add = parser.add_argument
    add("--data-root", type=pathlib.Path, required=True, help="folder of the data sets")
    add("--dataset", required=True, help="name of the data set")
    add("--aspect", default="scene", help="name of the aspect (default: scene)")
    ways = parser.add_mutually_exclusive_group(required=True)
    ways.add_argument(
        "--from", dest="source", type=pathlib.Path, help="CSV or NPZ made elsewhere"
    )
    ways.add_argument("--labeller", choices=("appearance",), help="make them here")
    add("--num-labels", type=int, help="number of labels (appearance: 16)")
    add("--num-frames", type=int, default=3, help="frames to look at (default: 3)")
    add("--jobs", type=int, default=2, help="videos decoded at once (default: 2)")
    add("--seed", type=int, default=0, help="of the clustering (default: 0)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    try:
        print(run(_parser().parse_args(arguments)))
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
