"""Trains and tests one experiment (`train`); the options are absl flags.

    python -m smad_jax train --config configs/slowonly_smad.py
    python -m smad_jax train --config configs/slowonly_smad.py:k200db --distributed
    python -m smad_jax train --config configs/slowonly_smad.py --config.seed=3 --smoke

The same command resumes a run where it stopped. `python main.py` is this command.
"""

import contextlib
import pathlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import ml_collections
from absl import app, flags

from smad_jax import errors
from smad_jax.base import command_line
from smad_jax.commands import train_options

_AGAIN = "the same command resumes from the newest checkpoint, if there is one"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command line and ends the process with the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if train_options.is_help(arguments):
        command_line.show(f"{__doc__}\n{train_options.described()}")
        sys.exit()
    place, rest = train_options.config_place(arguments)

    def parse_flags(argv: Sequence[str]) -> list[str]:
        try:
            return train_options.parse_flags(argv, place)
        except errors.ConfigError as error:
            _stop(f"error: {error}", error.exit_code)

    app.run(
        lambda argv: _act(argv, place),
        argv=["train", *rest],
        flags_parser=parse_flags,
    )


def _act(argv: Sequence[str], place: str) -> None:
    """Trains and tests; ends the process with one line where that fails."""
    config: ml_collections.ConfigDict = flags.FLAGS.config
    try:
        if len(argv) > 1:
            raise errors.ConfigError(f"unexpected arguments: {' '.join(argv[1:])}")
        # In a distributed run SIGTERM is JAX's own, in the training loop the loop's.
        alone = not train_options.is_distributed()
        with (
            command_line.ended_by_sigterm(_AGAIN)
            if alone
            else contextlib.nullcontext(),
            errors.machine_explained(),
        ):
            _train(config, place)
    except errors.UserError as error:
        _stop(f"error: {error}", error.exit_code)
    except KeyboardInterrupt:  # outside the training loop there is nothing to save
        _stop(f"\nstopped by Ctrl-C; {_AGAIN}", 130)


def _train(config: ml_collections.ConfigDict, place: str) -> None:
    # Imported late: a mistake in the flags is reported without waiting for JAX, and one
    # in the config without waiting for the rest, or for the embedded benchmark.
    from smad_jax.experiment.settings import Settings

    Settings.read(config)
    from smad_jax.commands import runs
    from smad_jax.experiment import run_folder
    from smad_jax.training import host_memory, log, loop, processes

    host_memory.use_large_pages()
    smoke, force = train_options.SMOKE.value, train_options.FORCE.value
    log.to_console(details=train_options.DETAILS.value)
    file, _, argument = place.partition(":")
    name = run_folder.run_name(file, argument, smoke=smoke)
    folder = pathlib.Path(train_options.WORKDIR.value or f"runs/{name}")
    log.logger.info(f"{name} in {folder}")
    with contextlib.ExitStack() as stack:
        if train_options.is_distributed():
            processes.join(
                train_options.COORDINATOR.value,
                train_options.NUM_PROCESSES.value,
                train_options.PROCESS_ID.value,
            )
            stack.enter_context(processes.together())
            # Inside: what it makes of an error is the text that the others show.
            stack.enter_context(errors.machine_explained())
        try:
            runs.train(
                config,
                folder,
                smoke=smoke,
                force=force,
                skip_damaged=train_options.SKIP_DAMAGED.value,
            )
        except loop.Interrupted as interruption:
            _stop(str(interruption), 128 + interruption.number)


def _stop(message: str, code: int) -> NoReturn:
    sys.stdout.flush()
    command_line.on_standard_error(message)
    sys.exit(code)
