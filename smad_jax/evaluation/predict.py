"""Runs a network over a test set once and keeps what it said (Sec. 6.1).

Views go through in chunks, so memory does not grow with their number, and every
process works on its own devices alone: the last chunks need not be in step.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils

from smad_jax import file_io
from smad_jax.evaluation import cam
from smad_jax.methods import base
from smad_jax.training import sharding, train_state

NUM_EXAMPLES = 12


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a network said about every video of a split, in the split's order.

    Attributes:
        ids: [V] names of the videos.
        labels: [V] int, true actions.
        probabilities: [V, K]; a row of zeros for a video that could not be read.
        features: [V, D], mean over the views; zeros likewise.
    """

    ids: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    features: np.ndarray

    @property
    def answers(self) -> np.ndarray:
        """[V] int, the likeliest class; -1 for a video that could not be read."""
        read = self.probabilities.any(axis=1)
        return np.where(read, self.probabilities.argmax(axis=1), -1)

    @property
    def unreadable(self) -> int:
        """How many videos could not be read; they count as wrong."""
        return int((self.answers < 0).sum())

    def save(self, path: pathlib.Path) -> None:
        """Writes an NPZ file with one array a field."""
        with file_io.whole(path) as partial, open(partial, "wb") as file:
            np.savez(file, allow_pickle=False, **dataclasses.asdict(self))

    @staticmethod
    def load(path: pathlib.Path) -> "Predictions":
        """Reads what `save` wrote.

        Raises:
            DataError: if it is no such file.
        """
        told = f"{path} holds no predictions of a run; test the run again"
        with file_io.npz(path, told) as arrays:
            return Predictions(**arrays)


@dataclasses.dataclass(frozen=True)
class Examples:
    """A few test clips with what the network looked at.

    Attributes:
        video: [n, T, H, W, 3] uint8, the first view.
        actionness: [n, t, h, w] H W A', which averages 1 over a frame, t of them
            where time is strided; None without SAAR.
        labels: [n] int.
        predictions: [n] int.
        ids: [n] names of the videos; empty ones in files that older runs wrote.
    """

    video: np.ndarray
    actionness: np.ndarray | None
    labels: np.ndarray
    predictions: np.ndarray
    ids: np.ndarray

    def save(self, path: pathlib.Path) -> None:
        """Writes an NPZ file with one array a field that is there."""
        arrays = dataclasses.asdict(self)
        if self.actionness is None:
            del arrays["actionness"]
        np.savez(path, **arrays)

    @staticmethod
    def load(path: pathlib.Path) -> "Examples":
        """Reads what `save` wrote.

        Raises:
            DataError: if it is no such file.
        """
        told = f"{path} holds no examples of a run; test the run again"
        with file_io.npz(path, told) as arrays:
            return Examples(
                video=arrays["video"],
                actionness=arrays.get("actionness"),
                labels=arrays["labels"],
                predictions=arrays["predictions"],
                ids=arrays.get("ids", np.full(len(arrays["labels"]), "")),
            )


@dataclasses.dataclass(frozen=True)
class ViewFeatures:
    """The features of every view of every video of a split, in the split's order.

    Attributes:
        ids: [V] names of the videos.
        labels: [V] int, true actions.
        features: [V, N, D], views in temporal order; zeros for a video that could not
            be read.
    """

    ids: np.ndarray
    labels: np.ndarray
    features: np.ndarray


class Maps(NamedTuple):
    """What class activation maps are made of; see `cam`.

    Attributes:
        logits: [B, K] of each clip.
        feature_map: [B, t, h, w, D] behind the last stage; t is less than T where time
            is strided.
        actionness: [B, t', h', w'] scores before normalisation, from before that
            stage; None without SAAR.
        kernel: [D, K] of the linear head.
        bias: [K].
    """

    logits: np.ndarray
    feature_map: np.ndarray
    actionness: np.ndarray | None
    kernel: np.ndarray
    bias: np.ndarray


