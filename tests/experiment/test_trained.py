import contextlib
import dataclasses
import json
import shutil

import numpy as np
import pytest

from configs import base, slowonly_smad
from smad_jax import errors
from smad_jax.data import catalog, read_ahead
from smad_jax.evaluation import predict
from smad_jax.experiment import run, run_labels, trained


@pytest.fixture(scope="module")
def finished(small_data, tmp_path_factory):
    """The folder of a short run with SAAR, adversaries and a test."""
    config = base.smoke(slowonly_smad.get_config())
    config.data.root = str(small_data)
    config.data.max_videos = 0
    workdir = tmp_path_factory.mktemp("runs") / "smad"
    run.train_and_test(config, workdir)
    return workdir


@pytest.fixture(scope="module")
def network(finished, small_data):
    return trained.load(finished, small_data)


def test_network_predicts_what_its_run_predicted_at_the_test(
    finished, network, small_data
):
    split = catalog.open_split(small_data, "embedded-seed0-x0.05", "rare")
    found = network.predict(split)
    before = predict.Predictions.load(finished / "predictions" / "rare.npz")
    assert found.ids.tolist() == before.ids.tolist()
    np.testing.assert_array_equal(found.probabilities, before.probabilities)
    np.testing.assert_array_equal(found.features, before.features)


def test_network_loaded_once_predicts_other_data_sets(network, small_data, web_data):
    assert network.classes == catalog.read_classes(small_data / web_data, "train")
    for dataset, name in ((web_data, "few"), ("embedded-seed0-x0.05", "iid")):
        split = catalog.open_split(small_data, dataset, name)
        found = network.predict(split)
        assert found.probabilities.shape == (len(split), 10)
        np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)


def test_views_of_an_image_are_all_the_same(finished, small_data, web_data):
    split = catalog.open_split(small_data, web_data, "few")
    one, three = (
        trained.load(finished, small_data, test_views=n).predict(split) for n in (1, 3)
    )
    np.testing.assert_allclose(one.probabilities, three.probabilities, atol=1e-6)


def test_unreadable_medium_gets_zeros(network, small_data, web_data):
    split = catalog.open_split(small_data, web_data, "few")

    class Damaged:
        def __getattr__(self, name):
            return getattr(split.reader, name)

        def video(self, position):
            record = split.reader.video(position)
            return record._replace(video=b"nothing") if position == 1 else record

    found = network.predict(dataclasses.replace(split, reader=Damaged()))
    assert (found.probabilities.sum(axis=1) == 0).tolist() == [False, True, False]


def test_damaged_config_or_checkpoint_is_named(finished, small_data, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for path in (run / "checkpoints").rglob("*"):
        if path.is_file() and path.stat().st_size > 1000:
            path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(errors.DataError, match=r"the checkpoint of step .* is damaged"):
        trained.load(run, small_data)
    (run / "config.json").write_text('{"model": ')
    with pytest.raises(errors.DataError, match=r"config\.json is damaged"):
        trained.load(run, small_data)


def test_run_that_is_not_finished_is_refused(finished, small_data, tmp_path):
    (tmp_path / "config.json").write_text((finished / "config.json").read_text())
    with pytest.raises(errors.DataError, match=r"no results\.json.*resume it"):
        trained.load(tmp_path, small_data)
    with pytest.raises(errors.DataError, match=r"no config\.json"):
        trained.load(tmp_path / "nowhere", small_data)


def test_run_without_its_checkpoint_is_refused(finished, small_data, tmp_path):
    for name in ("config.json", "results.json"):
        (tmp_path / name).write_text((finished / name).read_text())
    with pytest.raises(errors.DataError, match="no checkpoint"):
        trained.load(tmp_path, small_data)


def test_training_data_need_not_be_there(finished, network, tmp_path, small_data):
    alone = trained.load(finished, tmp_path / "nothing")
    assert alone.classes == network.classes
    split = catalog.open_split(small_data, "embedded-seed0-x0.05", "rare")
    np.testing.assert_array_equal(
        alone.predict(split).probabilities, network.predict(split).probabilities
    )


def test_run_older_than_its_list_of_classes_takes_them_from_the_training_data(
    finished, network, small_data, tmp_path
):
    old = tmp_path / "old"
    old.mkdir()
    for path in finished.iterdir():
        if path.name != "labels.json":
            (old / path.name).symlink_to(path)
    assert trained.load(old, small_data).classes == network.classes
    with pytest.raises(errors.DataError, match=r"python -m data_prep\.embedded"):
        trained.load(old, tmp_path)


def test_features_of_the_views_have_the_mean_that_predictions_keep(
    finished, small_data
):
    split = catalog.open_split(small_data, "embedded-seed0-x0.05", "rare")
    three = trained.load(finished, small_data, test_views=3)
    found = three.features(split)
    assert found.features.shape[:2] == (len(split), 3)
    assert found.ids.tolist() == list(split.ids)
    np.testing.assert_allclose(
        found.features.mean(axis=1), three.predict(split).features, atol=1e-5
    )


def test_checkpoint_of_another_network_is_refused_by_the_name_of_an_array(
    finished, small_data, tmp_path
):
    for path in finished.iterdir():
        (tmp_path / path.name).symlink_to(path)
    labels = run_labels.read(finished)
    assert labels is not None
    (tmp_path / "labels.json").unlink()
    more = run_labels.Labels((*labels.classes, "an 11th"), labels.aspects)
    run_labels.write(tmp_path, more)
    with pytest.raises(errors.DataError, match="model/head/bias"):
        trained.load(tmp_path, small_data)


def test_weights_that_a_run_began_with_need_not_be_there(
    finished, small_data, tmp_path
):
    for path in finished.iterdir():
        (tmp_path / path.name).symlink_to(path)
    config = json.loads((finished / "config.json").read_text())
    config["init"]["folder"] = "weights/long_gone"
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert trained.load(tmp_path, small_data).classes[0] == "wave"


def test_batches_that_are_left_early_are_closed(fresh_run, small_data, monkeypatch):
    network = trained.load(fresh_run, small_data)
    small = dataclasses.replace(network.settings.evaluation, batch_size=4)
    settings = dataclasses.replace(network.settings, evaluation=small)
    network = dataclasses.replace(network, settings=settings)
    split = network.open_split("embedded/iid")
    closed, close = [], read_ahead.Batches.close
    monkeypatch.setattr(
        read_ahead.Batches, "close", lambda self: closed.append(close(self))
    )
    with contextlib.closing(network.test_batches(split)) as batches:
        next(batches)
        assert not closed
    assert closed


def test_network_opens_the_draw_that_it_was_trained_on(network, small_data, tmp_path):
    folder = small_data / "embedded-seed0-x0.05"
    assert network.dataset_folder("embedded/iid") == folder
    assert network.dataset_folder("kinetics400/val") == small_data / "kinetics400"
    assert set(network.labelled_aspects("embedded/iid")) == {"object", "scene"}
    split = network.open_split("embedded/iid", ["scene"])
    assert list(split.aspects) == ["scene"]
    for place in ("embedded", "/iid"):
        with pytest.raises(errors.ConfigError, match=repr(place)):
            network.open_split(place)
