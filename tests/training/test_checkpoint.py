import errno
import gc
import os
import pathlib
import shutil
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from smad_jax import errors
from smad_jax.training import (
    checkpoint,
    digests,
    parameter_layout,
    sharding,
    train_state,
)


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


def large(step, value, mesh):
    """A state with an array that the devices of a group share."""
    made = state(step, value, size=1 << 14)
    return sharding.place(
        parameter_layout.local(made), parameter_layout.layout(made, mesh)
    )


def test_arrays_that_devices_share_are_read_by_any_number_of_them(tmp_path):
    shared = parameter_layout.make_mesh(4)
    meshes = shared, sharding.make_mesh(), sharding.make_mesh(jax.devices()[:1])
    for number, (writer, reader) in enumerate([meshes[:2], meshes[1::-1], meshes[::2]]):
        folder = tmp_path / str(number)
        with checkpoint.Checkpoints(folder) as checkpoints:
            checkpoints.save(large(1, 0.5, writer), {"step": 1})
        with checkpoint.Checkpoints(folder) as checkpoints:
            restored, _ = checkpoints.restore(large(0, 7.0, reader))
        assert kernel(restored).is_fully_replicated is (reader is not shared)
        assert kernel(restored).sharding.device_set == set(reader.devices.flat)
        np.testing.assert_array_equal(kernel(restored), 0.5)
        _, params, _ = checkpoint.read_trained(folder)
        np.testing.assert_array_equal(params["model/layer1/0/kernel"], 0.5)


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


@pytest.fixture(scope="module")
def two_steps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    with checkpoint.Checkpoints(folder) as checkpoints:
        for step in (1, 2):
            checkpoints.save(state(step, float(step)), {"step": step})
    return folder


@pytest.fixture
def saved(two_steps, tmp_path):
    return shutil.copytree(two_steps, tmp_path / "checkpoints")


def files_of(folder):
    written = ("_CHECKPOINT_METADATA", "commit_success.txt")  # around the two parts
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if path.name not in written]


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = [flip_a_bit, cut_in_half, pathlib.Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_to_any_file_is_named_with_the_way_on(saved, damage):
    advice = r"step 2 in .* is damaged \(.+\);.* --skip_damaged .* from step 1"
    for path in files_of(saved / "2"):
        if path.name == "digests.json" and damage is pathlib.Path.unlink:
            continue  # an earlier version's, see below
        content = path.read_bytes()
        damage(path)
        with checkpoint.Checkpoints(saved) as checkpoints:
            with pytest.raises(checkpoint.DamagedError, match=advice):
                checkpoints.restore(state(0))
        with pytest.raises(checkpoint.DamagedError, match=advice):
            checkpoint.read_trained(saved)
        path.write_bytes(content)


def without_digests(folder):
    for path in folder.rglob("digests.json"):
        path.unlink()


def test_checkpoint_without_digests_opens_with_a_warning(saved, caplog):
    without_digests(saved)
    with checkpoint.Checkpoints(saved) as checkpoints:
        restored, _ = checkpoints.restore(state(0))
    np.testing.assert_array_equal(kernel(restored), 2.0)
    assert "has no digests" in caplog.text


# a restore that fails half way leaves reads behind
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", [cut_in_half, pathlib.Path.unlink])
def test_visible_damage_is_named_without_digests_too(saved, damage):
    without_digests(saved)
    for path in files_of(saved / "2"):
        content = path.read_bytes()
        damage(path)
        with checkpoint.Checkpoints(saved) as checkpoints:
            try:
                restored, _ = checkpoints.restore(state(0))
            except checkpoint.DamagedError as error:
                assert "--skip_damaged" in str(error)
            else:  # a file that restoring does not need
                np.testing.assert_array_equal(kernel(restored), 2.0)
        path.write_bytes(content)
    gc.collect()  # not in a later test, which would be blamed


def test_damaged_checkpoint_is_set_aside_and_its_step_saved_again(saved):
    for path in files_of(saved / "2"):
        cut_in_half(path)
    with checkpoint.Checkpoints(saved) as checkpoints:
        _, position = checkpoints.restore_undamaged(state(0))
        assert position == {"step": 1}
        checkpoints.save(state(2, 5.0), {"step": 2})
    assert (saved / "damaged-2" / "state").is_dir()
    with checkpoint.Checkpoints(saved) as checkpoints:
        np.testing.assert_array_equal(kernel(checkpoints.restore(state(0))[0]), 5.0)


def test_last_checkpoint_is_never_set_aside(saved):
    for path in files_of(saved):
        cut_in_half(path)
    with checkpoint.Checkpoints(saved) as checkpoints:
        with pytest.raises(checkpoint.DamagedError, match=r"step 1 .* the only one"):
            checkpoints.restore_undamaged(state(0))
    assert (saved / "1").is_dir()


def test_failed_save_keeps_the_checkpoints_before(saved, monkeypatch):
    def fail(folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(digests, "write", fail)
    with checkpoint.Checkpoints(saved) as checkpoints:
        checkpoints.save(state(3, 3.0), {"step": 3})
        with pytest.raises(OSError, match="No space left"):
            for _ in range(1000):  # steps, while the save goes on
                checkpoints.check()
                time.sleep(0.01)
    monkeypatch.undo()
    with checkpoint.Checkpoints(saved) as checkpoints:
        assert checkpoints.latest_step() == 2
        np.testing.assert_array_equal(kernel(checkpoints.restore(state(0))[0]), 2.0)
        checkpoints.save(state(3, 3.5), {"step": 3})
    with checkpoint.Checkpoints(saved) as checkpoints:
        np.testing.assert_array_equal(kernel(checkpoints.restore(state(0))[0]), 3.5)
