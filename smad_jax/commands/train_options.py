"""The options of `train`: absl flags, and one for every key of the config."""

import re
import sys
from collections.abc import Sequence

from absl import flags
from ml_collections import config_flags

from smad_jax import errors
from smad_jax.experiment import config_files, test_sets

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
DETAILS = flags.DEFINE_bool(
    "details", False, "Show terms of the loss and waiting times on a terminal too."
)
DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "Run as one of several processes, as on a TPU pod."
)
COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of process 0, where nothing else names it."
)
NUM_PROCESSES = flags.DEFINE_integer(
    "num_processes", None, "Number of processes, with --coordinator.", lower_bound=1
)
PROCESS_ID = flags.DEFINE_integer(
    "process_id", None, "Number of this process from 0, with --coordinator."
)
_HELP = re.compile("--?h(elp)?")
_CONFIG = re.compile("--?config(=.*)?", re.DOTALL)
_FILE = re.compile(r"(?:--?\w+=)?(.+\.py(:.*)?)")


def is_distributed() -> bool:
    """Returns whether this is one of several processes.

    Raises:
        ConfigError: if only some of the flags that place it among them are set.
    """
    placing = (COORDINATOR, NUM_PROCESSES, PROCESS_ID)
    missing = [f"--{flag.name}" for flag in placing if flag.value is None]
    if 0 < len(missing) < len(placing):
        raise errors.ConfigError(
            "--coordinator, --num_processes and --process_id go together; "
            f"{' and '.join(missing)} is missing"
        )
    return DISTRIBUTED.value or not missing


def is_help(arguments: Sequence[str]) -> bool:
    """Returns whether the options are requested, by -h or --help."""
    return any(map(_HELP.fullmatch, arguments))


def described() -> str:
    """Returns a line about each option."""
    own = flags.FLAGS.get_key_flags_for_module(sys.modules[__name__])
    return "\n".join(
        [
            "  --config FILE[:ARGUMENT]  Config file; ARGUMENT is DATA,KEY=VALUE,...",
            "  --config.KEY=VALUE        Another value for a key of the config.",
            *(f"  --{flag.name:<24}{flag.help}" for flag in own),
        ]
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
    """Reads the config and parses all flags; raises ConfigError for a mistake."""
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
    raise errors.ConfigError(f"{text} (--help lists the flags)")
