"""The options that choose a network, and opening what they choose."""

import argparse
import importlib.util
import pathlib
import sys

import ml_collections

from smad_jax import errors
from smad_jax.data import label_names, preparation
from smad_jax.experiment import trained


def add_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Adds the options that `open_network` reads."""
    add = parser.add_argument
    folder = pathlib.Path
    add(
        "--run",
        type=folder,
        required=required,
        help="folder of a finished run, or of imported weights",
    )
    add(
        "--data-root",
        type=folder,
        default=folder(preparation.default_root()),
        help="folder of the data sets; $DATA_ROOT changes the default",
    )
    add("--views", type=int, default=0, help="test views; 0: as the run was tested")
    add(
        "--config",
        default="",
        help="with imported weights: the config that says how videos are seen, as "
        "configs/slowonly_baseline.py:k200db",
    )
    add(
        "--classes",
        type=folder,
        help="with imported weights: their class names, one a line",
    )


def open_network(arguments: argparse.Namespace) -> trained.TrainedNetwork:
    """Returns the network that the command line chooses.

    Raises:
        ConfigError: if imported weights come without config or classes.
        DataError: if it cannot be opened.
    """
    run: pathlib.Path = arguments.run
    if arguments.views < 0:
        raise errors.ConfigError(f"--views must be at least 0, not {arguments.views}")
    if not (run / "weights.json").is_file():
        if arguments.config or arguments.classes:
            raise errors.ConfigError(
                f"--config and --classes are for imported weights; {run} is a run, "
                "which has its own"
            )
        return trained.load(run, arguments.data_root, test_views=arguments.views)
    if not (arguments.config and arguments.classes):
        raise errors.ConfigError(
            f"{run} holds imported weights, which say neither how videos are seen nor "
            "what the classes are called; add --config configs/NAME.py:DATA and "
            "--classes FILE"
        )
    return trained.load_weights(
        run,
        _read_config(arguments.config),
        label_names.read(arguments.classes),
        arguments.data_root,
        test_views=arguments.views,
    )


def _read_config(place: str) -> ml_collections.ConfigDict:
    """The config of FILE or FILE:ARGUMENT, as `main.py` reads it."""
    name, _, argument = place.partition(":")
    specification = importlib.util.spec_from_file_location("chosen_config", name)
    if specification is None or specification.loader is None:
        raise errors.ConfigError(f"--config {name} is no Python file")
    module = importlib.util.module_from_spec(specification)
    try:
        sys.path.insert(0, "")  # config files import `configs`
        specification.loader.exec_module(module)
        return module.get_config(argument)
    except (OSError, ValueError, ImportError, AttributeError) as error:
        raise errors.ConfigError(f"--config {place}: {error}") from error
    finally:
        sys.path.remove("")
