"""Config files: Python with a function `get_config`, named as FILE or FILE:ARGUMENT."""

import difflib
import importlib.util
import pathlib
import sys

import ml_collections

from smad_jax import errors


def load_config(place: str) -> ml_collections.ConfigDict:
    """Returns the config of an experiment.

    Args:
        place: `configs/slowonly_smad.py`, or the same with `:` and an argument.

    Raises:
        ConfigError: if there is no such file, or it makes no config of that.
    """
    config = evaluate(place)
    if not isinstance(config, ml_collections.ConfigDict):
        raise errors.ConfigError(f"{place} describes no experiment, but {config!r:.60}")
    return config


def evaluate(place: str) -> object:
    """Returns whatever `get_config` of a config file returns.

    Args:
        place: FILE, or FILE:ARGUMENT for `get_config(ARGUMENT)`.

    Raises:
        ConfigError: if there is no such file, or it raises an error.
    """
    name, _, argument = place.partition(":")
    path = find(name)
    specification = importlib.util.spec_from_file_location("_config_file", path)
    if specification is None or specification.loader is None or not path.is_file():
        known = [str(file) for file in path.parent.glob("*.py")]
        near = difflib.get_close_matches(str(path), known, 1, cutoff=0.8)
        hint = f"did you mean {near[0]}?" if near else "configs/ has those of the paper"
        raise errors.ConfigError(f"no config file at {name}; {hint}")
    module = importlib.util.module_from_spec(specification)
    sys.path.insert(0, "")  # `from configs import ...` in a clone that is not installed
    try:
        specification.loader.exec_module(module)
        if not hasattr(module, "get_config"):
            raise errors.ConfigError(f"{name} has no function get_config")
        return module.get_config(argument) if argument else module.get_config()
    except errors.ConfigError:
        raise
    except ValueError as error:  # the argument, as the files of configs/ refuse it
        raise errors.ConfigError(str(error)) from error
    except Exception as error:  # a file of the user's may raise anything
        raise errors.ConfigError(f"{name} cannot be read: {error!r}") from error
    finally:
        sys.path.remove("")


def find(name: str) -> pathlib.Path:
    """Returns the file; `configs/...` may be the installed one."""
    path = pathlib.Path(name)
    if not path.exists() and path.parts[:1] == ("configs",):
        package = importlib.util.find_spec("configs")
        folders = (package and package.submodule_search_locations) or ()
        for folder in folders:
            if (installed := pathlib.Path(folder, *path.parts[1:])).is_file():
                return installed
    return path
