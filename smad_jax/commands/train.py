"""Trains and tests one experiment (`train`); the options are absl flags.

    python -m smad_jax train --config configs/slowonly_smad.py
    python -m smad_jax train --config configs/slowonly_smad.py:k200db --distributed
    python -m smad_jax train --config configs/slowonly_smad.py --config.seed=3 --smoke

The same command resumes a run where it stopped. `python main.py` is this command.
"""

import contextlib
import pathlib
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

import ml_collections
from absl import app, flags
from ml_collections import config_flags

from smad_jax import errors
from smad_jax.base import command_line
from smad_jax.commands import test_sets
from smad_jax.experiment import config_files

WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run (default: runs/CONFIG[-ARGUMENT])."
)
SMOKE = flags.DEFINE_bool(
    "smoke", False, "Train two steps on a few small videos, as a check."
)
FORCE = flags.DEFINE_bool(
    "force", False, "Use the folder of a run even if its config differs."
)
SKIP_DAMAGED = flags.DEFINE_bool(
    "skip_damaged",
    False,
    "Set damaged checkpoints aside and resume from the newest undamaged one.",
)
DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "Run as one of several processes, as on a TPU pod."
)
_AGAIN = "the same command resumes from the newest checkpoint"
_HELP = re.compile("--?h(elp)?")
_CONFIG = re.compile("--?config(=.*)?", re.DOTALL)
_FILE = re.compile(r"(?:--?\w+=)?(.+\.py(:.*)?)")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command line and ends the process with the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if any(map(_HELP.fullmatch, arguments)):
        own = flags.FLAGS.get_key_flags_for_module(sys.modules[__name__])
        lines = [
            f"{__doc__}",
            "  --config FILE[:ARGUMENT]  Config file; ARGUMENT is DATA,KEY=VALUE,...",
            "  --config.KEY=VALUE        Another value for a key of the config.",
            *(f"  --{flag.name:<24}{flag.help}" for flag in own),
        ]
        command_line.show("\n".join(lines))
        sys.exit()
    place, rest = config_place(arguments)
    app.run(
        lambda argv: _act(argv, place),
        argv=["train", *rest],
        flags_parser=lambda argv: parse_flags(argv, place),
    )


def config_place(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Returns the value of --config, empty without one, and all other arguments."""
    arguments = flags.FLAGS.read_flags_from_files(arguments, force_gnu=False)
    place, rest = "", []
    waiting = iter(arguments)
    for argument in waiting:
        if _CONFIG.fullmatch(argument):
            _, equals, value = argument.partition("=")
            place = value if equals else next(waiting, "")
        else:
            rest.append(argument)
    return place, rest


def parse_flags(argv: Sequence[str], place: str) -> list[str]:
    """Reads the config and parses all flags; a mistake ends the process with code 2."""
    try:
        if not place:
            # A FILE without its flag, or with a misspelt one.
            found = [_FILE.fullmatch(word) for word in argv[1:]]
            near = next((f"; did you mean --config {f[1]}?" for f in found if f), "")
            raise errors.ConfigError(f"--config configs/NAME.py is needed{near}")
        # The flags of a config are made from its keys, so its file is read first.
        config = config_files.load_config(place)
        argv = test_sets.apply(config, argv)
        config_flags.DEFINE_config_dict("config", config, sys_argv=list(argv))
        return flags.FLAGS(argv)
    except (AttributeError, KeyError) as error:  # an unknown key, or section
        # Quoted by its origin, a section even twice.
        text = str(error).strip("\"'")
        if name := re.match(r"""[\\'"]*(\w+)[\\'"]""", str(error)):
            near = re.search(r'Did you mean (".*?")', text)
            hint = f"; did you mean {near[1]}?" if near else ""
            text = f"the config has no key {name[1]!r}{hint}"
    except (errors.ConfigError, flags.Error) as error:
        text = str(error)
    _stop(f"{text} (--help lists the flags)", errors.ConfigError.exit_code)


def _act(argv: Sequence[str], place: str) -> None:
    """Trains and tests; ends the process with one line where that fails."""
    config: ml_collections.ConfigDict = flags.FLAGS.config
    # In a distributed run SIGTERM is JAX's own, in the training loop the loop's.
    alone = not DISTRIBUTED.value
    try:
        if len(argv) > 1:
            raise errors.ConfigError(f"unexpected arguments: {' '.join(argv[1:])}")
        with (
            command_line.ended_by_sigterm(_AGAIN)
            if alone
            else contextlib.nullcontext(),
            errors.machine_explained(),
        ):
            _train(config, place)
    except errors.UserError as error:
        _stop(str(error), error.exit_code)
    except KeyboardInterrupt:  # outside the training loop there is nothing to save
        _stop(f"interrupted; {_AGAIN}", 130)


def _train(config: ml_collections.ConfigDict, place: str) -> None:
    # Imported late: a mistake in the flags is reported without waiting for JAX.
    from smad_jax.commands import runs
    from smad_jax.experiment import run_folder
    from smad_jax.training import log, loop

    log.to_console()
    file, _, argument = place.partition(":")
    name = run_folder.run_name(file, argument, smoke=SMOKE.value)
    folder = pathlib.Path(WORKDIR.value or f"runs/{name}")
    log.logger.info(f"{name} in {folder}")
    if DISTRIBUTED.value:
        runs.join_processes()
    try:
        runs.train(
            config,
            folder,
            smoke=SMOKE.value,
            force=FORCE.value,
            skip_damaged=SKIP_DAMAGED.value,
        )
    except loop.Interrupted as interruption:
        _stop(str(interruption), 128 + interruption.number)


def _stop(message: str, code: int) -> NoReturn:
    sys.stdout.flush()
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)
