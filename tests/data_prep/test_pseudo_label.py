import re
import sys

import numpy as np
import pytest

from data_prep import build_records, pseudo_label
from data_prep.labels import network_labels
from smad_jax.data import catalog, label_names
from smad_jax.models import labellers
from smad_jax.torch_weights import __main__ as torch_weights_main
from smad_jax.torch_weights import networks
from smad_jax.torch_weights import weights as weight_folders
from tests.data_prep.labels.test_network_labels import colours
from tests.helpers import efficientnet_file

V = 36


def run(data_root, *more):
    return pseudo_label.main(
        ["--data-root", str(data_root), "--dataset", "tiny", *more]
    )


def test_probabilities_of_a_csv_are_joined_by_id(data_root, tmp_path, capsys):
    file = tmp_path / "labels.csv"
    file.write_text("id,a,b,c\nclip 03,0.2,0.5,0.3\nclip 01,1,0,0\n")
    assert run(data_root, "--from", str(file)) == 0
    assert "for 2 of 36 videos" in capsys.readouterr().out
    split = catalog.open_split(data_root, "tiny", "train", aspects=("scene",))
    assert split.aspects["scene"].num_labels == 3
    assert np.flatnonzero(split.aspect_mask["scene"]).tolist() == [1, 3]
    np.testing.assert_allclose(
        split.aspect_labels["scene"][3], [0.2, 0.5, 0.3], atol=1e-3
    )


