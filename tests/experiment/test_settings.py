import dataclasses
import json

import ml_collections
import pytest

from configs import (
    base,
    slowonly_adabn,
    slowonly_baseline,
    slowonly_dann,
    slowonly_dfr,
    slowonly_omnidebias,
    slowonly_sdn,
    slowonly_smad,
    tsn_omnidebias,
)
from smad_jax import errors
from smad_jax.data.masking import MaskedStream
from smad_jax.experiment.settings import Settings


def keys_of(section, prefix=""):
    """The dotted keys of a config or of settings; open-ended sections have none."""
    for key, value in section.items():
        if isinstance(value, dict) and key not in ("sets", "settings", "web", "masked"):
            yield from keys_of(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.mark.parametrize("argument", ["", "k200db"])
def test_every_key_of_the_configs_is_a_field_of_the_settings(argument):
    config = slowonly_smad.get_config(argument)
    fields = dict.fromkeys(keys_of(dataclasses.asdict(Settings.read(config))))
    assert set(keys_of(config.to_dict())) <= set(fields)
    rare = {"saar_width", "saar_blocks", "shortcut", "train_clips", "shift"}
    unset = set(fields) - set(keys_of(config.to_dict()))
    assert {key.rpartition(".")[2] for key in unset} <= rare


@pytest.mark.parametrize("argument", ["", "k200db"])
def test_defaults_of_the_settings_are_the_plainest_values_of_the_configs(argument):
    config = slowonly_smad.get_config(argument)
    plain, whole = base.base().to_dict(), config.to_dict()
    bare = {"seed": 0, "recipe": whole["recipe"]}
    for section in plain.keys() - bare.keys():
        bare[section] = {
            key: value
            for key, value in whole[section].items()
            if key in ("sampling", "transform") or value != plain[section][key]
        }
    assert Settings.parse(bare) == Settings.parse(whole)


def test_stored_config_gives_the_settings_of_its_run():
    for make in (slowonly_smad, slowonly_omnidebias):
        config = make.get_config("k200db")
        assert Settings.parse(json.loads(config.to_json())) == Settings.read(config)


def test_web_streams_take_their_turns_by_the_alphabet():
    config = slowonly_baseline.get_config("k200db")
    for name in ("b", "a", "c"):
        config.data.web[name] = base.web_stream()
        config.data.web[name].split, config.data.web[name].batch_size = "w/all", 16
    assert list(Settings.read(config).data.web) == ["a", "b", "c"]


def test_masked_stream_has_the_defaults_of_the_configs_and_none_is_none():
    config = slowonly_sdn.get_config("k200db")
    config.data.masked = base.masked_stream()
    assert Settings.read(config).data.masked == MaskedStream()
    assert Settings.read(slowonly_baseline.get_config()).data.masked is None


@pytest.mark.parametrize(
    ("section", "changes", "named"),
    [
        ("data.web.clips", {"batchsize": 4}, "'batchsize' in .*did you mean 'batch_si"),
        ("data.web.clips", {"split": "all"}, r"data\.web\.clips\.split .*'all'"),
        ("data.web.clips", {"split": None}, r"data\.web\.clips\.split .*None"),
        ("data.web.clips", {"batch_size": 0}, r"data\.web\.clips\.batch_size .* 0$"),
        ("data.web.clips", {"batches": 0}, r"data\.web\.clips\.batches .* 0$"),
        ("data.web.clips", {"num_frames": -1}, r"clips\.num_frames .* -1$"),
        ("data.web.clips", {"class_power": 1.5}, r"clips\.class_power .* 1\.5$"),
        ("data.web.clips", {"class_power": "0.5"}, r"clips\.class_power .* '0\.5'$"),
        ("data.web.clips", {"aspect_labels": "some"}, "'some'; known: given, none"),
        ("data.masked", {"box": ""}, "did you mean 'boxes'"),
        ("data.masked", {"without_boxes": "stop"}, "known: guess, leave_out"),
        ("data.masked", {"turns": "both"}, "known: alternate, joint"),
        ("data.masked", {"batch_size": -1}, r"data\.masked\.batch_size .* -1$"),
        ("data.masked", {"min_share": 70}, r"data\.masked\.min_share .* 70$"),
        ("data.sampling", {"kind": "clips"}, "'clips'; known: clip, segments"),
        ("data.sampling", {"stride": 0}, r"data\.sampling\.stride .* 0$"),
        ("data.transform", {"size": 0}, r"data\.transform\.size .* 0$"),
        ("data", {"aspect_labels": "mixed"}, "'mixed'; known: given, shuffled"),
        ("data", {"embedded_scale": 0.001}, r"data\.embedded_scale .* 0\.001$"),
        ("data", {"holdout": 1.0}, r"data\.holdout .* 1\.0$"),
        ("data", {"train": "embedded"}, r"data\.train .*'embedded'"),
        ("method", {"ramp": "dan"}, "'dan'; known: constant, dann"),
        ("method", {"aspects": ("scenes",)}, "'scenes'"),
        ("method", {"aspects": ("action",)}, "cannot be called 'action'"),
        ("data", {"groups": "a/b"}, "cannot be called 'a/b'"),
        ("method", {"aspects": ("scene", "scene")}, "repeats"),
        ("optimizer", {"name": "adam"}, "'adam'; known: sgd, adamw"),
        ("optimizer", {"schedule": "linear"}, "'linear'; known: cosine, steps"),
        ("training", {"epochs": 0}, r"training\.epochs .* 0$"),
        ("training", {"on_non_finite": "go"}, "'go'; known: stop, skip"),
        ("evaluation", {"view_chunk": 0}, r"evaluation\.view_chunk .* 0$"),
    ],
)
def test_wrong_value_is_named(section, changes, named):
    config = slowonly_smad.get_config().to_dict()
    stream = {"split": "web/all", "batch_size": 16}
    config["data"] |= {"web": {"clips": stream}, "masked": {"boxes": ""}}
    part = config
    for name in section.split("."):
        part = part[name]
    part |= changes
    # masked clips and web streams do not go together: only one of them is left
    del config["data"]["web" if section == "data.masked" else "masked"]
    with pytest.raises(errors.ConfigError, match=named):
        Settings.read(ml_collections.ConfigDict(config))


@pytest.mark.parametrize("name", ["train", "loss", "accuracy", "time", "a/b"])
def test_web_stream_cannot_have_the_name_of_other_metrics(name):
    config = slowonly_baseline.get_config()
    stream = {"split": "web/all", "batch_size": 16}
    config.data.web = ml_collections.ConfigDict({name: stream})
    with pytest.raises(errors.ConfigError, match=f"{name!r}.*another name"):
        Settings.read(config)


def test_batch_that_ghost_groups_cannot_share_is_refused():
    config = slowonly_smad.get_config("k200db")  # groups of 16
    config.data.batch_size = 8
    Settings.read(config)
    config.data.batch_size = 24
    with pytest.raises(errors.ConfigError, match=r"multiple of model\.ghost_size 16"):
        Settings.read(config)


def test_still_images_cannot_be_seen_as_differences_alone():
    config = tsn_omnidebias.get_config("k200db")
    config.data.sampling.input = "rgb+difference"
    Settings.read(config)
    config.data.sampling.input = "difference"
    with pytest.raises(errors.ConfigError, match=r"data\.web\.images.*still image"):
        Settings.read(config)


def test_web_batches_are_checked_like_those_of_the_target():
    config = slowonly_omnidebias.get_config("k200db")  # groups of 16
    Settings.read(config)
    config.data.web.images.batch_size = 24
    with pytest.raises(
        errors.ConfigError, match=r"^data\.web\.images\.batch_size must be a multiple"
    ):
        Settings.read(config)
    config.data.web.images.batch_size = 32
    config.data.web_every = 0
    with pytest.raises(errors.ConfigError, match=r"data\.web_every .* 0$"):
        Settings.read(config)


def test_masked_clips_that_do_not_fit_the_method_are_refused():
    config = slowonly_sdn.get_config("k200db")
    config.data.masked.batch_size = 24
    with pytest.raises(errors.ConfigError, match=r"^data\.masked\.batch_size must be"):
        Settings.read(config)
    config.data.masked.batch_size = 0
    config.data.web.clips = base.web_stream()
    config.data.web.clips.split = "mine/train"
    config.data.web.clips.batch_size = 32
    with pytest.raises(errors.ConfigError, match=r"data\.masked and .*data\.web"):
        Settings.read(config)
    config = slowonly_baseline.get_config()
    config.data.masked = base.masked_stream()
    with pytest.raises(errors.ConfigError, match=r"'baseline' .*: sdn"):
        Settings.read(config)


@pytest.mark.parametrize(
    ("make", "changes", "named"),
    [
        (slowonly_dann, {"target": ""}, "'dann' .*unlabelled"),
        (slowonly_baseline, {"target": "a/b"}, r"'baseline' .*data\.target='a/b'"),
        (slowonly_dann, {"target": "tail"}, r"data\.target must be .*'tail'"),
        (slowonly_dann, {"target_batch_size": -1}, r"target_batch_size .* -1$"),
        (slowonly_dann, {"target_batch_size": 24}, r"batch_size \+ data\.target_batch"),
    ],
)
def test_target_that_does_not_fit_the_method_is_refused(make, changes, named):
    config = make.get_config("k200db")  # ghost groups of 32 where there is a target
    Settings.read(config)
    config.data.update(changes)
    with pytest.raises(errors.ConfigError, match=named):
        Settings.read(config)


@pytest.mark.parametrize(
    ("make", "given", "named"),
    [
        (slowonly_baseline, {"holdout": 0.2}, r"data\.holdout=0\.2.*: dfr$"),
        (
            slowonly_smad,
            {"groups": "scene"},
            r"data\.groups='scene'.*: group_dro, dfr$",
        ),
    ],
)
def test_videos_are_held_out_and_grouped_for_methods_that_use_it(make, given, named):
    config = make.get_config()
    Settings.read(config)
    config.data.update(given)
    with pytest.raises(errors.ConfigError, match=named):
        Settings.read(config)
    config.method = slowonly_dfr.get_config().method
    Settings.read(config)


def test_adapting_to_a_test_set_needs_equally_many_views():
    config = slowonly_adabn.get_config("k200db")
    Settings.read(config)
    config.data.sampling.test_views = 0
    with pytest.raises(errors.ConfigError, match=r"'adabn' .*test_views"):
        Settings.read(config)
    config = slowonly_baseline.get_config("k200db")
    config.data.sampling.test_views = 0
    Settings.read(config)


def test_target_and_web_streams_are_refused_together():
    config = slowonly_dann.get_config("k200db")
    config.data.web.clips = base.web_stream()
    config.data.web.clips.split = "mine/train"
    config.data.web.clips.batch_size = 32
    with pytest.raises(errors.ConfigError, match=r"data\.target and .*data\.web"):
        Settings.read(config)


def test_finished_run_is_read_though_its_method_is_no_longer_offered_its_data():
    config = slowonly_dann.get_config("k200db")
    config.data.target = ""
    assert Settings.parse(config.to_dict()).method.name == "dann"
    seen = Settings.parse(config.to_dict()).with_data("elsewhere", test_views=3)
    assert (seen.data.root, seen.data.sampling.test_views) == ("elsewhere", 3)
    assert seen.with_data("there").data.sampling.test_views == 3


@pytest.mark.parametrize(
    ("clips", "share", "count", "epochs", "warmup"),
    [
        (0, 0.0, 70, 12, 1),  # those of the config
        (1000, 0.0, 70, 14, 1),
        (1000, 0.1, 70, 14, 1),
        (1000, 0.25, 10, 100, 25),
        (1000, 0.01, 25, 40, 1),
        (1000, 0.1, 5000, 1, 1),
        (1000, 0.0, 0, 1000, 1),
        (0, 0.5, 70, 12, 6),
    ],
)
def test_epochs_and_warm_up_follow_from_the_number_of_videos(
    clips, share, count, epochs, warmup
):
    config = slowonly_smad.get_config()
    assert (config.training.epochs, config.optimizer.warmup_epochs) == (12, 1)
    config.training.num_clips, config.optimizer.warmup_share = clips, share
    found = Settings.read(config).for_videos(count)
    assert found.training.epochs == epochs
    assert found.optimizer.warmup_epochs == warmup


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, ""),
        ({"data.batch_size": 48}, r"^data\.batch_size .* = 2 \* 16, .* it is 48$"),
        ({"data.batch_size": 16}, r"^data\.batch_size .* it is 16$"),
        ({"model.ghost_size": 0}, r"set model\.ghost_size .* / 2 = 64$"),
        ({"training.accumulate": 0}, r"training\.accumulate .* 0$"),
    ],
)
def test_parts_of_a_batch_must_be_whole_ghost_groups(changes, named):
    config = slowonly_smad.get_config("k200db")  # 128 in groups of 16
    config.training.accumulate = 2
    config.update_from_flattened_dict(changes)
    if not named:
        assert Settings.read(config).training.accumulate == 2
        return
    with pytest.raises(errors.ConfigError, match=named):
        Settings.read(config)
