"""The audit of any classifier's predictions, from files or arrays, without JAX."""

import os
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.data import catalog, label_names
from smad_jax.experiment import run_labels
from smad_jax.reporting.audit import (
    analysis,
    inputs,
    joining,
    naming,
    page,
    terminal,
)

File = str | os.PathLike
# A file, or a row for each of `ids`.
Source = File | np.ndarray | Sequence[int] | Sequence[str]

_OF_RUNS = ("predictions", "evaluation")  # folders of a run that hold predictions


def audit(
    predictions: Source,
    labels: Source | None,
    aspects: Mapping[str, Source],
    *,
    other: Source | None = None,
    train: File | None = None,
    ids: Sequence[str] | np.ndarray | None = None,
    classes: Sequence[str] | File = (),
    names: Mapping[str, Sequence[str] | File] | None = None,
    model_names: Sequence[str] = (),
    bootstrap: int = 200,
    seed: int = 0,
    report: Callable[[str], None] = lambda line: None,
) -> analysis.Audit:
    """Measures how a classifier's predictions depend on aspects such as the scene.

    Every source is a file, of the kinds that `inputs.read` takes, or an array.

    Args:
        predictions: [V] classes by number or name, or [V, K] probabilities.
        labels: [V] true classes; None where they are in the file of predictions.
        aspects: By name, [V] pseudo-labels or [V, Z] distributions.
        other: Predictions of a second model, to compare.
        train: File with id and class of the training videos, which decide what is
            rare.
        ids: [V] of the rows of arrays; without it arrays must have one length.
        classes: [K] names of the actions, or a file with one per line.
        names: For aspects, the names of their labels, or a file of them.
        model_names: Of the one model or the two.
        bootstrap: Draws behind the intervals of NMI; 0 for none.
        seed: Random seed of draws and permutations.
        report: Receives a line about each note and each part that takes time.

    Raises:
        UserError: for whatever is wrong with the data.
    """
    if not isinstance(aspects, Mapping):
        raise errors.ConfigError("aspects must be a dict, such as {'scene': scenes}")
    labels = _labels(predictions, labels)
    given = [predictions, *([] if other is None else [other])]
    if ids is None:
        _check_lengths({"labels": labels, "other": other} | dict(aspects), predictions)
    called = _model_names(given, model_names)
    read = [_read(source, "prediction", ids) for source in given]
    models = dict(zip(called, read, strict=True))
    names = names or {}
    if unknown := sorted(set(names) - set(aspects)):
        raise errors.ConfigError(f"names are given for {unknown[0]!r}, no such aspect")
    tables = {name: _read(source, name, ids) for name, source in aspects.items()}
    material = joining.join(
        models,
        _read(labels, "label", ids),
        tables,
        classes=_classes(classes, [labels, train], given),
        aspect_names=_aspect_names(tables, names),
        train=None if train is None else inputs.read(pathlib.Path(train), "label"),
    )
    for note in material.notes:
        report(f"note: {naming.plain_text(note)}")
    return analysis.analyse(material, num_bootstrap=bootstrap, seed=seed, report=report)


def write_page(
    audit: analysis.Audit,
    out: File,
    *,
    pictures: Mapping[str, str] | None = None,
    seed: int = 0,
) -> str:
    """Writes an audit as one HTML file; returns its first screen as plain text.

    Args:
        audit: From `audit`.
        out: The file.
        pictures: Data URIs of videos by id, from `thumbnails`.
        seed: That of the audit, for its small print.
    """
    file_io.write_text(pathlib.Path(out), page.render(audit, pictures or {}, seed))
    return terminal.summary(audit, pictures=bool(pictures))


def _labels(predictions: Source, labels: Source | None) -> Source:
    """The source of the labels, once it is sure that there is one."""
    described = "the array of predictions"
    if isinstance(predictions, File):
        path = pathlib.Path(predictions)
        described = str(path)
        if not path.is_file():
            raise errors.DataError(f"no file at {path}")
        if labels is None and inputs.has_labels(path):
            return path
    if labels is None:
        raise errors.ConfigError(
            f"{described} holds no labels; give them too (--labels FILE)"
        )
    return labels


