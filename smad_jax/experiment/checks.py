"""Whether the sections of a config go together, before a run opens anything."""

from collections.abc import Callable

from smad_jax import errors, methods
from smad_jax.base import aspect_names, sections
from smad_jax.data import web
from smad_jax.experiment.keys import Data, Evaluation, Method, Training
from smad_jax.methods import base

# Whether a method uses each key of the section `data` that is not for all of them.
_USES: dict[str, Callable[[type[base.Method]], bool]] = {
    "target": lambda method: base.UNLABELLED in method.streams,
    "groups": lambda method: method.uses_groups,
    "holdout": lambda method: method.refits,
    "masked": lambda method: method.uses_masked,
}


def check(data: Data, method: Method, *, ghost_size: int, accumulate: int = 1) -> None:
    """Raises ConfigError, naming the keys, where those of a config contradict."""
    _check_names(data, method.aspects)
    _check_method(method, data)
    _check_streams(data)
    _check_ghost_groups(data, ghost_size, accumulate)


def check_validation(section: Evaluation, training: Training, method: Method) -> None:
    """Raises ConfigError where tests during training contradict other keys."""
    sets = [name for name, place in section.sets.items() if place]
    if unknown := [name for name in section.during if name not in sets]:
        raise errors.ConfigError(
            f"evaluation.during names {', '.join(unknown)}, but evaluation.sets has "
            f"{', '.join(sets)}"
        )
    if section.every_epochs % training.save_every_epochs:
        raise errors.ConfigError(
            f"evaluation.every_epochs={section.every_epochs} must be a multiple of "
            f"training.save_every_epochs={training.save_every_epochs}: a network is "
            "tested when it is saved"
        )
    if section.every_epochs and methods.find(method.name).refits:
        raise errors.ConfigError(
            f"method {method.name!r} fits its last layer after training, so that a "
            "test during training is of another network; use "
            "--config.evaluation.every_epochs=0"
        )


def _check_names(data: Data, aspects: tuple[str, ...]) -> None:
    """Checks the names of splits, streams and aspects."""
    places = {f"data.web.{name}.split": one.split for name, one in data.web.items()}
    places |= {"data.target": data.target} if data.target else {}
    # Test sets are not among them: an empty one is switched off.
    for key, place in {"data.train": data.train, **places}.items():
        if "/" not in place:
            raise errors.ConfigError(f"{key} must be DATASET/SPLIT, not {place!r}")
    for name in data.web:
        web.check_name(name)
    for name in (*aspects, *filter(None, [data.groups])):
        aspect_names.get(name)
    if len(set(aspects)) < len(aspects):
        raise errors.ConfigError(f"method.aspects={aspects} repeats one")


def _check_method(section: Method, data: Data) -> None:
    """Checks that a method gets what it needs, and nothing that it has no use for."""
    name, method = section.name, methods.find(section.name)
    # An ignored input would leave a run that is the baseline under another name.
    for key, is_used_by in _USES.items():
        value = getattr(data, key)
        if value and not is_used_by(method):
            others = [n for n, one in methods.METHODS.items() if is_used_by(one)]
            raise errors.ConfigError(
                f"method {name!r} has no use for data.{key}"
                f"{'' if key == 'masked' else f'={value!r}'}; remove it, or choose a "
                f"method that uses it: {', '.join(others)}"
            )
    if base.UNLABELLED in method.streams and not data.target:
        raise errors.ConfigError(
            f"method {name!r} takes unlabelled videos too; name their split with "
            "--config.data.target=DATASET/SPLIT"
        )
    if data.sampling.test_views == 0 and method.adapt is not base.Method.adapt:
        raise errors.ConfigError(
            f"method {name!r} adapts to batches of videos with equally many views; set "
            "data.sampling.test_views to their number, not 0"
        )
    # Read here already, so that a typo stops the run before its data are opened.
    chosen = sections.read(method.settings_type, "method.settings", section.settings)
    # To a method without the setting, which is all but SAVA, a video is one clip.
    clips, num_clips = data.sampling.train_clips, getattr(chosen, "num_clips", 1)
    if clips != num_clips:
        raise errors.ConfigError(
            f"method {name!r} learns from {num_clips} clips of a video, "
            "method.settings.num_clips, but data.sampling.train_clips is "
            f"{clips}; make them equal"
        )


def _check_streams(data: Data) -> None:
    """Checks that the streams can be used together."""
    # A batch of web data has neither unlabelled videos nor masked clips beside it.
    for key, other in (("data.target", data.target), ("data.masked", data.masked)):
        if data.web and other:
            raise errors.ConfigError(
                f"{key} and the web streams of data.web cannot be used together; leave "
                "one of them out"
            )
    for name, stream in data.web.items():
        if stream.num_frames == 1 and data.sampling.input == "difference":
            raise errors.ConfigError(
                f"data.web.{name}.num_frames=1 is a still image, which has no "
                "differences; leave the stream out, or use "
                "--config.data.sampling.input=rgb+difference"
            )


def _check_ghost_groups(data: Data, ghost_size: int, accumulate: int) -> None:
    """Checks that ghost groups divide whatever passes the network together."""
    if accumulate > 1 and not ghost_size:
        raise errors.ConfigError(
            f"training.accumulate={accumulate} cannot take batch statistics over the "
            "whole batch; set model.ghost_size to the videos that share them, at most "
            f"data.batch_size / {accumulate} = {data.batch_size // accumulate}"
        )
    sizes, clips = data.batch_sizes, data.sampling.train_clips
    if data.target:  # both halves share a forward pass and its statistics
        sizes = {" + ".join(sizes): sum(sizes.values())}
    if clips > 1:  # a method gets the clips of a video as so many videos
        sizes = {
            f"data.sampling.train_clips * ({k})": clips * n for k, n in sizes.items()
        }
    for key, batch_size in sizes.items():
        if accumulate > 1 and batch_size % (accumulate * ghost_size):
            raise errors.ConfigError(
                f"{key} must be a multiple of training.accumulate * model.ghost_size = "
                f"{accumulate} * {ghost_size}, so that each part has whole groups, but "
                f"it is {batch_size}"
            )
        # A batch no larger than a group is one group.
        if 0 < ghost_size < batch_size and batch_size % ghost_size:
            raise errors.ConfigError(
                f"{key} must be a multiple of model.ghost_size {ghost_size}, or at "
                f"most that, but it is {batch_size}"
            )
