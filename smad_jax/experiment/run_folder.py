"""The names of runs, and of the keys in their configs; without JAX."""

import pathlib
from collections.abc import Iterator, Mapping


def run_name(file: str, argument: str, *, smoke: bool = False) -> str:
    """Returns the name of a run: the config's, its argument and `smoke`, joined."""
    # The argument holds what a shell or a file system would take for its own.
    plain = argument.replace(",", "-").replace("=", "-").replace("/", "-")
    parts = [pathlib.Path(file).stem, plain, "smoke" if smoke else ""]
    return "-".join(part for part in parts if part)


def flat(tree: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yields (dotted key, value) of a nested config."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
