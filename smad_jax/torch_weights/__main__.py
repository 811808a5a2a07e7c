"""The former name of the commands about weights; see `python -m smad_jax`."""

import sys

from smad_jax.commands import front_door

main = front_door.OldName(
    "python -m smad_jax.torch_weights",
    {name: f"weights {name}" for name in ("import", "export", "verify")},
)

if __name__ == "__main__":
    sys.exit(main())
