"""Runs any command: `python -m smad_jax COMMAND`; without one, lists them all."""

import sys

from smad_jax.commands import front_door


def main() -> int:
    """Runs the process's command line; returns the exit code."""
    return front_door.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
