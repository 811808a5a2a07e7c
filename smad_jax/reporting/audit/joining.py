"""Joins tables by id: one row per video, names as numbers."""

import dataclasses
import difflib
import pathlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.evaluation import rates
from smad_jax.reporting.audit import inputs, naming

_NUMBER = re.compile(r"[0-9]+(\.0*)?")  # as tables print whole floats too
_SEEN = 2 / 3  # of the videos show a value that training has with their action
_SURE = 0.01  # a model at chance must not be refused for a lucky shift
_MOST_NUMBERS = 10_000  # larger numbers are hardly labels counted from 0


class Aspect(NamedTuple):
    """Hard pseudo-labels of one aspect.

    Attributes:
        name: `scene` for instance.
        names: [Z] of its labels.
        values: [V] int, -1 where there is no label.
        train: [K, Z] number of training videos of each class and label; None if the
            training set was not given.
        ordered: Whether these numbers separate usual from rare: most videos have a
            label that training shows with their class. In a set of unseen scenes all
            are equally rare, and thirds would be arbitrary.
    """

    name: str
    names: tuple[str, ...]
    values: np.ndarray
    train: np.ndarray | None
    ordered: bool

    @property
    def occurring(self) -> np.ndarray:
        """The numbers of the labels that occur in the set, sorted."""
        return np.unique(self.values[self.values >= 0])

    @property
    def usual(self) -> np.ndarray | None:
        """The [K, Z] counts that decide what is usual; None for those of the set."""
        return self.train if self.ordered else None

    @property
    def counted(self) -> str:
        """Where usual and rare are counted, as on the page; `evaluate` has the set."""
        return "in training" if self.ordered else "in this set"


@dataclasses.dataclass(frozen=True)
class Material:
    """The joined input of an audit.

    Attributes:
        ids: [V] of the videos.
        classes: [K] names of the actions.
        labels: [V] int.
        models: By name, [V] int predictions, -1 for a video that could not be read.
        aspects: At least one.
        notes: Sentences about what was left out or decided by convention.
        files: Names of the files that were read.
    """

    ids: np.ndarray
    classes: tuple[str, ...]
    labels: np.ndarray
    models: Mapping[str, np.ndarray]
    aspects: tuple[Aspect, ...]
    notes: tuple[str, ...]
    files: tuple[str, ...]


def join(
    models: Mapping[str, inputs.Table],
    labels: inputs.Table,
    aspects: Mapping[str, inputs.Table],
    *,
    classes: Sequence[str] = (),
    aspect_names: Mapping[str, Sequence[str]] | None = None,
    train: inputs.Table | None = None,
) -> Material:
    """Joins tables by id.

    Every predicted id needs a label. Labelled videos without a prediction, videos with
    neither, and videos without a label of an aspect are left out and noted.

    Args:
        models: Predictions by the model's name, the audited one first.
        labels: True actions.
        aspects: Pseudo-labels by aspect.
        classes: Names of the actions; by default those in the files.
        aspect_names: Names of each aspect's labels; by default those in the files.
        train: Classes of the training videos; their scenes decide what is rare.

    Raises:
        DataError: if ids or names are unknown, or nothing is left to measure.
    """
    tables = [labels, *models.values(), *([train] if train else [])]
    files = dict.fromkeys(t.path.name for t in (*tables, *aspects.values()))
    tables = _by_number(tables, classes)
    names = _vocabulary("class", classes, tables)
    labels, train = tables[0], tables[-1] if train else None
    models = dict(zip(models, tables[1:], strict=False))
    first, *others = models.values()
    ids, notes = first.ids, _repeats([*models.values(), labels])
    # `predict` lists unreadable files, which the data set leaves out
    neither = ~_known(first.hard) & (_rows_of(labels.ids, ids) < 0)
    if neither.any() and not neither.all():
        ids, count = ids[~neither], _videos(int(neither.sum()))
        notes.append(f"Left out, without a prediction and without a label: {count}.")
    for other in others:
        _same_ids(first, other)
    truth = _encode(_pick(labels, ids, first), names, "class", labels)
    if len(labels.ids) > len(ids):
        count = len(labels.ids) - len(ids)
        notes.append(
            f"Left out, because there is a label but no prediction: {_videos(count)}."
        )
    if len(np.unique(truth)) < 2:
        raise errors.DataError(
            f"all {len(ids)} videos are of one class, {names[truth[0]]!r}; an audit "
            "needs at least two"
        )
    predicted = {
        model: _encode(_pick(table, ids, first), names, "class", table, blanks=True)
        for model, table in models.items()
    }
    for model, values in predicted.items():
        if not (values >= 0).any():
            raise errors.DataError(
                f"{models[model].path} has no prediction for any video"
            )
        _check_start(models[model], labels, values, truth)
    joined = [
        _join_aspect(
            name, table, ids, (aspect_names or {}).get(name, ()), train, names, truth
        )
        for name, table in aspects.items()
    ]
    notes += _gaps(predicted, joined)
    notes += _unheard_of(models, predicted, truth, names)
    notes += _training(train, joined)
    notes += _same_as_class(truth, joined)
    return Material(
        ids, names, truth, predicted, tuple(joined), tuple(notes), tuple(files)
    )


