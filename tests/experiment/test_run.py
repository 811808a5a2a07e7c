import json
import math
import re
import signal

import jax
import numpy as np
import pytest

from configs import (
    base,
    slowonly_baseline,
    slowonly_dann,
    slowonly_omnidebias,
    slowonly_sdn,
    slowonly_smad,
    tsn_baseline,
)
from smad_jax import errors
from smad_jax.experiment import build, description, run, splits, streams
from smad_jax.experiment.settings import Settings
from smad_jax.training import loop, parameter_layout, sharding, train_state
from tests.helpers.made_splits import a_split

V = 90


def test_epochs_become_steps_with_the_last_batch_counted():
    settings = Settings.read(slowonly_baseline.get_config())
    assert (settings.training.epochs, settings.data.batch_size) == (12, 16)
    plan = build.make_plan(settings, a_split(np.ones((V, 2))), "demo")
    assert plan.steps_per_epoch == 6
    assert plan.total_steps == 72
    assert plan.save_every == 6


def test_chance_is_the_share_of_the_most_frequent_label_among_the_labelled():
    labels = [[0.7, 0.3], [0.6, 0.4], [0.1, 0.9], [0.2, 0.8]]
    split = a_split(labels, mask=[True, True, True, False])
    plan = build.make_plan(Settings.read(slowonly_smad.get_config()), split, "demo")
    assert plan.chance == {"scene": pytest.approx(2 / 3)}


def test_chance_of_tags_is_the_share_of_the_most_frequent_tag():
    split = a_split([[1, 1], [0, 1], [0, 1], [0, 0]], kind="tags")
    plan = build.make_plan(Settings.read(slowonly_smad.get_config()), split, "demo")
    assert plan.chance == {"scene": pytest.approx(0.75)}


def test_aspect_without_any_label_is_an_error():
    split = a_split(np.ones((4, 2)), mask=np.zeros(4, bool))
    with pytest.raises(errors.DataError, match="no video of train has labels"):
        build.make_plan(Settings.read(slowonly_smad.get_config()), split, "demo")


def test_plan_takes_the_order_of_joint_training_from_the_config():
    config = slowonly_omnidebias.get_config("k200db")
    config.data.web_every = 2
    config.data.web.videos.batches = 3
    plan = build.make_plan(Settings.read(config), a_split(np.ones((V, 2))), "demo")
    assert plan.order.sources(1) == ("train",)
    assert plan.order.sources(2) == ("train", "images", "videos", "videos", "videos")
    assert plan.order.web["images"].batch_size == 128
    assert plan.steps_per_epoch == 1, "the target alone makes an epoch"


def test_learning_rate_grows_with_the_batch():
    config = tsn_baseline.get_config("k200db")  # 0.01 for 256
    config.data.batch_size = 64
    settings = Settings.read(config)
    plan = build.make_plan(settings, a_split(np.ones((V, 2))), "demo")
    assert build.scaled_rate(settings) == 0.0025
    rate = build.learning_rate(settings, plan)
    assert float(rate(0)) == pytest.approx(0.0025)


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"warmup_epochs": 0}, ""),
        ({"warmup_epochs": 29}, ""),
        ({"warmup_epochs": 30}, "warmup_epochs=3"),
        ({"warmup_epochs": 30, "schedule": "steps"}, ""),
        ({"warmup_share": 0.99}, "warmup_share=0"),
    ],
)
def test_warm_up_as_long_as_the_run_is_warned_of(changes, advice, tmp_path):
    config = slowonly_baseline.get_config()
    config.training.epochs = 30
    config.optimizer.update(changes)
    settings = Settings.read(config).for_videos(V)
    split = a_split(np.ones((V, 2)))
    plan = build.make_plan(settings, split, "demo")
    state = train_state.TrainState(np.zeros(()), {"model": {}}, {}, None)
    printed = description.describe(settings, splits.Splits(split, {}, {}), plan, state)
    assert ("WARNING" in printed) == bool(advice)
    assert printed.endswith(f"--config.optimizer.{advice}") == bool(advice)


