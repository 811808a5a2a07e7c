"""Every config is read, and every kind of run takes two steps and tests once."""

import collections
import importlib
import json
import math
import pathlib

import numpy as np
import pytest
from ml_collections import config_dict

from configs import (
    base,
    finetune,
    slowonly_baseline,
    slowonly_omnidebias,
    slowonly_sava,
    slowonly_sdn,
    slowonly_smad,
    transfer,
    tsn_baseline,
    tsn_omnidebias,
    tsn_smad,
)
from configs import embedded as tuned_embedded
from smad_jax import errors, methods
from smad_jax.data import catalog
from smad_jax.experiment import build, run, splits
from smad_jax.experiment.settings import Settings
from smad_jax.training import checkpoint, sharding

SHARED = ("base", "recipes", "data", "small", "embedded", "tiny", "arguments")
CONFIGS = {
    file.stem: importlib.import_module(f"configs.{file.stem}")
    for file in sorted(pathlib.Path(base.__file__).parent.glob("*.py"))
    if file.stem not in (*SHARED, "__init__", "study")
}
OMNIDEBIAS = ("slowonly_omnidebias", "tsn_omnidebias")
JOINT = (*OMNIDEBIAS, *(name for name in CONFIGS if name.endswith("_combined")))
ARGUMENTS = (
    "",
    "embedded-lasting",
    "embedded-milder",
    "embedded-large",
    "k200db",
    "k200both",
    "k400",
    "minikinetics",
    "mine",
)


def test_every_config_file_is_described():
    described = pathlib.Path(base.__file__).with_name("README.md").read_text("utf-8")
    assert all(f"`{name}.py`" in described for name in (*CONFIGS, *SHARED, "study"))


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        (name, argument)
        for name in CONFIGS
        for argument in ARGUMENTS
        if argument != "embedded-large" or name not in JOINT
    ],
)
def test_config_has_the_keys_of_the_base_and_no_others(name, argument):
    config = CONFIGS[name].get_config(argument)
    known = base.base()
    for section in known:
        if isinstance(known[section], config_dict.ConfigDict) and section != "data":
            open_ended = {"settings", "sets"}
            assert set(config[section]) - open_ended == set(known[section]) - open_ended
    assert set(config) == set(known)


def test_every_setting_that_tuning_chose_is_one_of_its_method():
    known = collections.defaultdict(set)
    for config in CONFIGS.values():
        method = config.get_config().method
        known[method.name].update(method.settings)
    known["maat"] = known["smad"]
    known["still_mix_bank"] = known["still_mix"]
    for row, values in tuned_embedded.TUNED.items():
        settings = {key.rpartition(".")[2] for key in values if "settings." in key}
        assert settings <= known[row]


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_tiny_recipe_of_own_videos_fits_every_experiment(name):
    make = CONFIGS[name].get_config
    paper, tiny = make("mine"), make("mine,size=tiny")
    assert (paper.recipe, tiny.recipe) == ("paper", "tiny")
    settings = Settings.read(tiny)
    assert settings.model.name.endswith("_tiny")
    assert settings.data.batch_size == 16 and settings.data.transform.size == 56
    assert {**paper.evaluation.sets} == {**tiny.evaluation.sets}
    assert (paper.method.name, paper.method.aspects) == (
        tiny.method.name,
        tiny.method.aspects,
    )
    sized = settings.for_videos(600)
    assert sized.training.epochs == 33
    assert 0 < sized.optimizer.warmup_epochs < sized.training.epochs / 5
    assert settings.for_videos(10**6).training.epochs == 1


def test_tiny_recipe_grows_its_adversaries_and_keeps_a_runs_weights():
    tiny = slowonly_smad.get_config("mine,size=tiny,saar=off,aspects=scene")
    assert tiny.method.ramp == "dann"
    assert (
        tiny.method.settings.soft_ce_weight
        == tuned_embedded.TUNED["smad"]["method.settings.soft_ce_weight"]
    )
    assert (
        slowonly_smad.get_config("mine,size=tiny,loss=kl").method.settings[
            "soft_ce_weight"
        ]
        == 0
    )
    assert finetune.get_config("mine,size=tiny,run=runs/x").init.folder == "runs/x"


