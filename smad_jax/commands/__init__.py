"""The subcommands of `python -m smad_jax.evaluation`, one file each.

Every file has `HELP`, `add_arguments` and `run`, which returns what is to be printed.
They open runs, weights and data, and leave the arithmetic to `evaluation`.
"""
