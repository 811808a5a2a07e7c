"""Making a run, and opening the network of a finished one."""

import os
import pathlib
from collections.abc import Callable, Sequence

import jax
import ml_collections

from configs import base
from data_prep.embedded import make, web_media
from smad_jax import errors
from smad_jax.data import label_names, preparation
from smad_jax.experiment import config_files, run, splits, trained
from smad_jax.experiment.settings import Settings
from smad_jax.training import log


def train(
    config: ml_collections.ConfigDict | str,
    folder: str | os.PathLike[str],
    *,
    smoke: bool = False,
    force: bool = False,
) -> dict[str, float]:
    """Trains and tests an experiment, or resumes it; creates the embedded benchmark.

    Args:
        config: A config, or the file of one: `configs/slowonly_smad.py:mine`.
        folder: Folder of the run.
        smoke: Shrink the experiment to seconds.
        force: Resume even if the folder holds a run with another config.

    Returns:
        Metrics named `set/metric`, accuracies between 0 and 1.

    Raises:
        UserError: for whatever the user can put right.
    """
    if isinstance(config, str):
        config = config_files.load(config)
    if smoke:
        config = base.smoke(config)
    _keep_compiled()
    settings = Settings.read(config)
    if splits.uses_embedded(settings):
        _prepare(make.prepare, settings)
    if splits.uses_embedded_web(settings):
        _prepare(web_media.prepare, settings)
    return run.train_and_test(config, pathlib.Path(folder), force=force)


def load_run(
    folder: str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
    *,
    views: int = 0,
    config: ml_collections.ConfigDict | str = "",
    classes: Sequence[str] | pathlib.Path = (),
) -> trained.TrainedNetwork:
    """Returns the network of a finished run, or of imported weights.

    Args:
        folder: The run's, or what `import_weights` wrote.
        data_root: Folder of the data sets; by default $DATA_ROOT, or `datasets`.
        views: Test views of a video; 0 for as many as the run was tested with.
        config: For imported weights only: how videos are sampled, as for `train`.
        classes: For imported weights only: [K] names of their classes, or the file
            that has them, one a line.

    Raises:
        ConfigError: if imported weights come without config or classes, or a run with.
        DataError: if it cannot be opened.
    """
    folder = pathlib.Path(folder)
    root = pathlib.Path(data_root or preparation.default_root())
    if views < 0:
        raise errors.ConfigError(f"--views must be at least 0, not {views}")
    if not (folder / "weights.json").is_file():
        if config or classes:
            raise errors.ConfigError(
                f"--config and --classes are for imported weights; {folder} is a run, "
                "which has its own"
            )
        return trained.load(folder, root, test_views=views)
    if not (config and classes):
        raise errors.ConfigError(
            f"{folder} holds imported weights, without sampling and class names; add "
            "--config configs/NAME.py:DATA and --classes FILE"
        )
    if isinstance(config, str):
        config = config_files.load(config)
    if isinstance(classes, pathlib.Path):
        classes = label_names.read(classes)
    return trained.load_weights(folder, config, classes, root, test_views=views)


def join_processes() -> None:
    """Connects this process to the others; only the first keeps its log.

    JAX finds the processes of a pod by itself; elsewhere the environment names them.

    Raises:
        ConfigError: if they cannot be found.
    """
    names = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
    address, *counts = (os.environ.get(name) for name in names)
    try:
        num_processes, process_id = (
            None if count is None else int(count) for count in counts
        )
        jax.distributed.initialize(address, num_processes, process_id)
    except ValueError as error:
        raise errors.ConfigError(
            f"--distributed cannot find the other processes ({error}); set "
            f"{', '.join(names)}"
        ) from error
    if jax.process_index() > 0:
        log.quieten()


def _prepare(prepare: Callable[..., pathlib.Path], settings: Settings) -> None:
    """Creates the configured draw of the embedded benchmark, or of its web data."""
    prepare(
        splits.data_root(settings.data),
        settings.data.embedded_seed,
        scale=settings.data.embedded_scale,
        log=log.logger.info,
    )


def _keep_compiled() -> None:
    """Lets later runs of the same shapes start without compiling again."""
    folder = "jax_compilation_cache_dir"
    if getattr(jax.config, folder) is None:  # set by $JAX_COMPILATION_CACHE_DIR
        # In the working directory: an installed package cannot be written to.
        jax.config.update(folder, ".jax_cache")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