@pytest.mark.parametrize("saar", ["on", "off"])
def test_smad_on_the_embedded_benchmark_has_the_settings_that_tuning_chose(saar):
    config = slowonly_smad.get_config(f"saar={saar},loss=kl")
    assert config.optimizer.learning_rate == 3e-3
    assert config.method.ramp == ("constant" if saar == "on" else "dann")
    settings = config.method.settings
    assert (settings.soft_ce_weight, settings.kl_weight) == (0.0, 0.15)


@pytest.mark.parametrize("edition", ["embedded-lasting", "embedded-milder"])
def test_later_editions_have_more_epochs_and_no_shift(edition):
    usual = slowonly_baseline.get_config().to_dict()
    config = slowonly_baseline.get_config(edition).to_dict()
    if edition == "embedded-milder":  # tuning chose another rate
        assert config["optimizer"].pop("learning_rate") == 1.5e-3
        assert usual["optimizer"].pop("learning_rate") == 6e-3
    assert config["data"]["transform"].pop("shift") == 0
    assert usual["data"]["transform"].pop("shift") == 2
    assert (usual["training"].pop("epochs"), config["training"].pop("epochs")) == (
        12,
        30,
    )
    assert config["data"].pop("train") == f"{edition}/train"
    assert usual["data"].pop("train") == "embedded/train"
    assert config["evaluation"].pop("sets") == {
        name: f"{edition}/{name}" for name in usual["evaluation"].pop("sets")
    }
    assert config == usual


@pytest.mark.parametrize("name", JOINT)
def test_web_data_are_too_small_for_the_large_edition(name):
    with pytest.raises(ValueError, match="no web data belong to 'embedded-large'"):
        CONFIGS[name].get_config("embedded-large")


@pytest.mark.parametrize(
    ("name", "network", "num_frames"),
    [("slowonly", "slowonly_small", 8), ("tsn", "tsn_small", 3)],
)
def test_the_large_edition_has_larger_networks_and_pictures(name, network, num_frames):
    config = CONFIGS[f"{name}_baseline"].get_config("embedded-large")
    assert config.model.name == network
    assert config.data.sampling.num_frames == num_frames
    assert config.data.transform.size == config.data.transform.resize == 112
    assert config.data.train == "embedded-large/train" and not config.data.web


def test_dfr_on_the_lasting_edition_takes_a_quarter_more_epochs_too():
    config = CONFIGS["slowonly_dfr"].get_config("embedded-lasting")
    assert config.training.epochs == 37


def test_slowonly_on_k200db_is_the_papers_recipe():
    config = slowonly_smad.get_config("k200db")
    assert config.model.name == "slowonly_r18"
    assert config.model.saar
    assert config.data.batch_size == 8 * 16
    assert config.model.ghost_size == 16
    assert config.data.sampling.to_dict() == {
        "kind": "clip",
        "num_frames": 8,
        "stride": 8,
        "test_views": 10,
        "test_rule": "mmaction2-0.x",
        "input": "rgb",
    }
    assert (config.data.transform.resize, config.data.transform.size) == (256, 224)
    assert (config.training.epochs, config.optimizer.warmup_epochs) == (196, 34)
    assert config.optimizer.learning_rate == 0.2
    assert config.optimizer.momentum == 0.9
    assert config.optimizer.weight_decay == 1e-4
    assert config.optimizer.clip_norm == 40
    assert config.method.aspects == ("scene", "object")
    settings = config.method.settings
    assert (settings.soft_ce_weight, settings.kl_weight) == (0.5, 0.5)
    assert settings.tags_weight == 5.0
    assert list(config.evaluation.sets) == ["aras64", "k200-val", "k200db-val"]


def test_tsn_on_k200db_is_the_papers_recipe():
    config = tsn_baseline.get_config("k200db")
    assert config.model.name == "resnet50"
    assert config.data.batch_size == 8 * 32
    assert config.model.ghost_size == 32
    assert config.model.dropout == 0.4
    assert config.init.folder == "weights/resnet50_imagenet"
    assert config.data.sampling.num_frames == 3
    assert config.data.sampling.test_views == 25
    assert config.optimizer.learning_rate == 0.01
    assert config.optimizer.schedule == "steps"
    assert config.optimizer.milestones == (40, 80)
    assert config.training.epochs == 100


