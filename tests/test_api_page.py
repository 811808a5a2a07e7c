"""The blocks of docs/api.md, run one after the other as a reader would."""

import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import smad_jax
from smad_jax.data import catalog

ROOT = pathlib.Path(__file__).resolve().parents[1]
NUM_CLASSES = 2


def blocks():
    text = (ROOT / "docs" / "api.md").read_text("utf-8")
    found = re.findall(r"^## (.+?)$.*?^```python\n(.*?)^```$", text, re.M | re.S)
    assert len(found) == 5
    return found


@pytest.fixture
def folder(tmp_path, small_data, monkeypatch):
    """The reader's folder: videos of two actions, and the configs."""
    [dataset] = [path.name for path in small_data.glob("embedded-seed*")]
    split = catalog.open_split(small_data, dataset, "train")
    for label in range(NUM_CLASSES):
        place = tmp_path / "videos" / split.classes[label]
        place.mkdir(parents=True)
        for row in np.flatnonzero(split.labels == label)[:6]:
            (place / f"{split.ids[row]}.mp4").write_bytes(split.video(row).video)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_blocks_of_the_page_run_as_they_stand(folder, capsys):
    names: dict[str, object] = {}
    printed = {}
    for title, block in blocks():
        exec(compile(block, title, "exec"), names)
        printed[title] = capsys.readouterr().out
        assert 6 <= len(block.splitlines()) <= 14, title
    assert (folder / "audit.html").stat().st_size > 0
    assert "overall accuracy " in printed["Audit a model"]
    assert "towards the scene" in printed["Audit a model"]
    assert (folder / "runs" / "mine" / "results.json").is_file()
    assert "/top1 " in printed["Train on your videos"]
    assert (folder / "predictions.csv").read_text().count("\n") == 13
    assert f"{NUM_CLASSES} classes" in printed["Exchange weights with PyTorch"]
    assert (folder / "mine.pth").is_file()
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
    assert name in dir(smad_jax)
    assert callable(getattr(smad_jax, name)) or name == "errors"


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="audits"):
        smad_jax.__getattr__("audits")


@pytest.mark.parametrize("name", ["k200db", "embedded-seed0", "a,b", ".a"])
def test_data_set_that_no_config_can_name_is_refused(name, tmp_path):
    with pytest.raises(smad_jax.errors.ConfigError, match="the name"):
        smad_jax.build_dataset(tmp_path, name, tmp_path)


def test_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(smad_jax.errors.DataError, match="no folder of a run"):
        smad_jax.load_run(tmp_path / "gone", config="a.py", classes=["x"])
