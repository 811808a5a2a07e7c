"""`labels.json` of a run: what its network predicts. An audit reads it without JAX."""

import pathlib
from collections.abc import Mapping
from typing import NamedTuple

from smad_jax.base import aspect_table, file_io

_AGAIN = "copy it again from where the run was trained"


class Labels(NamedTuple):
    """The labels of a run, so that its network can be used without the training data.

    Attributes:
        classes: [K] names of the actions, in the order of the predictions.
        aspects: The aspects that its method was trained against, by name.
    """

    classes: tuple[str, ...]
    aspects: Mapping[str, aspect_table.Aspect]


def write(workdir: pathlib.Path, labels: Labels) -> None:
    """Writes the labels into the folder of a run."""
    content = {
        "classes": list(labels.classes),
        "aspects": {
            name: {
                "kind": aspect.kind,
                "num_labels": aspect.num_labels,
                "source": aspect.source,
            }
            for name, aspect in labels.aspects.items()
        },
    }
    file_io.write_json(workdir / "labels.json", content)


def read(workdir: pathlib.Path) -> Labels | None:
    """Returns the labels of the run in a folder; None if it is older than the file.

    Raises:
        DataError: if the file is damaged.
    """
    path = workdir / "labels.json"
    if not path.is_file():
        return None
    content = file_io.read_json(path, _AGAIN)
    with file_io.reading(path, _AGAIN):
        found = {
            name: aspect_table.Aspect(name, **row)
            for name, row in content["aspects"].items()
        }
        return Labels(tuple(content["classes"]), found)
