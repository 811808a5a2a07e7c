"""Debiasing methods: the rows of Table 3, and later ones."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from smad_jax import errors
from smad_jax.base import sections
from smad_jax.methods import base
from smad_jax.methods.adabn import AdaBn
from smad_jax.methods.albar import Albar
from smad_jax.methods.base import Given, Method
from smad_jax.methods.dfr import Dfr
from smad_jax.methods.domains import Dann
from smad_jax.methods.frame_shuffle import FrameShuffle
from smad_jax.methods.group_dro import GroupDro
from smad_jax.methods.mixing import ActorCutMix, BackgroundErasing, Fame, StillMix
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
    "background_erasing": BackgroundErasing,
    "fame": Fame,
    "group_dro": GroupDro,
    "dfr": Dfr,
    "actor_cut_mix": ActorCutMix,
    "albar": Albar,
}


class Inputs(NamedTuple):
    """What a config gives a method beside the training split.

    `target`, `groups` and `holdout` are keys of the config's section `data`, `masked`
    is whether it has `masked` clips; `views` are of a test video, 0 for as many as
    cover it, and `clips` of a training video; `settings` is `method.settings`.
    """

    target: str = ""
    groups: str = ""
    holdout: float = 0.0
    masked: bool = False
    views: int = 1
    clips: int = 1
    settings: Mapping[str, object] = {}


# Whether a method uses each input that is not for all of them.
_USES: dict[str, Callable[[type[Method]], bool]] = {
    "target": lambda method: base.UNLABELLED in method.streams,
    "groups": lambda method: method.uses_groups,
    "holdout": lambda method: method.refits,
    "masked": lambda method: method.uses_masked,
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


def check(name: str, inputs: Inputs) -> None:
    """Makes sure that a config gives a method what it needs and nothing it ignores.

    Otherwise raises ConfigError, naming the key of the config to change.
    """
    method = find(name)
    # An ignored input would leave a run that is the baseline under another name.
    for key, is_used_by in _USES.items():
        value = getattr(inputs, key)
        if value and not is_used_by(method):
            others = [other for other in METHODS if is_used_by(METHODS[other])]
            raise errors.ConfigError(
                f"method {name!r} has no use for data.{key}"
                f"{'' if value is True else f'={value!r}'}; remove it, or choose a "
                f"method that uses it: {', '.join(others)}"
            )
    if base.UNLABELLED in method.streams and not inputs.target:
        raise errors.ConfigError(
            f"method {name!r} learns from unlabelled videos of a test set too; name "
            "its split with --config.data.target=DATASET/SPLIT"
        )
    if inputs.views == 0 and method.adapt is not Method.adapt:
        raise errors.ConfigError(
            f"method {name!r} adapts to batches of videos with equally many views; set "
            "data.sampling.test_views to their number, not 0"
        )
    # Read here already, so that a typo stops the run before its data are opened.
    chosen = sections.read(method.settings_type, "method.settings", inputs.settings)
    # To a method without the setting, which is all but SAVA, a video is one clip.
    num_clips = getattr(chosen, "num_clips", 1)
    if inputs.clips != num_clips:
        raise errors.ConfigError(
            f"method {name!r} learns from {num_clips} clips of a video, "
            f"method.settings.num_clips, but data.sampling.train_clips is "
            f"{inputs.clips}; make them equal"
        )
