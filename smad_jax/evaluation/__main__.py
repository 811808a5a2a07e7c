"""The former name of the commands that measure a network; see `python -m smad_jax`."""

import sys

from smad_jax.commands import front_door

_NAMES = ("evaluate", "predict", "features", "few_shot", "svm", "probe")
main = front_door.OldName(
    "python -m smad_jax.evaluation", {name: name for name in _NAMES}
)

if __name__ == "__main__":
    sys.exit(main())
