import contextlib
import dataclasses
import json
import shutil

import numpy as np
import pytest

from configs import common, slowonly_smad
from smad_jax import errors
from smad_jax.data import bad_videos, catalog, pipeline
from smad_jax.evaluation import predict
from smad_jax.experiment import run as experiment
from smad_jax.experiment import run_folder, run_labels, splits, trained


@pytest.fixture(scope="module")
def finished(small_data, tmp_path_factory):
    """The folder of a short run with SAAR, adversaries and a test."""
    config = common.smoke(slowonly_smad.get_config())
    config.data.root = str(small_data)
    config.data.max_videos = 0
    workdir = tmp_path_factory.mktemp("runs") / "smad"
    experiment.run(config, workdir)
    return workdir


@pytest.fixture(scope="module")
def asked(finished, small_data):
    return trained.load(finished, small_data)


def test_teacher_says_what_its_run_said_at_the_test(finished, asked, small_data):
    split = catalog.open_split(small_data, "embedded-seed0-x0.05", "rare")
    said = asked.predict(split)
    before = predict.Predictions.load(finished / "predictions" / "rare.npz")
    assert said.ids.tolist() == before.ids.tolist()
    np.testing.assert_array_equal(said.probabilities, before.probabilities)
    np.testing.assert_array_equal(said.features, before.features)


def test_teacher_loaded_once_answers_for_other_data_sets(asked, small_data, web_data):
    assert asked.classes == catalog.read_classes(small_data / web_data, "train")
    for dataset, name in ((web_data, "few"), ("embedded-seed0-x0.05", "iid")):
        split = catalog.open_split(small_data, dataset, name)
        said = asked.predict(split)
        assert said.probabilities.shape == (len(split), 10)
        np.testing.assert_allclose(said.probabilities.sum(axis=1), 1, atol=1e-5)


def test_views_of_an_image_are_all_the_same(finished, small_data, web_data):
    split = catalog.open_split(small_data, web_data, "few")
    one, three = (
        trained.load(finished, small_data, test_views=n).predict(split) for n in (1, 3)
    )
    np.testing.assert_allclose(one.probabilities, three.probabilities, atol=1e-6)


def test_unreadable_medium_gets_zeros(asked, small_data, web_data):
    split = catalog.open_split(small_data, web_data, "few")

    class Damaged:
        def __getattr__(self, name):
            return getattr(split.reader, name)

        def video(self, position):
            record = split.reader.video(position)
            return record._replace(video=b"nothing") if position == 1 else record

    said = asked.predict(dataclasses.replace(split, reader=Damaged()))
    assert (said.probabilities.sum(axis=1) == 0).tolist() == [False, True, False]


def test_damaged_config_or_checkpoint_is_told_by_its_name(
    finished, small_data, tmp_path
):
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


def test_run_that_is_not_finished_is_no_teacher(finished, small_data, tmp_path):
    (tmp_path / "config.json").write_text((finished / "config.json").read_text())
    with pytest.raises(errors.DataError, match=r"no results\.json.*--workdir"):
        trained.load(tmp_path, small_data)
    with pytest.raises(errors.DataError, match=r"no config\.json"):
        trained.load(tmp_path / "nowhere", small_data)


def test_run_without_its_checkpoint_is_no_teacher(finished, small_data, tmp_path):
    for name in ("config.json", "results.json"):
        (tmp_path / name).write_text((finished / name).read_text())
    with pytest.raises(errors.DataError, match="no checkpoint"):
        trained.load(tmp_path, small_data)


def test_training_data_need_not_be_there(finished, asked, tmp_path, small_data):
    alone = trained.load(finished, tmp_path / "nothing")
    assert alone.classes == asked.classes
    split = catalog.open_split(small_data, "embedded-seed0-x0.05", "rare")
    np.testing.assert_array_equal(
        alone.predict(split).probabilities, asked.predict(split).probabilities
    )


def test_run_older_than_its_list_of_classes_asks_the_training_data(
    finished, asked, small_data, tmp_path
):
    old = tmp_path / "old"
    old.mkdir()
    for path in finished.iterdir():
        if path.name != "labels.json":
            (old / path.name).symlink_to(path)
    assert trained.load(old, small_data).classes == asked.classes
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
    with pytest.raises(errors.DataError, match=r"2 arrays differ; model/head/bias is"):
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


def test_batches_that_are_left_early_are_closed(fresh_run, monkeypatch):
    config = run_folder.read_config(fresh_run)
    config.evaluation.batch_size = 4
    split = splits.open_place(config, "embedded/iid")
    bad = bad_videos.BadVideos(None, 1.0, num_videos=len(split))
    closed, close = [], pipeline.Batches.close
    monkeypatch.setattr(
        pipeline.Batches, "close", lambda self: closed.append(close(self))
    )
    with contextlib.closing(experiment.test_batches(config, split, bad)) as batches:
        next(batches)
        assert not closed
    assert closed
