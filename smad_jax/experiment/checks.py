"""What a config asks for, checked before anything is done."""

from typing import Any

from smad_jax import aspect_table, errors, methods
from smad_jax.experiment import streams

Config = Any  # an ml_collections.ConfigDict, of whose values no checker knows


def check(config: Config) -> None:
    """Raises ConfigError for numbers that cannot work, before anything is done."""
    positive = {
        "data.batch_size": config.data.batch_size,
        "data.web_every": config.data.web_every,
        "evaluation.batch_size": config.evaluation.batch_size,
        "evaluation.view_chunk": config.evaluation.view_chunk,
        "training.epochs": config.training.epochs,
        "training.log_every": config.training.log_every,
        "training.save_every_epochs": config.training.save_every_epochs,
    }
    for key, value in positive.items():
        if value < 1:
            raise errors.ConfigError(f"{key} must be at least 1, but it is {value}")
    _check_target(config)
    methods.check_groups(config.method.name, config.data.groups)
    if config.data.groups:
        aspect_table.get(config.data.groups)
    methods.check_holdout(config.method.name, config.data.holdout)
    _check_masked(config)
    _check_clips(config)
    methods.check_views(config.method.name, config.data.sampling.get("test_views", 1))
    ghost_size = config.model.ghost_size
    for key, batch_size in _forward_sizes(config).items():
        if 0 < ghost_size < batch_size and batch_size % ghost_size:
            raise errors.ConfigError(
                f"{key} must be a multiple of model.ghost_size {ghost_size}, or at "
                f"most that, but it is {batch_size}"
            )
    if not 0.02 <= config.data.embedded_scale <= 1:
        raise errors.ConfigError(
            "data.embedded_scale must be from 0.02 to 1, but it is "
            f"{config.data.embedded_scale}"
        )
    for name in config.method.aspects:
        aspect_table.get(name)
    if len(set(config.method.aspects)) < len(config.method.aspects):
        raise errors.ConfigError(f"method.aspects={config.method.aspects} repeats one")
    if "/" not in config.data.train:
        raise errors.ConfigError(
            f"data.train must be DATASET/SPLIT, but it is {config.data.train!r}"
        )


def _check_target(config: Config) -> None:
    """Raises ConfigError unless method and unlabelled videos go together."""
    target, batch_size = config.data.target, config.data.target_batch_size
    methods.check_target(config.method.name, target)
    if batch_size < 0:
        raise errors.ConfigError(
            f"data.target_batch_size must be at least 0, but it is {batch_size}"
        )
    if target and "/" not in target:
        raise errors.ConfigError(
            f"data.target must be DATASET/SPLIT, but it is {target!r}"
        )
    if target and config.data.web:
        raise errors.ConfigError(
            "data.target and the web streams of data.web cannot be used together: a "
            "step on web data would have no unlabelled videos; leave one of them out"
        )


def _check_clips(config: Config) -> None:
    """Raises ConfigError unless method and clips of a training video go together."""
    given = config.data.sampling.get("train_clips", 1)
    wanted = config.method.settings.get("num_clips", 1)
    if given != wanted:
        raise errors.ConfigError(
            f"method {config.method.name!r} learns from {wanted} clips of a video, "
            f"method.settings.num_clips, but data.sampling.train_clips is {given}; "
            "make them equal"
        )


def _check_masked(config: Config) -> None:
    """Raises ConfigError unless method and clips without people go together."""
    methods.check_masked(config.method.name, bool(config.data.masked))
    if config.data.masked and config.data.web:
        raise errors.ConfigError(
            "data.masked and the web streams of data.web cannot be used together: they "
            "would take turns at different steps; leave one of them out"
        )


def _forward_sizes(config: Config) -> dict[str, int]:
    """Returns how many clips pass the network together, by the keys that say so."""
    sizes = streams.batch_sizes(config)
    if config.data.target:
        sizes = {" + ".join(sizes): sum(sizes.values())}
    clips = config.data.sampling.get("train_clips", 1)
    if clips == 1:
        return sizes
    return {f"data.sampling.train_clips * ({k})": clips * n for k, n in sizes.items()}