def test_hard_labels_of_a_csv_become_one_hot(data_root, tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("clip 03,4\nclip 01,0\n")
    assert run(data_root, "--from", str(file), "--num-labels", "5") == 0
    split = catalog.open_split(data_root, "tiny", "train", aspects=("scene",))
    assert split.aspect_labels["scene"][3].tolist() == [0, 0, 0, 0, 1]


def test_hard_scene_labels_are_places365s_by_default(data_root, tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("id,label\nclip 03,364\n")
    assert run(data_root, "--from", str(file)) == 0
    facts = catalog.read_dataset_file(data_root / "tiny")
    assert facts.aspects["scene"].num_labels == 365


def test_names_are_stored_beside_the_labels_and_go_with_them(
    data_root, tmp_path, capsys
):
    file, names = tmp_path / "labels.csv", tmp_path / "names.txt"
    file.write_text("clip 03,2\nclip 01,0\n")
    names.write_text("/s/sea 0\n/i/ice 1\n/g/gym 2\n")
    given = ("--from", str(file), "--num-labels")
    assert run(data_root, *given, "3", "--names", str(names)) == 0
    folder = data_root / "tiny"
    assert label_names.stored(folder, "scene", 3) == ("sea", "ice", "gym")
    assert run(data_root, *given, "4", "--names", str(names)) == 3
    assert "names 3 labels, but there are 4" in capsys.readouterr().err
    # labels of another labeller are not called by the names of this one
    assert run(data_root, *given, "5") == 0
    assert label_names.stored(folder, "scene", 5) == ()


def test_an_npz_is_joined_by_id(data_root, tmp_path):
    file = tmp_path / "labels.npz"
    np.savez(file, ids=["clip 02"], probabilities=np.array([[0.25, 0.75]], np.float32))
    assert run(data_root, "--from", str(file), "--aspect", "object") == 0
    split = catalog.open_split(data_root, "tiny", "train", aspects=("object",))
    assert split.aspect_labels["object"][2].tolist() == [0.25, 0.75]


def test_labels_of_unknown_videos_are_refused_with_a_near_match(
    data_root, tmp_path, capsys
):
    file = tmp_path / "labels.csv"
    file.write_text("clip 01,.5,.5\nclip_02,.5,.5\n")
    assert run(data_root, "--from", str(file)) == 3
    assert "'clip_02'; did you mean 'clip 02'?" in capsys.readouterr().err


def test_a_missing_file_is_refused(data_root, tmp_path, capsys):
    assert run(data_root, "--from", str(tmp_path / "none.csv")) == 3
    assert "no file of labels" in capsys.readouterr().err


def test_aspects_with_tags_are_refused(data_root, capsys):
    assert run(data_root, "--labeller", "appearance", "--aspect", "event") == 2
    assert "tags given by people" in capsys.readouterr().err


def test_the_command_stores_labels_by_appearance(data_root, capsys):
    assert run(data_root, "--labeller", "appearance", "--num-labels", "4") == 0
    assert "35 of 36 videos" in capsys.readouterr().out
    split = catalog.open_split(data_root, "tiny", "train", aspects=("scene",))
    assert split.aspects["scene"].num_labels == 4
    assert split.aspects["scene"].source.startswith("clusters of appearance ")
    assert not split.aspect_mask["scene"][V - 1]


def test_an_own_aspect_has_any_name_and_labels_that_are_words(
    data_root, tmp_path, capsys
):
    file = tmp_path / "weather.csv"
    file.write_text("clip 01,sun\nclip 02,rain\nclip 03,sun\n")
    assert run(data_root, "--from", str(file), "--aspect", "weather") == 0
    assert "weather: 2 labels" in capsys.readouterr().out
    folder = data_root / "tiny"
    assert label_names.stored(folder, "weather", 2) == ("rain", "sun")
    split = catalog.open_split(data_root, "tiny", "train", aspects=("weather",))
    assert split.aspects["weather"].kind == "soft"
    assert split.aspect_labels["weather"][1:4].tolist() == [[0, 1], [1, 0], [0, 1]]
    file.write_text("clip 01,sun|wind\nclip 02,rain\nclip 03,sun\n")
    given = ("--from", str(file), "--aspect", "weather", "--tags")
    assert run(data_root, *given) == 0
    split = catalog.open_split(data_root, "tiny", "train", aspects=("weather",))
    assert split.aspects["weather"].kind == "tags"
    assert split.aspect_labels["weather"][1].tolist() == [0, 1, 1]
    for name in ("action", "a/b", "a+b", "none", ""):
        assert run(data_root, "--from", str(file), "--aspect", name) == 2
    assert run(data_root, "--labeller", "appearance", "--tags") == 2
    assert run(data_root, "--from", str(file), "--aspect", "event") == 0
    facts = catalog.read_dataset_file(folder)
    assert facts.aspects["event"].kind == "tags"


def test_a_misspelt_aspect_is_refused_with_its_near_match(data_root, capsys):
    assert run(data_root, "--labeller", "appearance", "--aspect", "scnee") == 2
    assert "'scnee'; did you mean 'scene'? known: att" in capsys.readouterr().err


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder of weights, without most arrays, and a network that measures colours.

    Its 365 labels are the three colours and 362 nothings.
    """
    arrays = {"head/bias": np.zeros(365, np.float32)}
    manifest = weight_folders.Manifest(networks.Network("resnet18", 365))
    weight_folders.save_weights(tmp_path / "places", arrays, manifest)
    monkeypatch.setattr(
        network_labels,
        "load_network",
        lambda *_: lambda images: np.pad(colours(images), ((0, 0), (0, 362))),
    )
    return tmp_path / "places"


def test_a_networks_labels_are_joined_like_others(data_root, weights, capsys):
    network = ("--labeller", "resnet18", "--weights", str(weights))
    assert run(data_root, *network, "--part-size", "20") == 0
    output = capsys.readouterr()
    assert "labels by resnet18 for 35 of 36 videos" in output.out
    assert "without label: truncated 1" in output.out
    assert "part 2 of 2: 15 labelled, 1 bad" in output.err
    split = catalog.open_split(data_root, "tiny", "train", aspects=("scene",))
    assert split.aspects["scene"].source == "resnet18 of places, 25 frames"
    assert split.aspect_labels["scene"].shape == (V, 365)
    assert not split.aspect_mask["scene"][V - 1]
    np.testing.assert_allclose(
        split.aspect_labels["scene"][: V - 1].sum(axis=1), 1, atol=2e-3
    )
    folder = data_root / "tiny" / "aspects"
    assert sorted(path.name for path in folder.iterdir()) == [
        "scene.bad.jsonl",
        "scene.tfrecord",
        "scene.tfrecord.index",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--labeller", "resnet18"), "needs --weights FOLDER"),
        (("--labeller", "resnet50"), "are of 'resnet18', not of 'resnet50'"),
        (("--aspect", "object"), "365 labels, but 'object' has 1000.*--num-labels 365"),
        (("--runner", "DirectRunner"), "requirements-beam.txt"),
    ],
)
def test_what_does_not_fit_a_network_is_refused(
    data_root, weights, capsys, monkeypatch, arguments, message
):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    given = ("--labeller", "resnet18") if "--labeller" not in arguments else ()
    if arguments != ("--labeller", "resnet18"):
        given += ("--weights", str(weights))
    assert run(data_root, *given, *arguments) == 2
    assert re.search(message, capsys.readouterr().err)


def test_options_of_a_runner_without_runner_are_refused(data_root, capsys):
    flags = ("--labeller", "appearance", "--", "--flink_master=here")
    assert run(data_root, *flags) == 2
    assert "--flink_master=here" in capsys.readouterr().err


def test_every_network_can_be_chosen():
    assert pseudo_label.NETWORKS == labellers.NAMES


# ImageNet's numbers, as in the labellers' own test: keyboards and their keys, bow tie,
# suit and Windsor tie, horizontal and parallel bars and volleyball.
EXPECTED = {
    "keys/video_90.mov": {508, 810, 878},
    "talk/carphone_pristine.mp4": {457, 834, 906},
    "ball/test_video_structuralize.mp4": {602, 702, 890},
}


def test_real_weights_name_what_real_videos_show(real_data, tmp_path, monkeypatch):
    file = efficientnet_file.path()
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    for id in [*EXPECTED, "ball/corrupted.mp4"]:
        (tmp_path / "source" / id).parent.mkdir(parents=True, exist_ok=True)
        content = (real_data / "videos" / id.partition("/")[2]).read_bytes()
        (tmp_path / "source" / id).write_bytes(content)
    build = ("--videos", str(tmp_path / "source"), "--name", "tiny", "--holdout", "0")
    assert build_records.main([*build, "--out", str(tmp_path), "--check", "none"]) == 0
    place = ("--model", "efficientnet_lite0", "--out", str(tmp_path / "weights"))
    assert torch_weights_main.main(["import", str(file), *place]) == 0
    # two processes, each loading the network for itself
    network = (
        "--labeller",
        "efficientnet_lite0",
        "--weights",
        str(tmp_path / "weights"),
    )
    sizes = ("--num-frames", "3", "--batch-size", "3", "--part-size", "2")
    more = ("--aspect", "object", "--num-workers", "2")
    assert run(tmp_path, *network, *sizes, *more) == 0
    split = catalog.open_split(tmp_path, "tiny", "all", aspects=("object",))
    rows = dict(zip(split.ids, split.aspect_labels["object"], strict=True))
    for id, labels in EXPECTED.items():
        assert int(rows[id].argmax()) in labels
