import json

import pytest

from configs import slowonly_baseline
from smad_jax import models
from smad_jax.commands import runs
from smad_jax.experiment import run
from smad_jax.reporting import runs as finished


@pytest.mark.parametrize(
    ("native", "asked", "expected"),
    [
        ("bfloat16", "auto", "bfloat16"),
        ("float32", "auto", "float32"),
        ("bfloat16", "float32", "float32"),
    ],
)
def test_a_run_is_given_the_dtype_that_auto_means_here(
    native, asked, expected, monkeypatch, tmp_path
):
    given = []
    monkeypatch.setattr(models, "native_dtype", lambda: native)
    monkeypatch.setattr(run, "train_and_test", lambda c, *_, **__: given.append(c))
    config = slowonly_baseline.get_config("mine")
    assert config.model.dtype == "auto"
    config.model.dtype = asked
    runs.train(config, tmp_path / "run")
    assert given[0].model.dtype == expected
    assert config.model.dtype == asked, "the caller's config stays as it is"


def test_a_run_resumes_in_the_dtype_that_it_began_with(monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(models, "native_dtype", lambda: "float32")
    monkeypatch.setattr(run, "train_and_test", lambda c, *_, **__: given.append(c))
    folder = tmp_path / "run"
    folder.mkdir()
    # begun on an accelerator
    (folder / "config.json").write_text(json.dumps({"model": {"dtype": "bfloat16"}}))
    runs.train(slowonly_baseline.get_config("mine"), folder)
    assert given[0].model.dtype == "bfloat16"


def test_a_study_does_not_compare_a_dtype_that_follows_the_machine(tmp_path):
    config = f"{finished.config_files.find('configs/slowonly_baseline.py')}:mine"
    job = finished.Job(config, (), tmp_path)
    assert "model.dtype" not in finished.settings(job)
    (tmp_path / "config.json").write_text(json.dumps({"model": {"dtype": "bfloat16"}}))
    finished.check([job])
    fixed = finished.Job(config, ("--config.model.dtype=float32",), tmp_path)
    assert finished.settings(fixed)["model.dtype"] == "float32"
