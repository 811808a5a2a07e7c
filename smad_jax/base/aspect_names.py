"""Names of aspects: the paper's five, and any other for one of the user's own."""

import difflib
import re

from smad_jax import errors
from smad_jax.base.aspect_table import ASPECTS, Aspect

# Names of other metrics, columns of tables and words of configs.
_TAKEN = (
    *("action", "attention", "confusion", "domain", "entropy", "gradient", "id"),
    *("label", "masked", "mmd", "none", "order", "prediction", "still"),
)


def get(name: str) -> Aspect:
    """Returns the aspect called `name`; one of the user's own has no number of labels.

    Raises:
        ConfigError: if the name looks like a slip for one of `ASPECTS`, or an own
            aspect cannot be called that.
    """
    if name in ASPECTS:
        return ASPECTS[name]
    if near := difflib.get_close_matches(name, ASPECTS, 1, cutoff=0.8):
        raise errors.ConfigError(
            f"unknown aspect {name!r}; did you mean {near[0]!r}? known: "
            f"{', '.join(sorted(ASPECTS))}, and any other name that differs more"
        )
    if name in _TAKEN or not re.fullmatch(r"\w[\w-]*", name):
        raise errors.ConfigError(
            f"an aspect cannot be called {name!r}; use letters, digits, '_' and '-', "
            f"but none of {', '.join(_TAKEN)}"
        )
    return Aspect(name, "soft", 0, "labels of your own")
