"""The guide of data_prep, followed from downloads to two trainings.

The downloads are few real videos (`paper_inputs`), so sizes and networks are smaller,
and scenes are labelled by appearance, since weights of Places365 are not available.
`ADDED`, `REPLACED` and `TRAINING` are the only changes, and one import of other weights
stands for those of the guide.
"""

import importlib
import json
import pathlib
import re
import shlex

import pytest

from configs import finetune, transfer
from smad_jax.data import catalog, label_names
from smad_jax.experiment import splits
from smad_jax.experiment.settings import Settings
from smad_jax.torch_weights import __main__ as torch_weights
from tests.helpers import efficientnet_file, forked, paper_inputs

GUIDE = forked.ROOT / "data_prep" / "README.md"
LABELLER = "efficientnet_lite0"
# Further flags of a command, or others in place of the printed ones.
ADDED = {
    "data_prep.k200db": "--num-classes 3 --val-per-class 2 --train-per-class 6",
    "data_prep.teacher_filter": "--threshold 0.01",  # a teacher of two steps
}
REPLACED = {
    "--labeller resnet50 --weights weights/resnet50_places365": (
        f"--labeller appearance --num-labels {len(paper_inputs.SCENES)}"
    ),
    "--labeller resnet50 --weights weights/resnet50_imagenet": (
        f"--labeller {LABELLER} --weights weights/{LABELLER} --num-frames 1"
    ),
    "--second-aspect object": "--second-aspect object --mode remaining",
}
THIRDS = ("bias", "mid", "unbias")
PARTS = (*THIRDS, "rand", "all")
TRAINING = (
    "--smoke --config.init.folder= --config.model.name={network} "
    "--workdir={folder}/runs/{name} --config.data.root={folder}/datasets"
)


def printed(document: str) -> list[str]:
    """The command lines of the code blocks of a document, in order."""
    joined = document.replace("\\\n", " ")
    return [
        " ".join(line.split())
        for line in re.findall(r"^ {4}(python .*)$", joined, re.M)
    ]


def follow(line: str, folder: pathlib.Path) -> None:
    """Runs a printed command, with the changes of this test."""
    for old, new in REPLACED.items():
        line = line.replace(old, new)
    _, *words = shlex.split(line)
    if words[0] == "main.py":
        train(words[2], folder)
        return
    module, arguments = words[1], words[2:]
    if module == "smad_jax.torch_weights":  # imported by the fixture
        return
    arguments += shlex.split(ADDED.get(module, ""))
    assert importlib.import_module(module).main(arguments) == 0, line


def train(config: str, folder: pathlib.Path) -> None:
    """Trains a small network in place of the config's."""
    stem = pathlib.PurePath(config.partition(":")[0]).stem
    name = f"{stem}-{config.partition(':')[2]}"
    network = f"{stem.partition('_')[0]}_tiny"
    flags = TRAINING.format(folder=folder, name=name, network=network).split()
    variables = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    done = forked.run_main([f"--config={config}", *flags], variables)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def followed(real_data, tmp_path_factory):
    """The folder in which all of the guide was followed."""
    folder = tmp_path_factory.mktemp("guide")
    file = efficientnet_file.path()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        paper_inputs.make(folder, real_data)
        where = ["--model", LABELLER, "--out", f"weights/{LABELLER}"]
        assert torch_weights.main(["import", str(file), *where]) == 0
        for line in printed(GUIDE.read_text("utf-8")):
            follow(line, folder)
    return folder


@pytest.mark.slow
def test_guide_leads_from_downloads_to_training(followed):
    data = followed / "datasets"
    health = json.loads((followed / "health/kinetics400/summary.json").read_text())
    assert (health["listed"], health["missing"], health["undecodable"]) == (46, 1, 1)
    assert paper_inputs.BROKEN in (data / "kinetics400/bad_videos.jsonl").read_text()
    num_classes = len(paper_inputs.CLASSES)
    wanted = ("scene", "object", "event")
    train = catalog.open_split(data, "kinetics400", "train", aspects=wanted)
    assert len(train) == num_classes * paper_inputs.NUM_TRAIN
    assert train.aspect_mask["scene"].all() and train.aspect_mask["object"].all()
    assert train.aspect_mask["event"].sum() == num_classes  # those that HVU lists
    assert label_names.stored(data / "kinetics400", "scene", 4) == paper_inputs.SCENES
    aras = catalog.open_split(data, "aras", "aras104")
    assert (len(aras), len(set(aras.ids))) == (num_classes + 1, num_classes)
    for source in ("googleimage", "insvideo"):
        size = {
            part: len(read_list(data, source, part)) for part in ("positive", *PARTS)
        }
        assert size["positive"] == size["all"] == sum(size[part] for part in THIRDS)
        assert 15 < size["all"] <= 3 * paper_inputs.NUM_WEB  # of the 3 classes trained
        assert size["rand"] == size["bias"]
    for name in ("ucf101", "hmdb51", "diving48", "gym99"):
        assert len(catalog.open_split(data, name, "train")) == 2
        assert len(catalog.open_split(data, name, "val")) == 2
    for name in ("ucf101,split=2", "hmdb51,split=3", "diving48", "diving48,labels=v1"):
        for places in (finetune.get_config(name), transfer.get_config(name)):
            places.data.root = str(data)
            assert len(splits.open_splits(Settings.read(places)).train) == 2
    mini = catalog.open_split(data, "kinetics400", "mini-train", aspects=("scene",))
    assert mini.classes == catalog.open_split(data, "insvideo", "all").classes
    assert len(mini) == num_classes * paper_inputs.NUM_TRAIN
    assert mini.aspect_mask["scene"].all(), "labelled once, with all of Kinetics"
    for run in ("slowonly_smad-k200db", "slowonly_omnidebias-k200db"):
        record = json.loads((followed / f"runs/{run}/results.json").read_text())
        assert set(record["n_seen"]) == {"k200db-val", "k200-val", "aras64"}
        assert not any(record["unreadable"].values())
    reports = {path.name for path in (followed / "reports").iterdir()}
    assert reports >= {"k200db.csv", "abseiling.csv", "abseiling.png", "sources.csv"}


def read_list(data: pathlib.Path, source: str, part: str) -> list[str]:
    """The lines of a split of web data: what the teacher left, or a part of that."""
    name = "positive-k200" if part == "positive" else f"k200-{part}"
    return (data / source / "splits" / f"{name}.txt").read_text().splitlines()
