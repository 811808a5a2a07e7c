"""A trained network, of a finished run or of imported weights, for any split.

No training data are needed: a run stores the names of its classes. Every command that
predicts, measures or shows opens its network here.
"""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Generator, Sequence

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from flax import nnx

from smad_jax import errors
from smad_jax.data import bad_videos, catalog, label_names, preparation, views
from smad_jax.evaluation import predict as predict_lib
from smad_jax.experiment import build, config_files, places, run_labels, splits, testing
from smad_jax.experiment.keys import Method
from smad_jax.experiment.settings import Settings
from smad_jax.torch_weights import weights
from smad_jax.training import checkpoint, train_state


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, loaded once and ready for any number of splits.

    Attributes:
        classes: [K] names of the actions, in the order of the probabilities.
        settings: Of its run: videos are sampled as they were when it was tested.
        predictor: The network.
        step: Of the checkpoint, if training is not finished; None otherwise.
    """

    classes: tuple[str, ...]
    settings: Settings
    predictor: predict_lib.Predictor
    step: int | None = None

    @property
    def unfinished(self) -> str:
        """A note for pictures of a network that is still in training, or nothing."""
        return "" if self.step is None else f", step {self.step} of unfinished training"

    def open_split(self, place: str, aspects: Sequence[str] = ()) -> catalog.Split:
        """Opens a DATASET/SPLIT with the labels of some aspects.

        `embedded` is the draw of the benchmark that the network was trained on.

        Raises:
            ConfigError: if `place` is something else.
            MissingDataError: if it is missing, with the commands that prepare it.
        """
        return places.open_place(self.settings.data, place, aspects=aspects)

    def labelled_aspects(self, place: str) -> tuple[str, ...]:
        """Returns the aspects that the data set of a DATASET/SPLIT has labels for."""
        return places.labelled_aspects(self.settings.data, place)

    def dataset_folder(self, place: str) -> pathlib.Path:
        """Returns the folder of the data set of a DATASET/SPLIT."""
        return places.dataset_folder(self.settings.data, place)

    def test_batches(
        self, split: catalog.Split, bad: bad_videos.BadVideos | None = None
    ) -> Generator[views.TestBatch]:
        """Yields the videos of a split as the network sees them; to be closed."""
        bad = bad or self._bad_videos(split)
        return testing.test_batches(self.settings, split, bad)

    def predict(
        self, split: catalog.Split, bad: bad_videos.BadVideos | None = None
    ) -> predict_lib.Predictions:
        """Returns the predictions of every video, zeros for an unreadable one.

        Args:
            split: Any videos; their labels are ignored.
            bad: Where unreadable videos are recorded; None for nowhere.

        Raises:
            DataError: if more videos are unreadable than the settings allow.
        """
        bad = bad or self._bad_videos(split)
        return testing.predict_split(self.settings, self.predictor, split, bad)

    def features(self, split: catalog.Split) -> predict_lib.ViewFeatures:
        """Returns the features of every view of every video (Sec. 6.2).

        They are those before dropout; zeros for a video that cannot be read.

        Raises:
            ConfigError: if longer videos have more views.
            DataError: if more videos are unreadable than the settings allow.
        """
        # The file is one array [V, N, D], which needs the same N for all videos.
        if self.settings.data.sampling.covers:
            raise errors.ConfigError(
                "this network is tested on more clips of longer videos, but vectors of "
                "features need the same number; choose the views (10 in the paper)"
            )
        with contextlib.closing(self.test_batches(split)) as batches:
            return self.predictor.features(batches, np.asarray(split.ids), split.labels)

    def _bad_videos(self, split: catalog.Split) -> bad_videos.BadVideos:
        # Without a file: the folder of a finished run stays as it was.
        limit = self.settings.data.bad_video_limit
        return bad_videos.BadVideos(None, limit=limit, num_videos=len(split))


def load(
    folder: pathlib.Path,
    data_root: pathlib.Path,
    *,
    test_views: int = 0,
    finished: bool = True,
) -> TrainedNetwork:
    """Returns the network of a run.

    Args:
        folder: Of the run.
        data_root: Folder of the data sets; the training data need not be there, unless
            the run is older than `labels.json`.
        test_views: Views of a video, or frames of one view where the run's sampling is
            by segments; 0 for as many as the run was tested with. Of images one is
            enough: all are the same.
        finished: Whether the run must be finished; if not, its newest checkpoint does.

    Raises:
        DataError: if the run is not finished but must be, nothing names its classes, or
            the checkpoint does not fit its config.
    """
    settings = Settings.of_run(folder, finished=finished)
    settings = settings.with_data(data_root, test_views=test_views)
    labels = run_labels.read(folder)
    # Only the training data name the classes of a run that is older than the file.
    if labels is None:
        train = splits.open_train(settings)
        labels = run_labels.Labels(train.classes, train.aspects)
    # Without the weights that the run began with: the checkpoint holds all arrays.
    step, *arrays = checkpoint.read_trained(folder / "checkpoints")
    network = _network(settings, labels, arrays, str(folder))
    if not (folder / "results.json").exists():
        network = dataclasses.replace(network, step=step)
    return network


def load_run(
    folder: str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
    *,
    views: int = 0,
    config: ml_collections.ConfigDict | str = "",
    classes: Sequence[str] | pathlib.Path = (),
) -> TrainedNetwork:
    """Returns the network of a finished run, or of imported weights.

    Args:
        folder: The run's, or what `import_weights` wrote.
        data_root: Folder of the data sets; by default $DATA_ROOT, or `datasets`.
        views: Test views of a video; 0 for as many as the run was tested with.
        config: For imported weights only: how videos are sampled, as for `train`.
        classes: For imported weights only: [K] names of their classes in the order of
            the logits, or a file with one per line.

    Raises:
        ConfigError: if imported weights come without config or classes, or a run with.
        DataError: if it cannot be opened.
    """
    folder = pathlib.Path(folder)
    root = pathlib.Path(data_root or preparation.default_root())
    if views < 0:
        raise errors.ConfigError(f"views must be at least 0, not {views}")
    if not folder.is_dir():
        raise errors.DataError(f"no folder of a run or of weights at {folder}")
    # Only folders of imported weights have this file, and it is written last.
    if not (folder / "weights.json").is_file():
        # Ignored in silence, they would suggest that the run is sampled by them.
        if config or classes:
            raise errors.ConfigError(
                f"config and classes are for imported weights, which {folder} does "
                "not hold; a run has its own"
            )
        return load(folder, root, test_views=views)
    if not (config and classes):
        raise errors.ConfigError(
            f"{folder} holds imported weights, without sampling and class names; give "
            "a config (configs/NAME.py:DATA) and their classes too"
        )
    if isinstance(config, str):
        config = config_files.load_config(config)
    if isinstance(classes, pathlib.Path):
        classes = label_names.read(classes)
    settings = Settings.parse(config.to_dict()).with_data(root, test_views=views)
    # Weights hold no heads of a method, so there is nothing to build them from.
    settings = dataclasses.replace(settings, method=Method())
    params, batch_stats = weights.load_weights(folder)
    arrays = [checkpoint.flatten({"model": tree}) for tree in (params, batch_stats)]
    labels = run_labels.Labels(tuple(classes), {})
    return _network(settings, labels, arrays, str(folder))


def _network(
    settings: Settings,
    labels: run_labels.Labels,
    arrays: Sequence[checkpoint.Arrays],
    source: str,
) -> TrainedNetwork:
    """The network that settings and labels describe, with its trained arrays."""
    # Shapes alone: all arrays are replaced, so no parameter need be drawn. Ramps go by
    # `total_steps`, but only in training.
    outline = nnx.eval_shape(
        lambda: build.build_modules(settings, *labels, total_steps=1)
    )
    graph, *shapes = train_state.split(outline)
    params, batch_stats = (
        _filled(tree, found, source) for tree, found in zip(shapes, arrays, strict=True)
    )
    predictor = predict_lib.Predictor(
        graph, params, batch_stats, view_chunk=settings.evaluation.view_chunk
    )
    return TrainedNetwork(labels.classes, settings, predictor)


def _filled(
    tree: train_state.Tree, arrays: checkpoint.Arrays, source: str
) -> train_state.Tree:
    """The tree of shapes with the arrays of the same paths in it.

    Raises:
        DataError: naming an array that does not fit.
    """
    # Compared first: filling the tree would stop at one path, without the number.
    ours, theirs = checkpoint.shapes(tree), checkpoint.shapes(arrays)
    if different := checkpoint.differing(ours, theirs):
        first = different[0]
        raise errors.DataError(
            f"the weights in {source} do not fit the model: {len(different)} arrays "
            f"differ; {first} is {theirs.get(first, 'missing')} there, but the model "
            f"needs {ours.get(first, 'none')}"
        )
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.asarray(arrays[checkpoint.path_of(path)], leaf.dtype),
        tree,
    )
