import dataclasses
import itertools
import json
import os
import pathlib
import re
import signal

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx

from smad_jax import errors
from smad_jax.training import joint, log, loop, reporter, stepping, train_state


class Scale(nnx.Module):
    def __init__(self):
        self.value = nnx.Param(jnp.ones(()))


def loss(module, batch, *, key, step):
    scene = batch["train"]["scene"] * module.value[...]
    value = module.value[...] ** 2 + scene
    return value, {
        "loss": value,
        "loss/action": module.value[...] ** 2,
        "loss/scene": scene,
        "accuracy/action": jnp.asarray(0.5),
    }


def plan(**changes):
    settings = {
        "name": "demo",
        "total_steps": 6,
        "steps_per_epoch": 3,
        "log_every": 2,
        "save_every": 3,
        "batch_size": 4,
        "chance": {},
    }
    return loop.Plan(**(settings | changes))


def make_step():
    graph, _ = train_state.create(Scale, optax.identity())
    return stepping.make_train_step(graph, loss, optax.identity(), lambda step: 0.1)


def run(
    tmp_path,
    batches=None,
    state=None,
    resumed=None,
    check=None,
    train_step=None,
    **changes,
):
    state = state or train_state.create(Scale, optax.identity())[1]
    saved = []
    journal = log.Journal(tmp_path, int(state.step))
    stored = {}

    def save(state, values):
        saved.append(int(state.step))
        stored.update(json.loads(json.dumps(values)))

    try:
        state = loop.run(
            state,
            plan(**changes),
            train_step=train_step or make_step(),
            batches={joint.TRAIN: batches or healthy()},
            key=jax.random.key(0),
            save=save,
            journal=journal,
            check=check or (lambda: None),
            saved=resumed,
        )
    except BaseException as error:
        error.saved, error.stored = saved, stored
        raise
    finally:
        journal.close()
    return state, saved


def healthy():
    return itertools.repeat({"train": {"scene": jnp.zeros(())}})


def sick(at):
    for number in itertools.count(1):
        value = jnp.nan if number == at else 0.0
        yield {"train": {"scene": jnp.asarray(value)}}


def logged(tmp_path):
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]


def test_run_logs_and_saves_at_its_intervals_and_at_the_end(tmp_path):
    state, saved = run(tmp_path, total_steps=7)
    assert int(state.step) == 7
    assert saved == [3, 6, 7]
    assert logged(tmp_path) == [1, 2, 4, 6, 7]


