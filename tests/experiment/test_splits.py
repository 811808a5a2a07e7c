import numpy as np
import pytest

from configs import base, slowonly_baseline, slowonly_dfr, slowonly_smad
from smad_jax import errors
from smad_jax.data import catalog
from smad_jax.experiment import places, splits
from smad_jax.experiment.settings import Settings


def opened(config):
    return splits.open_splits(Settings.parse(config.to_dict()))


def test_test_set_with_other_class_numbers_is_refused(small_data):
    config = slowonly_baseline.get_config()
    config.data.root = str(small_data)
    config.data.embedded_scale = 0.05
    found = opened(config)
    train, tests = found.train, found.tests
    assert set(tests) == {"iid", "tail", "rare"}
    folder = small_data / train.dataset
    split = tests["rare"]
    names = [*split.classes[1:], split.classes[0]]
    catalog.write_split(folder, "odd", split.ids, split.labels, names)
    with config.unlocked():
        config.evaluation.sets = {"odd": "embedded/odd"}
    with pytest.raises(errors.DataError, match="number their classes differently"):
        opened(config)


def with_web(small_data, **streams):
    """The SMAD config on the small benchmark with web streams of the given splits."""
    config = slowonly_smad.get_config()
    config.data.root = str(small_data)
    config.data.embedded_scale = 0.05
    for name, place in streams.items():
        config.data.web[name] = base.web_stream()
        config.data.web[name].split = place
        config.data.web[name].batch_size = 4
    return config


def test_web_split_is_opened_with_the_labels_that_it_has(small_data, web_data):
    config = with_web(small_data, clips="embedded/iid", stills=f"{web_data}/train")
    found = opened(config)
    train, webs = found.train, found.web
    assert list(webs) == ["clips", "stills"]
    for split in webs.values():
        assert split.classes == train.classes
        assert split.aspects == train.aspects
    assert webs["clips"].aspect_mask["scene"].all()
    assert not webs["stills"].aspect_mask["scene"].any()
    shape = (len(webs["stills"]), train.aspects["object"].num_labels)
    assert webs["stills"].aspect_labels["object"].shape == shape


def test_adversaries_can_be_switched_off_for_a_web_stream(small_data):
    config = with_web(small_data, clips="embedded/iid")
    config.data.web.clips.aspect_labels = "none"
    webs = opened(config).web
    assert not webs["clips"].aspect_mask["scene"].any()


def test_shuffled_labels_are_shuffled_in_web_streams_too(small_data):
    config = with_web(small_data, clips="embedded/iid")
    given = opened(config).web
    config.data.aspect_labels = "shuffled"
    shuffled = opened(config).web
    given, shuffled = (
        webs["clips"].aspect_labels["scene"] for webs in (given, shuffled)
    )
    assert (given != shuffled).any()
    np.testing.assert_array_equal(np.sort(given, axis=0), np.sort(shuffled, axis=0))


def test_web_split_with_other_class_numbers_is_refused_with_a_class(
    small_data, web_data
):
    config = with_web(small_data, stills=f"{web_data}/backwards")
    with pytest.raises(errors.DataError, match=r"web stream stills .* class 0 is '"):
        opened(config)


def test_web_split_of_the_first_classes_only_is_refused(small_data, web_data):
    config = with_web(small_data, stills=f"{web_data}/few")
    with pytest.raises(errors.DataError, match=r"stills .* have 2 and \d+ classes"):
        opened(config)


def test_everything_that_is_missing_is_listed_at_once(tmp_path):
    config = slowonly_smad.get_config("k200db")
    config.data.root = str(tmp_path)
    with pytest.raises(errors.DataError) as caught:
        opened(config)
    message = str(caught.value)
    assert "kinetics400/k200db-train" in message
    assert "aras/aras64" in message


def test_data_folder_is_the_flag_before_the_environment_before_the_default(
    monkeypatch,
):
    config = slowonly_baseline.get_config()
    monkeypatch.delenv("DATA_ROOT", raising=False)
    assert str(places.data_root(Settings.read(config).data)) == "datasets"
    monkeypatch.setenv("DATA_ROOT", "/from/environment")
    assert str(places.data_root(Settings.read(config).data)) == "/from/environment"
    config.data.root = "/from/flag"
    assert str(places.data_root(Settings.read(config).data)) == "/from/flag"


def test_target_is_opened_without_its_labels_and_their_numbers_do_not_matter(
    small_data, web_data
):
    config = slowonly_baseline.get_config()
    config.data.root = str(small_data)
    config.data.embedded_scale = 0.05
    config.data.max_videos = 5
    assert opened(config).target is None
    config.data.target = f"{web_data}/backwards"
    target = opened(config).target
    assert target is not None
    assert len(target) == 5
    assert not target.labels.any()
    assert target.video(0).num_frames == 1


def test_groups_take_the_place_of_the_aspect_that_they_come_from(small_data):
    config = slowonly_dfr.get_config()
    config.data.root = str(small_data)
    config.data.embedded_scale = 0.05
    found = opened(config)
    assert found.held_out is not None
    whole = splits.open_train(Settings.parse(config.to_dict()))
    for split in (found.train, found.held_out, whole):
        assert list(split.aspects) == ["group"]
        values = split.aspect_labels["group"]
        assert values.shape == (len(split), 3 * len(split.classes))
        np.testing.assert_array_equal(values.argmax(axis=1) // 3, split.labels)
    assert len(whole) == len(found.train) + len(found.held_out)
    assert set(found.train.ids).isdisjoint(found.held_out.ids)
    config.method.aspects = ("object",)
    assert list(splits.open_train(Settings.parse(config.to_dict())).aspects) == [
        "object",
        "group",
    ]
    config.method.aspects = ("scene",)
    assert list(splits.open_train(Settings.parse(config.to_dict())).aspects) == [
        "scene",
        "group",
    ]


def test_web_videos_have_no_group(small_data):
    config = with_web(small_data, clips="embedded/iid")
    config.data.groups = "scene"
    webs = opened(config).web
    assert webs["clips"].aspect_mask["scene"].all()
    assert not webs["clips"].aspect_mask["group"].any()
