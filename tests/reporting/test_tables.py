import json
import pathlib

import numpy as np
import pytest
from scipy import stats

from smad_jax import errors
from smad_jax.evaluation import predictions, rates
from smad_jax.reporting import runs, tables


def a_run(name, **results):
    return runs.Run(
        folder=pathlib.Path(name),
        results={f"{key}/top1": value for key, value in results.items()},
        n_seen={key: 10 for key in results},
        seconds=1.0,
        processor_seconds=1.0,
        commit="abc",
        sees_target_data=False,
    )


def cells(table):
    """The rows of a Markdown table, without the ruler."""
    rows = [[c.strip() for c in line[1:-1].split("|")] for line in table.splitlines()]
    return rows[:1] + rows[2:]


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


def keep_predictions(folder, name, right, ids=None, labels=None):
    """Lets a run keep that it is right on some videos of a test set."""
    labels = np.arange(len(right)) % 3 if labels is None else labels
    predictions.Predictions(
        ids=np.array([f"v{n}" for n in range(len(right))]) if ids is None else ids,
        labels=labels,
        probabilities=np.eye(4)[np.where(right, labels, 3)],
        features=np.zeros((len(right), 2)),
    ).save(folder / "predictions" / f"{name}.npz")


def test_difference_of_runs_with_predictions_is_tested(tmp_path):
    first = np.array([1] * 4 + [0] * 6, bool)
    second = np.array([1] * 9 + [0], bool)
    before, after = tmp_path / "base", tmp_path / "smad"
    for folder, iid, tail in ((before, first, first), (after, first, second)):
        keep_predictions(folder, "iid", iid)
        keep_predictions(folder, "tail", tail)
    table = tables.comparison(
        a_run(before, iid=0.4, tail=0.4, rare=0.1),
        a_run(after, iid=0.4, tail=0.9, rare=0.1),
    )
    rows = cells(table.partition("\n\n")[0])
    assert rows[0][-2:] == ["95 % interval", "p (Holm)"]
    # five of five that differ: 2 / 2^5, of two tests; the interval is Wald's
    half = 100 * 1.959964 * np.sqrt(5 - 25 / 10) / 10
    assert rows[2][-2:] == [f"{50 - half:+.1f} to {50 + half:+.1f}", "0.125"]
    assert rows[1][-2:] == ["+0.0 to +0.0", "1.000"]
    assert rows[3][-2:] == ["", ""], "no predictions are kept of this set"


def test_runs_of_one_name_are_distinguished_and_a_tiny_p_value_is_a_bound(tmp_path):
    before, after = (tmp_path / arm / "seed1" for arm in ("base", "smad"))
    keep_predictions(before, "iid", np.zeros(30, bool))
    keep_predictions(after, "iid", np.ones(30, bool))
    table = tables.comparison(a_run(before, iid=0.0), a_run(after, iid=1.0))
    rows = cells(table.partition("\n\n")[0])
    assert rows[0][2:4] == [str(before), str(after)]
    assert rows[1][-1] == "<0.001"


def test_repeated_video_is_no_further_evidence(tmp_path):
    ids = np.array(["a", "b", "c", "d"] * 3)
    folders = tmp_path / "base", tmp_path / "smad"
    for folder, right in zip(folders, (False, True), strict=True):
        keep_predictions(folder, "iid", np.full(12, right), ids, np.zeros(12, int))
    table = tables.comparison(a_run(folders[0], iid=0.0), a_run(folders[1], iid=1.0))
    assert cells(table.partition("\n\n")[0])[1][-1] == "0.125"  # 2 / 2^4


