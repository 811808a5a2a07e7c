"""Checked values from a section of a config."""

from collections.abc import Mapping

from smad_jax import errors

Section = Mapping[str, object]


def check_keys(name: str, section: Section, known: tuple[str, ...]) -> None:
    """Raises ConfigError if `section`, called `name`, has a key not in `known`."""
    for key in sorted(set(section) - set(known)):
        raise errors.ConfigError(
            f"unknown key {key!r} in {name}; known: {', '.join(known)}"
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
