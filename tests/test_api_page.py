"""The blocks of docs/api.md, run one after the other as a reader would."""

import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import smad_jax
from smad_jax.base import aspect_table
from smad_jax.data import catalog
from smad_jax.torch_weights import convert, networks, saving

ROOT = pathlib.Path(__file__).resolve().parents[1]
NUM_CLASSES = 2


def blocks():
    text = (ROOT / "docs" / "api.md").read_text("utf-8")
    found = re.findall(r"^## (.+?)$.*?^```python\n(.*?)^```$", text, re.M | re.S)
    assert len(found) == 5
    return found


@pytest.fixture
def folder(tmp_path, small_data, monkeypatch):
    """The reader's folder: videos of two actions and a checkpoint of SDN."""
    [dataset] = [path.name for path in small_data.glob("embedded-seed*")]
    split = catalog.open_split(small_data, dataset, "train")
    for label in range(NUM_CLASSES):
        place = tmp_path / "videos" / split.classes[label]
        place.mkdir(parents=True)
        for row in np.flatnonzero(split.labels == label)[:6]:
            (place / f"{split.ids[row]}.mp4").write_bytes(split.video(row).video)
    network = networks.Network("resnet3d_18", NUM_CLASSES, "B")
    arrays = {
        path: np.ones(shape, np.float32)
        for path, shape in networks.shapes(network).items()
    }
    tensors = convert.to_tensors(arrays, network, "hara")
    saving.write_pth(tmp_path / "sdn.pth", {"state_dict": tensors})
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def label_scenes():
    """Does what `pseudo_label` would, which needs weights of a labeller."""
    split = smad_jax.open_split("datasets", "mine", "train")
    scenes = np.eye(3)[np.arange(len(split)) % 3]
    aspect = aspect_table.Aspect("scene", "soft", 3, "made up")
    catalog.add_aspect("datasets/mine", aspect, split.ids, scenes)


def test_blocks_of_the_page_run_as_they_stand(folder, capsys):
    names: dict[str, object] = {}
    printed = {}
    for title, block in blocks():
        if "aspects=" in block:
            label_scenes()
        exec(compile(block, title, "exec"), names)
        printed[title] = capsys.readouterr().out
        assert 6 <= len(block.splitlines()) <= 14, title
    assert (folder / "audit.html").stat().st_size > 0
    assert "overall accuracy " in printed["Audit a model"]
    assert (folder / "runs" / "mine" / "results.json").is_file()
    assert "/top1 " in printed["Train on your videos"]
    assert (folder / "predictions.csv").read_text().count("\n") == 13
    assert f"{NUM_CLASSES} classes" in printed["Import weights"]
    assert (folder / "back.safetensors").is_file()
    rare = smad_jax.open_split("datasets", "mine", "rare-val")
    assert set(rare.labels) == {0, 1}


def test_package_and_audit_import_no_jax():
    script = """
import sys
import smad_jax
assert "numpy" not in sys.modules
smad_jax.audit([0, 1, 0, 1], [0, 1, 1, 0], {"scene": [0, 0, 1, 1]}, bootstrap=0)
heavy = {"jax", "flax", "optax", "orbax", "tensorflow", "tensorboardX", "matplotlib"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=120)


@pytest.mark.parametrize("name", smad_jax.__all__)
def test_every_name_of_the_package_is_found(name):
    assert callable(getattr(smad_jax, name))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="audits"):
        smad_jax.__getattr__("audits")
