import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smad_jax import errors
from smad_jax.methods import mixing
from smad_jax.models import motion, recognizer
from tests.helpers import debiasing, networks

FOREGROUND = jax.jit(
    motion.foreground, static_argnums=1, compiler_options=networks.QUICKLY
)
T, H, W = 3, 10, 16
GREEN, RED, BLUE = (20, 200, 40), (220, 30, 30), (30, 30, 220)


def clip(top, left, height=4, width=10, flicker=(RED, BLUE)):
    """A green clip with a rectangle of 40 pixels, a quarter, that changes colour."""
    video = np.full((T, H, W, 3), GREEN, np.uint8)
    for t in range(T):
        video[t, top : top + height, left : left + width] = flicker[t % 2]
    return video


def mask_of(top, left, height=4, width=10):
    mask = np.zeros((H, W), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_what_moves_is_marked_and_nothing_else():
    video = jnp.stack([clip(1, 2), clip(5, 6)])
    found = np.asarray(FOREGROUND(video, 0.25))
    np.testing.assert_array_equal(found[0], mask_of(1, 2))
    np.testing.assert_array_equal(found[1], mask_of(5, 6))


def test_normalised_floats_have_the_mask_of_their_pixels():
    video = jnp.stack([clip(1, 2), clip(5, 6)])
    floats = (video - jnp.array(recognizer.PIXEL_MEAN)) / jnp.array(
        recognizer.PIXEL_STD
    )
    np.testing.assert_array_equal(FOREGROUND(floats, 0.25), FOREGROUND(video, 0.25))


def test_colour_carries_the_mask_over_to_what_has_stopped():
    # a body of 48 pixels of which 40 move: the others have its colour too
    video = clip(1, 2)
    video[:, 1:5, 12:14] = np.array(clip(1, 2)[:, 1, 2].astype(int).mean(0), np.uint8)
    found = np.asarray(FOREGROUND(jnp.asarray(video[None]), 0.3))[0]
    np.testing.assert_array_equal(found, mask_of(1, 2, width=12))


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_share_of_the_pixels_is_exact_and_independent_of_the_batch(share):
    rng = np.random.default_rng(0)
    video = jnp.asarray(rng.integers(0, 256, (4, T, 30, 23, 3), dtype=np.uint8))
    found = np.asarray(FOREGROUND(video, share))
    np.testing.assert_array_equal(found.sum(axis=(1, 2)), int(share * 30 * 23))
    alone = np.asarray(FOREGROUND(video[2:3], share))
    assert (alone[0] == found[2]).mean() > 0.99, "but for rounding"


def test_mask_of_a_large_picture_is_whole_in_spite_of_noise():
    rng = np.random.default_rng(0)
    video = np.full((1, T, 60, 80, 3), GREEN, int)
    video[:, ::2, 20:40, 25:55] = RED
    video[:, 1::2, 20:40, 25:55] = BLUE
    video += rng.integers(-12, 13, video.shape)
    video = jnp.asarray(video.clip(0, 255).astype(np.uint8))
    found = np.asarray(FOREGROUND(video, 20 * 30 / 4800))[0]
    assert found[20:40, 25:55].mean() > 0.9


def test_bins_are_those_of_the_colours_hue_saturation_and_value():
    rng = np.random.default_rng(0)
    picture = np.concatenate([rng.random((300, 3)), np.eye(3), np.zeros((1, 3))])
    expected = []
    for colour in picture:
        hue, saturation, value = colorsys.rgb_to_hsv(*colour)
        turn = 2 * np.pi * hue
        plane = saturation * np.cos(turn), saturation * np.sin(turn)
        places = [*((side + 1) / 2 for side in plane), value]
        first, second, third = (round(9 * place + 1e-6) for place in places)
        expected.append(first + 10 * second + 100 * third)
    found = np.asarray(motion.colour_bins(jnp.asarray(picture + 0.0)))
    assert (found == np.array(expected)).mean() > 0.99, "but for rounding at borders"
    assert found.min() >= 0 and found.max() < 1000


def test_single_frames_have_no_motion():
    with pytest.raises(
        errors.ConfigError, match=r"two frames or more, but they have 1"
    ):
        motion.foreground(jnp.zeros((2, 1, H, W, 3), jnp.uint8), 0.5)


def test_fame_keeps_what_moves_and_takes_the_rest_from_the_partner():
    method = debiasing.build("fame", 7, foreground=0.25)
    places = [(1, 2), (5, 6), (0, 0), (6, 3), (3, 4)]
    video = np.stack([clip(*place) for place in places])
    video[..., 1] += np.arange(len(places), dtype=np.uint8)[:, None, None, None]
    key = jax.random.key(2)
    mix = jax.jit(method.mix, compiler_options=networks.QUICKLY)
    mixed = np.asarray(mix(jnp.asarray(video), key))
    partners = np.asarray(mixing.draw_partners(len(places), key))
    for i, (place, partner) in enumerate(zip(places, partners, strict=True)):
        mask = mask_of(*place)
        assert partner != i
        np.testing.assert_array_equal(mixed[i][:, mask], video[i][:, mask])
        np.testing.assert_array_equal(mixed[i][:, ~mask], video[partner][:, ~mask])
