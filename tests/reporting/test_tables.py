import pathlib

import numpy as np
import pytest
from scipy import stats

from smad_jax import errors
from smad_jax.reporting import runs, tables


def a_run(name, **results):
    return runs.Run(
        folder=pathlib.Path(name),
        results={f"{key}/top1": value for key, value in results.items()},
        n_seen={key: 10 for key in results},
        seconds=1.0,
        commit="abc",
    )


def test_comparison_gives_both_runs_and_the_difference_in_points():
    table = tables.comparison(
        a_run("base", iid=0.9, tail=0.5), a_run("smad", iid=0.89, tail=0.75)
    )
    assert table.splitlines() == [
        "| test set | videos | base | smad | difference |",
        "| -------- | ------ | ---- | ---- | ---------- |",
        "| iid      |     10 | 90.0 | 89.0 |       -1.0 |",
        "| tail     |     10 | 50.0 | 75.0 |      +25.0 |",
    ]


def test_runs_on_different_test_sets_are_not_compared():
    with pytest.raises(errors.DataError, match="was tested on"):
        tables.comparison(a_run("base", iid=0.9), a_run("smad", tail=0.9))


def test_holm_gives_a_worked_example():
    # .01 x 4, then max(.04, .02 x 3), then .03 x 2, then .04 x 1
    assert tables.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx(
        [0.06, 0.04, 0.06, 0.06]
    )


def test_holm_never_exceeds_one():
    assert max(tables.holm([0.9, 0.8])) == 1.0


def test_study_pairs_the_seeds():
    base, ours = [0.50, 0.60, 0.40], [0.70, 0.75, 0.65]
    _, differences = tables.study(
        {"baseline": {"tail": base}, "SMAD": {"tail": ours}}, "baseline"
    )
    p = stats.ttest_rel(ours, base).pvalue
    spread = np.std([20, 15, 25], ddof=1)
    assert f"+20.0 ± {spread:.1f}" in differences
    assert f"{p:.3f}" in differences


def test_missing_run_is_an_error_with_the_command(tmp_path):
    with pytest.raises(errors.DataError, match=r"python main.py --config"):
        runs.read(tmp_path)
