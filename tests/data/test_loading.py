import numpy as np

from smad_jax.data import loading


def test_small_memory_keeps_only_the_videos_that_fit():
    one = 6 * 24 * 32 * 3
    cache = loading.FrameCache(2 * one + 5)
    for row in range(3):
        cache.put(row, np.zeros((6, 24, 32, 3), np.uint8))
    assert [cache.get(row) is not None for row in range(3)] == [True, True, False]
