import numpy as np
import pytest

from configs import slowonly_baseline, slowonly_omnidebias, slowonly_smad, tsn_baseline
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
    config = slowonly_baseline.get_config()  # 12 epochs of batches of 16
    plan = experiment.make_plan(config, a_split(np.ones((V, 2))), "demo")
    assert plan.steps_per_epoch == 6
    assert plan.total_steps == 72
    assert plan.save_every == 6


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


def test_plan_takes_the_order_of_joint_training_from_the_config():
    config = slowonly_omnidebias.get_config("k200db")
    config.data.web_every = 2
    config.data.web.videos.batches = 3
    plan = experiment.make_plan(config, a_split(np.ones((V, 2))), "demo")
    assert plan.order.sources(1) == ("train",)
    assert plan.order.sources(2) == ("train", "images", "videos", "videos", "videos")
    assert plan.order.web["images"].batch_size == 128
    assert plan.steps_per_epoch == 1, "the target alone makes an epoch"


def test_every_stream_starts_where_an_interrupted_run_left_it(monkeypatch, tmp_path):
    config = slowonly_omnidebias.get_config("k200db")
    config.data.web_every = 2
    config.data.web.videos.batches = 3
    config.data.web.images.num_frames = 5
    split = a_split(np.ones((V, 2)))
    plan = experiment.make_plan(config, split, "demo")
    monkeypatch.setattr(
        experiment.pipeline, "train_batches", lambda split, **given: given
    )
    sources = dict.fromkeys(("train", "images", "videos"), split)
    made = dict(experiment._streams(config, tmp_path, sources, plan, 7))
    # turns at 0, 2, 4 and 6
    starts = {name: given["start_step"] for name, given in made.items()}
    assert starts == {"train": 7, "images": 4, "videos": 12}
    frames = [given["sampling"]["num_frames"] for given in made.values()]
    assert frames == [8, 5, 8]
    assert [given["class_power"] for given in made.values()] == [1.0, 1.0, 0.5]
    assert made["train"]["seed"] == config.seed
    assert len({given["seed"] for given in made.values()}) == 3


def test_learning_rate_grows_with_the_batch():
    config = tsn_baseline.get_config("k200db")  # 0.01 for 256
    config.data.batch_size = 64
    plan = experiment.make_plan(config, a_split(np.ones((V, 2))), "demo")
    assert experiment.batch_size_scale(config) == 0.25
    rate = experiment.learning_rate(config, plan)
    assert float(rate(0)) == pytest.approx(0.0025)


def test_batch_that_ghost_groups_cannot_share_is_refused():
    config = slowonly_smad.get_config("k200db")  # groups of 16
    config.data.batch_size = 8
    experiment.check(config)
    config.data.batch_size = 24
    with pytest.raises(errors.ConfigError, match=r"multiple of model\.ghost_size 16"):
        experiment.check(config)


def test_web_batches_are_checked_like_those_of_the_target():
    config = slowonly_omnidebias.get_config("k200db")  # groups of 16
    experiment.check(config)
    config.data.web.images.batch_size = 24
    with pytest.raises(
        errors.ConfigError, match=r"^data\.web\.images\.batch_size must be a multiple"
    ):
        experiment.check(config)
    config.data.web.images.batch_size = 32
    config.data.web_every = 0
    with pytest.raises(errors.ConfigError, match=r"data\.web_every must be at least 1"):
        experiment.check(config)
