"""A finished run as a teacher: what its network says of any split (Sec. 5.2)."""

import dataclasses
import pathlib

from smad_jax import experiment, splits
from smad_jax import workdir as workdir_lib
from smad_jax.data import bad_videos, catalog
from smad_jax.evaluation import predict
from smad_jax.training import checkpoint, sharding


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A trained network, loaded once and ready for any number of splits.

    Attributes:
        classes: [K] names of what it tells apart, in the order of its answers.
        config: That of its run: it sees videos as it did when it was tested.
        predictor: The network.
    """

    classes: tuple[str, ...]
    config: experiment.Config
    predictor: predict.Predictor

    def predict(self, split: catalog.Split) -> predict.Predictions:
        """Returns what it says of every video; of an unreadable one only zeros.

        Raises:
            DataError: if more videos are unreadable than its config allows.
        """
        bad = bad_videos.BadVideos(
            None, limit=self.config.data.bad_video_limit, num_videos=len(split)
        )
        predictions, _ = experiment.predict_split(
            self.config, self.predictor, split, bad
        )
        return predictions


def load(
    workdir: pathlib.Path, data_root: pathlib.Path, *, test_views: int = 0
) -> Teacher:
    """Returns the network of a finished run.

    Args:
        workdir: Folder of the run.
        data_root: Where the data sets lie now; the training split names the classes.
        test_views: Views of a video, or frames of one view where the run's sampling is
            by segments; 0 for as many as the run was tested with. Of images one is
            enough: all are the same.

    Raises:
        DataError: if the run is not finished, its training data are not there, or the
            checkpoint does not fit its config.
    """
    config = workdir_lib.read_config(workdir)
    config.data.root = str(data_root)
    config.init.folder = ""  # the checkpoint has what came of those weights
    if test_views:
        config.data.sampling.test_views = test_views
    train = splits.open_train(config)
    plan = experiment.make_plan(config, train, workdir.name)
    graph, state, _ = experiment.build(config, train, plan, sharding.make_mesh())
    with checkpoint.Checkpoints(workdir / "checkpoints") as checkpoints:
        state, _ = checkpoints.restore(state)
    predictor = predict.Predictor(
        graph,
        state.params,
        state.batch_stats,
        view_chunk=config.evaluation.view_chunk,
    )
    return Teacher(train.classes, config, predictor)
