"""Checked values from a section of a config."""

import difflib
from collections.abc import Mapping

from smad_jax import errors

Section = Mapping[str, object]


def check_keys(name: str, section: Section, known: tuple[str, ...]) -> None:
    """Raises ConfigError if `section`, called `name`, has a key not in `known`."""
    for key in sorted(set(section) - set(known)):
        near = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise errors.ConfigError(
            f"unknown key {key!r} in {name}; {hint}known: {', '.join(known)}"
        )


def choice(name: str, section: Section, key: str, known: tuple[str, ...]) -> str:
    """Returns the entry `key`, one of `known`.

    Raises:
        ConfigError: if it is missing or something else.
    """
    value = section.get(key)
    if not isinstance(value, str) or value not in known:
        raise errors.ConfigError(
            f"unknown {name}.{key} {value!r}; known: {', '.join(known)}"
        )
    return value


def integer(
    name: str, section: Section, key: str, *, least: int, default: int | None = None
) -> int:
    """Returns the entry `key`, a whole number of at least `least`.

    Raises:
        ConfigError: if it is missing and has no default, or is something else.
    """
    value = section.get(key, default)
    if not isinstance(value, int) or value < least:
        raise errors.ConfigError(
            f"{name}.{key} must be a whole number of at least {least}, not {value!r}"
        )
    return value


def number(
    name: str, section: Section, key: str, *, least: float, most: float, default: float
) -> float:
    """Returns the entry `key`, a number from `least` to `most`.

    Raises:
        ConfigError: if it is something else.
    """
    value = section.get(key, default)
    if not isinstance(value, int | float) or not least <= value <= most:
        raise errors.ConfigError(
            f"{name}.{key} must be a number from {least:g} to {most:g}, not {value!r}"
        )
    return float(value)