def _join_aspect(
    name: str,
    table: inputs.Table,
    ids: np.ndarray,
    given: Sequence[str],
    train: inputs.Table | None,
    classes: Sequence[str],
    truth: np.ndarray,
) -> Aspect:
    """The labels of one aspect for the ids, and its counts in the training set."""
    [table] = _by_number([table], given) if given else [table]
    names = _vocabulary(name, given, [table])
    values = _encode(table.hard, names, name, table, blanks=True)
    known = _rows_of(table.ids, ids)
    picked = np.where(known >= 0, values[known], -1)
    if not (picked >= 0).any() and (known >= 0).any():
        raise errors.DataError(f"{table.path} has no {name} label for any video")
    if not (picked >= 0).any():
        raise errors.DataError(
            f"no predicted video has a {name} label in {table.path}; its ids look like "
            f"{str(table.ids[0])!r}, those of the predictions like {str(ids[0])!r}"
        )
    if len(np.unique(picked[picked >= 0])) < 2:
        raise errors.DataError(
            f"all videos have the same {name} label, {names[picked.max()]!r}; there is "
            "nothing to compare"
        )
    counts, ordered = None, False
    if train is not None:
        rows = _rows_of(table.ids, train.ids)
        scenes = np.where(rows >= 0, values[rows], -1)
        labels = _encode(train.hard, classes, "class", train)
        if not np.isin(labels, truth).any():
            raise errors.DataError(
                f"no training video of {train.path} has the class of a test video: the "
                f"first is {classes[labels[0]]!r} there, {classes[truth[0]]!r} here"
            )
        if not (scenes >= 0).any():
            raise errors.DataError(
                f"no training video of {train.path} has a {name} label in {table.path}"
            )
        shown = scenes >= 0
        cells = labels[shown] * len(names) + scenes[shown]
        counts = np.bincount(cells, minlength=len(classes) * len(names))
        counts = counts.reshape(len(classes), len(names))
        shown = picked >= 0
        ordered = bool((counts[truth[shown], picked[shown]] > 0).mean() >= _SEEN)
    return Aspect(name, names, picked, counts, ordered)


def _by_number(
    tables: Sequence[inputs.Table], given: Sequence[str]
) -> list[inputs.Table]:
    """Tables in which numbered columns and numbers match: `p_1` is the label 1.

    With names given, the first column is the first name, and so is a label with the
    column's number. Names that end in digits, as `golf1`, stay names where the given
    ones or the answers have them.
    """
    columns = next((table for table in tables if table.numbers), None)
    if columns is None or set(columns.names) <= set(given):
        return list(tables)
    answers = [_answers(table) for table in tables if table.answers is not None]
    if not given and all(_whole_numbers(one) is None for one in answers):
        if any(np.isin(one, columns.names).any() for one in answers):
            return list(tables)
    return [_numbered(table, columns, by_position=bool(given)) for table in tables]


