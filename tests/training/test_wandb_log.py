import json
import sys
import types

import pytest

from smad_jax import errors
from smad_jax.training import log


class Refused(Exception):
    pass


@pytest.fixture
def wandb(monkeypatch):
    """A stand-in for the package; `started` and `logged` hold what it was given."""
    fake = types.ModuleType("wandb")
    fake.started, fake.logged, fake.finished = [], [], 0
    fake.Error = Refused

    class Run:
        def log(self, values, *, step):
            fake.logged.append((step, values))

        def finish(self):
            fake.finished += 1

    def init(**options):
        fake.started.append(options)
        return Run()

    fake.init = init
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def train(folder, steps, start=0):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"seed": 3}))
    journal = log.Journal(folder, start, wandb_project="bias")
    for step in steps:
        journal.write(step, {"loss": 0.5 * step})
    journal.close()


def test_metrics_go_to_wandb_too_and_a_resumed_run_continues_there(wandb, tmp_path):
    folder = tmp_path / "smad"
    train(folder, [1, 2])
    train(folder, [3], start=2)
    assert wandb.logged == [(n, {"loss": 0.5 * n}) for n in (1, 2, 3)]
    first, second = wandb.started
    assert (first["project"], first["name"]) == ("bias", "smad")
    assert first["config"] == {"seed": 3}
    assert first["id"] == second["id"] and first["id"]
    assert first["resume"] == "allow"
    assert wandb.finished == 2
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 3


def test_other_folder_is_another_run(wandb, tmp_path):
    for name in ("a", "b"):
        train(tmp_path / name, [1])
    assert wandb.started[0]["id"] != wandb.started[1]["id"]


def test_missing_package_or_refusal_is_one_line(wandb, tmp_path, monkeypatch):
    def init(**options):
        raise Refused("no API key")

    monkeypatch.setattr(wandb, "init", init)
    with pytest.raises(errors.ConfigError, match=r"\(no API key\); run `wandb login`"):
        train(tmp_path, [1])
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(errors.ConfigError, match=r"pip install '\.\[wandb\]'"):
        train(tmp_path, [1])
    assert not (tmp_path / "metrics.jsonl").exists()


@pytest.mark.optional
def test_the_real_package_takes_a_run_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    train(tmp_path, [1, 2])
    [file] = tmp_path.rglob("run-*.wandb")
    content = file.read_bytes()
    assert b"loss" in content and b"seed" in content