def test_switches_of_tables_7_8_and_13():
    maat = slowonly_smad.get_config("saar=off")
    assert not maat.model.saar
    assert maat.method.name == "smad"
    saar = slowonly_smad.get_config("aspects=none")
    assert saar.model.saar
    assert saar.method.name == "baseline"
    five = slowonly_smad.get_config(
        "k200db,aspects=scene+object+event+attribute+context"
    )
    assert len(five.method.aspects) == 5
    assert five.method.settings.weights == "divided"
    whole = slowonly_smad.get_config("k200db,weights=each")
    assert whole.method.settings.weights == "each"
    kl = slowonly_smad.get_config("k200db,loss=kl")
    assert kl.method.settings.soft_ce_weight == 0
    assert kl.method.settings.kl_weight == 0.5
    assert slowonly_smad.get_config("labels=shuffled").data.aspect_labels == "shuffled"


def test_omnidebias_adds_the_web_data_of_the_paper_to_the_baseline():
    config = slowonly_omnidebias.get_config("k200db")
    images, videos = config.data.web.images, config.data.web.videos
    assert images.split == "googleimage/k200-unbias"
    assert videos.split == "insvideo/k200-unbias"
    assert images.batch_size == videos.batch_size == config.data.batch_size
    assert (images.class_power, videos.class_power) == (1.0, 0.5)
    assert (images.num_frames, videos.num_frames) == (0, 0)
    for name in OMNIDEBIAS:
        joint = CONFIGS[name].get_config("k200db").to_dict()
        baseline = CONFIGS[name.replace("omnidebias", "baseline")]
        joint["data"]["web"] = {}
        assert joint == baseline.get_config("k200db").to_dict()


def test_tsn_takes_an_image_as_a_single_segment():
    config = tsn_omnidebias.get_config("k400")
    assert list(config.data.web) == ["images"]
    assert config.data.web.images.split == "googleimage/k400-unbias"
    assert config.data.web.images.num_frames == 1
    assert config.data.web.images.batch_size == 8 * 64


def test_switches_of_tables_9_and_14():
    config = slowonly_omnidebias.get_config("k200db,media=videos,web=all")
    assert list(config.data.web) == ["videos"]
    assert config.data.web.videos.split == "insvideo/k200-all"
    config = slowonly_omnidebias.get_config("mine,web=rand")
    assert config.data.web.images.split == "mine-images/web-rand"
    with pytest.raises(ValueError, match="known: unbias, bias, mid, rand, all, none"):
        tsn_omnidebias.get_config("k200db,web=rare")


@pytest.mark.parametrize("name", ["slowonly_dann", "slowonly_mmd"])
def test_target_is_a_test_set_of_the_data_without_its_labels(name):
    make = CONFIGS[name]
    config = make.get_config()
    assert config.data.target == "embedded/tail"
    assert make.get_config("target=rare").data.target == "embedded/rare"
    config = make.get_config("k200db,target=aras64")
    assert config.data.target == "aras/aras64"
    assert config.model.ghost_size == 2 * 16, "16 videos of either on a device"
    assert make.get_config("k200db").data.target == "kinetics400/k200db-val"
    assert make.get_config("mine").data.target == "mine/val"
    with pytest.raises(ValueError, match="known: iid, rare, tail"):
        make.get_config("target=aras64")


def test_sava_takes_three_clips_of_192_frames_and_two_of_the_embedded_four():
    config = slowonly_sava.get_config("k200db,target=aras64")
    sampling = config.data.sampling
    assert config.method.settings.num_clips == sampling.train_clips == 3
    assert sampling.train_clips * sampling.num_frames * sampling.stride == 192
    assert config.model.ghost_size == 3 * 2 * 16, "a device's videos, three clips each"
    assert config.data.target == "aras/aras64"
    Settings.read(config)
    config = slowonly_sava.get_config()
    sampling = config.data.sampling
    assert config.method.settings.num_clips == sampling.train_clips == 2
    assert sampling.train_clips * sampling.num_frames == 4
    assert sampling.test_views * sampling.num_frames == 4
    Settings.read(config)
    config.data.sampling.train_clips = 1
    with pytest.raises(
        errors.ConfigError, match=r"but data\.sampling\.train_clips is 1"
    ):
        Settings.read(config)
    config = slowonly_baseline.get_config()
    config.data.sampling.train_clips = 3
    with pytest.raises(errors.ConfigError, match="'baseline' learns from 1 clips"):
        Settings.read(config)