def _check_lengths(sources: Mapping[str, Source | None], first: Source) -> None:
    """Raises DataError unless arrays, which pair by position, have one length."""
    arrays = {"predictions": first, **sources}
    lengths = {
        name: len(array)
        for name, array in arrays.items()
        if array is not None and not isinstance(array, File)
    }
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{count} {name}" for name, count in lengths.items())
        raise errors.DataError(
            f"arrays pair by position, so they need one length, not {listed}; with "
            "other lengths pass files with ids"
        )


def _read(
    source: Source, column: str, ids: Sequence[str] | np.ndarray | None
) -> inputs.Table:
    """The table of a file or of an array."""
    if isinstance(source, File):
        return inputs.read(pathlib.Path(source), column)
    values = np.asarray(source)
    rows = np.arange(len(values)) if ids is None else np.asarray(ids)
    return inputs.of_arrays(f"the array of {column}s", rows, values)


def _classes(
    given: Sequence[str] | File,
    lists: Sequence[Source | None],
    models: Sequence[Source],
) -> tuple[str, ...]:
    """Names of the actions: those given, or those of a data set or run of ours."""
    if len(given_names := _names(given)):
        return given_names
    for file in (pathlib.Path(one) for one in lists if isinstance(one, File)):
        folder = file.absolute().parent.parent
        if file.suffix == ".txt" and (folder / "dataset.json").is_file():
            return catalog.read_classes(folder, file.stem)
    for file in (pathlib.Path(one) for one in models if isinstance(one, File)):
        folder = file.absolute().parent
        if folder.name in _OF_RUNS and file.suffix == ".npz":
            known = run_labels.read(folder.parent)
            if known is not None:
                return known.classes
    return ()


def _aspect_names(
    tables: Mapping[str, inputs.Table], given: Mapping[str, Sequence[str] | File]
) -> dict[str, tuple[str, ...]]:
    """Names of each aspect's labels: those given, or those of its data set."""
    found = {}
    for aspect, table in tables.items():
        num_labels = None if table.shares is None else table.shares.shape[1]
        if aspect in given:
            found[aspect] = _names(given[aspect], num_labels)
        elif num_labels and table.path.suffix == ".tfrecord":
            folder = table.path.parent.parent
            found[aspect] = label_names.stored(folder, table.path.stem, num_labels)
    return found


def _names(
    given: Sequence[str] | File, num_labels: int | None = None
) -> tuple[str, ...]:
    """Names, or those in a file."""
    if isinstance(given, File):
        return label_names.read(pathlib.Path(given), num_labels)
    return tuple(given)


def _model_names(sources: Sequence[Source], given: Sequence[str]) -> list[str]:
    """Names for the page: those given, or of two those that their files suggest."""
    if given:
        if len(given) != len(sources) or len(set(given)) < len(given):
            raise errors.ConfigError(
                f"the models need {len(sources)} different names, one for each file "
                f"of predictions, not {' '.join(given)}"
            )
        return list(given)
    if len(sources) == 1:
        return [naming.UNNAMED]
    files = [pathlib.Path(one) for one in sources if isinstance(one, File)]
    if len(files) < len(sources):
        return [naming.UNNAMED, "other"]
    return names_of_files(files)


def names_of_files(files: Sequence[pathlib.Path]) -> list[str]:
    """Returns a name for each file: as much of its path as distinguishes them.

    All runs call their predictions alike; the folder shows which run it is.

    Raises:
        ConfigError: if two are the same file.
    """
    whole = [pathlib.Path(os.path.abspath(file)) for file in files]
    if len({file.resolve() for file in files}) < len(files):
        raise errors.ConfigError("both models have the same file of predictions")
    depth = min(len(path.parts) for path in whole) - 1  # without the root
    choices = [
        [path.stem for path in whole],
        *([path.parts[-n] for path in whole] for n in range(1, depth + 1)),
        [str(path) for path in whole],
    ]
    return next(names for names in choices if len(set(names)) == len(names))
