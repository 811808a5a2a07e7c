import dataclasses
import hashlib

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.data.embedded import benchmark


def some_factors(num_videos=23):
    number = np.arange(num_videos)
    return benchmark.Factors(number % 10, number % 16, number % 9 - 1)


def test_a_set_has_ten_actions_sixteen_scenes_and_eight_objects():
    assert len(benchmark.ACTIONS) == 10
    assert (len(benchmark.SCENES), benchmark.NUM_COMMON_SCENES) == (16, 12)
    assert len(benchmark.OBJECTS) == 8


def test_clips_are_frames_of_32_pixels_with_a_mask_for_each():
    clips = benchmark.render(some_factors(5), seed=3, stream=0)
    assert clips.video.shape == (5, 4, 32, 32, 3)
    assert clips.video.dtype == np.uint8
    assert clips.actor.shape == (5, 4, 32, 32)
    assert clips.actor.dtype == bool


def test_a_larger_frame_shows_the_same_scene_in_more_detail():
    factors = some_factors(16)._replace(action=np.full(16, -1))
    large = benchmark.FIRST_LOOK._replace(size=96)
    first, found = (
        benchmark.render(factors, seed=3, stream=0, how=how).video.astype(float)
        for how in (benchmark.FIRST_LOOK, large)
    )
    assert found.shape == (16, 4, 96, 96, 3)
    colour, same = (video.mean(axis=(1, 2, 3)) for video in (first, found))
    assert np.abs(colour - same).max() < 20
    assert np.linalg.norm(colour[:, None] - same, axis=-1).argmin(1).tolist() == list(
        range(16)
    )


def test_a_longer_video_shows_the_action_once_too():
    factors = benchmark.Factors(np.arange(40) % 10, np.zeros(40, int), np.full(40, -1))
    four, eight = (
        benchmark.render(
            factors,
            seed=3,
            stream=0,
            how=benchmark.FIRST_LOOK._replace(num_frames=num_frames),
        ).actor
        for num_frames in (4, 8)
    )
    step, half_step = (
        (actor[:, 1:] != actor[:, :-1]).mean(axis=(1, 2, 3)) for actor in (four, eight)
    )
    assert half_step.mean() < 0.9 * step.mean()  # joints shake as much as before
    assert half_step.min() > 0.01


def test_grain_changes_the_scene_and_not_the_actor():
    factors = some_factors(6)._replace(object=np.full(6, -1))
    plain, grainy = (
        benchmark.render(
            factors, seed=3, stream=0, how=benchmark.FIRST_LOOK._replace(grain=grain)
        )
        for grain in (1e-6, 0.3)
    )
    np.testing.assert_array_equal(plain.actor, grainy.actor)
    changed = np.abs(plain.video.astype(float) - grainy.video).mean(axis=-1)
    assert changed[~plain.actor].mean() > 10
    inside = plain.actor.copy()
    for axis in (2, 3):
        for shift in (-1, 1):
            inside &= np.roll(plain.actor, shift, axis)
    assert changed[inside].mean() < 1


def test_the_same_seed_gives_the_same_pixels_and_another_gives_others():
    factors = some_factors()
    first, again, other = (
        benchmark.render(factors, seed=seed, stream=0) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.video, again.video)
    assert (first.video != other.video).mean() > 0.5


def test_another_stream_of_the_same_seed_gives_other_pixels():
    factors = some_factors()
    first, other = (benchmark.render(factors, seed=3, stream=s) for s in (0, 1))
    assert (first.video != other.video).mean() > 0.5


@pytest.mark.parametrize("pixels", [1, 7 * 4 * 32 * 32, 10**9])
def test_the_number_of_clips_drawn_together_has_no_influence(pixels, monkeypatch):
    factors = some_factors()
    expected = benchmark.render(factors, seed=3, stream=0)
    monkeypatch.setattr(benchmark, "_CHUNK", pixels)
    found = benchmark.render(factors, seed=3, stream=0)
    np.testing.assert_array_equal(found.video, expected.video)
    np.testing.assert_array_equal(found.actor, expected.actor)


def test_rendering_in_pieces_equals_rendering_at_once():
    factors = some_factors()
    expected = benchmark.render(factors, seed=3, stream=0)
    part = benchmark.Factors(*(values[9:17] for values in factors))
    found = benchmark.render(part, seed=3, stream=0, start=9)
    np.testing.assert_array_equal(found.video, expected.video[9:17])