def test_switches_of_sdn():
    config = slowonly_sdn.get_config("k200db,boxes=people.npz,turns=joint")
    assert config.data.masked.boxes == "people.npz"
    assert config.data.masked.turns == "joint"
    assert config.method.settings.confusion_weight == 1.0
    assert config.method.settings.reversal == 0.5
    alone = slowonly_sdn.get_config("mode=scene_only")
    assert not alone.data.masked
    assert "confusion_weight" not in alone.method.settings
    with pytest.raises(ValueError, match="known: alternate, joint"):
        slowonly_sdn.get_config("turns=both")
    for unused in ("boxes=people.npz", "turns=joint"):
        with pytest.raises(ValueError, match="has no clips without people"):
            slowonly_sdn.get_config(f"mode=scene_only,{unused}")


@pytest.mark.parametrize("network", ["slowonly", "tsn"])
@pytest.mark.parametrize("train", ["embedded", "k200db", "mine"])
def test_the_combination_is_smad_with_the_streams_of_omnidebias(network, train):
    both = CONFIGS[f"{network}_combined"].get_config(f"{train},saar=off")
    smad = CONFIGS[f"{network}_smad"].get_config(f"{train},saar=off").to_dict()
    joint = CONFIGS[f"{network}_omnidebias"].get_config(train)
    assert both.data.web.to_dict() == joint.data.web.to_dict() != {}
    assert (both.data.web_every, both.training.epochs) == (
        joint.data.web_every,
        joint.training.epochs,
    )
    found = both.to_dict()
    for key in ("web", "web_every"):
        found["data"][key] = smad["data"][key]
    found["training"]["epochs"] = smad["training"]["epochs"]
    assert found == smad


@pytest.mark.parametrize("name", OMNIDEBIAS)
@pytest.mark.parametrize("train", ["embedded", "k200db", "mine"])
def test_no_web_data_is_the_baseline(name, train):
    baseline = CONFIGS[name.replace("omnidebias", "baseline")]
    config = CONFIGS[name].get_config(f"{train},web=none")
    assert config.to_dict() == baseline.get_config(train).to_dict()


@pytest.mark.parametrize(
    ("argument", "train", "tests"),
    [
        ("ucf101", "ucf101/train1", ["ucf101-val1"]),
        ("hmdb51,split=3", "hmdb51/train3", ["hmdb51-val3"]),
        ("diving48", "diving48/v2-train", ["diving48-v2-val"]),
        ("diving48,labels=v1", "diving48/train", ["diving48-val"]),
        ("mine", "mine/train", ["val"]),
    ],
)
def test_finetuning_names_the_official_lists(argument, train, tests):
    for name in ("finetune", "transfer"):
        config = CONFIGS[name].get_config(argument)
        assert config.data.train == train
        assert list(config.evaluation.sets) == tests
        assert config.init.fresh == ("head/*",)


def test_finetuning_recipes_of_table_6():
    lower = finetune.get_config("ucf101")
    assert (lower.model.name, lower.model.saar) == ("slowonly_r18", True)
    assert lower.init.folder == "runs/slowonly_smad-k200db"
    assert (lower.optimizer.learning_rate, lower.data.batch_size) == (0.01, 128)
    assert (lower.training.epochs, lower.optimizer.warmup_epochs) == (50, 0)
    assert lower.model.dropout == 0.5
    upper = transfer.get_config("ucf101,run=runs/mine,saar=off")
    assert (upper.model.name, upper.model.saar) == ("resnet3d_18", False)
    assert upper.init.folder == "runs/mine"
    assert (upper.optimizer.learning_rate, upper.data.batch_size) == (5e-4, 32)
    sampling, transform = upper.data.sampling, upper.data.transform
    assert (sampling.num_frames, sampling.stride, transform.size) == (16, 1, 112)
    assert sampling.test_views == 0, "windows that cover a video"
    with pytest.raises(ValueError, match="known: 1, 2, 3"):
        finetune.get_config("ucf101,split=4")


