import numpy as np
import pytest
from sklearn import metrics

from smad_jax.data import selection
from smad_jax.evaluation import predictions, probe
from smad_jax.experiment import places
from smad_jax.experiment.settings import Settings
from smad_jax.reporting import dependence


@pytest.fixture
def run(fresh_run, tmp_path):
    """A finished run with predictions, one of them of an unreadable video."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("config.json", "results.json"):
        (folder / name).write_text((fresh_run / name).read_text())
    data = Settings.of_run(folder).data
    split = places.open_place(data, "embedded/iid")
    rng, count = np.random.default_rng(0), len(split)
    probabilities = rng.dirichlet(np.full(10, 0.3), count)
    probabilities[0] = 0
    features = rng.normal(size=(count, 6))
    features[0] = 0
    predictions.Predictions(
        np.array(split.ids), split.labels, probabilities, features
    ).save(folder / "predictions" / "iid.npz")
    return folder


def test_measures_are_those_of_the_runs_predictions(run):
    data = Settings.of_run(run).data
    loaded = predictions.Predictions.load(run / "predictions" / "iid.npz")
    split = places.open_place(data, "embedded/iid", aspects=("scene", "object"))
    found = dependence.measure(run, "iid")
    assert len(found) == 2 * (6 + 4)
    answers = loaded.probabilities.argmax(axis=1)[1:]
    for aspect in ("scene", "object"):
        secondary = selection.hard_labels(split, aspect)
        expected = metrics.normalized_mutual_info_score(answers, secondary[1:])
        assert found[f"{aspect}/independence"] == pytest.approx(expected)
        expected = metrics.normalized_mutual_info_score(split.labels[1:], secondary[1:])
        assert found[f"{aspect}/oracle"] == pytest.approx(expected)
        rng = np.random.default_rng(1)
        permuted = [
            metrics.normalized_mutual_info_score(
                answers, rng.permutation(secondary[1:])
            )
            for _ in range(50)
        ]
        chance = found[f"{aspect}/independence/control"]
        assert chance == pytest.approx(np.mean(permuted), abs=3 * np.std(permuted))
        read = probe.evaluate(loaded.features[1:], secondary[1:])
        assert found[f"{aspect}/probe"] == read.accuracy
        assert found[f"{aspect}/majority"] == read.majority


def test_without_predictions_or_labels_nothing_is_measured(run, tmp_path):
    assert dependence.measure(tmp_path / "none", "iid") is None
    (run / "predictions" / "iid.npz").unlink()
    assert dependence.measure(run, "iid") is None
