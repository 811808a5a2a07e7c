import jax
import numpy as np
import pytest

from configs import (
    slowonly_dann,
    slowonly_omnidebias,
    slowonly_sdn,
)
from smad_jax.data import masking, people
from smad_jax.experiment import build, streams
from smad_jax.experiment.settings import Settings
from smad_jax.experiment.splits import Splits
from smad_jax.training import joint, sharding
from tests.helpers.made_splits import a_split

V = 90


def test_every_stream_starts_where_an_interrupted_run_left_it(monkeypatch, tmp_path):
    config = slowonly_omnidebias.get_config("k200db")
    config.data.web_every = 2
    config.data.web.videos.batches = 3
    config.data.web.images.num_frames = 5
    split = a_split(np.ones((V, 2)))
    settings = Settings.read(config)
    plan = build.make_plan(settings, split, "demo")
    monkeypatch.setattr(streams.pipeline, "train_batches", lambda split, **given: given)
    opened = Splits(split, dict.fromkeys(("images", "videos"), split), {})
    made = dict(streams.open_streams(settings, tmp_path, opened, plan.order, 7))
    # turns at 0, 2, 4 and 6
    starts = {name: given["start_step"] for name, given in made.items()}
    assert starts == {"train": 7, "images": 4, "videos": 12}
    frames = [given["sampling"].num_frames for given in made.values()]
    assert frames == [8, 5, 8]
    assert [given["class_power"] for given in made.values()] == [1.0, 1.0, 0.5]
    assert made["train"]["seed"] == config.seed
    assert len({given["seed"] for given in made.values()}) == 3


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
    settings = Settings.read(config)
    split = a_split(np.ones((V, 2)))
    found = masking.Masked(split, people.Painter({}), V, mode)
    plan = build.make_plan(settings, split, "demo", found)
    turns = {"alternate": ("train", "masked"), "joint": ("train",)}[mode]
    assert plan.order.sources(0) == plan.order.sources(7) == turns
    monkeypatch.setattr(streams.pipeline, "train_batches", lambda split, **given: given)
    held = Splits(split, {}, {}, masked=found)
    made = dict(streams.open_streams(settings, tmp_path, held, plan.order, 7))
    assert [given["start_step"] for given in made.values()] == [7, 7]
    assert [given["batch_size"] for given in made.values()] == [128, 64]
    assert [given["paint"] for given in made.values()] == [None, found.paint]
    assert made["train"]["seed"] != made["masked"]["seed"], "shuffled independently"

    batch = {"video": np.zeros((4, 2, 3, 5, 3), np.uint8), "label": np.arange(4)}
    mesh = sharding.make_mesh(jax.devices()[:1])
    opened = {name: iter([batch | {"index": np.arange(4)}]) for name in made}
    given = streams.by_turn(opened, plan.order, mesh)
    held = {name: set(next(batches)) for name, batches in given.items()}
    assert held == (
        {"train": {"train"}, "masked": {"masked"}}
        if mode == "alternate"
        else {"train": {"train", "masked"}}
    )


def test_target_resumes_where_an_interrupted_run_left_it(monkeypatch, tmp_path):
    config = slowonly_dann.get_config("k200db")
    split = a_split(np.ones((V, 2)))
    monkeypatch.setattr(streams.pipeline, "train_batches", lambda split, **given: given)
    for own_size, size in ((0, 128), (64, 64)):
        config.data.target_batch_size = own_size
        settings = Settings.read(config)
        plan = build.make_plan(settings, split, "demo")
        opened = Splits(split, {}, {}, target=split)
        made = dict(streams.open_streams(settings, tmp_path, opened, plan.order, 7))
        assert [given["start_step"] for given in made.values()] == [7, 7]
        assert [given["batch_size"] for given in made.values()] == [128, size]
        assert made["train"]["seed"] == config.seed != made["target"]["seed"]
