"""The commands of `python -m smad_jax`, one file each; `front_door` lists them.

Each has one line of help, `add_arguments`, a `run` that takes every option by name, and
`main`. They read options and print; `api` does the work. What takes seconds to import
is imported in `run`, so that --help and mistakes answer at once.
"""
