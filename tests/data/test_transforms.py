import cv2
import numpy as np
import pytest

from smad_jax import errors
from smad_jax.data import transforms

T, H, W = 3, 24, 40


def clip(height=H, width=W):
    return (
        np.random.default_rng(1)
        .integers(0, 256, (T, height, width, 3))
        .astype(np.uint8)
    )


def test_short_side_sizes_round_as_the_reference():
    assert transforms.short_side_size(240, 427, 256) == (256, 455)
    assert transforms.short_side_size(427, 240, 256) == (455, 256)


def test_resize_is_opencvs_bilinear_frame_by_frame():
    video = clip()
    resized = transforms.resize_short_side(video, 17)
    assert resized.shape == (T, 17, 28, 3)
    expected = cv2.resize(video[2], (28, 17), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resized[2], expected)


def test_resize_keeps_leading_axes_and_copies_nothing_when_the_size_fits():
    views = clip().reshape(1, T, H, W, 3)
    assert transforms.resize(views, 12, 20).shape == (1, T, 12, 20, 3)
    assert transforms.resize(views, H, W) is views


def test_halving_averages_the_middle_pixels():
    video = np.array([[0, 10, 20, 30]] * 4, np.uint8).reshape(1, 4, 4, 1)
    video = np.repeat(video, 3, axis=-1)
    assert transforms.resize(video, 2, 2)[0, :, :, 0].tolist() == [[5, 25], [5, 25]]


def test_crop_boxes_keep_area_and_aspect_and_reach_all_corners():
    rng = np.random.default_rng(0)
    boxes = [transforms.random_resized_crop_box(256, 340, rng) for _ in range(2000)]
    share = np.array([b.height * b.width / (256 * 340) for b in boxes])
    aspect = np.array([b.width / b.height for b in boxes])
    assert 0.075 < share.min() < 0.1
    assert 0.9 < share.max() <= 1
    assert 0.74 < aspect.min() < 0.77
    assert 1.3 < aspect.max() < 1.35
    assert abs(np.log(aspect[share < 0.5]).mean()) < 0.02  # uniform in the logarithm
    assert min(b.top for b in boxes) == min(b.left for b in boxes) == 0
    assert max(b.top + b.height for b in boxes) == 256
    assert max(b.left + b.width for b in boxes) == 340


def test_crop_box_falls_back_to_the_central_square():
    box = transforms.random_resized_crop_box(1, 400, np.random.default_rng(0))
    assert box == (0, 199, 1, 1)


def test_centre_crop_rounds_its_offset_down():
    video = clip(7, 10)
    np.testing.assert_array_equal(transforms.centre_crop(video, 4), video[:, 1:5, 3:7])


def test_centre_crop_larger_than_the_clip_is_refused():
    with pytest.raises(ValueError, match="crop of 30 pixels does not fit into 24x40"):
        transforms.centre_crop(clip(), 30)


def test_shift_repeats_edges_and_reaches_every_offset():
    video = clip(9, 11)
    padded = np.pad(video, [(0, 0), (2, 2), (2, 2), (0, 0)], mode="edge")
    windows = {
        padded[:, y : y + 9, x : x + 11].tobytes(): (y, x)
        for y in range(5)
        for x in range(5)
    }
    rng = np.random.default_rng(0)
    shifted = [transforms.random_shift(video, 2, rng) for _ in range(400)]
    assert {windows[s.tobytes()] for s in shifted} == set(windows.values())


def test_flip_mirrors_the_whole_clip_half_the_time():
    video = clip()
    rng = np.random.default_rng(0)
    flipped = [transforms.random_flip(video, rng) for _ in range(400)]
    mirrored = sum(np.array_equal(f, video[:, :, ::-1]) for f in flipped)
    assert mirrored + sum(np.array_equal(f, video) for f in flipped) == 400
    assert 160 < mirrored < 240


@pytest.mark.parametrize("kind", ["random_resized_crop", "random_shift"])
def test_one_crop_and_one_flip_hold_for_all_frames(kind):
    still = np.repeat(clip()[:1], T, axis=0)
    transform = transforms.Transform.from_config(
        {"kind": kind, "size": 16, "resize": 20, "shift": 2}
    )
    out = transform.train(still, np.random.default_rng(3))
    assert out.shape == (T, 16, 16, 3)
    assert out.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(out, np.repeat(out[:1], T, axis=0))


def test_test_transform_is_resize_and_centre_crop():
    video = clip()[None]
    transform = transforms.Transform("random_resized_crop", size=16, resize=18)
    expected = transforms.resize(video, 18, 30)[:, :, 1:17, 7:23]
    np.testing.assert_array_equal(transform.test(video), expected)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"kind": "none", "size": 8}, "transform.kind 'none'; known: random_resized"),
        ({"kind": "random_shift"}, "transform.size must be"),
        ({"kind": "random_shift", "size": 8, "resize": 4}, "resize must be 0 or at"),
        ({"kind": "random_shift", "size": 8, "pad": 4}, "unknown key 'pad'"),
        ({"kind": "random_shift", "size": 8, "shift": -1}, "shift must be"),
    ],
)
def test_wrong_section_is_a_config_error(section, message):
    with pytest.raises(errors.ConfigError, match=message):
        transforms.Transform.from_config(section)
