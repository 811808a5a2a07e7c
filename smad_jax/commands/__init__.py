"""The commands of `python -m smad_jax`, one file each; `front_door` lists them.

Each has `add_arguments`, and `run`, which takes every option by name, returns the text
to print and raises UserError for mistakes that the user can correct. What takes seconds
to import is imported in `run`, so that --help and mistakes answer at once. `runs`,
`measures`, `predictions` and `extracted` hold the functions behind several commands,
which `smad_jax` offers to notebooks.
"""
