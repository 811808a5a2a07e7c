"""The commands of `python -m smad_jax`, one file each; `front_door` lists them.

Each has one line of help, `add_arguments`, a `run` that takes every option by name, and
`main`. What takes seconds to import is imported in `run`, so that --help and mistakes
answer at once. `runs`, `measures`, `predictions` and `extracted` hold the functions
behind several commands, which `smad_jax` offers to notebooks.
"""