def test_the_mask_covers_the_actor_and_nothing_else():
    # nothing but the actor is drawn from the action's draws, so the same clip without
    # one differs inside the mask only (and by pixel noise, drawn after the actor)
    factors = benchmark.Factors(np.arange(10), np.full(10, 8), np.full(10, -1))
    empty = factors._replace(action=np.full(10, benchmark.NONE))
    there = benchmark.render(factors, seed=5, stream=0)
    absent = benchmark.render(empty, seed=5, stream=0)
    changed = np.abs(there.video.astype(int) - absent.video).max(axis=-1)
    # half-covered outline pixels lie outside; two pixels of margin hold them all
    wide = there.actor.copy()
    for axis in (2, 3):
        wide = wide | np.roll(wide, 1, axis) | np.roll(wide, -1, axis)
    assert np.percentile(changed[~wide], 99.9) < 45
    assert changed[there.actor].mean() > 3 * changed[~wide].mean()
    assert not absent.actor.any()


def test_an_actor_takes_a_sixth_to_two_fifths_of_the_frame():
    clips = benchmark.render(some_factors(200), seed=3, stream=0)
    assert 1 / 6 < clips.actor.mean() < 2 / 5
    assert clips.actor.any(axis=(2, 3)).all()


def test_every_action_moves():
    factors = benchmark.Factors(np.arange(40) % 10, np.zeros(40, int), np.full(40, -1))
    actor = benchmark.render(factors, seed=3, stream=0).actor
    moved = (actor[:, 1:] != actor[:, :-1]).mean(axis=(1, 2, 3))
    assert moved.min() > 0.02


def test_scenes_differ_more_between_categories_than_within():
    scene = np.repeat(np.arange(16), 12)
    factors = benchmark.Factors(np.full(192, -1), scene, np.full(192, -1))
    still = benchmark.FIRST_LOOK._replace(num_frames=1)
    frames = benchmark.render(factors, seed=3, stream=0, how=still).video[:, 0]
    gradient = np.abs(np.diff(frames.astype(float), axis=1)).mean(axis=(1, 2))
    look = np.concatenate([frames.mean(axis=(1, 2)), gradient], axis=1)
    centre = look.reshape(16, 12, -1).mean(axis=1)
    nearest = ((look[:, None] - centre) ** 2).sum(-1).argmin(1)
    assert (nearest == scene).mean() > 0.75


def test_objects_change_the_picture_where_there_is_one():
    factors = some_factors(8)._replace(object=np.arange(8), action=np.full(8, -1))
    absent = factors._replace(object=np.full(8, benchmark.NONE))
    there = benchmark.render(factors, seed=3, stream=0).video.astype(int)
    without = benchmark.render(absent, seed=3, stream=0).video
    changed = (np.abs(there - without).max(axis=-1) > 40).mean(axis=(1, 2, 3))
    assert (changed > 0.005).all()
    assert (changed < 0.10).all()


def test_common_sets_follow_the_joint_distribution():
    bias = benchmark.Bias()
    factors = benchmark.draw_factors(40_000, seed=7, stream=0, bias=bias)
    for labels, expected in (
        (factors.scene, bias.scene_given_action()),
        (factors.object, 0.9 * bias.object_given_action()),
    ):
        for action in range(10):
            here = labels[factors.action == action]
            share = np.bincount(here[here >= 0], minlength=expected.shape[1]) / 4000
            np.testing.assert_allclose(share, expected[action], atol=0.035)
    assert abs((factors.object == benchmark.NONE).mean() - 0.10) < 0.01


def test_scene_and_object_are_independent_given_the_action():
    factors = benchmark.draw_factors(100_000, seed=7, stream=0, bias=benchmark.Bias())
    there = (factors.action == 3) & (factors.object != benchmark.NONE)
    joint = np.zeros((12, 8))
    np.add.at(joint, (factors.scene[there], factors.object[there]), 1 / there.sum())
    product = joint.sum(1, keepdims=True) * joint.sum(0)
    np.testing.assert_allclose(joint, product, atol=0.01)


