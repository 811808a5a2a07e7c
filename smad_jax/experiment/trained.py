"""A finished run, or imported weights, whose network is asked about any split.

No training data are needed: a run keeps the names of its classes. As a teacher it
filters web data (Sec. 5.2); `python -m smad_jax.evaluation` asks it everything else.
"""

import contextlib
import dataclasses
import pathlib
from collections.abc import Generator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from smad_jax import errors, torch_weights
from smad_jax.data import bad_videos, catalog, pipeline, sampling
from smad_jax.evaluation import predict as predict_lib
from smad_jax.experiment import run as experiment
from smad_jax.experiment import run_folder, run_labels, splits
from smad_jax.training import checkpoint, train_state


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, loaded once and ready for any number of splits.

    Attributes:
        classes: [K] names of what it tells apart, in the order of its answers.
        config: That of its run: it sees videos as it did when it was tested.
        predictor: The network.
    """

    classes: tuple[str, ...]
    config: experiment.Config
    predictor: predict_lib.Predictor

    def open_split(self, place: str, aspects: Sequence[str] = ()) -> catalog.Split:
        """Opens DATASET/SPLIT with the labels of some aspects."""
        return splits.open_place(self.config, place, aspects=aspects)

    def labelled_aspects(self, place: str) -> tuple[str, ...]:
        """Returns the aspects that the data set of DATASET/SPLIT has labels for."""
        return splits.labelled_aspects(self.config, place)

    def dataset_folder(self, place: str) -> pathlib.Path:
        """Returns the folder of the data set of DATASET/SPLIT."""
        dataset, _ = splits.divided(place)
        return splits.data_root(self.config) / splits.folder_name(self.config, dataset)

    def test_batches(
        self, split: catalog.Split, bad: bad_videos.BadVideos
    ) -> Generator[pipeline.TestBatch]:
        """Yields the videos of a split as the network sees them; to be closed."""
        return experiment.test_batches(self.config, split, bad)

    def predict(
        self, split: catalog.Split, bad: bad_videos.BadVideos | None = None
    ) -> predict_lib.Predictions:
        """Returns what it says of every video; of an unreadable one only zeros.

        Args:
            split: Any videos; of their labels nothing is asked.
            bad: Where unreadable videos are recorded; None for nowhere.

        Raises:
            DataError: if more videos are unreadable than its config allows.
        """
        bad = bad or self._bad_videos(split)
        predictions, _ = experiment.predict_split(
            self.config, self.predictor, split, bad
        )
        return predictions

    def features(self, split: catalog.Split) -> predict_lib.ViewFeatures:
        """Returns the features of every view of every video (Sec. 6.2).

        They are those before dropout; zeros for a video that cannot be read.

        Raises:
            ConfigError: if longer videos have more views.
            DataError: if more videos are unreadable than its config allows.
        """
        if sampling.Sampling.from_config(self.config.data.sampling).covers:
            raise errors.ConfigError(
                "this network is tested on more clips of longer videos, but vectors of "
                "features are of equally many; say how many with --views, 10 in the "
                "paper"
            )
        with contextlib.closing(
            experiment.test_batches(self.config, split, self._bad_videos(split))
        ) as batches:
            return self.predictor.features(batches, np.asarray(split.ids), split.labels)

    def _bad_videos(self, split: catalog.Split) -> bad_videos.BadVideos:
        limit = self.config.data.bad_video_limit
        return bad_videos.BadVideos(None, limit=limit, num_videos=len(split))


def load(
    workdir: pathlib.Path, data_root: pathlib.Path, *, test_views: int = 0
) -> TrainedNetwork:
    """Returns the network of a finished run.

    Args:
        workdir: Folder of the run.
        data_root: Where data sets lie. The training data need not be there, unless the
            run is older than `labels.json` and only they name the classes.
        test_views: Views of a video, or frames of one view where the run's sampling is
            by segments; 0 for as many as the run was tested with. Of images one is
            enough: all are the same.

    Raises:
        DataError: if the run is not finished, nothing names its classes, or the
            checkpoint does not fit its config.
    """
    config = run_folder.read_config(workdir)
    labels = run_labels.read(workdir)
    if labels is None:
        config.data.root = str(data_root)
        train = splits.open_train(config)
        labels = run_labels.Labels(train.classes, train.aspects)
    _, *arrays = checkpoint.read_trained(workdir / "checkpoints")
    return _teacher(config, labels, arrays, data_root, test_views, str(workdir))


def load_weights(
    folder: pathlib.Path,
    config: experiment.Config,
    classes: Sequence[str],
    data_root: pathlib.Path,
    *,
    test_views: int = 0,
) -> TrainedNetwork:
    """Returns the network of imported weights.

    Args:
        folder: What `python -m smad_jax.torch_weights import` wrote.
        config: Says which network it is and how it sees videos.
        classes: [K] names of its classes, in the order of its answers.
        data_root: Where data sets lie.
        test_views: Views of a video; 0 for as many as the config says.

    Raises:
        DataError: if the weights are missing or do not fit.
    """
    config.method.name, config.method.aspects, config.method.settings = (
        "baseline",
        (),
        {},
    )
    params, batch_stats = torch_weights.load_weights(folder)
    arrays = [checkpoint.flatten({"model": tree}) for tree in (params, batch_stats)]
    labels = run_labels.Labels(tuple(classes), {})
    return _teacher(config, labels, arrays, data_root, test_views, str(folder))


def _teacher(
    config: experiment.Config,
    labels: run_labels.Labels,
    arrays: Sequence[checkpoint.Arrays],
    data_root: pathlib.Path,
    test_views: int,
    source: str,
) -> TrainedNetwork:
    """The network that config and labels describe, with its trained arrays."""
    config.data.root = str(data_root)
    if test_views:
        config.data.sampling.test_views = test_views
    # shapes alone: nothing of it is drawn at random
    outline = nnx.eval_shape(
        lambda: experiment.build_modules(config, *labels, total_steps=1)
    )
    graph, *shapes = train_state.split(outline)
    params, batch_stats = (
        _filled(tree, found, source) for tree, found in zip(shapes, arrays, strict=True)
    )
    predictor = predict_lib.Predictor(
        graph, params, batch_stats, view_chunk=config.evaluation.view_chunk
    )
    return TrainedNetwork(labels.classes, config, predictor)


def _filled(tree: train_state.Tree, arrays: checkpoint.Arrays, source: str) -> Any:
    """The tree of shapes with the arrays of the same paths in it.

    Raises:
        DataError: naming what does not fit.
    """
    wanted = {
        path: tuple(leaf.shape) for path, leaf in checkpoint.flatten(tree).items()
    }
    found = {path: array.shape for path, array in arrays.items()}
    if wanted != found:
        different = sorted(
            path for path in wanted | found if wanted.get(path) != found.get(path)
        )
        first = different[0]
        raise errors.DataError(
            f"the weights in {source} do not fit the model: {len(different)} arrays "
            f"differ; {first} is {found.get(first, 'missing')} there, wanted is "
            f"{wanted.get(first, 'none')}"
        )
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.asarray(arrays[checkpoint.path_of(path)], leaf.dtype),
        tree,
    )
