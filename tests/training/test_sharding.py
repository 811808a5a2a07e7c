import jax
import numpy as np
import pytest

from smad_jax import errors
from smad_jax.training import sharding


def test_shard_splits_the_batch_axis_over_the_devices():
    mesh = sharding.make_mesh()
    x = np.arange(24, dtype=np.float32).reshape(8, 3)
    placed = sharding.shard({"x": x}, mesh)["x"]
    assert [shard.data.shape for shard in placed.addressable_shards] == [(2, 3)] * 4
    np.testing.assert_array_equal(placed, x)


def test_batch_that_devices_cannot_share_is_refused_with_a_size_that_they_can():
    with pytest.raises(errors.ConfigError, match=r"--config\.data\.batch_size=8"):
        sharding.check_batch_size(7, sharding.make_mesh())


def test_replicate_puts_the_whole_array_on_every_device():
    mesh = sharding.make_mesh()
    placed = sharding.replicate({"x": np.ones((2, 5))}, mesh)["x"]
    assert len(placed.addressable_shards) == len(jax.devices())
    assert all(shard.data.shape == (2, 5) for shard in placed.addressable_shards)
