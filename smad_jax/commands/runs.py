"""Making a run: the benchmark created where it is used, then trained and tested."""

import contextlib
import functools
import os
import pathlib

import jax
import ml_collections

from configs import base
from data_prep.embedded import make, web_media
from smad_jax.data.embedded import benchmark
from smad_jax.experiment import config_files, places, run, run_lock, run_record
from smad_jax.experiment.settings import Settings
from smad_jax.training import compiling, log


def train(
    config: ml_collections.ConfigDict | str,
    folder: str | os.PathLike[str],
    *,
    smoke: bool = False,
    force: bool = False,
    skip_damaged: bool = False,
) -> dict[str, float]:
    """Trains and tests an experiment, or resumes it; creates the embedded benchmark.

    The log is printed, unless the logger `smad_jax` has a level or handlers of its own.

    Args:
        config: A config, or the file of one: `configs/slowonly_smad.py:mine`.
        folder: Folder of the run.
        smoke: Shrink the experiment to seconds.
        force: Resume even if the folder holds a run with another config.
        skip_damaged: Resume from the newest checkpoint that is not damaged.

    Returns:
        Metrics named `set/metric`, accuracies between 0 and 1.

    Raises:
        UserError: for mistakes that the user can correct.
    """
    if isinstance(config, str):
        config = config_files.load_config(config)
    if smoke:
        config = base.smoke(config)
    folder = pathlib.Path(folder)
    config = run_record.with_dtype(config, folder)
    compiling.keep_programs()
    # Of a pod one process writes, and holds the lock for all.
    alone = (
        run_lock.held(folder) if jax.process_index() == 0 else contextlib.nullcontext()
    )
    with log.shown(), alone:
        _prepare_embedded(config)
        return run.train_and_test(
            config, folder, force=force, skip_damaged=skip_damaged
        )


def _prepare_embedded(config: ml_collections.ConfigDict) -> None:
    settings = Settings.read(config)
    embedded = {
        name: functools.partial(make.prepare, name=name) for name in make.EDITIONS
    }
    for name, prepare in (embedded | {benchmark.WEB_NAME: web_media.prepare}).items():
        if places.uses(settings, name):
            prepare(
                places.data_root(settings.data),
                settings.data.embedded_seed,
                scale=settings.data.embedded_scale,
                log=log.logger.info,
            )
