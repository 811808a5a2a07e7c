import errno
import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from smad_jax import errors
from smad_jax.training import checkpoint, sharding, train_state


def state(step, value=1.0, mesh=None, size=3):
    params = {"model": {"layer1": {0: {"kernel": jnp.full((2, size), value)}}}}
    made = train_state.TrainState(
        step=jnp.asarray(step, jnp.int32),
        params=params,
        batch_stats={"mean": jnp.zeros(5)},
        optimizer_state=optax.trace(0.9).init(params),
    )
    return sharding.replicate(made, mesh or sharding.make_mesh())


def kernel(saved):
    return saved.params["model"]["layer1"][0]["kernel"]


def test_restore_returns_what_was_saved_with_its_position(tmp_path):
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state(4, 0.25), {"step": 4, "videos": 32, "seed": 1})
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        restored, position = checkpoints.restore(state(0, 7.0))
    np.testing.assert_array_equal(kernel(restored), np.full((2, 3), 0.25))
    assert int(restored.step) == 4
    assert position == {"step": 4, "videos": 32, "seed": 1}


def test_newest_two_are_kept(tmp_path):
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(state(step, float(step)), {"step": step})
        checkpoints.save(state(3, 9.0), {"step": 3})  # saved already: kept as it is
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 3
        np.testing.assert_array_equal(kernel(checkpoints.restore(state(0))[0]), 3.0)
        np.testing.assert_array_equal(kernel(checkpoints.restore(state(0), 2)[0]), 2.0)
        assert not (tmp_path / "1").exists()


def test_four_devices_write_and_one_reads(tmp_path):
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state(1, 0.5), {"step": 1})
    one = sharding.make_mesh(jax.devices()[:1])
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        restored, _ = checkpoints.restore(state(0, mesh=one))
    assert kernel(restored).sharding.device_set == {jax.devices()[0]}
    np.testing.assert_array_equal(kernel(restored), 0.5)


def test_half_written_step_is_ignored(tmp_path):
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state(1), {"step": 1})
    (tmp_path / "2.orbax-checkpoint-tmp-123").mkdir()
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 1


def test_no_checkpoint_and_another_model_are_clear_errors(tmp_path):
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(errors.DataError, match="no checkpoint in"):
            checkpoints.restore(state(0))
        checkpoints.save(state(1), {"step": 1})
    with checkpoint.Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(errors.DataError, match="does not fit this config"):
            checkpoints.restore(state(0, size=4))


@pytest.mark.parametrize("method", ["save", "wait_until_finished"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_the_error_of_the_system(tmp_path, monkeypatch, method, number):
    def fail(*unused, **options):
        raise ValueError(f"RESOURCE_EXHAUSTED: cannot write: {os.strerror(number)}")

    with pytest.raises(OSError) as caught, checkpoint.Checkpoints(tmp_path) as saved:
        monkeypatch.setattr(saved._manager, method, fail)
        saved.save(state(1), {"step": 1})
    assert caught.value.errno == number


def test_other_errors_of_saving_stay_what_they_are(tmp_path, monkeypatch):
    def fail(*unused, **options):
        raise ValueError("INVALID_ARGUMENT: something else")

    with checkpoint.Checkpoints(tmp_path) as saved:
        monkeypatch.setattr(saved._manager, "save", fail)
        with pytest.raises(ValueError, match="something else"):
            saved.save(state(1), {"step": 1})
