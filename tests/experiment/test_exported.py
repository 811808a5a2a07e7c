import dataclasses
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from jax import export

from smad_jax import errors
from smad_jax.commands import front_door
from smad_jax.evaluation import predict
from smad_jax.experiment import exported, trained
from smad_jax.experiment.keys import Method

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "weights.md"
DATASET = "embedded-seed0-x0.05"


@pytest.fixture(scope="module")
def network(fresh_run, small_data):
    return trained.load(fresh_run, small_data)


@pytest.fixture(scope="module")
def folder(fresh_run, small_data, tmp_path_factory):
    """A folder with `export/network.stablehlo` from the command."""
    folder = tmp_path_factory.mktemp("elsewhere")
    arguments = [
        "export",
        fresh_run,
        "--format",
        "stablehlo",
        "--data-root",
        small_data,
    ]
    arguments += ["--out", folder / "export" / "network.stablehlo"]
    assert front_door.main([str(argument) for argument in arguments]) == 0
    return folder


def test_program_predicts_any_number_of_real_videos_as_the_network_does(
    folder, network, small_data
):
    program = export.deserialize(
        bytearray((folder / "export" / "network.stablehlo").read_bytes())
    )
    split = network.open_split("embedded/rare")
    expected = network.predict(split)
    videos = np.concatenate(
        [b["video"][b["mask"]] for b in network.test_batches(split)]
    )
    for rows in (slice(0, 1), slice(1, 4)):  # one program, other sizes than its own
        found = program.call(videos[rows])
        for name in ("probabilities", "features"):
            wanted = getattr(expected, name)[rows]
            np.testing.assert_allclose(found[name], wanted, rtol=1e-3, atol=1e-5)
    assert np.ptp(expected.features[:4], axis=0).max() > 1e-3  # they do differ


def test_code_of_the_page_runs_the_program_without_this_package(folder):
    text = PAGE.read_text("utf-8")
    block = re.search(r"^```python\n(.*?)^```$", text, re.M | re.S)[1]
    check = "import sys; assert not [n for n in sys.modules if n.startswith('smad')]"
    code = [sys.executable, "-I", "-c", f"{block}\n{check}"]
    done = subprocess.run(
        code, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    description = json.loads(
        (folder / "export" / "network.stablehlo.json").read_text("utf-8")
    )
    assert done.stdout.strip() in description["classes"]


def test_description_names_input_classes_versions_and_date(folder, network):
    file = folder / "export" / "network.stablehlo.json"
    found = json.loads(file.read_text("utf-8"))
    data = network.settings.data
    side, frames = data.transform.size, data.sampling.num_frames
    shape = ["videos", "views", frames, side, side, 3]
    assert found["input"]["video"]["shape"] == shape
    assert found["input"]["pixels"]["short_side"] == data.transform.short_side
    assert found["input"]["frames"] == dataclasses.asdict(data.sampling)
    assert found["output"]["probabilities"]["shape"] == ["videos", 10]
    assert found["classes"] == list(network.classes)
    assert found["platforms"] == ["cpu", "cuda", "tpu"]
    assert re.match(r"20\d\d-\d\d-\d\dT.*\+00:00$", found["written"])
    assert {"jax", "jaxlib"} <= set(found["environment"]["packages"])


def test_program_that_differs_from_the_network_is_not_kept(
    network, tmp_path, monkeypatch
):
    whole = predict.Predictor.program

    def other(self):
        answers = whole(self)
        return lambda video: answers(video[:, :1])  # without the second view

    monkeypatch.setattr(predict.Predictor, "program", other)
    with pytest.raises(RuntimeError, match="differs from the network"):
        exported.export_network(network, tmp_path / "a.stablehlo")
    assert list(tmp_path.iterdir()) == []


def test_method_that_adapts_to_a_test_set_is_refused(network, tmp_path):
    settings = dataclasses.replace(network.settings, method=Method("adabn"))
    adapting = dataclasses.replace(network, settings=settings)
    with pytest.raises(errors.ConfigError, match="adabn adapts the network"):
        exported.export_network(adapting, tmp_path / "a.stablehlo")