def test_warm_up_of_the_only_epoch_is_advised_against():
    config = slowonly_baseline.get_config()
    config.training.epochs = config.optimizer.warmup_epochs = 1
    settings = Settings.read(config)
    split = a_split(np.ones((V, 2)))
    plan = build.make_plan(settings, split, "demo")
    state = train_state.TrainState(np.zeros(()), {"model": {}}, {}, None)
    printed = description.describe(settings, splits.Splits(split, {}, {}), plan, state)
    assert printed.endswith("--config.optimizer.warmup_epochs=0")


def everything_logged(workdir):
    """All metrics by step but the times."""
    lines = (workdir / "metrics.jsonl").read_text("utf-8").splitlines()
    return [
        {
            name: value
            for name, value in json.loads(line).items()
            if not name.startswith(("time/", "memory/")) and name != "clips_per_second"
        }
        for line in lines
    ]


def test_interrupted_run_with_a_target_ends_like_an_uninterrupted_one(
    small_data, tmp_path, monkeypatch
):
    config = base.smoke(slowonly_dann.get_config())
    config.data.root = str(small_data)
    config.training.max_steps = 3
    whole = run.train_and_test(config, tmp_path / "whole")
    on_devices = streams._on_devices

    def interrupted(*given):
        for number, batch in enumerate(on_devices(*given), start=1):
            if number == 2:
                signal.raise_signal(signal.SIGTERM)
            yield batch

    with monkeypatch.context() as patched:
        patched.setattr(streams, "_on_devices", interrupted)
        with pytest.raises(loop.Interrupted):
            run.train_and_test(config, tmp_path / "parts")
    assert len(everything_logged(tmp_path / "parts")) == 2
    assert run.train_and_test(config, tmp_path / "parts") == whole
    logged = everything_logged(tmp_path / "parts")
    assert logged == everything_logged(tmp_path / "whole")
    assert logged[0]["loss/domain"] > 0


@pytest.mark.parametrize(
    ("without_boxes", "line", "turns"),
    [
        ("guess", "16 videos whose people are painted out, 16 of them by guess", 2),
        ("leave_out", "NOTICE: no training video has boxes", 1),
    ],
)
def test_sdn_trains_without_boxes_and_logs_it(without_boxes, line, turns, small_data):
    config = base.smoke(slowonly_sdn.get_config())
    config.data.root = str(small_data)
    config.data.masked.without_boxes = without_boxes
    settings = Settings.read(config)
    opened = splits.open_splits(settings)
    plan = build.make_plan(settings, opened.train, "demo", opened.masked)
    assert len(plan.order.sources(0)) == turns
    state = train_state.TrainState(0, {"model": {}}, {}, ())
    assert line in description.describe(settings, opened, plan, state)


def opened_step(mesh, ghost_size, side=32, **training):
    """The state of step 0, the step, and batches of 16 videos for it."""
    config = slowonly_smad.get_config()
    config.method.aspects = ("scene",)
    config.model.ghost_size = ghost_size
    dtype = "float64" if jax.config.read("jax_enable_x64") else "float32"
    config.model.dtype = dtype
    config.training.update(training)
    settings, split = Settings.read(config), a_split(np.ones((V, 2)))
    plan = build.make_plan(settings, split, "demo")
    _, state, step = build.build(settings, split, plan, mesh)

    def batch(seed):
        rng = np.random.default_rng(seed)
        rows = {
            "video": rng.integers(0, 256, (16, 4, side, side, 3), np.uint8),
            "label": rng.integers(0, 2, 16).astype(np.int32),
            # in the network's dtype: logarithms of float32 depend on the shape
            "aspects": {"scene": rng.dirichlet((1, 1), 16).astype(dtype)},
            "aspect_mask": {"scene": rng.random(16) < 0.7},
        }
        return {"train": sharding.shard(rows, mesh)}

    return state, step, batch