def _numbered(
    table: inputs.Table, columns: inputs.Table, *, by_position: bool
) -> inputs.Table:
    """The table with the numbers of its columns or answers, or with positions."""
    if table.answers is None:
        counted = by_position or table.numbers == tuple(range(len(table.numbers)))
        names = () if counted else tuple(map(str, table.numbers))
        return table._replace(names=names) if table.numbers else table
    prefix = columns.names[0].rstrip("0123456789")
    answers = np.array([str(one).strip().removeprefix(prefix) for one in table.answers])
    known = _known(answers)
    numbers = _whole_numbers(answers[known])
    if numbers is None:
        return table
    if by_position and np.isin(numbers, columns.numbers).all():
        answers = np.full(len(answers), -1)
        answers[known] = np.searchsorted(columns.numbers, numbers)
    return table._replace(answers=answers)


def _vocabulary(
    kind: str, given: Sequence[str], tables: Iterable[inputs.Table]
) -> tuple[str, ...]:
    """Names of all labels: those given, those of columns, or those that occur."""
    tables = list(tables)
    widths = [(t.path, t.shares.shape[1]) for t in tables if t.shares is not None]
    if given:
        for path, width in widths:
            if width != len(given):
                raise errors.DataError(
                    f"{path} has {width} columns of probabilities, but {len(given)} "
                    f"{kind} names are given"
                )
        return tuple(given)
    if names := next((table.names for table in tables if table.names), ()):
        return names
    return _occurring(kind, tables, widths)


def _occurring(
    kind: str, tables: list[inputs.Table], widths: list[tuple[pathlib.Path, int]]
) -> tuple[str, ...]:
    """Names of the labels that occur; of numbers and unnamed columns, `KIND n`."""
    found = [(table.path, np.unique(_answers(table))) for table in tables]
    numbered = [
        (path, numbers)
        for path, values in found
        if len(values) and (numbers := _whole_numbers(values)) is not None
    ]
    named = [(path, values) for path, values in found if _whole_numbers(values) is None]
    if not named:
        highest = [int(numbers.max()) + 1 for _, numbers in numbered]
        count = max([*highest, *(width for _, width in widths)], default=0)
        if count > _MOST_NUMBERS:
            raise errors.DataError(
                f"the {kind} numbers go up to {count - 1}, too far for labels counted "
                "from 0; use names, or renumber the labels"
            )
        return tuple(f"{kind} {n}" for n in range(count))
    path, names = named[0]
    others = [(other, f"numbers, such as '{n[0]}',") for other, n in numbered]
    others += [(other, f"{width} columns without names") for other, width in widths]
    for other, content in others:
        raise errors.DataError(
            f"{other} has {content} and {path} names, such as {str(names[0])!r}; name "
            f"the columns, or give {_option(kind)} in order"
        )
    return tuple(sorted({str(name) for _, names in named for name in names}))


def _option(kind: str) -> str:
    """What gives the names of all labels, an argument and an option."""
    return "`classes`" if kind == "class" else f"`names` for {kind!r}"


def _answers(table: inputs.Table) -> np.ndarray:
    """[n] the known answers of a table by number or name; [0] for distributions."""
    if table.answers is None:
        return np.zeros(0, np.int64)
    return table.answers[_known(table.answers)]


def _known(values: np.ndarray) -> np.ndarray:
    """[n] bool: False for a row of zeros, -1, NaN or empty text."""
    if values.dtype.kind != "U":
        return values != -1
    return ~np.isin(np.char.lower(np.char.strip(values)), ("", "-1", "nan"))


def _whole_numbers(values: np.ndarray) -> np.ndarray | None:
    """Values as numbers from 0; None if one of them is a name."""
    if values.dtype.kind in "iu":
        return values
    texts = [str(value).strip() for value in values]
    if not all(_NUMBER.fullmatch(text) for text in texts):
        return None
    return np.array([int(float(text)) for text in texts])


