import dataclasses
import json

import ml_collections
import pytest

from configs import slowonly_smad
from smad_jax import errors
from smad_jax.experiment import run_record
from smad_jax.training import log


def config(**changes):
    settings = {"seed": 0, "model": {"name": "resnet18", "saar": False}}
    return ml_collections.ConfigDict(settings | changes)


@pytest.fixture(autouse=True)
def quiet_logger():
    handlers = list(log.logger.handlers)
    yield
    for handler in log.logger.handlers:
        handler.close()
    log.logger.handlers = handlers


def test_folder_is_fit_for_its_own_config_again(tmp_path):
    run_record.check_owner(tmp_path / "new", config())
    run_record.claim(tmp_path / "new", config())
    run_record.check_owner(tmp_path / "new", config())


def test_folder_of_another_config_is_refused_with_every_difference(tmp_path):
    run_record.claim(tmp_path, config())
    other = config(seed=3, model={"name": "resnet18", "saar": True})
    with pytest.raises(errors.ConfigError) as caught:
        run_record.check_owner(tmp_path, other)
    message = str(caught.value)
    assert "  model.saar: False -> True" in message
    assert "  seed: 0 -> 3" in message
    assert "name" not in message


def test_another_machine_may_keep_its_data_elsewhere(tmp_path):
    run_record.claim(tmp_path, config(data={"root": "here", "num_threads": 2}))
    moved = config(data={"root": "there", "num_threads": 16})
    run_record.check_owner(tmp_path, moved)
    with pytest.raises(errors.ConfigError, match=r"data\.train") as caught:
        other = config(data={"root": "there", "train": "mine/train"})
        run_record.check_owner(tmp_path, other)
    assert "root" not in str(caught.value).splitlines()[1]


def test_another_machine_may_need_to_save_memory(tmp_path):
    run_record.claim(tmp_path, config(training={"accumulate": 1, "epochs": 2}))
    run_record.check_owner(
        tmp_path, config(training={"accumulate": 4, "model_axis": 2, "epochs": 2})
    )
    with pytest.raises(errors.ConfigError, match=r"training\.epochs"):
        run_record.check_owner(
            tmp_path, config(training={"accumulate": 4, "epochs": 3})
        )


def test_environment_says_what_a_result_depends_on():
    found = run_record.environment()
    assert found["packages"]["jax"]
    assert found["devices"]
    assert found["commit"]


def test_machine_without_git_still_has_an_environment(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert run_record.environment()["commit"] == "unknown"


def test_results_are_written_and_logged(tmp_path, caplog):
    log.logger.propagate = True
    with caplog.at_level("INFO", logger="smad_jax"):
        run_record.write_results(
            tmp_path,
            run_record.Record(
                results={"iid/top1": 0.5},
                n_seen={"iid": 40},
                unreadable={"iid": 1},
                sees_target_data=False,
                seed=2,
                seconds=3.21,
                processor_seconds=2.5,
            ),
        )
    record = json.loads((tmp_path / "results.json").read_text())
    assert record["results"] == {"iid/top1": 0.5}
    assert record["unreadable"] == {"iid": 1}
    assert record["sees_target_data"] is False
    assert (record["n_seen"], record["seed"], record["seconds"]) == (
        {"iid": 40},
        2,
        3.2,
    )
    assert record["processor_seconds"] == 2.5
    table = [line.split() for line in caplog.messages[0].splitlines()]
    assert table == [
        ["test", "set", "videos", "top1", "top5", "mean_class", "unreadable"],
        ["iid", "40", "50.0%", "1"],
    ]
    assert 'RESULT {"iid/top1": 0.5}' in caplog.text


def test_key_that_came_later_than_the_folder_counts_as_its_default(tmp_path):
    whole = slowonly_smad.get_config()
    older = json.loads(whole.to_json())
    del older["training"]["num_clips"], older["optimizer"]["warmup_share"]
    (tmp_path / "config.json").write_text(json.dumps(older))
    run_record.check_owner(tmp_path, whole)
    whole.training.num_clips = 500
    with pytest.raises(errors.ConfigError) as caught:
        run_record.check_owner(tmp_path, whole)
    assert str(caught.value).splitlines()[1:-1] == ["  training.num_clips: 0 -> 500"]


def test_stored_config_that_is_no_longer_read_is_compared_key_by_key(tmp_path):
    whole = slowonly_smad.get_config()
    older = json.loads(whole.to_json())
    del older["training"]["num_clips"]
    older["training"]["of_old"] = 3
    (tmp_path / "config.json").write_text(json.dumps(older))
    with pytest.raises(errors.ConfigError) as caught:
        run_record.check_owner(tmp_path, whole)
    assert str(caught.value).splitlines()[1:-1] == [
        "  training.num_clips: unset -> 0",
        "  training.of_old: 3 -> unset",
    ]


def test_results_of_a_finished_run_stay_unless_the_numbers_change(tmp_path):
    record = run_record.Record(
        results={"val/top1": 0.1 + 0.2},
        n_seen={"val": 3},
        unreadable={"val": 0},
        sees_target_data=False,
        seed=0,
        seconds=60.0,
        processor_seconds=50.0,
    )
    run_record.write_results(tmp_path, record)
    path = tmp_path / "results.json"
    before = path.read_bytes()
    again = dataclasses.replace(record, seconds=5.0, processor_seconds=None)
    run_record.write_results(tmp_path, again)
    assert path.read_bytes() == before
    run_record.write_results(tmp_path, dataclasses.replace(again, n_seen={"val": 4}))
    assert json.loads(path.read_text())["seconds"] == 5.0