def test_networks_of_table_6_are_trained_on_minikinetics():
    smad, combined = (
        CONFIGS[f"resnet3d_{name}"].get_config("minikinetics")
        for name in ("smad", "combined")
    )
    for config in (smad, combined):
        assert (config.model.name, config.model.saar) == ("resnet3d_18", True)
        assert config.data.train == "kinetics400/mini-train"
        assert config.evaluation.sets.to_dict() == {"val": "kinetics400/mini-val"}
        assert config.method.aspects == ("scene", "object")
        assert config.data.sampling.test_views == 0
        Settings.read(config)
    assert combined.data.web.videos.split == "insvideo/k200-unbias"
    sdn = CONFIGS["resnet3d_sdn"].get_config("minikinetics,boxes=people.npz")
    assert (sdn.method.name, sdn.data.masked.boxes) == ("sdn", "people.npz")
    Settings.read(sdn)


def test_finetuning_keeps_backbone_and_saar_and_drops_head_and_adversaries(
    fresh_run, small_data, tmp_path
):
    config = base.smoke(finetune.get_config(f"run={fresh_run}"))
    config.data.root = str(small_data)
    config.data.embedded_seed = 0
    config.training.max_steps = 1
    config.seed = 5
    settings = Settings.read(config)
    train = splits.open_train(settings)
    plan = build.make_plan(settings, train, "finetune")
    state = build.build(settings, train, plan, sharding.make_mesh()).state
    begun = checkpoint.flatten(state.params)
    _, learnt, _ = checkpoint.read_trained(fresh_run / "checkpoints")
    assert {path.split("/")[0] for path in begun} == {"model"}
    assert any(path.startswith("method/") for path in learnt)
    assert any(path.startswith("model/saar/") for path in begun)
    for path, array in begun.items():
        same = np.array_equal(array, learnt[path])
        assert same == (path != "model/head/kernel"), path
    results = run.train_and_test(config, tmp_path)
    assert set(results) >= {"iid/top1", "tail/top1", "rare/top1"}


def updates(config, num_videos):
    """Optimiser steps of a run on `num_videos` training videos, by source."""
    split = catalog.Split(
        *("demo", "train", ("v",) * num_videos, np.zeros(num_videos, int)),
        *((), {}, {}, {}, None, None),
    )
    plan = build.make_plan(Settings.read(config), split, "demo")
    sources = [s for step in range(plan.total_steps) for s in plan.order.sources(step)]
    return collections.Counter(sources), len(sources)