@pytest.mark.parametrize("edition", ["embedded", "embedded-lasting", "embedded-milder"])
def test_runs_on_two_draws_are_not_compared_though_ids_are_the_same(tmp_path, edition):
    folders = tmp_path / "base", tmp_path / "smad"
    for seed, folder in enumerate(folders):
        keep_predictions(folder, "iid", np.ones(10, bool))
        config = {
            "evaluation": {"sets": {"iid": f"{edition}/iid"}},
            "data": {"embedded_seed": seed, "embedded_scale": 1.0},
        }
        (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(errors.DataError, match=r"data\.embedded_seed is 0 and 1"):
        tables.comparison(*(a_run(folder, iid=1.0) for folder in folders))


@pytest.mark.parametrize("what", ["ids", "labels"])
def test_runs_that_saw_other_videos_are_not_compared(what, tmp_path):
    folders = tmp_path / "base", tmp_path / "smad"
    keep_predictions(folders[0], "iid", np.ones(10, bool))
    keep_predictions(folders[1], "iid", np.ones(10, bool), **{what: np.arange(10) % 2})
    with pytest.raises(errors.DataError, match=f"have different {what}"):
        tables.comparison(*(a_run(folder, iid=1.0) for folder in folders))


def test_runs_on_different_test_sets_are_not_compared():
    with pytest.raises(errors.DataError, match="was tested on"):
        tables.comparison(a_run("base", iid=0.9), a_run("smad", tail=0.9))


def test_runs_are_compared_by_the_names_of_their_test_sets():
    table = tables.comparison(
        a_run("base", rare=0.1, iid=0.9), a_run("smad", iid=0.8, rare=0.3)
    )
    assert [line.split(" | ")[2:] for line in table.splitlines()[2:]] == [
        ["10.0", "30.0", "     +20.0 |"],
        ["90.0", "80.0", "     -10.0 |"],
    ]


def test_study_pairs_the_seeds():
    base, ours = [0.50, 0.60, 0.40], [0.70, 0.75, 0.65]
    _, differences = tables.study(
        {"baseline": {"tail": base}, "SMAD": {"tail": ours}}, [("SMAD", "baseline")]
    )
    p = stats.ttest_rel(ours, base).pvalue
    spread = np.std([20, 15, 25], ddof=1)
    assert cells(differences) == [
        ["arm", "minus", "test set", "difference", "p", "p (Holm)"],
        ["SMAD", "baseline", "tail", f"+20.0 ± {spread:.1f}", f"{p:.3f}", f"{p:.3f}"],
    ]


def test_study_corrects_over_all_pairs_and_test_sets():
    rng = np.random.default_rng(0)
    scores = {
        arm: {name: rng.random(5).tolist() for name in ("iid", "tail", "rare")}
        for arm in ("baseline", "MAAT", "SMAD")
    }
    pairs = [("SMAD", "MAAT"), ("MAAT", "baseline")]
    means, differences = tables.study(scores, pairs)
    assert [row[0] for row in cells(means)] == ["arm", *scores]
    rows = cells(differences)[1:]
    assert [tuple(row[:2]) for row in rows] == [pairs[0]] * 3 + [pairs[1]] * 3
    p_values = [
        stats.ttest_rel(scores[arm][name], scores[other][name]).pvalue
        for arm, other in pairs
        for name in ("iid", "tail", "rare")
    ]
    assert [row[4] for row in rows] == [f"{p:.3f}" for p in p_values]
    assert [row[5] for row in rows] == [f"{p:.3f}" for p in rates.holm(p_values)]


def test_only_primary_comparisons_are_corrected_and_together():
    rng = np.random.default_rng(0)
    scores = {
        arm: {name: rng.random(5).tolist() for name in ("iid", "tail")}
        for arm in ("baseline", "MAAT", "SMAD")
    }
    pairs = [("SMAD", "MAAT"), ("MAAT", "baseline")]
    primary = [("SMAD", "MAAT", "tail"), ("MAAT", "baseline", "tail")]
    rows = cells(tables.study(scores, pairs, primary)[1])[1:]
    p_values = [
        stats.ttest_rel(scores[arm][name], scores[other][name]).pvalue
        for arm, other, name in primary
    ]
    first, second = (f"{p:.3f}" for p in rates.holm(p_values))
    assert [row[5] for row in rows] == ["", first, "", second]
    assert all(row[4] for row in rows)


def test_arms_that_never_differ_have_a_p_value_of_one():
    same = {"iid": [1.0, 0.9, 0.8]}
    _, differences = tables.study({"a": same, "b": same}, [("b", "a")])
    assert cells(differences)[1] == ["b", "a", "iid", "+0.0 ± 0.0", "1.000", "1.000"]


def test_two_seeds_and_a_constant_difference_have_no_p_value():
    two = {"a": {"iid": [0.5, 0.6]}, "b": {"iid": [0.625, 0.725]}}
    _, differences = tables.study(two, [("b", "a")])
    assert cells(differences)[1][3:] == ["+12.5 ± 0.0", "", ""]
    scores = {
        "a": {"iid": [0.5, 0.6, 0.7], "tail": [0.1, 0.2, 0.3]},
        "b": {"iid": [0.625, 0.725, 0.825], "tail": [0.2, 0.1, 0.4]},
    }
    _, differences = tables.study(scores, [("b", "a")])
    constant, other = cells(differences)[1:]
    assert constant[3:] == ["+12.5 ± 0.0", "", ""]
    assert other[4] == other[5], "the row without a p-value is no test to correct for"
