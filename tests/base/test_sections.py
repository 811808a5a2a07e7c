import dataclasses
from collections.abc import Mapping
from typing import Annotated, Literal

import pytest

from smad_jax import errors
from smad_jax.base import sections
from smad_jax.base.sections import Range


@dataclasses.dataclass(frozen=True)
class Stream:
    split: str
    batch_size: Annotated[int, Range(least=1)] = 8


@dataclasses.dataclass(frozen=True)
class Inner:
    kind: Literal["clip", "segments"]
    stride: Annotated[int, Range(least=1)] = 1
    share: Annotated[float, Range(least=0, below=1)] = 0.0


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner
    saar: bool = False
    name: str = ""
    aspects: tuple[str, ...] = ()
    streams: Mapping[str, Stream] = dataclasses.field(default_factory=dict)
    masked: Stream | None = None
    free: Mapping[str, object] = dataclasses.field(default_factory=dict)


def test_section_becomes_a_dataclass_with_its_defaults():
    found = sections.read(
        Outer,
        "",
        {
            "inner": {"kind": "clip", "share": 0},
            "aspects": ["scene", "object"],
            "streams": {"b": {"split": "x/y"}, "a": {"split": "z", "batch_size": 2}},
            "masked": {},
            "free": {"weight": 0.5},
        },
    )
    assert found == Outer(
        Inner("clip"),
        aspects=("scene", "object"),
        streams={"a": Stream("z", 2), "b": Stream("x/y")},
        free={"weight": 0.5},
    )
    assert list(found.streams) == ["a", "b"]
    assert isinstance(found.inner.share, float)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({}, "data.inner must be a section, but it is None"),
        ({"inner": {}}, "unknown data.inner.kind None; known: clip, segments"),
        ({"inner": {"kind": "clips"}}, "unknown data.inner.kind 'clips'"),
        (
            {"inner": {"kind": "clip", "strid": 2}},
            "unknown key 'strid' in data.inner; did you mean 'stride'",
        ),
        (
            {"inner": {"kind": "clip", "stride": 0}},
            "data.inner.stride must be a whole number of at least 1, but it is 0",
        ),
        ({"inner": {"kind": "clip", "stride": True}}, "whole number .* it is True"),
        ({"inner": {"kind": "clip", "stride": 2.0}}, "whole number .* it is 2.0"),
        (
            {"inner": {"kind": "clip", "share": 1}},
            "data.inner.share must be a number of at least 0 and below 1, but it is 1",
        ),
        ({"inner": {"kind": "clip", "share": float("nan")}}, "but it is nan"),
        ({"inner": {"kind": "clip"}, "aspects": "scene"}, "a list, but it is 'scene'"),
        ({"inner": {"kind": "clip"}, "saar": 1}, "data.saar must be True or False"),
        ({"inner": {"kind": "clip"}, "name": 3}, "data.name must be text, but it is 3"),
        (
            {"inner": {"kind": "clip"}, "streams": {"a": {"batch_size": 1}}},
            "data.streams.a.split must be text, but it is None",
        ),
    ],
)
def test_wrong_value_is_named_with_what_it_may_be(section, told):
    with pytest.raises(errors.ConfigError, match=told):
        sections.read(Outer, "data", section)
