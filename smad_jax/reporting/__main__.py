"""The former name of the commands that report on runs; see `python -m smad_jax`."""

import sys

from smad_jax.commands import front_door

_NAMES = (
    *("compare", "picture", "table", "overlap", "cam"),
    *("audit", "study", "tune"),
)
main = front_door.OldName(
    "python -m smad_jax.reporting", {name: name for name in _NAMES}
)

if __name__ == "__main__":
    sys.exit(main())
