"""Reads sections of a config into frozen dataclasses, whose fields say what they take.

A field's annotation is its whole rule: a plain type, `Literal` for a choice,
`Annotated[int, Range(least=1)]` for a range, `tuple[str, ...]`, another dataclass for a
section inside this one, or a mapping of such sections by name.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from smad_jax import errors

Section = Mapping[str, object]
T = TypeVar("T")

_NOUNS = {int: "a whole number", float: "a number", str: "text", bool: "True or False"}


class Range(NamedTuple):
    """Bounds of a number, to stand in `Annotated`.

    Attributes:
        least: The smallest value allowed.
        most: The largest value allowed.
        below: A bound that the value must stay under.
        above: A bound that the value must exceed.
    """

    least: float | None = None
    most: float | None = None
    below: float | None = None
    above: float | None = None

    def holds(self, value: float) -> bool:
        """Returns whether `value` lies within the bounds; NaN lies within none."""
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
            and (self.above is None or value > self.above)
            and value == value
        )

    def __str__(self) -> str:
        """Returns the bounds in words, such as `at least 0 and below 1`."""
        bounds = {"at least": self.least, "above": self.above}
        bounds |= {"at most": self.most, "below": self.below}
        return " and ".join(f"{w} {v:g}" for w, v in bounds.items() if v is not None)


def read(kind: type[T], name: str, section: Section) -> T:
    """Returns an instance of the dataclass `kind` with the values of a section.

    Args:
        kind: A frozen dataclass; a field without a default is a required key.
        name: Of the section in the config, `data.sampling`; empty for the whole config.
        section: Keys and values. A list stands for a tuple, a whole number for a
            number; an empty section inside this one stands for None where the field
            may be None.

    Raises:
        ConfigError: naming the key, its value and what it may be.
    """
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, kind))}
    check_keys(name, section, tuple(fields))
    prefix = f"{name}." if name else ""
    values = {}
    for key, field in fields.items():
        if key in section:
            values[key] = _value(hints[key], prefix + key, section[key])
        elif (
            field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        ):
            # Read as None, so that the message also states what is expected.
            values[key] = _value(hints[key], prefix + key, None)
    return kind(**values)


def check_keys(name: str, section: Section, known: tuple[str, ...]) -> None:
    """Raises ConfigError if `section`, called `name`, has a key not in `known`."""
    for key in sorted(set(section) - set(known)):
        near = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise errors.ConfigError(
            f"unknown key {key!r} in {name or 'the config'}; {hint}known: "
            f"{', '.join(known) or 'none'}"
        )


def _value(hint: Any, name: str, value: object) -> object:
    """Returns the value of the key `name` in the type of the annotation `hint`."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _in_range(parts[0], parts[1], name, value)
    if origin is typing.Literal:
        if value not in parts:
            raise errors.ConfigError(
                f"unknown {name} {value!r}; known: {', '.join(map(str, parts))}"
            )
        return value
    if origin in (types.UnionType, typing.Union):  # the latter of a Literal or None
        empty = value is None or value == {}
        return None if empty else _value(parts[0], name, value)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise _wrong(name, "a list", value)
        return tuple(_value(parts[0], name, part) for part in value)
    is_section = dataclasses.is_dataclass(hint)
    if (origin is Mapping or is_section) and not isinstance(value, Mapping):
        raise _wrong(name, "a section", value)
    if origin is Mapping:
        return _by_name(parts[1], name, typing.cast(Section, value))
    if is_section:
        return read(typing.cast(type, hint), name, typing.cast(Section, value))
    return _plain(hint, name, value)


def _by_name(hint: Any, name: str, section: Section) -> dict[str, object]:
    """Returns the values of a section whose keys are names that a user chooses.

    They come in alphabetical order: sections of a config have no order of their own.
    """
    if hint is object:
        return dict(section)
    return {key: _value(hint, f"{name}.{key}", section[key]) for key in sorted(section)}


def _in_range(kind: type, bounds: Range, name: str, value: object) -> object:
    """Returns a number that lies within `bounds`."""
    wanted = f"{_NOUNS[kind]} of {bounds}" if bounds.most is None else None
    wanted = wanted or f"{_NOUNS[kind]}, {bounds}"
    try:
        number = _plain(kind, name, value)
    except errors.ConfigError:
        raise _wrong(name, wanted, value) from None
    if not bounds.holds(typing.cast(float, number)):
        raise _wrong(name, wanted, value)
    return number


def _plain(kind: type, name: str, value: object) -> object:
    """Returns a value of a plain type."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _wrong(name, _NOUNS[kind], value)
    return value


def _wrong(name: str, wanted: str, value: object) -> errors.ConfigError:
    return errors.ConfigError(f"{name} must be {wanted}, but it is {value!r}")