def test_log_holds_the_peak_memory_of_the_process(tmp_path):
    run(tmp_path, total_steps=2)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    first, last = (json.loads(line)["memory/host"] for line in lines)
    status = pathlib.Path("/proc/self/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**20
    assert 0.5 * peak < first <= last <= 1.01 * peak


def test_run_resumes_from_the_states_step(tmp_path):
    state, _ = run(tmp_path, total_steps=4)
    state, saved = run(tmp_path, state=state, total_steps=6)
    assert int(state.step) == 6
    assert saved == [6]


@pytest.mark.parametrize("at", [1, 3, 4])
def test_step_that_is_not_finite_stops_the_run_and_names_the_head(tmp_path, at):
    message = rf"step {at} is not finite \(.*loss/action = [\d.]+, loss/scene = nan"
    with pytest.raises(errors.NonFiniteLossError, match=message) as caught:
        run(tmp_path, batches=sick(at))
    assert caught.value.saved == [3] * (at == 4), "only what came before the step"
    assert caught.value.exit_code == 4


def test_web_batch_that_is_not_finite_is_named_and_nothing_is_saved(tmp_path):
    state = train_state.create(Scale, optax.identity())[1]
    saved = []
    with pytest.raises(errors.NonFiniteLossError, match="step 2 on clips is not"):
        loop.run(
            state,
            plan(order=joint.Order({"clips": joint.Web(1, 2)}), save_every=1),
            train_step=make_step(),
            batches={joint.TRAIN: healthy(), "clips": sick(2)},
            key=jax.random.key(0),
            save=lambda state, _: saved.append(int(state.step)),
            journal=log.Journal(None),
        )
    assert saved == [1]


def test_step_that_is_not_finite_can_be_skipped(tmp_path):
    state, _ = run(tmp_path, batches=sick(3), on_non_finite="skip")
    assert int(state.step) == 6
    assert float(state.params["value"]) == pytest.approx(0.8**5)


def test_skipped_steps_are_counted_over_resumes_and_limited(tmp_path):
    def diverged():
        yield from itertools.islice(healthy(), 1)
        yield from itertools.repeat({"train": {"scene": jnp.asarray(jnp.nan)}})

    changes = {"on_non_finite": "skip", "max_skipped": 3, "save_every": 1}
    with pytest.raises(errors.NonFiniteLossError, match=r"4 updates of 6 .*limit"):
        run(tmp_path, batches=diverged(), **changes)
    with pytest.raises(errors.NonFiniteLossError, match="3 updates of 6"):
        resumed = {"skipped": 2}
        run(tmp_path, batches=sick(1), resumed=resumed, **changes | {"max_skipped": 2})


def lines(tmp_path):
    """The lines of metrics.jsonl without times."""
    found = (tmp_path / "metrics.jsonl").read_text().splitlines()
    return [
        {key: value for key, value in json.loads(line).items() if "loss" in key}
        | {"step": json.loads(line)["step"]}
        for line in found
    ]


@pytest.mark.parametrize("stops", [[1], [2], [5], [3, 4, 8], list(range(1, 10))])
def test_lines_of_a_resumed_run_are_those_of_one_in_one_piece(tmp_path, stops):
    def stopped_at(start, stop):
        for step, batch in enumerate(healthy(), start + 1):
            if step == stop:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    changes = {"total_steps": 10, "log_every": 4, "save_every": 100}
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    whole.mkdir(), pieces.mkdir()
    run(whole, **changes)
    assert logged(whole) == [1, 4, 8, 10]
    resumed, start = None, 0
    _, state = train_state.create(Scale, optax.identity())
    for stop in stops:
        batches = stopped_at(start, stop)
        with pytest.raises(loop.Interrupted) as caught:
            run(pieces, batches, state, resumed, **changes)
        assert caught.value.saved == [stop]
        # the loss takes 0.8 of the value with each step, from 1
        _, state = train_state.create(Scale, optax.identity())
        value = jnp.ones(())
        for _ in range(stop):
            value = value - jnp.float32(0.1) * 2 * value
        state = dataclasses.replace(
            state, step=jnp.asarray(stop, jnp.int32), params={"value": value}
        )
        resumed, start = caught.value.stored, stop
    run(pieces, None, state, resumed, **changes)
    assert logged(pieces) == logged(whole)
    for one, other in zip(lines(pieces), lines(whole), strict=True):
        assert one == pytest.approx(other)


def test_save_that_failed_in_the_background_ends_the_run_at_the_next_step(tmp_path):
    checks = iter([None, None, OSError("no space")])

    def check():
        if error := next(checks):
            raise error

    with pytest.raises(OSError, match="no space") as caught:
        run(tmp_path, check=check, save_every=2)
    assert caught.value.saved == [2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_run_after_the_step_with_everything_saved(tmp_path, number):
    def interrupted():
        for count, batch in enumerate(healthy(), 1):
            if count == 2:
                os.kill(os.getpid(), number)
            yield batch

    before = signal.getsignal(number)
    with pytest.raises(loop.Interrupted) as caught:
        run(tmp_path, batches=interrupted())
    assert caught.value.saved == [2]
    assert caught.value.number == number
    name = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}[number]
    assert str(caught.value).startswith(f"stopped by {name}; everything is saved")
    assert signal.getsignal(number) == before


def test_time_left_leaves_out_the_first_step_which_compiles(tmp_path, caplog):
    def first_slow():
        log.time.sleep(2)
        yield from healthy()

    log.logger.propagate = True
    with caplog.at_level("INFO", logger="smad_jax"):
        run(tmp_path, batches=first_slow(), total_steps=200)
    lines = [r.message for r in caplog.records if r.message.startswith("demo")]
    assert "compiling the training step" in lines[0]
    # not with the two seconds for which the data were waited for
    how = "compiled|taken from the cache"
    took = re.fullmatch(rf"demo: the training step was (?:{how}) in (.*) s", lines[1])
    assert float(took[1]) < 2
    assert lines[2].endswith("eta ?")
    minutes, seconds = map(int, lines[3].rpartition(" eta 0:")[2].split(":"))
    assert 60 * minutes + seconds < 100  # 198 steps like the first two take 198 s
    assert lines[-1].endswith("eta 0:00:00")


@pytest.mark.parametrize("steps", [19, 20])
def test_waiting_for_data_is_pointed_out_once_it_is_sure(tmp_path, caplog, steps):
    def slow():
        for batch in healthy():
            log.time.sleep(0.02)
            yield batch

    log.logger.propagate = True
    with caplog.at_level("INFO", logger="smad_jax"):
        run(tmp_path, batches=slow(), total_steps=steps)
    assert caplog.text.count("waiting for data") == (steps == 20)


@pytest.mark.parametrize(
    ("action_chance", "chance", "steps", "warned"),
    [
        (0.4, {"scene": 0.2}, 6, True),  # accuracy is 0.5, chance times 1.3 is 0.52
        (0.38, {"scene": 0.2}, 6, False),
        (0.4, {}, 6, False),  # without an adversary
        (0.4, {"scene": 0.2}, 1, False),  # in the first window of one step
    ],
)
def test_action_at_chance_beside_adversaries_is_warned_of_once(
    tmp_path, caplog, monkeypatch, action_chance, chance, steps, warned
):
    monkeypatch.setattr(log, "progress_line", lambda *unused: "a line")
    monkeypatch.setattr(reporter, "FEW_STEPS", 2)
    log.logger.propagate = True
    with caplog.at_level("INFO", logger="smad_jax"):
        run(tmp_path, chance=chance, action_chance=action_chance, total_steps=steps)
    found = [r for r in caplog.records if "still at chance (50.0%)" in r.message]
    assert [record.levelname for record in found] == ["WARNING"] * warned
    assert all("adversaries of scene" in record.message for record in found)
