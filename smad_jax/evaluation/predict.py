"""Runs a network over a test set once and stores its predictions (Sec. 6.1).

Views go through in chunks, so memory does not grow with their number. Every process
works on its own devices alone, so the last chunks need not be in step.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils

from smad_jax.evaluation.predictions import Predictions
from smad_jax.methods import base
from smad_jax.training import parameter_layout, sharding, train_state

# Outputs of the network that are read.
_OF_VIEWS = ("logits", "features", "actionness")
_OF_MAPS = ("logits", "feature_map", "actionness")


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
    """The ingredients of class activation maps; see `cam`.

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
            params: Their parameters, on any device.
            batch_stats: Their batch statistics, on any device.
            view_chunk: The most clips in one pass, rounded up to a multiple of the
                devices.
        """
        self._mesh = sharding.make_mesh(jax.local_devices())
        self._view_chunk = view_chunk
        self._graph = graph
        self._trained = parameter_layout.local((params, batch_stats))
        self._place = jax.sharding.NamedSharding(
            self._mesh, jax.sharding.PartitionSpec()
        )
        self._arrays = jax.device_put(self._trained, self._place)
        self._rows = sharding.rows(self._mesh)

        def forward(arrays, clips, outputs):
            modules = train_state.merge(graph, *arrays)
            output = modules.model(clips, train=False, key=None)
            found = {name: getattr(output, name) for name in outputs}
            return {name: value for name, value in found.items() if value is not None}

        def combine(arrays, logits, features):
            modules = train_state.merge(graph, *arrays)
            return modules.method.predict(logits, features)

        # static: outputs that are not read, such as feature maps, cost no memory
        self._forward = jax.jit(forward, static_argnames="outputs")
        self._combine = jax.jit(combine)

    def program(self) -> Callable[[jax.Array], dict[str, jax.Array]]:
        """Returns the function of [B, N, T, H, W, 3] uint8 that `run` computes.

        Its `probabilities` are [B, K], its `features` [B, D] the mean over the views.
        It is pure and holds the weights; an adaptation to a test set is not in it.
        """

        def answers(video: jax.Array) -> dict[str, jax.Array]:
            modules = train_state.merge(self._graph, *self._trained)
            clips = video.reshape(-1, *video.shape[2:])
            output = modules.model(clips, train=False, key=None)
            logits, features = (
                array.reshape(*video.shape[:2], -1)  # of every view again
                for array in (output.logits, output.features)
            )
            return {
                "probabilities": modules.method.predict(logits, features),
                "features": features.mean(axis=1),
            }

        return answers

    def adapt(self, batches: Callable[[], Iterable[Mapping[str, Any]]]) -> None:
        """Lets the method adapt the trained network to a test set.

        An earlier adaptation is undone. The method sees one view of each video of a
        batch at a time, because similar views of one video make poor batch statistics.

        Args:
            batches: Returns this process's share of the split, as for `run`.
        """

        def clips() -> Iterator[np.ndarray]:
            for batch in batches():
                video = batch["video"][batch["mask"] & ~batch["unreadable"]]
                for view in range(video.shape[1] if len(video) else 0):
                    yield video[:, view]

        # On a device: the method changes arrays in place, and NumPy arrays cannot be.
        modules = train_state.merge(self._graph, *jax.device_put(self._trained))
        modules.method.adapt(modules.model, clips)
        batch_stats = jax.tree.map(np.asarray, train_state.batch_stats_of(modules))
        self._arrays = self._arrays[0], jax.device_put(batch_stats, self._place)

    def refit(
        self, stream: Mapping[str, Any], *, rng: np.random.Generator
    ) -> train_state.Tree:
        """Lets the method fit the network to features; returns all its parameters.

        Args:
            stream: For `Method.refit`, the same in every process.
            rng: The same in every process.
        """
        modules = train_state.merge(self._graph, *jax.device_put(self._trained))
        modules.method.refit(modules.model, stream, rng=rng)
        return jax.tree.map(np.asarray, train_state.split(modules)[1])

    def views(self, video: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the network's outputs for every view.

        Args:
            video: [B, N, T, H, W, 3] uint8.

        Returns:
            `logits` [B, N, K], `features` [B, N, D], and with SAAR `actionness`
            [B, N, T, h, w] before normalisation.
        """
        clips = video.reshape(-1, *video.shape[2:])
        size = min(self._view_chunk, len(clips))
        if len(video) == 1:  # N is its own: rounding to powers of two limits compiling
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
        placed = jax.device_put(padded, self._rows)
        found = self._forward(self._arrays, placed, outputs=_OF_MAPS)
        whole = {name: np.asarray(array)[: len(clips)] for name, array in found.items()}
        head = self._arrays[0]["model"]["head"]
        return Maps(
            actionness=whole.pop("actionness", None),
            kernel=np.asarray(head["kernel"]),
            bias=np.asarray(head["bias"]),
            **whole,
        )

    def run(
        self, batches: Iterable[Mapping[str, Any]], ids: np.ndarray, labels: np.ndarray
    ) -> Predictions:
        """Predicts a whole split.

        Args:
            batches: This process's share of the split, from `views.test_batches`.
            ids: [V] names of the split's videos.
            labels: [V] true actions.

        Returns:
            The predictions of all processes.

        Raises:
            RuntimeError: if the batches do not hold every video exactly once.
        """
        found = []
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
        probabilities, features = _in_order(found, len(ids))
        return Predictions(ids, labels, probabilities, features)

    def features(
        self, batches: Iterable[Mapping[str, Any]], ids: np.ndarray, labels: np.ndarray
    ) -> ViewFeatures:
        """Returns the features of every view of a whole split; see `run`."""
        found = []
        for batch in batches:
            features = self.views(batch["video"])["features"]
            features = features * ~batch["unreadable"][:, None, None]
            kept = batch["mask"]
            found.append((batch["index"][kept], features[kept]))
        (features,) = _in_order(found, len(ids))
        return ViewFeatures(ids, labels, features)

    def _run(self, clips: np.ndarray, size: int) -> dict[str, np.ndarray]:
        """Runs at most `size` clips, padded to `size`."""
        padding = [(0, size - len(clips))] + [(0, 0)] * (clips.ndim - 1)
        placed = jax.device_put(np.pad(clips, padding), self._rows)
        views = self._forward(self._arrays, placed, outputs=_OF_VIEWS)
        return {name: np.asarray(array)[: len(clips)] for name, array in views.items()}


def _in_order(
    found: Sequence[tuple[np.ndarray, ...]], num_videos: int
) -> list[np.ndarray]:
    """Returns the arrays of all batches and processes in the split's order.

    Args:
        found: For each batch the rows of the split, and the arrays at these rows.
        num_videos: V, the expected number of rows.
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
