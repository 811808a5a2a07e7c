"""Reports of few-shot episodes and linear SVMs, stored beside their features.

Table 5 is read from them. They hold their settings, and only those with the paper's
count: 10,000 five-way episodes, an SVM of C = 1, ten views.
"""

import hashlib
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from smad_jax.base import file_io
from smad_jax.evaluation import few_shot as few_shot_lib

# The settings of Table 5; the number of shots and the lists are its columns.
FEW_SHOT = {
    "ways": 5,
    "queries": 1,
    "episodes": 10_000,
    "rule": few_shot_lib.RULES[0],
    "views": 10,
}
SVM = {"c": 1.0, "views": 10}


def few_shot(split: str) -> str:
    """Returns the name of the report of episodes of DATASET/SPLIT."""
    return f"few_shot-{split.replace('/', '-')}.json"


def svm(tests: Iterable[str]) -> str:
    """Returns the name of the report of SVMs with these test lists, DATASET/SPLIT."""
    return f"svm-{'-'.join(test.replace('/', '-') for test in tests)}.json"


def digest(features: pathlib.Path) -> str:
    """Returns a digest that distinguishes a file of features from a later one."""
    with open(features, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def write(
    path: pathlib.Path, features: Sequence[pathlib.Path], found: Mapping[str, object]
) -> None:
    """Writes a report.

    Args:
        path: The file. Parts of an earlier report of the same features are kept
            unless `found` replaces them.
        features: The files of features that it reports on.
        found: The parts of the report, by name.
    """
    content = {"features": {file.name: digest(file) for file in features}}
    earlier = _read(path)
    if earlier.get("features") == content["features"]:
        content = earlier
    file_io.write_json(path, {**content, **found})


def departures(settings: Mapping[str, object], paper: Mapping[str, object]) -> str:
    """Returns how settings differ from the paper's, as text; empty if they do not.

    Args:
        settings: By name.
        paper: `FEW_SHOT` or `SVM`.
    """
    return ", ".join(
        f"{name} {settings.get(name)} instead of {published}"
        for name, published in paper.items()
        if settings.get(name) != published
    )


def few_shot_accuracy(path: pathlib.Path, shots: int) -> float | None:
    """Returns an accuracy for Table 5, 0 to 1; None without such a report."""
    found = _read(path)
    part = found.get(f"{shots}-shot", {})
    fits = not departures(part, FEW_SHOT) and _current(path, found)
    return part["accuracy"] if fits else None


def svm_accuracy(
    path: pathlib.Path, train: Sequence[str], tests: Sequence[str]
) -> float | None:
    """Returns the mean over pairs of lists for Table 5; None without such a report."""
    found = _read(path)
    parts = found.get("splits", [])
    fits = found.get("views") == SVM["views"] and _current(path, found)
    lists = [(part["train"], part["test"], part["c"]) for part in parts]
    published = [(a, b, SVM["c"]) for a, b in zip(train, tests, strict=True)]
    return found["mean"] if fits and lists == published else None


def _current(path: pathlib.Path, found: Mapping[str, Any]) -> bool:
    """Whether a report is of the features now beside it, if there are any."""
    places = {path.with_name(name): key for name, key in found["features"].items()}
    return all(key == digest(place) for place, key in places.items() if place.is_file())


def _read(path: pathlib.Path) -> dict[str, Any]:
    """A report's content; empty if the file is missing or is no report."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    known = isinstance(content, dict) and isinstance(content.get("features"), dict)
    return content if known else {}
