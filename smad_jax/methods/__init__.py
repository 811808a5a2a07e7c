"""Debiasing methods: the rows of Table 3, and later ones."""

from collections.abc import Mapping

from smad_jax import errors
from smad_jax.base import sections
from smad_jax.methods.adabn import AdaBn
from smad_jax.methods.albar import Albar
from smad_jax.methods.base import Given, Method
from smad_jax.methods.dfr import Dfr
from smad_jax.methods.domains import Dann
from smad_jax.methods.frame_shuffle import FrameShuffle
from smad_jax.methods.group_dro import GroupDro
from smad_jax.methods.mixing import (
    ActorCutMix,
    BackgroundErasing,
    Fame,
    StillMix,
    StillMixBank,
)
from smad_jax.methods.mmd import Mmd
from smad_jax.methods.sava import Sava
from smad_jax.methods.sdn import Sdn
from smad_jax.methods.smad import Smad

METHODS: dict[str, type[Method]] = {
    "baseline": Method,
    "smad": Smad,
    "adabn": AdaBn,
    "dann": Dann,
    "mmd": Mmd,
    "sava": Sava,
    "frame_shuffle": FrameShuffle,
    "sdn": Sdn,
    "still_mix": StillMix,
    "still_mix_bank": StillMixBank,
    "background_erasing": BackgroundErasing,
    "fame": Fame,
    "group_dro": GroupDro,
    "dfr": Dfr,
    "actor_cut_mix": ActorCutMix,
    "albar": Albar,
}


def find(name: str) -> type[Method]:
    """Returns the class of the method called `name`, or raises ConfigError."""
    if name not in METHODS:
        raise errors.ConfigError(
            f"unknown method {name!r}; known: {', '.join(METHODS)}"
        )
    return METHODS[name]


def build(name: str, given: Given, settings: Mapping[str, object]) -> Method:
    """Returns the method called `name`, with fresh parameters.

    Raises ConfigError if there is no such method, a setting is unknown or out of range,
    or the aspects are not those that the method needs.
    """
    method = find(name)
    if given.aspects and not method.uses_aspects:
        raise errors.ConfigError(
            f"method {name!r} has no use for method.aspects={tuple(given.aspects)}"
        )
    chosen = sections.read(method.settings_type, "method.settings", settings)
    return method(given, chosen)
