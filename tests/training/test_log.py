import json
import logging

import numpy as np
import pytest

from smad_jax.training import log, terminal


def test_window_averages_over_steps_and_splits_their_time(monkeypatch):
    clock = iter([100.0, 104.0])
    monkeypatch.setattr(log.time, "perf_counter", lambda: next(clock))
    window = log.Window()
    assert window.empty
    window.add({"loss": 1.0}, data_seconds=0.5, clips=6)
    window.add({"loss": 4.0}, data_seconds=0.1, clips=6)
    means = window.means()
    assert means == pytest.approx(
        {"loss": 2.5, "time/step": 2.0, "time/data": 0.3, "clips_per_second": 3.0}
    )


def test_web_updates_have_their_own_means_and_are_part_of_a_step(monkeypatch):
    clock = iter([100.0, 104.0])
    monkeypatch.setattr(log.time, "perf_counter", lambda: next(clock))
    window = log.Window()
    window.add({"loss": 7.0}, data_seconds=0.2, clips=10, stream="web")
    assert window.empty
    window.add({"loss": 1.0}, data_seconds=0.5, clips=6)
    window.add({"loss": 8.0}, data_seconds=0.3, clips=10, stream="web")
    window.add({"loss": 9.0}, data_seconds=0.0, clips=10, stream="web")
    window.add({"loss": 4.0}, data_seconds=0.0, clips=6)
    assert window.means() == pytest.approx(
        {
            "loss": 2.5,
            "web/loss": 8.0,
            "time/step": 2.0,
            "time/data": 0.5,
            "clips_per_second": 42 / 4,
        }
    )


def test_window_continues_from_what_was_saved(monkeypatch):
    clock = iter([100.0, 103.0, 500.0, 501.0])
    monkeypatch.setattr(log.time, "perf_counter", lambda: next(clock))
    window = log.Window()
    window.add({"loss": 0.1}, data_seconds=0.5, clips=6)
    saved = json.loads(json.dumps(window.saved()))
    window = log.Window(saved)
    window.add({"loss": 0.2}, data_seconds=0.1, clips=6)
    assert window.means() == {
        "loss": (0.1 + 0.2) / 2,
        "time/step": 2.0,
        "time/data": 0.3,
        "clips_per_second": 3.0,
    }


def test_values_without_a_number_have_no_histogram(tmp_path):
    journal = log.Journal(tmp_path)
    pictures = np.zeros((1, 8, 8, 3), np.uint8)
    for value in (np.nan, np.inf, 1.0):
        journal.show(1, "look/actionness", np.full((2, 3), value), pictures)
    journal.close()


def test_journal_appends_across_runs(tmp_path):
    for step in (1, 2):
        journal = log.Journal(tmp_path, start_step=step - 1)
        journal.write(step, {"loss": 0.5 * step})
        journal.close()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": 1.0},
    ]
    assert list((tmp_path / "tensorboard").iterdir())


def test_journal_drops_what_a_killed_run_wrote_of_steps_that_come_again(tmp_path):
    journal = log.Journal(tmp_path)
    for step in (2, 4, 6):
        journal.write(step, {"loss": 1.0})
    journal.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 8, "lo')
    journal = log.Journal(tmp_path, start_step=4)
    journal.write(6, {"loss": 3.0})
    journal.close()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    found = [(record["step"], record["loss"]) for record in map(json.loads, lines)]
    assert found == [(2, 1.0), (4, 1.0), (6, 3.0)]


def test_journal_without_a_folder_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    journal = log.Journal(None)
    journal.write(1, {"loss": 1.0})
    journal.close()
    assert not list(tmp_path.iterdir())


def test_log_goes_to_the_newest_file_alone(tmp_path):
    handlers = list(log.logger.handlers)
    log.logger.setLevel("INFO")
    for name in ("first", "second"):
        log.to_file(tmp_path / name)
        log.logger.info(name)
    log.logger.handlers[-1].close()
    log.logger.handlers = handlers
    assert (tmp_path / "first").read_text().endswith("first\n")
    assert (tmp_path / "first").read_text().count("\n") == 1


def row(values, chance):
    times = {"time/step": 0.31, "time/data": 0.01, "clips_per_second": 412.0}
    shared = {"loss": 3.41, "learning_rate": 0.0871, "accuracy/action": 0.241}
    return terminal.Row(
        name="train",
        step=1200,
        total_steps=5000,
        steps_per_epoch=625,
        values=shared | values | times,
        chance=chance,
        action_chance=0.1,
        eta="0:19:38",
    )


def test_progress_line_shows_web_streams_that_had_a_turn():
    values = {
        "loss/action": 3.41,
        "web/loss": 2.5,
        "web/loss/action": 2.25,
        "web/accuracy/action": 0.5,
    }
    assert log.progress_line(row(values, {}), ("web", "idle")) == (
        "train step 1200/5000 (epoch 2/8) | loss 3.410: action 3.410 | "
        "accuracy 24.1% | web 2.500 50.0% | lr 0.0871 | "
        "data 0.010s of step 0.310s | 412 clips/s | eta 0:19:38"
    )


def test_progress_line_shows_all_that_a_run_is_watched_by():
    values = {"loss/action": 3.02, "loss/scene": 0.39, "accuracy/scene": 0.089}
    assert log.progress_line(row(values, {"scene": 0.063})) == (
        "train step 1200/5000 (epoch 2/8) | loss 3.410: action 3.020 scene 0.390 | "
        "accuracy 24.1% scene 8.9% (chance 6.3%) | lr 0.0871 | "
        "data 0.010s of step 0.310s | 412 clips/s | eta 0:19:38"
    )


@pytest.fixture
def untouched(monkeypatch):
    """The logger as it is before anything has set it up."""
    monkeypatch.setattr(log.logger, "handlers", [])
    monkeypatch.setattr(log.logger, "propagate", True)
    monkeypatch.setattr(log.logger, "level", logging.NOTSET)
    log.logger.manager._clear_cache()
    yield
    log.logger.manager._clear_cache()


def test_log_is_shown_meanwhile_if_nobody_has_set_it_up(untouched, tmp_path, capsys):
    with log.shown():
        log.to_file(tmp_path / "train.log")
        log.logger.info("step 1")
    assert capsys.readouterr().out == "step 1\n"
    assert (tmp_path / "train.log").read_text().endswith("step 1\n")
    assert (log.logger.handlers, log.logger.level) == ([], logging.NOTSET)


def test_level_of_the_caller_keeps_the_log_quiet(untouched, capsys):
    log.logger.setLevel(logging.ERROR)
    with log.shown():
        log.logger.info("step 1")
    assert capsys.readouterr() == ("", "")