def _encode(
    values: np.ndarray,
    names: Sequence[str],
    kind: str,
    table: inputs.Table,
    *,
    blanks: bool = False,
) -> np.ndarray:
    """Positions in `names` of values that are names, numbers or columns.

    With `blanks` a value may be missing, see `_known`, and is -1.
    """
    known = _known(values)
    if not (blanks or known.all()):
        raise errors.DataError(
            f"{table.path}: {int((~known).sum())} of {len(values)} rows have no {kind}"
        )
    given = values[known]
    if table.answers is None and table.names:
        # the columns of this file are in another order
        given = np.array(table.names, object)[given]
    found, inverse = np.unique(given, return_inverse=True)
    place = {name: n for n, name in enumerate(names)}
    numbers: list[int] = []
    by_name = all(map(str.isdecimal, names))  # columns that are called 1, 2, 3
    for value in found:
        text = str(value).strip()
        if by_name and _NUMBER.fullmatch(text):
            text = str(int(float(text)))
        if by_name and text not in place:
            raise errors.DataError(
                f"{table.path}: {kind} {text} has no column of probabilities; the "
                f"columns are numbered {names[0]} to {names[-1]}, so number both "
                f"alike, or give {_option(kind)} in order"
            )
        if text in place:
            numbers.append(place[text])
        elif _NUMBER.fullmatch(text.removeprefix("-")):
            numbers.append(int(float(text)))
        else:
            near = difflib.get_close_matches(text, names, 1)
            raise errors.DataError(
                f"{table.path}: unknown {kind} {text!r}"
                + (f"; did you mean {near[0]!r}?" if near else "")
                + f" ({len(names)} are known, {names[0]!r} first; if columns of "
                "probabilities name them, one column may be missing)"
            )
    if outside := [n for n in numbers if not 0 <= n < len(names)]:
        raise errors.DataError(
            f"{table.path}: {kind} {outside[0]} must be from 0 to {len(names) - 1}"
        )
    positions = np.full(len(values), -1, np.int64)
    positions[known] = np.array(numbers, np.int64)[inverse]
    return positions


def _check_start(
    model: inputs.Table, labels: inputs.Table, values: np.ndarray, truth: np.ndarray
) -> None:
    """Raises DataError if predictions and labels seem to count from 0 and from 1.

    Only one of them has class 0, only the other has the last class, and shifted by one
    the predictions would agree more often, beyond chance. Names cannot be shifted.
    """
    if not (_is_counted(model) and _is_counted(labels)):
        return
    known = values >= 0
    for low, high, step in ((values[known], truth, 1), (truth, values[known], -1)):
        if low.min() > 0 or high.min() < 1 or low.max() >= high.max():
            continue
        as_given, shifted = values == truth, known & (values + step == truth)
        change = rates.mcnemar(as_given, shifted)
        if change.difference > 0 and change.p < _SURE:
            first, second = (model, labels) if step > 0 else (labels, model)
            raise errors.DataError(
                f"{first.path} counts classes from 0, but {second.path} from 1, it "
                f"seems: {as_given.mean():.1%} of the predictions agree with the "
                f"labels, and {shifted.mean():.1%} would after a shift by one; number "
                "both from 0, or write names"
            )


def _is_counted(table: inputs.Table) -> bool:
    """Whether a table has its classes by position, not by name."""
    if table.answers is None:
        return not table.names
    return _whole_numbers(_answers(table)) is not None


def _rows_of(ids: np.ndarray, others: np.ndarray) -> np.ndarray:
    """[len(others)] position of each other id in `ids`, -1 if it is not there.

    Accents may be part of their letter in one file, and signs of their own in another.
    """
    place = {id: row for row, id in enumerate(ids.tolist())}
    place = {_composed(id): row for id, row in place.items()} | place
    rows = [
        place[id] if id in place else place.get(_composed(id), -1)
        for id in others.tolist()
    ]
    return np.array(rows, np.int64)


def _composed(id: str) -> str:
    return unicodedata.normalize("NFC", id)


def _pick(table: inputs.Table, ids: np.ndarray, first: inputs.Table) -> np.ndarray:
    """Answers of a table in the order of `ids`; it must have all of them."""
    rows = _rows_of(table.ids, ids)
    if (unknown := rows < 0).any():
        advice = f"its ids look like {str(table.ids[0])!r}"
        if not unknown.all():
            advice = "add them there, or leave out these rows"
        raise errors.DataError(
            f"{int(unknown.sum())} of {len(ids)} ids in {first.path} are not in "
            f"{table.path}, for instance {str(ids[np.argmax(unknown)])!r}; {advice}"
        )
    return table.hard[rows]