def test_action_three_prefers_the_scenes_at_its_offsets():
    row = benchmark.Bias().scene_given_action()[3]
    np.testing.assert_allclose(row[[3, 4, 8, 11]], [0.30, 0.20, 0.14, 0.10])
    np.testing.assert_allclose(np.delete(row, [3, 4, 8, 11]), 0.26 / 8)


def test_every_row_of_the_dial_sums_to_one():
    for strength in (0.0, 0.3, 1.0):
        bias = benchmark.Bias(strength=strength)
        np.testing.assert_allclose(bias.scene_given_action().sum(axis=1), 1)
        np.testing.assert_allclose(bias.object_given_action().sum(axis=1), 1)


def test_strength_zero_takes_the_bias_away():
    bias = benchmark.Bias(strength=0.0)
    np.testing.assert_allclose(bias.scene_given_action(), 1 / 12)
    np.testing.assert_allclose(bias.object_given_action(), 1 / 8)


def test_rare_sets_show_rare_scenes_only_and_each_action_equally_often():
    factors = benchmark.draw_rare_factors(600, seed=7, stream=2)
    assert set(factors.scene.tolist()) == {12, 13, 14, 15}
    assert set(np.bincount(factors.action)) == {60}
    assert factors.object.min() == 0


@pytest.mark.parametrize(
    "change",
    [
        {"strength": 1.2},
        {"object_absent": -0.1},
        {"scene_shares": (0.6, 0.3, 0.2, 0.1)},
        {"scene_offsets": (0, 1, 1, 8)},
        {"object_offsets": (0, 3)},
    ],
)
def test_a_dial_out_of_range_is_refused(change):
    with pytest.raises(errors.ConfigError, match=next(iter(change)).split("_")[0]):
        dataclasses.replace(benchmark.Bias(), **change)


def digest(factors):
    return hashlib.sha256(np.stack(factors).astype("<i8").tobytes()).hexdigest()[:16]


def test_what_the_sets_show_has_not_changed_since_the_first_version():
    # data sets that were made stay valid only as long as this holds
    bias = benchmark.Bias()
    found = [
        digest(benchmark.draw_factors(4500, seed=0, stream=0, bias=bias)),
        digest(benchmark.draw_factors(800, seed=0, stream=1, bias=bias)),
        digest(benchmark.draw_rare_factors(600, seed=0, stream=2)),
    ]
    assert found == ["aa114221800dc950", "d8fda6a02679c0c2", "ac1d759109cb29f0"]


def test_scenes_of_web_media_have_two_favourites_and_every_other_at_two_per_cent():
    probability = benchmark.WebBias().scene_given_action()
    assert probability.shape == (10, 16)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    for action, row in enumerate(probability):
        first, second = action, (action + 7) % 12
        assert (row[first], row[second]) == (0.55, 0.17)
        np.testing.assert_allclose(np.delete(row, [first, second]), 0.02)


def test_web_media_follow_their_distribution_and_have_rare_scenes():
    bias = benchmark.WebBias()
    media = benchmark.draw_web_media(40_000, seed=7, stream=4, bias=bias)
    assert set(np.bincount(media.factors.action)) == {4000}
    for action, expected in enumerate(bias.scene_given_action()):
        here = media.factors.scene[media.factors.action == action]
        share = np.bincount(here, minlength=16) / 4000
        np.testing.assert_allclose(share, expected, atol=0.035)
    assert abs((media.factors.scene >= 12).mean() - 4 * 0.02) < 0.01


def test_a_fifth_of_web_labels_is_drawn_at_random_from_all_actions():
    media = benchmark.draw_web_media(40_000, seed=7, stream=4, bias=benchmark.WebBias())
    wrong = media.label != media.factors.action
    assert abs(wrong.mean() - 0.2 * 0.9) < 0.01  # one in ten random ones is right
    for action in range(10):
        others = np.bincount(
            media.label[wrong & (media.factors.action == action)], minlength=10
        )
        assert others[action] == 0
        assert np.delete(others, action).min() > 40  # about 80


def test_web_labels_without_chance_are_the_actions():
    bias = benchmark.WebBias(random_labels=0)
    media = benchmark.draw_web_media(50, seed=7, stream=4, bias=bias)
    np.testing.assert_array_equal(media.label, media.factors.action)
