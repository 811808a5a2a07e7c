"""Soft labels of a scene by its appearance, where no network is available.

Videos are clustered by colour and edges of a few frames. The clusters separate
surroundings and have no names.
"""

import concurrent.futures
import hashlib
import pathlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import scipy.cluster.vq

from data_prep.labels import label_files
from smad_jax import errors
from smad_jax.base import aspect_table, command_line, file_io
from smad_jax.data import catalog, records, sampling, video

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


class Clusters(NamedTuple):
    """Clusters of appearance, from large to small.

    Attributes:
        means: [Z, D] float64 descriptors of their centres.
        temperature: Of the softmax over squared distances: the median video is e^2
            times likelier to belong to its own cluster than to the next.
    """

    means: np.ndarray
    temperature: float

    def label(self, descriptors: np.ndarray) -> np.ndarray:
        """Returns [V, Z] float32 soft labels of [V, D] descriptors."""
        logits = -_squared_distances(descriptors, self.means) / self.temperature
        weight = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)

    @property
    def source(self) -> str:
        """The origin of labels, equal only where equal numbers mean the same."""
        content = self.means.tobytes() + np.float64(self.temperature).tobytes()
        return f"{aspect_table.APPEARANCE} {hashlib.sha256(content).hexdigest()[:12]}"


def fit(descriptors: np.ndarray, num_labels: int, *, seed: int) -> Clusters:
    """Returns Z >= 2 clusters of descriptors [V, D] float64, by k-means.

    `seed` draws the first means.

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
    nearest = np.partition(_squared_distances(descriptors, means), 1, axis=1)
    gap = float(np.median(nearest[:, 1] - nearest[:, 0]))
    return Clusters(means, max(gap / 2, 1e-12))


def _squared_distances(descriptors: np.ndarray, means: np.ndarray) -> np.ndarray:
    """[V, Z] of descriptors [V, D] and means [Z, D]."""
    return ((descriptors[:, None] - means) ** 2).sum(axis=-1)


def store_clusters(folder: pathlib.Path, aspect: str, clusters: Clusters) -> None:
    """Stores the clusters beside a data set's labels, for other data sets to use."""
    file_io.write_npz(_path(folder, aspect), clusters._asdict())


def read_clusters(folder: pathlib.Path, aspect: str) -> Clusters:
    """Returns the clusters that a data set was labelled with.

    Raises:
        DataError: if there are none.
    """
    path = _path(folder, aspect)
    message = (
        f"{folder} has no clusters of appearance for {aspect!r}; label it first, with "
        "--labeller appearance"
    )
    with file_io.npz(path, message) as arrays:
        return Clusters(arrays["means"], float(arrays["temperature"]))


def _path(folder: pathlib.Path, aspect: str) -> pathlib.Path:
    return folder / "aspects" / f"{aspect}.clusters.npz"


class Videos(Protocol):
    """Videos by position: a data set's records, or a split of them."""

    @property
    def ids(self) -> Sequence[str]:
        """Their ids."""
        ...

    def video(self, position: int, /) -> records.VideoRecord | catalog.StoredVideo:
        """Returns the video at a position."""
        ...


class Labelled(NamedTuple):
    """Soft labels by appearance, and the clusters that they are shares of."""

    labels: label_files.Labels
    clusters: Clusters


def label_by_appearance(
    videos: Videos,
    *,
    num_labels: int | None,
    num_frames: int,
    seed: int,
    num_jobs: int,
    clusters: Clusters | None = None,
) -> Labelled:
    """Returns soft labels of videos by clustering their appearance.

    A video that cannot be decoded, or whose record is damaged, gets no label
    (training masks it) and is named on stderr.

    Args:
        videos: To be labelled.
        num_labels: Z; None for `MOST_LABELS`, or fewer where there are few videos.
        num_frames: Frames of each video, evenly spaced.
        seed: Random seed of the clustering.
        num_jobs: Videos decoded at once.
        clusters: Those of another data set, in place of own ones.
    """

    def describe(position: int) -> np.ndarray | None:
        try:
            stored = videos.video(position)
            length = stored.num_frames or video.probe(stored.video).num_frames
            indices = sampling.test_frames(length, count=num_frames)
            frames = video.decode(stored.video, indices, num_frames=length)
        except (video.VideoError, errors.DataError) as error:
            id = videos.ids[position]
            command_line.on_standard_error(f"no label for {id!r}: {error}")
            return None
        return describe_frames(frames)

    # by id, since the order of the records must not influence the clusters
    positions = sorted(range(len(videos.ids)), key=lambda place: videos.ids[place])
    with concurrent.futures.ThreadPoolExecutor(num_jobs) as pool:
        found = list(zip(positions, pool.map(describe, positions), strict=True))
    readable = [(place, row) for place, row in found if row is not None]
    if not readable:
        raise errors.DataError(f"none of {len(videos.ids)} videos can be decoded")
    descriptors = np.stack([row for _, row in readable])
    if clusters is None:
        if num_labels is None:
            num_labels = min(MOST_LABELS, max(2, len(readable) // _VIDEOS_A_LABEL))
        clusters = fit(descriptors, num_labels, seed=seed)
    ids = [videos.ids[place] for place, _ in readable]
    return Labelled(label_files.Labels(ids, clusters.label(descriptors)), clusters)


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
