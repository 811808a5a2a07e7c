import signal

import numpy as np
import pytest

from configs import base, slowonly_dfr, slowonly_smad
from smad_jax.evaluation.predictions import Predictions
from smad_jax.experiment import run, streams, trained
from smad_jax.torch_weights import weights
from smad_jax.training import checkpoint, loop
from tests.experiment.test_run import everything_logged


def config_of(data, recipe=slowonly_smad, ema=0.9):
    config = base.smoke(recipe.get_config())
    config.data.root = str(data)
    config.training.ema = ema
    config.training.max_steps = 3
    return config


def predicted(folder):
    return Predictions.load(folder / "predictions" / "iid.npz").probabilities


@pytest.fixture(scope="module")
def whole(small_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("averaged") / "run"
    run.train_and_test(config_of(small_data), folder)
    return folder


def test_run_is_tested_by_its_average_and_trains_as_without(
    whole, small_data, tmp_path
):
    run.train_and_test(config_of(small_data, ema=0.0), tmp_path)
    one, other = everything_logged(whole), everything_logged(tmp_path)
    assert one == other
    assert np.abs(predicted(whole) - predicted(tmp_path)).max() > 1e-4


def test_resumed_run_has_the_average_of_one_in_one_piece(
    whole, small_data, tmp_path, monkeypatch
):
    on_devices = streams._on_devices

    def interrupted(*given):
        for number, batch in enumerate(on_devices(*given), start=1):
            if number == 2:
                signal.raise_signal(signal.SIGTERM)
            yield batch

    with monkeypatch.context() as patched:
        patched.setattr(streams, "_on_devices", interrupted)
        with pytest.raises(loop.Interrupted):
            run.train_and_test(config_of(small_data), tmp_path)
    run.train_and_test(config_of(small_data), tmp_path)
    assert everything_logged(tmp_path) == everything_logged(whole)
    ours, theirs = (
        checkpoint.read_trained(folder / "checkpoints") for folder in (tmp_path, whole)
    )
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        assert one.keys() == other.keys()
        for name, array in one.items():
            np.testing.assert_array_equal(array, other[name])
    np.testing.assert_array_equal(predicted(tmp_path), predicted(whole))


@pytest.mark.parametrize("recipe", [slowonly_smad, slowonly_dfr])
def test_network_of_the_run_is_the_average_that_was_tested(
    recipe, whole, small_data, tmp_path
):
    folder = whole
    if recipe is slowonly_dfr:  # which fits the average's last layer
        folder = tmp_path
        run.train_and_test(config_of(small_data, recipe), folder)
    network = trained.load(folder, small_data)
    found = network.predict(network.open_split("embedded/iid"))
    rows = [
        list(found.ids).index(id)
        for id in Predictions.load(folder / "predictions" / "iid.npz").ids
    ]
    np.testing.assert_allclose(found.probabilities[rows], predicted(folder), atol=1e-6)


def test_weights_of_the_run_are_the_average(whole):
    arrays, _ = weights.load_arrays(whole)
    _, params, batch_stats = checkpoint.read_trained(whole / "checkpoints")
    for path, array in arrays.items():
        np.testing.assert_array_equal(
            array, (params | batch_stats)[f"model/{path}"], path
        )
