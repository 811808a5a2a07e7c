"""The order of joint training against what mmaction2's runner did (tests/golden)."""

import json
import pathlib

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx

from smad_jax.training import joint, log, loop, stepping, train_state

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "joint_order.json"
RUNS = json.loads(GOLDEN.read_text("utf-8"))["runs"]


def named(run):
    return "-".join(map(str, run["train_ratio"]))


def order_of(run):
    every, *batches = run["train_ratio"]
    web = {f"aux{k}": joint.Web(count, 4) for k, count in enumerate(batches)}
    return joint.Order(web, every)


def updates(run):
    """(counter, loader) of each update of the reference, by the hooks around it."""
    found = []
    events = [event.split() for event in run["events"] if "epoch" not in event]
    for before, update, after in zip(
        events[::3], events[1::3], events[2::3], strict=True
    ):
        assert (before[0], update[0]) == ("before_train_iter", "update")
        assert after == ["after_train_iter", before[1]]
        source = update[1].split("/")[0]
        found.append((int(before[1]), source.replace("main", joint.TRAIN)))
    return found


def steps_of(run):
    return run["epochs"] * run["lengths"][0]


class Nothing(nnx.Module):
    def __init__(self):
        self.value = nnx.Param(jnp.zeros(()))


def loss(module, batch, *, key, step):
    value = batch["train"]["x"] * module.value[...]
    draw = jax.random.uniform(key)
    return value, {"loss": value, "accuracy/action": value, "draw": draw}


def record(order, total_steps, state=None, log_every=1):
    """Runs the loop: (counter, stream, rate, draw) of each update, and saved steps."""
    descend = optax.identity()
    graph, fresh = train_state.create(Nothing, descend)
    # the rate at counter n is n, so that metrics show which counter it went by
    take = stepping.make_train_step(graph, loss, descend, lambda n: 1.0 * n)
    seen, source, saved = [], [], []

    def stream(name):
        while True:
            source.append(name)
            yield {"train": {"x": jnp.ones(())}}

    def train_step(state, *given):
        counter = int(state.step)
        state, metrics = take(state, *given)
        rate, draw = float(metrics["learning_rate"]), float(metrics["draw"])
        seen.append((counter, source[-1], rate, draw))
        return state, metrics

    plan = loop.Plan("demo", total_steps, 3, log_every, 2, 4, {}, order)
    state = loop.run(
        state or fresh,
        plan,
        train_step=train_step,
        batches={name: stream(name) for name in (joint.TRAIN, *order.web)},
        key=jax.random.key(0),
        save=lambda state, _: saved.append((int(state.step), len(seen))),
        journal=log.Journal(None),
    )
    return state, seen, saved


@pytest.mark.parametrize("run", RUNS, ids=named)
def test_updates_and_their_counter_are_those_of_the_reference(run):
    state, seen, _ = record(order_of(run), steps_of(run))
    assert [(counter, source) for counter, source, _, _ in seen] == updates(run)
    assert [rate for _, _, rate, _ in seen] == [counter for counter, *_ in seen]
    assert int(state.step) == steps_of(run)


def test_every_update_has_its_own_key_the_same_in_a_resumed_run():
    order = order_of(RUNS[2])
    _, whole, _ = record(order, 9)
    draws = [draw for *_, draw in whole]
    assert len(set(draws)) == len(draws) == 9 + 3 * 5
    state, first, _ = record(order, 5)
    _, second, _ = record(order, 9, state)
    assert first + second == whole


def test_target_draws_what_it_draws_alone():
    alone = [draw for *_, draw in record(joint.Order(), 6)[1]]
    _, seen, _ = record(order_of(RUNS[1]), 6)
    assert [draw for _, source, _, draw in seen if source == joint.TRAIN] == alone


def test_state_is_saved_between_iterations_and_never_inside_one():
    _, _, saved = record(order_of(RUNS[1]), 4)  # three updates an iteration
    assert saved == [(2, 6), (4, 12)]


@pytest.mark.parametrize("run", RUNS, ids=named)
def test_batches_taken_before_an_iteration_are_counted(run):
    order, total = order_of(run), steps_of(run)
    assert len(order.sources(0)) == order.most
    for start in range(total + 1):
        past = [source for counter, source in updates(run) if counter < start]
        assert order.taken(start) == {name: past.count(name) for name in order.web}
