import json

import numpy as np
import pytest

from configs import base, slowonly_baseline, slowonly_dfr
from smad_jax import errors
from smad_jax.evaluation.predictions import Predictions
from smad_jax.experiment import run, testing, trained
from smad_jax.experiment.settings import Settings
from tests.experiment.test_run import everything_logged

STEPS = (2, 4, 6)  # of the ends of three epochs


def config_of(data):
    config = base.smoke(slowonly_baseline.get_config())
    config.data.root = str(data)
    config.training.max_steps = 6
    config.evaluation.every_epochs = 1
    config.evaluation.during = ("rare", "iid")
    return config


@pytest.fixture(scope="module")
def whole(small_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("validated") / "run"
    run.train_and_test(config_of(small_data), folder)
    return folder


def scores(folder):
    found = json.loads((folder / "validation.json").read_text("utf-8"))["scores"]
    return {int(step): score for step, score in found.items()}


def results(folder):
    return json.loads((folder / "results.json").read_text("utf-8"))["results"]


def test_chosen_sets_are_predicted_after_every_epoch(whole):
    lines = [line for line in everything_logged(whole) if "loss" not in line]
    assert tuple(line["step"] for line in lines) == STEPS
    for line, score in zip(lines, scores(whole).values(), strict=True):
        top1 = [line[f"test/{name}/top1"] for name in ("rare", "iid")]
        assert score == pytest.approx(np.mean(top1))
        assert not any(name.startswith("test/tail") for name in line)
    assert lines[-1]["test/iid/top1"] == results(whole)["iid/top1"]


def test_best_network_is_a_run_of_its_own(whole, small_data):
    best = max(STEPS, key=lambda step: scores(whole)[step])
    kept = [path.name for path in (whole / "best" / "checkpoints").iterdir()]
    assert kept == [str(best)]
    found = results(whole / "best")
    mean = np.mean([found["rare/top1"], found["iid/top1"]])
    assert scores(whole)[best] == pytest.approx(mean)
    network = trained.load(whole / "best", small_data)
    predicted = network.predict(network.open_split("embedded/iid"))
    stored = Predictions.load(whole / "best" / "predictions" / "iid.npz")
    # that of the whole split, of which the run saw a few videos
    rows = [list(predicted.ids).index(id) for id in stored.ids]
    np.testing.assert_allclose(
        predicted.probabilities[rows], stored.probabilities, atol=1e-5
    )


@pytest.mark.parametrize("at", [1, 2, 5])
def test_stopped_run_ends_like_one_in_one_piece(
    at, whole, small_data, tmp_path, monkeypatch
):
    predict_split, calls = testing.predict_split, []

    def stopped(*given):  # within the tests of an epoch, which come after its save
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        return predict_split(*given)

    with monkeypatch.context() as patched:
        patched.setattr(testing, "predict_split", stopped)
        with pytest.raises(KeyboardInterrupt):
            run.train_and_test(config_of(small_data), tmp_path)
    run.train_and_test(config_of(small_data), tmp_path)
    assert everything_logged(tmp_path) == everything_logged(whole)
    assert scores(tmp_path) == scores(whole)
    for folder in (".", "best"):
        assert results(tmp_path / folder) == results(whole / folder)
    names = [
        [path.name for path in (folder / "best" / "checkpoints").iterdir()]
        for folder in (tmp_path, whole)
    ]
    assert names[0] == names[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation.during": ("val",)}, "names val, but evaluation.sets has iid"),
        ({"training.save_every_epochs": 2}, "=1 must be a multiple .*epochs=2"),
    ],
)
def test_contradictions_are_refused(changes, message, small_data):
    config = config_of(small_data)
    config.update_from_flattened_dict(changes)
    with pytest.raises(errors.ConfigError, match=message):
        Settings.read(config)


def test_method_that_changes_the_network_afterwards_is_refused():
    config = slowonly_dfr.get_config()
    config.evaluation.every_epochs = 1
    with pytest.raises(errors.ConfigError, match="'dfr' fits its last layer after"):
        Settings.read(config)
