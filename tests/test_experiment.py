import numpy as np
import pytest

from configs import slowonly_baseline, slowonly_smad, tsn_baseline
from smad_jax import aspects, errors, experiment
from smad_jax.data import catalog

V = 90


def a_split(labels, mask=None, kind="soft"):
    labels = np.asarray(labels, np.float16)
    mask = np.ones(len(labels), bool) if mask is None else np.asarray(mask)
    aspect = aspects.Aspect("scene", kind, labels.shape[1], "test")
    return catalog.Split(
        dataset="demo",
        name="train",
        ids=tuple(f"v{row}" for row in range(len(labels))),
        labels=np.zeros(len(labels), np.int32),
        classes=("walk",),
        aspects={"scene": aspect},
        aspect_labels={"scene": labels},
        aspect_mask={"scene": mask},
        reader=None,
        positions=np.arange(len(labels)),
    )


def test_epochs_become_steps_with_the_last_batch_counted():
    config = slowonly_baseline.get_config()  # 12 epochs of batches of 32
    plan = experiment.make_plan(config, a_split(np.ones((V, 2))), "demo")
    assert plan.steps_per_epoch == 3
    assert plan.total_steps == 36
    assert plan.save_every == 3


def test_chance_is_the_share_of_the_most_frequent_label_among_the_labelled():
    labels = [[0.7, 0.3], [0.6, 0.4], [0.1, 0.9], [0.2, 0.8]]
    split = a_split(labels, mask=[True, True, True, False])
    plan = experiment.make_plan(slowonly_smad.get_config(), split, "demo")
    assert plan.chance == {"scene": pytest.approx(2 / 3)}


def test_chance_of_tags_is_the_share_of_the_most_frequent_tag():
    split = a_split([[1, 1], [0, 1], [0, 1], [0, 0]], kind="tags")
    plan = experiment.make_plan(slowonly_smad.get_config(), split, "demo")
    assert plan.chance == {"scene": pytest.approx(0.75)}


def test_aspect_without_any_label_is_an_error():
    split = a_split(np.ones((4, 2)), mask=np.zeros(4, bool))
    with pytest.raises(errors.DataError, match="no video of train has labels"):
        experiment.make_plan(slowonly_smad.get_config(), split, "demo")


def test_learning_rate_grows_with_the_batch():
    config = tsn_baseline.get_config("k200db")  # 0.01 for 256
    config.data.batch_size = 64
    plan = experiment.make_plan(config, a_split(np.ones((V, 2))), "demo")
    assert experiment.batch_size_scale(config) == 0.25
    rate = experiment.learning_rate(config, plan)
    assert float(rate(0)) == pytest.approx(0.0025)


def test_test_set_with_other_class_numbers_is_refused(small_data):
    config = slowonly_baseline.get_config()
    config.data.root = str(small_data)
    config.data.embedded_scale = 0.05
    train, tests = experiment.open_data(config)
    assert set(tests) == {"iid", "tail", "rare"}
    folder = small_data / train.dataset
    split = tests["rare"]
    names = [*split.classes[1:], split.classes[0]]
    catalog.write_split(folder, "odd", split.ids, split.labels, names)
    with config.unlocked():
        config.evaluation.sets = {"odd": "embedded/odd"}
    with pytest.raises(errors.DataError, match="number their classes differently"):
        experiment.open_data(config)


def test_everything_that_is_missing_is_told_at_once(tmp_path):
    config = slowonly_smad.get_config("k200db")
    config.data.root = str(tmp_path)
    with pytest.raises(errors.DataError) as caught:
        experiment.open_data(config)
    message = str(caught.value)
    assert "kinetics400/k200db-train" in message
    assert "aras/aras64" in message


def test_data_folder_is_the_flag_before_the_environment_before_the_default(
    monkeypatch,
):
    config = slowonly_baseline.get_config()
    monkeypatch.delenv("DATA_ROOT", raising=False)
    assert str(experiment.data_root(config)) == "datasets"
    monkeypatch.setenv("DATA_ROOT", "/from/environment")
    assert str(experiment.data_root(config)) == "/from/environment"
    config.data.root = "/from/flag"
    assert str(experiment.data_root(config)) == "/from/flag"


def test_batch_that_ghost_groups_cannot_share_is_refused():
    config = slowonly_smad.get_config("k200db")  # groups of 16
    config.data.batch_size = 8
    experiment.check(config)
    config.data.batch_size = 24
    with pytest.raises(errors.ConfigError, match=r"multiple of model\.ghost_size 16"):
        experiment.check(config)
