"""Trains and tests one experiment. Flags are read here; all else is elsewhere.

    python main.py --config configs/slowonly_smad.py
    python main.py --config configs/slowonly_smad.py:k200db --distributed
    python main.py --config configs/slowonly_smad.py --config.seed=3 --smoke

Run the same command again to go on where it stopped.
"""

import os
import pathlib
import re
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

import jax
import ml_collections
from absl import app, flags
from ml_collections import config_flags

from configs import base
from data_prep.embedded import make, web_media
from smad_jax import errors
from smad_jax.experiment import run, run_folder, splits
from smad_jax.experiment.settings import Settings
from smad_jax.training import log, loop

CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Experiment, as configs/NAME.py or configs/NAME.py:DATA,KEY=VALUE."
)
WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; by default runs/<config>[-<argument>]."
)
SMOKE = flags.DEFINE_bool("smoke", False, "Shrink the experiment to seconds.")
FORCE = flags.DEFINE_bool(
    "force", False, "Go on in a folder that another config was run in."
)
DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "One of several processes, as on a pod."
)
_AGAIN = "the same command goes on from the newest checkpoint"


def main(argv: Sequence[str]) -> None:
    """Runs the experiment that the flags describe."""
    log.to_console()
    config = base.smoke(CONFIG.value) if SMOKE.value else CONFIG.value
    file, _, argument = config_flags.get_config_filename(
        flags.FLAGS["config"]
    ).partition(":")
    name = run_folder.run_name(file, argument, smoke=SMOKE.value)
    workdir = pathlib.Path(WORKDIR.value or f"runs/{name}")
    try:
        if len(argv) > 1:
            raise errors.ConfigError(f"unexpected arguments: {' '.join(argv[1:])}")
        log.logger.info(f"{name} in {workdir}")
        with errors.machine_explained():
            _run(config, workdir)
    except errors.UserError as error:
        _stop(str(error), error.exit_code)
    except loop.Interrupted as interruption:
        _stop(str(interruption), 128 + interruption.number)
    except KeyboardInterrupt:  # outside the training loop there is nothing to save
        _stop(f"interrupted; {_AGAIN}", 130)
    except _Terminated:
        _stop(f"stopped by SIGTERM; {_AGAIN}", 143)


def _run(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> None:
    """Makes the data that are made here, and runs the experiment."""
    if DISTRIBUTED.value:
        _join_the_others()
    else:  # there SIGTERM is JAX's own
        signal.signal(signal.SIGTERM, _terminated)
    _keep_compiled()
    settings = Settings.read(config)
    if splits.uses_embedded(settings):
        _make(make.prepare, settings)
    if splits.uses_embedded_web(settings):
        _make(web_media.prepare, settings)
    run.train_and_test(config, workdir, force=FORCE.value)


def parse_flags(argv: Sequence[str]) -> list[str]:
    """Parses the command line; a mistake in it ends the program with exit code 2."""
    try:
        rest = flags.FLAGS(argv)
        # A file that cannot be read makes a config that raises when it is looked at.
        getattr(CONFIG.value, "seed", None)
        return rest
    except (flags.Error, AttributeError, OSError) as error:
        if isinstance(error, AttributeError):  # a key: quoted once more by its origin
            told = str(error).strip("\"'").replace("\\n", " ").replace("\\'", "'")
            if told.isidentifier():  # where no key is like it
                told = f"the config has no key {told!r}"
        else:
            # A mistake inside a config file comes with the trace of its loading,
            # of which the last line says what is wrong, after the error's class.
            told = str(error).strip().splitlines()[-1].strip()
            told = re.sub(r"^[A-Za-z.]+(Error|Exception): ", "", told)
        _stop(f"{told} (--help lists the flags)", 2)
        raise AssertionError("unreachable") from error


def _make(prepare: Callable[..., pathlib.Path], settings: Settings) -> None:
    """Makes the config's draw of the embedded benchmark, or of its web data."""
    data = settings.data
    prepare(
        splits.data_root(data),
        data.embedded_seed,
        scale=data.embedded_scale,
        log=log.logger.info,
    )


def _join_the_others() -> None:
    """Connects the processes; where JAX cannot find them, the environment tells."""
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


def _keep_compiled() -> None:
    """Lets later runs of the same shapes start without compiling again."""
    if jax.config.jax_compilation_cache_dir is None:  # $JAX_COMPILATION_CACHE_DIR
        jax.config.update("jax_compilation_cache_dir", ".jax_cache")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


class _Terminated(Exception):
    """SIGTERM came outside the training loop, which has its own answer to it."""


def _terminated(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def _stop(message: str, code: int) -> None:
    sys.stdout.flush()
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(main, flags_parser=parse_flags)
