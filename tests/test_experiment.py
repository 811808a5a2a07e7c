import json
import signal

import jax
import numpy as np
import pytest

from configs import (
    common,
    slowonly_baseline,
    slowonly_dann,
    slowonly_omnidebias,
    slowonly_sdn,
    slowonly_smad,
    tsn_baseline,
)
from smad_jax import aspects, checks, errors, experiment, splits, streams
from smad_jax.data import catalog, masking, people
from smad_jax.training import joint, loop, sharding
from smad_jax.training import state as state_lib

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
    made = dict(streams.open_streams(config, tmp_path, sources, plan, 7))
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
    checks.check(config)
    config.data.batch_size = 24
    with pytest.raises(errors.ConfigError, match=r"multiple of model\.ghost_size 16"):
        checks.check(config)


def test_web_batches_are_checked_like_those_of_the_target():
    config = slowonly_omnidebias.get_config("k200db")  # groups of 16
    checks.check(config)
    config.data.web.images.batch_size = 24
    with pytest.raises(
        errors.ConfigError, match=r"^data\.web\.images\.batch_size must be a multiple"
    ):
        checks.check(config)
    config.data.web.images.batch_size = 32
    config.data.web_every = 0
    with pytest.raises(errors.ConfigError, match=r"data\.web_every must be at least 1"):
        checks.check(config)


def test_a_method_gets_the_pixels_of_the_target_and_nothing_else():
    def stream(size):
        while True:
            yield {
                "video": np.zeros((size, 2, 3, 5, 3), np.uint8),
                "label": np.arange(size),
                "index": np.arange(size),
                "aspects": {},
                "aspect_mask": {},
            }

    mesh = sharding.make_mesh(jax.devices()[:1])
    [(name, alone)] = streams.by_turn({"train": stream(4)}, joint.Order(), mesh).items()
    assert name == "train"
    assert set(next(alone)) == {"train"}
    opened = {"train": stream(4), "target": stream(6)}
    [batches] = streams.by_turn(opened, joint.Order(), mesh).values()
    batch = next(batches)
    assert set(batch) == {"train", "target"}
    assert set(batch["target"]) == {"video"}
    assert batch["target"]["video"].shape[0] == 6
    assert batch["train"]["label"].shape == (4,)


@pytest.mark.parametrize("mode", ["alternate", "joint"])
def test_masked_clips_have_a_turn_of_their_own_or_come_with_the_others(
    mode, monkeypatch, tmp_path
):
    config = slowonly_sdn.get_config(f"k200db,turns={mode}")
    config.data.masked.batch_size = 64
    checks.check(config)
    split = a_split(np.ones((V, 2)))
    found = masking.Masked(split, people.Painter({}), V, mode)
    plan = experiment.make_plan(config, split, "demo", found)
    turns = {"alternate": ("train", "masked"), "joint": ("train",)}[mode]
    assert plan.order.sources(0) == plan.order.sources(7) == turns
    monkeypatch.setattr(
        experiment.pipeline, "train_batches", lambda split, **given: given
    )
    sources = dict.fromkeys(("train", "masked"), split)
    made = dict(
        streams.open_streams(config, tmp_path, sources, plan, 7, paint=found.paint)
    )
    assert [given["start_step"] for given in made.values()] == [7, 7]
    assert [given["batch_size"] for given in made.values()] == [128, 64]
    assert [given["paint"] for given in made.values()] == [None, found.paint]
    assert made["train"]["seed"] != made["masked"]["seed"], "shuffled independently"

    batch = {"video": np.zeros((4, 2, 3, 5, 3), np.uint8), "label": np.arange(4)}
    mesh = sharding.make_mesh(jax.devices()[:1])
    opened = {name: iter([batch | {"index": np.arange(4)}]) for name in sources}
    given = streams.by_turn(opened, plan.order, mesh)
    held = {name: set(next(batches)) for name, batches in given.items()}
    assert held == (
        {"train": {"train"}, "masked": {"masked"}}
        if mode == "alternate"
        else {"train": {"train", "masked"}}
    )


def test_masked_clips_that_do_not_fit_the_method_are_refused():
    config = slowonly_sdn.get_config("k200db")
    config.data.masked.batch_size = 24
    with pytest.raises(errors.ConfigError, match=r"^data\.masked\.batch_size must be"):
        checks.check(config)
    config.data.masked.batch_size = 0
    config.data.web.clips = common.web_stream()
    config.data.web.clips.split = "mine/train"
    config.data.web.clips.batch_size = 32
    with pytest.raises(errors.ConfigError, match="cannot be used together"):
        checks.check(config)
    config = slowonly_baseline.get_config()
    config.data.masked = common.masked_stream()
    with pytest.raises(errors.ConfigError, match=r"no use for clips .*that has: sdn"):
        checks.check(config)


