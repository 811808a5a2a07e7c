"""Places of data, written DATASET/SPLIT: their folders, and splits opened by place."""

import pathlib
from collections.abc import Sequence

from smad_jax import errors
from smad_jax.data import catalog, preparation
from smad_jax.data.embedded import benchmark
from smad_jax.experiment.keys import Data
from smad_jax.experiment.settings import Settings


def data_root(data: Data) -> pathlib.Path:
    """Returns the data sets' folder: the config's, else $DATA_ROOT, else `datasets`."""
    return pathlib.Path(data.root or preparation.default_root())


def folder_name(data: Data, dataset: str) -> str:
    """Returns the folder of a data set; the embedded benchmark has one a draw."""
    # One folder a draw, so that runs of different draws can share the data folder.
    if dataset not in benchmark.DRAWN:
        return dataset
    return benchmark.folder_name(data.embedded_seed, data.embedded_scale, name=dataset)


def uses(settings: Settings, dataset: str) -> bool:
    """Returns whether a data set is trained or tested on."""
    data = settings.data
    places = [data.train, data.target, *settings.evaluation.sets.values()]
    places += [stream.split for stream in data.web.values()]
    return any(place.startswith(f"{dataset}/") for place in places)


def open_place(data: Data, place: str, *, aspects: Sequence[str] = ()) -> catalog.Split:
    """Opens any DATASET/SPLIT with labels; `embedded` stands for the settings' draw.

    Raises:
        ConfigError: if `place` is something else.
        MissingDataError: if it is missing, with the commands that prepare it.
    """
    dataset, split = divided(place)
    folder = folder_name(data, dataset)
    return catalog.open_split(data_root(data), folder, split, aspects=aspects)


def divided(place: str) -> tuple[str, str]:
    """Returns the data set and the split of DATASET/SPLIT.

    Raises:
        ConfigError: if it is something else.
    """
    # The last slash divides: a data set may lie in a folder of several.
    dataset, _, split = place.rpartition("/")
    if not dataset or not split:
        raise errors.ConfigError(
            f"expected DATASET/SPLIT, such as {benchmark.NAME}/iid, but found {place!r}"
        )
    return dataset, split


def dataset_folder(data: Data, place: str) -> pathlib.Path:
    """Returns the folder of the data set of a DATASET/SPLIT."""
    return data_root(data) / folder_name(data, divided(place)[0])


def labelled_aspects(data: Data, place: str) -> tuple[str, ...]:
    """Returns the aspects that the data set of a DATASET/SPLIT has labels for."""
    return catalog.labelled_aspects(dataset_folder(data, place))
