import pytest
from jax import profiler

from smad_jax import errors
from smad_jax.training import tracing
from tests.training import test_loop


def traced_steps(folder):
    """The numbers of the steps in the one trace that a folder holds, in order."""
    [file] = folder.rglob("*.xplane.pb")
    assert file.parent.parent == folder / "plugins" / "profile"  # as TensorBoard reads
    events = (
        event
        for plane in profiler.ProfileData.from_file(str(file)).planes
        for line in plane.lines
        for event in line.events
        if event.name == "train"
    )
    return sorted(dict(event.stats)["step_num"] for event in events)


@pytest.mark.parametrize(
    ("steps", "start", "found"),
    [
        ((3, 4), 0, [3, 4]),
        ((2, 4), 2, [3, 4]),  # the run resumes inside the range
        ((5, 90), 0, [5, 6]),  # the run ends inside it
    ],
)
def test_trace_holds_the_chosen_steps(tmp_path, steps, start, found):
    state = None
    if start:
        state, _ = test_loop.run(tmp_path, total_steps=start)
    plan = test_loop.plan(profile=steps, total_steps=90)
    trace = tracing.traced(test_loop.make_step(), plan, tmp_path / "trace", start)
    with trace as step:
        test_loop.run(tmp_path, state=state, train_step=step)
    assert traced_steps(tmp_path / "trace") == found


@pytest.mark.parametrize("steps", [(4, 7), (0, 2), (4, 3), (3,), (1, 2, 3)])
def test_steps_that_are_no_range_of_the_run_are_refused(tmp_path, steps):
    plan = test_loop.plan(profile=steps)
    with pytest.raises(errors.ConfigError, match=r"from 1 to 6, but it is \("):
        with tracing.traced(test_loop.make_step(), plan, tmp_path, 0):
            pass