def test_target_goes_on_where_an_interrupted_run_left_it(monkeypatch, tmp_path):
    config = slowonly_dann.get_config("k200db")
    split = a_split(np.ones((V, 2)))
    plan = experiment.make_plan(config, split, "demo")
    monkeypatch.setattr(
        experiment.pipeline, "train_batches", lambda split, **given: given
    )
    for own_size, size in ((0, 128), (64, 64)):
        config.data.target_batch_size = own_size
        sources = dict.fromkeys(("train", "target"), split)
        made = dict(streams.open_streams(config, tmp_path, sources, plan, 7))
        assert [given["start_step"] for given in made.values()] == [7, 7]
        assert [given["batch_size"] for given in made.values()] == [128, size]
        assert made["train"]["seed"] == config.seed != made["target"]["seed"]


@pytest.mark.parametrize(
    ("make", "changes", "told"),
    [
        (slowonly_dann, {"target": ""}, "'dann' learns from unlabelled videos"),
        (slowonly_baseline, {"target": "a/b"}, "'baseline' has no use for data.target"),
        (slowonly_dann, {"target": "tail"}, "data.target must be DATASET/SPLIT"),
        (slowonly_dann, {"target_batch_size": -1}, "must be at least 0"),
        (slowonly_dann, {"target_batch_size": 24}, r"batch_size \+ data\.target_batch"),
    ],
)
def test_target_that_does_not_fit_the_method_is_refused(make, changes, told):
    config = make.get_config("k200db")  # ghost groups of 32 where there is a target
    checks.check(config)
    config.data.update(changes)
    with pytest.raises(errors.ConfigError, match=told):
        checks.check(config)


def test_target_and_web_streams_are_refused_together():
    config = slowonly_dann.get_config("k200db")
    config.data.web.clips = common.web_stream()
    config.data.web.clips.split = "mine/train"
    config.data.web.clips.batch_size = 32
    with pytest.raises(errors.ConfigError, match="cannot be used together"):
        checks.check(config)


def everything_logged(workdir):
    """All metrics by step but the times."""
    lines = (workdir / "metrics.jsonl").read_text("utf-8").splitlines()
    return [
        {
            name: value
            for name, value in json.loads(line).items()
            if not name.startswith("time/") and name != "clips_per_second"
        }
        for line in lines
    ]


def test_interrupted_run_with_a_target_ends_like_an_uninterrupted_one(
    small_data, tmp_path, monkeypatch
):
    config = common.smoke(slowonly_dann.get_config())
    config.data.root = str(small_data)
    config.training.max_steps = 3
    whole = experiment.run(config, tmp_path / "whole")
    on_devices = streams._on_devices

    def interrupted(*given):
        for number, batch in enumerate(on_devices(*given), start=1):
            if number == 2:
                signal.raise_signal(signal.SIGTERM)
            yield batch

    with monkeypatch.context() as patched:
        patched.setattr(streams, "_on_devices", interrupted)
        with pytest.raises(loop.Interrupted):
            experiment.run(config, tmp_path / "parts")
    assert len(everything_logged(tmp_path / "parts")) == 2
    assert experiment.run(config, tmp_path / "parts") == whole
    logged = everything_logged(tmp_path / "parts")
    assert logged == everything_logged(tmp_path / "whole")
    assert logged[0]["loss/domain"] > 0


@pytest.mark.parametrize(
    ("without_boxes", "told", "turns"),
    [
        ("guess", "16 videos whose people are painted out, 16 of them by guess", 2),
        ("leave_out", "NOTICE: no training video has boxes", 1),
    ],
)
def test_sdn_does_without_boxes_and_says_so(without_boxes, told, turns, small_data):
    config = common.smoke(slowonly_sdn.get_config())
    config.data.root = str(small_data)
    config.data.masked.without_boxes = without_boxes
    opened = splits.open_splits(config)
    plan = experiment.make_plan(config, opened.train, "demo", opened.masked)
    assert len(plan.order.sources(0)) == turns
    state = state_lib.TrainState(0, {"model": {}}, {}, ())
    assert told in experiment.describe(config, opened, plan, state)
