"""The folder of a run as others read it: its name, labels and config, without JAX."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from smad_jax import aspect_table, errors, file_io


class Labels(NamedTuple):
    """The labels that a run's network and method predict.

    Stored with the run, so that its network can be used without the training data.

    Attributes:
        classes: [K] names of the actions, in the order of the predictions.
        aspects: The aspects that the method was trained against, by name.
    """

    classes: tuple[str, ...]
    aspects: Mapping[str, aspect_table.Aspect]


def run_name(file: str, argument: str, *, smoke: bool = False) -> str:
    """Returns the name of a run: the config's, its argument and `smoke`, joined."""
    plain = argument.replace(",", "-").replace("=", "-").replace("/", "-")
    parts = [pathlib.Path(file).stem, plain, "smoke" if smoke else ""]
    return "-".join(part for part in parts if part)


def write_labels(folder: pathlib.Path, labels: Labels) -> None:
    """Writes `labels.json`, which `read_labels` reads."""
    aspects = {
        name: {k: v for k, v in dataclasses.asdict(aspect).items() if k != "name"}
        for name, aspect in labels.aspects.items()
    }
    content = {"classes": list(labels.classes), "aspects": aspects}
    file_io.write_json(folder / "labels.json", content)


def read_labels(folder: pathlib.Path) -> Labels | None:
    """Returns the labels that a run's network predicts; None if the file is missing.

    Raises:
        DataError: if the file is damaged.
    """
    path = folder / "labels.json"
    if not path.is_file():  # as in a run that is older than the file
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
        found = {
            name: aspect_table.Aspect(name, **row)
            for name, row in content["aspects"].items()
        }
        return Labels(tuple(content["classes"]), found)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise errors.DataError(f"{path} is damaged: {error!r}") from error


def flat(tree: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yields (dotted key, value) of a nested config."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