@pytest.mark.parametrize("name", OMNIDEBIAS)
@pytest.mark.parametrize("num_videos", [2500, 250, 33])
def test_every_row_of_table_9_takes_the_same_number_of_optimiser_steps(
    name, num_videos
):
    of_none, wanted = updates(CONFIGS[name].get_config("web=none"), num_videos)
    assert set(of_none) == {"train"}
    for part in ("bias", "mid", "unbias", "rand", "all"):
        config = CONFIGS[name].get_config(f"web={part}")
        assert config.data.web.media.split == f"embedded-web/web-{part}"
        sources, total = updates(config, num_videos)
        assert total == wanted
        assert sources == {"train": 3 * wanted // 4, "media": wanted // 4}


def test_embedded_web_data_cannot_be_chosen_by_medium():
    with pytest.raises(ValueError, match="leave media= out"):
        slowonly_omnidebias.get_config("media=images")


def test_unknown_key_in_the_argument_names_the_known_ones():
    with pytest.raises(
        ValueError, match="known: aspects, labels, loss, saar, size, train, w"
    ):
        slowonly_smad.get_config("sar=off")


@pytest.mark.parametrize("argument", ["saar=of", "loss=bogus", "labels=random"])
def test_unknown_value_in_the_argument_names_the_known_ones(argument):
    with pytest.raises(ValueError, match=r"known: (on, off|both, soft_ce|given, shuf)"):
        slowonly_smad.get_config(argument)


def test_own_data_gets_the_papers_recipe_and_its_own_lists():
    config = slowonly_smad.get_config("mine")
    assert config.data.train == "mine/train"
    assert config.evaluation.sets.to_dict() == {"val": "mine/val"}
    assert config.method.aspects == ("scene",)
    assert config.model.name == "slowonly_r18"


RUNS = [
    ("slowonly_baseline", ""),
    ("slowonly_smad", ""),
    ("slowonly_smad", "aspects=none"),
    ("slowonly_smad", "labels=shuffled,saar=off"),
    ("slowonly_actor_cut_mix", ""),
    ("slowonly_adabn", ""),
    ("slowonly_albar", ""),
    ("slowonly_background_erasing", ""),
    ("slowonly_dann", ""),
    ("slowonly_dfr", ""),
    ("slowonly_fame", ""),
    ("slowonly_frame_shuffle", ""),
    ("slowonly_group_dro", ""),
    ("slowonly_mmd", "target=rare"),
    ("slowonly_sava", ""),
    ("slowonly_sdn", ""),
    ("slowonly_still_mix", ""),
    ("slowonly_still_mix", "bank=train"),
    ("tsn_baseline", ""),
    ("tsn_smad", ""),
    ("resnet3d_smad", ""),
]
SEES_TARGET_DATA = {f"slowonly_{name}" for name in ("adabn", "dann", "mmd", "sava")}


def test_every_method_is_in_a_config_that_is_run():
    used = {CONFIGS[name].get_config(argument).method.name for name, argument in RUNS}
    assert used == set(methods.METHODS)


@pytest.mark.parametrize(("name", "argument"), RUNS)
def test_config_trains_two_steps_and_tests_once(name, argument, small_data, tmp_path):
    config = base.smoke(CONFIGS[name].get_config(argument))
    config.data.root = str(small_data)
    results = run.train_and_test(config, tmp_path)
    assert set(results) >= {"iid/top1", "tail/top1", "rare/top1"}
    assert all(0 <= value <= 1 for value in results.values())
    record = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert record["sees_target_data"] is (name in SEES_TARGET_DATA)


def test_a_test_set_that_is_switched_off_is_not_recorded_as_seen(small_data, tmp_path):
    config = base.smoke(CONFIGS["slowonly_baseline"].get_config())
    config.data.root = str(small_data)
    config.evaluation.sets.rare = ""
    run.train_and_test(config, tmp_path)
    record = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert record["sees_target_data"] is False


def test_stills_of_a_test_set_are_recorded_as_seen(small_data, tmp_path):
    config = base.smoke(CONFIGS["slowonly_still_mix"].get_config("bank=tail"))
    config.data.root = str(small_data)
    run.train_and_test(config, tmp_path)
    record = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert record["sees_target_data"] is True


@pytest.mark.usefixtures("small_web")
@pytest.mark.parametrize(
    ("name", "part"), [("slowonly_combined", "unbias"), ("tsn_omnidebias", "all")]
)
def test_joint_training_on_images_and_clips_of_the_embedded_web_data(
    name, part, small_data, tmp_path
):
    config = base.smoke(CONFIGS[name].get_config(f"web={part}"))
    config.data.root = str(small_data)
    results = run.train_and_test(config, tmp_path)
    assert set(results) >= {"iid/top1", "tail/top1", "rare/top1"}
    first, second = map(
        json.loads, (tmp_path / "metrics.jsonl").read_text("utf-8").splitlines()
    )
    assert math.isfinite(first["media/loss"])
    assert "media/loss" not in second, "its turn is every third step"


@pytest.mark.parametrize("name", OMNIDEBIAS)
def test_joint_training_takes_two_steps_with_each_stream(
    name, small_data, web_data, tmp_path
):
    config = base.smoke(CONFIGS[name].get_config("k200db"))
    embedded = CONFIGS[name.replace("omnidebias", "baseline")].get_config()
    embedded.data.web = config.data.web  # the streams of the paper, small otherwise
    config = base.smoke(embedded)
    config.data.root = str(small_data)
    config.data.web.images.split = f"{web_data}/train"
    if name == "slowonly_omnidebias":
        config.data.web.videos.split = "embedded/pool"
    results = run.train_and_test(config, tmp_path)
    assert 0 <= results["rare/top1"] <= 1
    lines = (tmp_path / "metrics.jsonl").read_text("utf-8").splitlines()
    for line in map(json.loads, lines):
        for stream in config.data.web:
            assert line[f"{stream}/learning_rate"] == line["learning_rate"]
            assert math.isfinite(line[f"{stream}/loss"])


@pytest.mark.slow
def test_full_size_tsn_trains_two_steps_on_small_frames(small_data, tmp_path):
    # SlowOnly-R18 trains at its full size in test_golden.py
    config = base.smoke(tsn_smad.get_config("k200db"))
    config.data.root = str(small_data)
    config.data.train = "embedded/train"
    config.init.folder = ""
    with config.unlocked():
        config.evaluation.sets = {"rare": "embedded/rare"}
    results = run.train_and_test(config, tmp_path)
    assert 0 <= results["rare/top1"] <= 1