def _same_ids(first: inputs.Table, other: inputs.Table) -> None:
    """Raises DataError unless two models to be compared predict the same videos."""
    extra = other.ids[_rows_of(first.ids, other.ids) < 0]
    if len(extra):
        raise errors.DataError(
            f"{len(extra)} ids in {other.path} are not in {first.path}, for instance "
            f"{str(extra[0])!r}; both models must predict the same videos"
        )


def _gaps(
    predicted: Mapping[str, np.ndarray], aspects: Iterable[Aspect]
) -> Iterator[str]:
    """A note for every model or aspect that lacks some videos."""
    for model, values in predicted.items():
        if unread := int((values < 0).sum()):
            yield (
                f"{model} has no prediction for {_videos(unread)} (empty, or a row of "
                "zeros). Such a video counts as wrong and is left out of the measures "
                "of dependence."
            )
    for aspect in aspects:
        if missing := int((aspect.values < 0).sum()):
            yield (
                f"Left out of the results on {aspect.name}, because there is no "
                f"{aspect.name} label: {_videos(missing)}."
            )


def _unheard_of(
    tables: Mapping[str, inputs.Table],
    predicted: Mapping[str, np.ndarray],
    truth: np.ndarray,
    names: tuple[str, ...],
) -> Iterator[str]:
    """A note for every model that predicts names that no video is labelled with.

    With numbers or columns of probabilities nothing can be misspelt: there the test
    set merely has fewer classes than the model.

    Raises:
        DataError: if none of a model's predictions is a label.
    """
    for model, table in tables.items():
        values = predicted[model]
        others = np.setdiff1d(values[values >= 0], truth)
        if _whole_numbers(_answers(table)) is None and len(others):
            count = int(np.isin(values, others).sum())
            examples = ", ".join(naming.quoted(names[n]) for n in others[:3])
            more = ", ..." if len(others) > 3 else ""
            if not np.isin(values, truth).any():  # other capitals, or another data set
                labels = ", ".join(
                    naming.quoted(names[n]) for n in np.unique(truth)[:3]
                )
                raise errors.DataError(
                    f"{table.path}: no prediction is a label; it predicts {examples}"
                    f"{more}, but videos are labelled {labels}, ...; write the names "
                    "alike, capitals included"
                )
            yield (
                f"{model} predicts a class that no video is labelled with for "
                f"{_videos(count)} ({examples}{more}). That counts as wrong. If the "
                "name is a misspelt class, correct the file."
            )


def _training(train: inputs.Table | None, aspects: Iterable[Aspect]) -> Iterator[str]:
    """A note for every aspect whose training counts are unusable or incomplete."""
    for aspect in aspects:
        if train is None or aspect.train is None:
            continue
        if not aspect.ordered:
            yield (
                f"More than a third of the videos show a {aspect.name} that training "
                "does not have with their action, so training cannot rank them. Usual "
                "and rare are counted in this set."
            )
            continue
        counted = int(aspect.train.sum())
        if counted < len(train.ids):
            yield (
                f"How usual a {aspect.name} is for an action is counted over "
                f"{counted:,} of the {len(train.ids):,} training videos; the others "
                f"have no {aspect.name} label."
            )


def _same_as_class(truth: np.ndarray, aspects: Iterable[Aspect]) -> Iterator[str]:
    """A note for every aspect that is determined by the class and determines it."""
    for aspect in aspects:
        known = aspect.values >= 0
        pairs = np.unique([truth[known], aspect.values[known]], axis=1)
        one_each = len(pairs[0]) == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))
        if one_each and known.sum() > len(pairs[0]):
            yield (
                f"Every action has one {aspect.name} of its own, so results on the "
                f"{aspect.name} are results on the action. Is it the file of actions?"
            )


def _videos(count: int) -> str:
    return "1 video" if count == 1 else f"{count:,} videos"


def _repeats(tables: Iterable[inputs.Table]) -> list[str]:
    """A note for every table with repeated rows."""
    return [
        f"{pathlib.PurePath(table.path).name} repeats {table.repeated:,} rows exactly; "
        "each video counts once."
        for table in tables
        if table.repeated
    ]
