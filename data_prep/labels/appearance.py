"""Soft labels of a scene by its appearance, where no network is available.

Videos are clustered by colour and edges of a few frames. The clusters separate
surroundings and have no names.
"""

import concurrent.futures
import pathlib
import sys

import cv2
import numpy as np
import scipy.cluster.vq

from data_prep.labels import label_files
from smad_jax import errors
from smad_jax.data import records, sampling, video

MOST_LABELS = 16  # by default
_VIDEOS_A_LABEL = 4  # least mean number of videos a label, by default

_SIDE = 64  # pixels of the square that frames are reduced to
_ATTEMPTS = 20


def describe_frames(frames: np.ndarray) -> np.ndarray:
    """Returns [D] float64, the appearance of frames [T, H, W, 3] uint8 RGB.

    Histograms of colour (4 x 4 x 4) and of gradient orientation (8, weighted by
    strength, in quarters of the frame) each sum to one and are averaged over the
    frames. Their root makes Euclidean distance compare distributions.
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
    """Returns [V, Z] float32 soft labels: softmax of squared distances to Z >= 2 means.

    Of descriptors [V, D] float64. The temperature makes the median video e^2 times
    likelier to belong to its own cluster than to the next. Clusters are numbered from
    large to small. `seed` draws the first means.

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
        except scipy.cluster.vq.ClusterError:  # a cluster became empty; start again
            continue
    else:
        raise errors.DataError(
            f"some of {num_labels} clusters stay empty; use fewer (--num-labels)"
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
    folder: pathlib.Path,
    *,
    num_labels: int | None,
    num_frames: int,
    seed: int,
    num_jobs: int,
) -> label_files.Labels:
    """Returns soft labels of a data set's videos by clustering their appearance.

    A video that cannot be decoded, or whose record is damaged, gets no label
    (training masks it) and is named on stderr.

    Args:
        folder: The data set's folder.
        num_labels: Z; None for `MOST_LABELS`, or fewer where there are few videos.
        num_frames: Frames of each video, evenly spaced.
        seed: Random seed of the clustering.
        num_jobs: Videos decoded at once.
    """
    reader = records.RecordReader(folder, "videos")

    def describe(position: int) -> np.ndarray | None:
        try:
            stored = reader.video(position)
            length = stored.num_frames or video.probe(stored.video).num_frames
            indices = sampling.test_frames(length, count=num_frames)
            frames = video.decode(stored.video, indices, num_frames=length)
        except (video.VideoError, errors.DataError) as error:
            id = reader.ids[position]
            print(f"no label for {id!r}: {error}", file=sys.stderr)
            return None
        return describe_frames(frames)

    # by id, since the order of the records must not influence the clusters
    positions = sorted(range(len(reader)), key=lambda position: reader.ids[position])
    with concurrent.futures.ThreadPoolExecutor(num_jobs) as pool:
        found = list(zip(positions, pool.map(describe, positions), strict=True))
    readable = [(place, row) for place, row in found if row is not None]
    if not readable:
        raise errors.DataError(f"no video of {folder} can be decoded")
    if num_labels is None:
        num_labels = min(MOST_LABELS, max(2, len(readable) // _VIDEOS_A_LABEL))
    values = cluster(np.stack([row for _, row in readable]), num_labels, seed=seed)
    return label_files.Labels([reader.ids[place] for place, _ in readable], values)


def warning(values: np.ndarray) -> str:
    """Returns a warning where most of [V, Z] soft labels have one video, else "".

    Such a label identifies the video and not its scene, so an adversary that predicts
    it learns nothing of use.
    """
    num_labels = values.shape[1]
    sizes = np.bincount(values.argmax(axis=1), minlength=num_labels)
    alone = int((sizes <= 1).sum())
    if 2 * alone <= num_labels:
        return ""
    return (
        f"{alone} of {num_labels} labels have no more than one of the {len(values)} "
        "videos, so they identify the video and not its scene; use fewer "
        "(--num-labels), or add videos"
    )
