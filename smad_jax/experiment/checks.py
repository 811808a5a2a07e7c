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
    if config.data.groups:
        aspect_table.get(config.data.groups)
    _check_holdout(config)
    _check_masked(config)
    methods.check(
        config.method.name,
        methods.Inputs(
            target=config.data.target,
            groups=config.data.groups,
            holdout=config.data.holdout,
            masked=bool(config.data.masked),
            views=config.data.sampling.get("test_views", 1),
            clips=config.data.sampling.get("train_clips", 1),
            settings=dict(config.method.settings),
        ),
    )
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
    """Raises ConfigError for unlabelled videos that no step can use."""
    target, batch_size = config.data.target, config.data.target_batch_size
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


def _check_holdout(config: Config) -> None:
    """Raises ConfigError unless some training videos are left."""
    if not 0 <= config.data.holdout < 1:
        raise errors.ConfigError(
            f"data.holdout must be at least 0 and below 1, but it is "
            f"{config.data.holdout}"
        )


def _check_masked(config: Config) -> None:
    """Raises ConfigError for clips without people beside web streams."""
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
