"""What training asks of the features: one file a row of Table 3, and later ones."""

import inspect
import pkgutil
from collections.abc import Callable, Mapping

import jax
from flax import nnx

from smad_jax import errors
from smad_jax.aspect_table import Aspect
from smad_jax.methods import base

# A method's module in this package and its class, loaded with it.
_PLACES = {
    "baseline": "base:Method",
    "smad": "smad:Smad",
    "adabn": "adabn:AdaBn",
    "dann": "dann:Dann",
    "mmd": "mmd:Mmd",
    "sava": "sava:Sava",
    "frame_shuffle": "frame_shuffle:FrameShuffle",
    "sdn": "sdn:Sdn",
    "still_mix": "still_mix:StillMix",
    "background_erasing": "background_erasing:BackgroundErasing",
    "fame": "fame:Fame",
    "group_dro": "group_dro:GroupDro",
    "dfr": "dfr:Dfr",
    "actor_cut_mix": "actor_cut_mix:ActorCutMix",
    "albar": "albar:Albar",
}
METHODS: dict[str, type[base.Method]] = {
    name: pkgutil.resolve_name(f"{__name__}.{place}") for name, place in _PLACES.items()
}


def find(name: str) -> type[base.Method]:
    """Returns the class of the method called `name`.

    Raises:
        ConfigError: if there is none.
    """
    if name not in METHODS:
        raise errors.ConfigError(
            f"unknown method {name!r}; known: {', '.join(METHODS)}"
        )
    return METHODS[name]


def check_target(name: str, target: str) -> None:
    """Makes sure that a method gets unlabelled videos if and only if it wants them.

    Args:
        name: The method.
        target: The split they come from, empty for none.

    Raises:
        ConfigError: if it lacks them, or has no use for them.
    """
    wants = base.UNLABELLED in find(name).streams
    if wants and not target:
        raise errors.ConfigError(
            f"method {name!r} learns from unlabelled videos of a test set too; name "
            "its split with --config.data.target=DATASET/SPLIT"
        )
    if target and not wants:
        raise _useless(
            name,
            f"data.target={target!r}",
            "leave it empty",
            lambda method: base.UNLABELLED in method.streams,
        )


def check_groups(name: str, aspect: str) -> None:
    """Makes sure that groups are made only for a method that goes by them.

    Raises:
        ConfigError: if groups of `aspect` are asked for and it does not.
    """
    if aspect and not find(name).uses_groups:
        raise _useless(
            name,
            f"data.groups={aspect!r}",
            "leave it empty",
            lambda method: method.uses_groups,
        )


def check_holdout(name: str, share: float) -> None:
    """Makes sure that videos are held out only for a method that fits on them.

    Raises:
        ConfigError: if the share is none, or the method has no use for it.
    """
    if not 0 <= share < 1:
        raise errors.ConfigError(
            f"data.holdout must be at least 0 and below 1, but it is {share}"
        )
    if share and not find(name).refits:
        raise _useless(
            name, f"data.holdout={share}", "set it to 0", lambda method: method.refits
        )


def check_views(name: str, views: int) -> None:
    """Makes sure that a method which adapts to a test set sees equally many views.

    Args:
        name: The method.
        views: Of a video at test, 0 for as many as cover it.

    Raises:
        ConfigError: if it adapts and longer videos have more.
    """
    if views == 0 and find(name).adapt is not base.Method.adapt:
        raise errors.ConfigError(
            f"method {name!r} adapts to batches of videos with equally many views; set "
            "data.sampling.test_views to their number, not 0"
        )


def check_masked(name: str, wanted: bool) -> None:
    """Makes sure that clips without people are not made for a method without use.

    Args:
        name: The method.
        wanted: Whether the config asks for them.

    Raises:
        ConfigError: if it has none.
    """
    if wanted and not find(name).uses_masked:
        raise _useless(
            name,
            "clips with the people painted out",
            "leave data.masked empty",
            lambda method: method.uses_masked,
        )


def _useless(
    name: str, given: str, instead: str, uses: Callable[[type[base.Method]], bool]
) -> errors.ConfigError:
    """The error for what a method has no use for, with those that have."""
    others = [other for other, method in METHODS.items() if uses(method)]
    return errors.ConfigError(
        f"method {name!r} has no use for {given}; {instead}, or choose a method that "
        f"has: {', '.join(others)}"
    )


def build_method(
    name: str,
    num_features: int,
    aspects: Mapping[str, Aspect],
    *,
    ramp: Callable[[jax.Array], jax.Array],
    rngs: nnx.Rngs,
    settings: Mapping[str, object],
    total_steps: int = 1,
) -> base.Method:
    """Returns the method called `name`, with its heads on `num_features` features.

    Args:
        name: A key of `METHODS`.
        num_features: D.
        aspects: The aspects that the training stream carries labels for.
        ramp: Strength of reversed gradients as a function of the step.
        rngs: For the heads' initial parameters.
        settings: The method's own settings, the further keywords of its constructor.
        total_steps: Of the run, for methods whose constructor takes it.

    Raises:
        ConfigError: if there is no such method, or it lacks what it needs.
    """
    method = find(name)
    if aspects and not method.uses_aspects:
        raise errors.ConfigError(
            f"method {name!r} has no use for method.aspects={tuple(aspects)}"
        )
    taken = set(inspect.signature(method.__init__).parameters)
    offered = ("self", "num_features", "aspects", "ramp", "rngs", "total_steps")
    known = taken - set(offered)
    if unknown := sorted(set(settings) - known):
        raise errors.ConfigError(
            f"method {name!r} has no setting {', '.join(unknown)}; known: "
            f"{', '.join(sorted(known)) or 'none'}"
        )
    if "total_steps" in taken:
        settings = {**settings, "total_steps": total_steps}
    return method(num_features, aspects, ramp=ramp, rngs=rngs, **settings)