class Predictor:
    """A trained network, ready to be run over test sets."""

    def __init__(
        self,
        graph: nnx.GraphDef[base.Trained],
        params: train_state.Tree,
        batch_stats: train_state.Tree,
        *,
        view_chunk: int,
    ) -> None:
        """Places the network on this process's devices.

        Args:
            graph: Structure of `Trained` modules.
            params: Their parameters, wherever they are.
            batch_stats: Their batch statistics, likewise.
            view_chunk: Clips that go through the network together, at most, rounded
                up to a multiple of the devices.
        """
        self._mesh = sharding.make_mesh(jax.local_devices())
        self._view_chunk = view_chunk
        self._graph = graph
        self._trained = _local((params, batch_stats))
        self._place = jax.sharding.NamedSharding(
            self._mesh, jax.sharding.PartitionSpec()
        )
        self._arrays = jax.device_put(self._trained, self._place)
        self._rows = jax.sharding.NamedSharding(
            self._mesh, jax.sharding.PartitionSpec(sharding.BATCH_AXIS)
        )

        def forward(arrays, clips):
            modules = train_state.merge(graph, *arrays)
            output = modules.model(clips, train=False, key=None)
            views = {"logits": output.logits, "features": output.features}
            if output.actionness is not None:
                views["actionness"] = output.actionness
            return views

        def combine(arrays, logits, features):
            modules = train_state.merge(graph, *arrays)
            return modules.method.predict(logits, features)

        def look(arrays, clips):
            modules = train_state.merge(graph, *arrays)
            output = modules.model(clips, train=False, key=None)
            return output.logits, output.feature_map, output.actionness

        self._look = jax.jit(look)
        self._forward = jax.jit(forward)
        self._combine = jax.jit(combine)

    def adapt(self, batches: Callable[[], Iterable[Mapping[str, Any]]]) -> None:
        """Lets the method adapt the trained network to a test set.

        Whatever set it was adapted to before is forgotten. The method sees one view of
        each video of a batch at a time: views of one video are much alike, and would
        make poor statistics of a batch.

        Args:
            batches: Gives this process's share of the split, as `run` wants it.
        """

        def clips() -> Iterator[np.ndarray]:
            for batch in batches():
                video = batch["video"][batch["mask"] & ~batch["unreadable"]]
                for view in range(video.shape[1] if len(video) else 0):
                    yield video[:, view]

        # on a device: NumPy arrays could not be changed in place
        modules = train_state.merge(self._graph, *jax.device_put(self._trained))
        modules.method.adapt(modules.model, clips)
        batch_stats = jax.tree.map(np.asarray, train_state.batch_stats_of(modules))
        self._arrays = self._arrays[0], jax.device_put(batch_stats, self._place)

    def refit(
        self, stream: Mapping[str, Any], *, rng: np.random.Generator
    ) -> train_state.Tree:
        """Lets the method fit the network to features; returns all parameters then.

        Args:
            stream: As `Method.refit` wants it, the same in every process.
            rng: Likewise.
        """
        modules = train_state.merge(self._graph, *jax.device_put(self._trained))
        modules.method.refit(modules.model, stream, rng=rng)
        return jax.tree.map(np.asarray, train_state.split(modules)[1])

    def views(self, video: np.ndarray) -> dict[str, np.ndarray]:
        """Returns what the network says of every view.

        Args:
            video: [B, N, T, H, W, 3] uint8.

        Returns:
            `logits` [B, N, K], `features` [B, N, D], and with SAAR `actionness`
            [B, N, T, h, w] before normalisation.
        """
        clips = video.reshape(-1, *video.shape[2:])
        size = min(self._view_chunk, len(clips))
        if len(video) == 1:  # of its own length: a power of two is compiled only once
            size = min(self._view_chunk, 1 << (len(clips) - 1).bit_length())
        size = -(-size // self._mesh.size) * self._mesh.size
        chunks = [
            self._run(clips[start : start + size], size)
            for start in range(0, len(clips), size)
        ]
        whole = {
            name: np.concatenate([chunk[name] for chunk in chunks])
            for name in chunks[0]
        }
        return {
            name: array.reshape(*video.shape[:2], *array.shape[1:])
            for name, array in whole.items()
        }

    def maps(self, clips: np.ndarray) -> Maps:
        """Returns the maps of a few clips, [B, T, H, W, 3] uint8."""
        padding = -len(clips) % self._mesh.size
        padded = np.pad(clips, [(0, padding)] + [(0, 0)] * 4)
        found = self._look(self._arrays, jax.device_put(padded, self._rows))
        logits, feature_map, *scores = (
            np.asarray(a)[: len(clips)] for a in found if a is not None
        )
        head = self._arrays[0]["model"]["head"]
        kernel, bias = np.asarray(head["kernel"]), np.asarray(head["bias"])
        return Maps(logits, feature_map, scores[0] if scores else None, kernel, bias)

    def run(
        self, batches: Iterable[Mapping[str, Any]], ids: np.ndarray, labels: np.ndarray
    ) -> tuple[Predictions, Examples]:
        """Predicts a whole split.

        Args:
            batches: This process's share of the split, from `pipeline.test_batches`.
            ids: [V] names of the split's videos.
            labels: [V] true actions.

        Returns:
            The predictions of all processes, and the first few clips of this one.

        Raises:
            RuntimeError: if the batches do not hold every video exactly once.
        """
        found, shown = [], []
        for batch in batches:
            views = self.views(batch["video"])
            probabilities = np.asarray(
                self._combine(self._arrays, views["logits"], views["features"])
            )
            probabilities = probabilities * ~batch["unreadable"][:, None]
            kept = batch["mask"]
            features = views["features"].mean(axis=1) * ~batch["unreadable"][:, None]
            rows = (batch["index"], probabilities, features)
            found.append(tuple(array[kept] for array in rows))
            if len(shown) * len(kept) < NUM_EXAMPLES:
                shown.append(
                    {
                        "video": batch["video"][kept, 0],
                        "labels": batch["label"][kept],
                        "predictions": probabilities[kept].argmax(axis=1),
                        "ids": ids[batch["index"][kept]],
                    }
                    | {k: v[kept, 0] for k, v in views.items() if k == "actionness"}
                )
        probabilities, features = _in_order(found, len(ids))
        return Predictions(ids, labels, probabilities, features), _examples(shown)

    def features(
        self, batches: Iterable[Mapping[str, Any]], ids: np.ndarray, labels: np.ndarray
    ) -> ViewFeatures:
        """Returns the features of every view of a whole split.

        Args:
            batches: This process's share of the split, from `pipeline.test_batches`.
            ids: [V] names of the split's videos.
            labels: [V] true actions.

        Raises:
            RuntimeError: if the batches do not hold every video exactly once.
        """
        found = []
        for batch in batches:
            features = self.views(batch["video"])["features"]
            features = features * ~batch["unreadable"][:, None, None]
            kept = batch["mask"]
            found.append((batch["index"][kept], features[kept]))
        (features,) = _in_order(found, len(ids))
        return ViewFeatures(ids, labels, features)

    def _run(self, clips: np.ndarray, size: int) -> dict[str, np.ndarray]:
        """Runs at most `size` clips, padded to so many."""
        padding = [(0, size - len(clips))] + [(0, 0)] * (clips.ndim - 1)
        placed = jax.device_put(np.pad(clips, padding), self._rows)
        views = self._forward(self._arrays, placed)
        return {name: np.asarray(array)[: len(clips)] for name, array in views.items()}


def _local(tree: Any) -> Any:
    """Returns replicated global arrays as NumPy arrays of this process."""
    return jax.tree.map(lambda leaf: np.asarray(leaf.addressable_data(0)), tree)


def _in_order(
    found: Sequence[tuple[np.ndarray, ...]], num_videos: int
) -> list[np.ndarray]:
    """The arrays of all batches and processes in the split's order.

    Args:
        found: For each batch the rows of the split, and the arrays that belong to them.
        num_videos: V, how many rows there should be.
    """
    index, *arrays = _gather([np.concatenate(c) for c in zip(*found, strict=True)])
    if not np.array_equal(np.sort(index), np.arange(num_videos)):
        raise RuntimeError(
            f"predicted {len(index)} videos, {len(np.unique(index))} of them "
            f"different, but the list holds {num_videos}"
        )
    order = np.argsort(index)
    return [array[order] for array in arrays]


def _gather(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Returns the rows of all processes, which may hold different numbers of them."""
    if jax.process_count() == 1:
        return arrays
    counts = multihost_utils.process_allgather(np.asarray(len(arrays[0]))).ravel()
    longest = int(counts.max())
    gathered = []
    for array in arrays:
        padding = [(0, longest - len(array))] + [(0, 0)] * (array.ndim - 1)
        everyone = multihost_utils.process_allgather(np.pad(array, padding))
        parts = [rows[:count] for rows, count in zip(everyone, counts, strict=True)]
        gathered.append(np.concatenate(parts))
    return gathered


def _examples(shown: list[dict[str, np.ndarray]]) -> Examples:
    """Returns the first few rows of what was kept for pictures."""
    rows = {
        name: np.concatenate([part[name] for part in shown])[:NUM_EXAMPLES]
        for name in shown[0]
    }
    scores = rows.pop("actionness", None)
    return Examples(
        actionness=None if scores is None else cam.actionness(scores), **rows
    )
