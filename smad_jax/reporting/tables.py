"""Markdown tables of accuracies in per cent, and the tests that go with them."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from smad_jax import errors
from smad_jax.data.embedded import benchmark
from smad_jax.evaluation import accuracy, predictions, rates
from smad_jax.reporting import runs


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table, padded to be readable as plain text."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    ruler = ["-" * width for width in widths]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = (c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))
        return "| " + " | ".join([first, *rest]) + " |"

    return "\n".join([line(header), line(ruler), *map(line, rows)])


def comparison(before: runs.Run, after: runs.Run) -> str:
    """Returns the table of two runs: top-1 accuracy of each, and the difference.

    If both runs have stored predictions, the difference has an interval and the p-value
    of McNemar's test, corrected for the number of test sets.

    Raises:
        DataError: if the runs were tested on different sets or videos.
    """
    if before.n_seen != after.n_seen:
        raise errors.DataError(
            f"{before.folder} was tested on {before.n_seen}, {after.folder} on "
            f"{after.n_seen}"
        )
    changes = {name: _change(before, after, name) for name in before.n_seen}
    found = [change for change in changes.values() if change is not None]
    adjusted = iter(rates.holm([change.p for change in found]))
    rows = []
    for name, count in before.n_seen.items():
        a, b = (100 * run.results[f"{name}/top1"] for run in (before, after))
        row = [name, str(count), f"{a:.1f}", f"{b:.1f}", f"{b - a:+.1f}"]
        if change := changes[name]:
            ends = f"{100 * change.low:+.1f} to {100 * change.high:+.1f}"
            row += [ends, _p_text(next(adjusted))]
        elif found:
            row += ["", ""]
        rows.append(row)
    names = [run.folder.name for run in (before, after)]
    if names[0] == names[1]:
        names = [str(run.folder) for run in (before, after)]
    header = ["test set", "videos", *names, "difference"]
    if not found:
        return markdown(header, rows)
    return (
        markdown([*header, "95 % interval", "p (Holm)"], rows) + "\n\n"
        "Top-1 in per cent. Interval and p-value (McNemar's exact test) are over the "
        "videos of these two\nruns; they do not show the variation over seeds."
    )


def _check_same_data(before: runs.Run, after: runs.Run, name: str) -> None:
    """Checks that two runs with stored settings were tested on one draw of one set.

    Videos of different draws of the embedded benchmark have equal ids.
    """
    ours, theirs = (runs.stored_settings(run.folder) for run in (before, after))
    keys = [f"evaluation.sets.{name}"]
    if str(ours.get(keys[0], "")).partition("/")[0] in benchmark.DRAWN:
        keys += ["data.embedded_seed", "data.embedded_scale"]
    for key in keys:
        if ours and theirs and ours.get(key) != theirs.get(key):
            raise errors.DataError(
                f"{before.folder} and {after.folder} were tested on different videos: "
                f"{key} is {ours.get(key)} and {theirs.get(key)}"
            )


def _p_text(p: float) -> str:
    """A p-value to three digits, tiny ones as a bound."""
    return f"{p:.3f}" if p >= 0.0005 else "<0.001"


def _change(before: runs.Run, after: runs.Run, name: str) -> rates.Change | None:
    """The change on one test set; None if a run has no stored predictions."""
    paths = [run.folder / "predictions" / f"{name}.npz" for run in (before, after)]
    if not all(path.is_file() for path in paths):
        return None
    _check_same_data(before, after, name)
    first, second = map(predictions.Predictions.load, paths)
    for what, ours, theirs in (
        ("ids", first.ids, second.ids),
        ("labels", first.labels, second.labels),
    ):
        if not np.array_equal(ours, theirs):
            raise errors.DataError(
                f"{paths[0]} and {paths[1]} have different {what}: both runs must be "
                "tested on the same videos, and on the same draw if embedded"
            )
    rows = accuracy.distinct(first.ids, first.labels)  # a repeat is no new evidence
    hits = (
        accuracy.hits(stored.probabilities[rows], stored.labels[rows])
        for stored in (first, second)
    )
    return rates.mcnemar(*hits)


def study(
    scores: Mapping[str, Mapping[str, Sequence[float]]],
    pairs: Sequence[tuple[str, str]],
    primary: Sequence[tuple[str, str, str]] = (),
) -> tuple[str, str]:
    """Returns two tables: means over seeds, and paired differences of arms.

    Args:
        scores: For each arm and test set, accuracies between 0 and 1, one for each
            seed in the same order.
        pairs: Arms to compare, the second subtracted from the first.
        primary: Comparisons, as two arms of `pairs` and a test set, to correct
            together; the others stay uncorrected. By default all are corrected.

    Returns:
        Mean and sample standard deviation of every cell; then mean and standard
        deviation of the difference, with the p-value of a two-sided paired t-test,
        plain and after Holm's correction over all primary rows with one. There is none
        with fewer than three seeds, too few to estimate the noise, nor where the
        difference is equal for every seed.
    """
    sets = list(next(iter(scores.values())))
    means = [
        (arm, *(_spread(100 * np.asarray(cells[name])) for name in sets))
        for arm, cells in scores.items()
    ]
    rows, p_values = [], []
    for arm, other in pairs:
        for name in sets:
            ours, theirs = (np.asarray(scores[a][name]) for a in (arm, other))
            rows.append((arm, other, name, _spread(100 * (ours - theirs), sign="+")))
            p_values.append(_p_value(ours, theirs))
    first = [not primary or row[:3] in set(primary) for row in rows]
    corrected = [
        p for p, own in zip(p_values, first, strict=True) if own and p is not None
    ]
    adjusted = iter(rates.holm(corrected))
    tested = [
        (*row, "", "")
        if p is None
        else (*row, _p_text(p), _p_text(next(adjusted)) if own else "")
        for row, p, own in zip(rows, p_values, first, strict=True)
    ]
    header = ("arm", "minus", "test set", "difference", "p", "p (Holm)")
    return markdown(("arm", *sets), means), markdown(header, tested)


def _p_value(ours: np.ndarray, theirs: np.ndarray) -> float | None:
    """Returns the p-value of a two-sided paired t-test, if it is defined."""
    if len(ours) < 3:
        return None
    if np.array_equal(ours, theirs):
        return 1.0
    if np.ptp(ours - theirs) < 1e-9:  # rounding, in accuracies of some hundred videos
        return None
    return float(stats.ttest_rel(ours, theirs).pvalue)


def _spread(values: np.ndarray, sign: str = "") -> str:
    """Returns mean and sample standard deviation, to a tenth."""
    return f"{values.mean():{sign}.1f} ± {values.std(ddof=1):.1f}"
