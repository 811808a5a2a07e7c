"""Reports of few-shot episodes and linear SVMs beside the features they are of.

Table 5 is made of them. So they say how they were made, and only what was made as the
paper did is found again: 10,000 five-way episodes, an SVM of C = 1, ten views.
"""

import hashlib
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from smad_jax import file_io
from smad_jax.evaluation import few_shot as few_shot_lib

# How the paper made Table 5; the number of shots and the lists are its columns.
FEW_SHOT = {
    "ways": 5,
    "queries": 1,
    "episodes": 10_000,
    "rule": few_shot_lib.RULES[0],
    "views": 10,
}
SVM = {"c": 1.0, "views": 10}


def few_shot(split: str) -> str:
    """Names the report of episodes of DATASET/SPLIT, or of a file of its features."""
    return f"few_shot-{split.replace('/', '-')}.json"


def svm(tests: Iterable[str]) -> str:
    """Names the report of SVMs by their test lists, DATASET/SPLIT each."""
    return f"svm-{'-'.join(test.replace('/', '-') for test in tests)}.json"


def digest(features: pathlib.Path) -> str:
    """Returns what tells a file of features from one extracted later."""
    with open(features, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def write(
    path: pathlib.Path, features: Sequence[pathlib.Path], found: Mapping[str, Any]
) -> None:
    """Writes a report.

    Args:
        path: Where. Parts of an earlier report of the same features that `found` does
            not have are kept.
        features: The files that it is of.
        found: What to tell, by part.
    """
    content = {"features": {file.name: digest(file) for file in features}}
    earlier = _read(path)
    if earlier.get("features") == content["features"]:
        content = earlier
    file_io.write_json(path, {**content, **found})


def departures(settings: Mapping[str, Any], paper: Mapping[str, Any]) -> str:
    """Returns in words where settings are not the paper's; nothing if they are.

    Args:
        settings: By name.
        paper: `FEW_SHOT` or `SVM`.
    """
    return ", ".join(
        f"{name} {settings.get(name)} instead of {wanted}"
        for name, wanted in paper.items()
        if settings.get(name) != wanted
    )


def few_shot_accuracy(path: pathlib.Path, shots: int) -> float | None:
    """Returns an accuracy for Table 5, 0 to 1; None if there is no such report."""
    found = _read(path)
    part = found.get(f"{shots}-shot", {})
    fits = not departures(part, FEW_SHOT) and _current(path, found)
    return part["accuracy"] if fits else None


def svm_accuracy(
    path: pathlib.Path, train: Sequence[str], tests: Sequence[str]
) -> float | None:
    """Returns the mean over pairs of lists for Table 5, 0 to 1; None likewise."""
    found = _read(path)
    parts = found.get("splits", [])
    fits = found.get("views") == SVM["views"] and _current(path, found)
    lists = [(part["train"], part["test"], part["c"]) for part in parts]
    wanted = [(a, b, SVM["c"]) for a, b in zip(train, tests, strict=True)]
    return found["mean"] if fits and lists == wanted else None


def _current(path: pathlib.Path, found: Mapping[str, Any]) -> bool:
    """Whether a report is of the features that lie beside it now, if any do."""
    places = {path.with_name(name): told for name, told in found["features"].items()}
    return all(told == digest(p) for p, told in places.items() if p.is_file())


def _read(path: pathlib.Path) -> dict[str, Any]:
    """A report's content; nothing if the file is missing or is no report."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    known = isinstance(content, dict) and isinstance(content.get("features"), dict)
    return content if known else {}