def compiled_step(ghost_size, accumulate=1, model_axis=1):
    """The state of step 0, and the text of the step's program."""
    mesh = parameter_layout.make_mesh(model_axis)
    state, step, batch = opened_step(mesh, ghost_size, accumulate=accumulate)
    return state, step.lower(state, batch(0), jax.random.key(0), 1).compile().as_text()


def exchanges(program):
    """What the devices send each other: shapes, and the name of the operation."""
    return re.findall(
        r"= (.*?) (all-\w+|reduce-scatter|collective-\w+)(?:-start)?\(", program
    )


def test_step_on_several_devices_sums_the_gradient_and_metrics_and_nothing_else():
    state, program = compiled_step(ghost_size=4)  # a group on each device
    found = exchanges(program)
    assert [name for _, name in found] == ["all-reduce"] * 2
    counts, sums = sorted((shapes for shapes, _ in found), key=len)
    assert "f32" not in counts  # of videos with labels, to divide by
    sizes = [
        math.prod(map(int, filter(None, shape.split(","))))
        for shape in re.findall(r"\w+\[([\d,]*)\]", sums)
    ]
    # every parameter and every running mean and variance once; the rest are scalars
    arrays = jax.tree.leaves((state.params, state.batch_stats))
    expected = sorted(leaf.size for leaf in arrays)
    assert sorted(sizes)[-len(expected) :] == expected
    assert all(size == 1 for size in sorted(sizes)[: -len(expected)])


def test_parts_of_a_batch_stay_on_the_devices_that_have_them():
    # two groups on each device, one of each part
    _, program = compiled_step(ghost_size=2, accumulate=2)
    assert {name for _, name in exchanges(program)} == {"all-reduce"}


def test_devices_that_share_the_parameters_exchange_nothing_of_the_videos():
    state, program = compiled_step(ghost_size=2, model_axis=2)
    shapes = {
        name: {
            math.prod(map(int, filter(None, numbers.split(","))))
            for each, found in exchanges(program)
            for numbers in re.findall(r"\w+\[([\d,]*)\]", each)
            if found == name
        }
        for name in ("all-gather", "all-reduce")
    }
    assert {name for _, name in exchanges(program)} == set(shapes)
    large = {
        leaf.size for leaf in jax.tree.leaves(state.params) if leaf.size >= 1 << 14
    }
    # parameters are gathered for the network; the rest are gradients and statistics
    assert shapes["all-gather"] == large
    sizes = {leaf.size for leaf in jax.tree.leaves(state)}
    parts = {leaf.addressable_shards[0].data.size for leaf in jax.tree.leaves(state)}
    assert shapes["all-reduce"] <= sizes | parts | {1}


def test_ten_steps_in_float64_are_the_same_on_every_mesh():
    def after(mesh):
        state, step, batch = opened_step(mesh, 2, side=8, ema=0.9)
        # the heads too, which a config leaves in float32
        state = jax.tree.map(
            lambda leaf: leaf.astype(float) if leaf.ndim else leaf, state
        )
        placed = jax.tree.map(lambda leaf: leaf.sharding, state)
        for seed in range(10):
            state, metrics = step(state, batch(seed), jax.random.key(0))
        # parts stay where they are: another placement would compile the step again
        assert jax.tree.map(lambda leaf: leaf.sharding, state) == placed
        return parameter_layout.local((state, metrics))

    with jax.enable_x64(True):
        one = after(sharding.make_mesh(jax.devices()[:1]))
        for mesh in (sharding.make_mesh(), parameter_layout.make_mesh(2)):
            pairs = zip(*map(jax.tree.leaves, (one, after(mesh))), strict=True)
            for a, b in pairs:
                scale = 1e-12 + 1e-9 * np.abs(a).max()
                np.testing.assert_allclose(b, a, rtol=1e-9, atol=scale)
