"""Test sets named on the command line, `--config.evaluation.sets.NAME=DATASET/SPLIT`.

ml_collections makes a flag of each key that a config has. The name of a test set may be
new, and may hold a hyphen, which no such flag may.
"""

import re
from collections.abc import Sequence

import ml_collections

from smad_jax import errors

_FLAG = re.compile(r"--?config\.evaluation\.sets\.([\w-]+)(?:=(.*))?")


def apply(config: ml_collections.ConfigDict, argv: Sequence[str]) -> list[str]:
    """Sets the test sets that flags name, known or new; returns the other arguments.

    Raises:
        ConfigError: if a set that the config does not have is left out.
    """
    rest, waiting = [], iter(argv)
    for word in waiting:
        match = _FLAG.fullmatch(word)
        if match is None:
            rest.append(word)
            continue
        name, value = match.groups()
        # As absl reads any other flag, the value may be the next argument.
        value = next(waiting, "") if value is None else value
        sets = config.to_dict()["evaluation"]["sets"]
        # Most likely a misspelt name: the set meant would still be predicted.
        if not value and name not in sets:
            known = ", ".join(sets)
            raise errors.ConfigError(f"no test set {name!r} to leave out of {known}")
        with config.unlocked():
            config.update_from_flattened_dict({f"evaluation.sets.{name}": value})
    return rest
