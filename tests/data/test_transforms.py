import itertools

import cv2
import numpy as np
import pytest

from smad_jax import errors
from smad_jax.base import sections
from smad_jax.data import transforms, video
from tests.golden import make_sampling as golden

T, H, W = 3, 24, 40


def read(section):
    return sections.read(transforms.Transform, "data.transform", section)


def clip(height=H, width=W):
    return (
        np.random.default_rng(1)
        .integers(0, 256, (T, height, width, 3))
        .astype(np.uint8)
    )


@pytest.fixture(scope="module")
def reference():
    with np.load(golden.FILE) as arrays:
        return dict(arrays)


def draws_of(seed):
    """A crop's draws in our order: the row before the column, then the flip."""
    shapes, across, down = golden.box_draws(seed)
    return golden.Draws([*shapes, down, across, golden.flip_draw(seed)])


def test_short_side_sizes_round_as_the_reference():
    assert transforms.short_side_size(240, 427, 256) == (256, 455)
    assert transforms.short_side_size(427, 240, 256) == (455, 256)


@pytest.mark.parametrize("short", golden.SHORT_SIDES)
def test_new_sizes_of_all_pictures_are_the_references(reference, short):
    ours = [
        golden.checksum(
            np.array([transforms.short_side_size(h, w, short) for w in golden.SIDES])
        )
        for h in golden.SIDES
    ]
    large = [transforms.short_side_size(*size, short) for size in golden.LARGE_SIZES]
    for line in golden.LINES:
        np.testing.assert_array_equal(ours, reference[f"{line}/size/{short}"])
        np.testing.assert_array_equal(large, reference[f"{line}/size/{short}/large"])


@pytest.mark.parametrize("line", golden.LINES)
@pytest.mark.parametrize("size", golden.BOX_SIZES + golden.EXTREME_BOX_SIZES)
def test_crop_boxes_are_the_references_for_the_same_draws(reference, size, line):
    expected = reference[f"{line}/box/{size[0]}x{size[1]}"]
    assert len(expected) == golden.BOXES
    for seed, box in enumerate(expected):
        draws = draws_of(seed)
        ours = transforms.random_resized_crop_box(*size, draws)
        np.testing.assert_array_equal(draws.asked[:2], reference[f"{line}/box/asked"])
        if box[2:].all():
            np.testing.assert_array_equal(ours, box)
        else:  # the reference's box is empty, and it fails later
            assert size == (1, 1)
            assert ours == (0, 0, 1, 1)


@pytest.mark.parametrize("size", [(1, 400), (17, 4000)])
def test_pictures_that_no_box_fits_into_reach_the_fallback(reference, size):
    boxes = reference[f"0.x/box/{size[0]}x{size[1]}"]
    assert (boxes == boxes[0]).all()  # no draw: the central square


@pytest.mark.parametrize("line", golden.LINES)
def test_offsets_of_the_central_crop_are_the_references(reference, line):
    side = golden.CROP_SIDES[-1]
    places = np.stack(np.mgrid[:side, :side], axis=-1)
    ours = []
    for height, width in itertools.product(golden.CROP_SIDES, repeat=2):
        cropped = transforms.centre_crop(places[:height, :width], golden.CROP)
        ours.append([*cropped[0, 0], *cropped[-1, -1] + 1])
    np.testing.assert_array_equal(ours, reference[f"{line}/centre"])


@pytest.mark.parametrize("line", golden.LINES)
def test_resized_pixels_are_those_of_the_references_opencv(reference, line):
    for (start, stop), expected in zip(
        golden.RESIZES, reference[f"{line}/resize"], strict=True
    ):
        resized = transforms.resize(golden.frames(*start), *stop)
        assert [golden.checksum(frame) for frame in resized] == expected.tolist(), (
            f"{start} to {stop}"
        )


@pytest.mark.parametrize("size", [(12, 30), (45, 61), (17, 23), (1, 1)])
def test_a_crop_of_views_resizes_as_a_copy_of_each_frame(size):
    views = golden.frames(24, 40)[None].repeat(2, axis=0)
    views[1] = 255 - views[1]
    inner = transforms.crop(views, transforms.Box(3, 5, 17, 23))
    assert not inner.flags["C_CONTIGUOUS"]
    resized = transforms.resize(inner, *size)
    assert resized.shape == (2, T, *size, 3)
    for ours, frame in zip(
        resized.reshape(-1, *size, 3), views.reshape(-1, 24, 40, 3), strict=True
    ):
        copied = np.ascontiguousarray(frame[3:20, 5:28])
        np.testing.assert_array_equal(
            ours, cv2.resize(copied, size[::-1], interpolation=cv2.INTER_LINEAR)
        )


@pytest.mark.parametrize("line", golden.LINES)
def test_pictures_are_mirrored_at_the_same_draws_as_the_references(reference, line):
    frame = golden.frames(5, 7)[:1]
    ours = [
        transforms.random_flip(frame, golden.Draws([value]))[0]
        for value in golden.FLIP_FRACTIONS
    ]
    np.testing.assert_array_equal(ours, reference[f"{line}/flip"])


@pytest.mark.parametrize("line", golden.LINES)
@pytest.mark.parametrize("size", golden.PICTURES)
def test_whole_training_transform_is_the_references_pipeline(reference, size, line):
    transform = transforms.Transform("random_resized_crop", golden.CROP, resize=256)
    start = golden.PICTURES.index(size) * golden.CHAINS
    expected = reference[f"{line}/train"][start : start + golden.CHAINS]
    for seed, checksums in enumerate(expected):
        ours = transform.train(golden.frames(*size), draws_of(seed))
        assert [golden.checksum(frame) for frame in ours] == checksums.tolist()
    flips = [golden.flip_draw(seed) < 0.5 for seed in range(golden.CHAINS)]
    assert len(set(flips)) == 2


@pytest.mark.parametrize("line", golden.LINES)
@pytest.mark.parametrize("size", golden.PICTURES)
def test_whole_test_transform_is_the_references_pipeline(reference, size, line):
    transform = transforms.Transform("random_resized_crop", golden.CROP, resize=256)
    ours = transform.test(golden.frames(*size)[None])[0]
    expected = reference[f"{line}/test"][golden.PICTURES.index(size)]
    assert [golden.checksum(frame) for frame in ours] == expected.tolist()


@pytest.mark.parametrize("name", ["demo.mp4", "video_90.mov", "carphone_pristine.mp4"])
def test_frames_of_real_videos_go_through_plain_opencv_calls(real_data, name):
    content = (real_data / "videos" / name).read_bytes()
    frames = video.decode(content, np.array([0, 1, 2]))
    transform = transforms.Transform("random_resized_crop", golden.CROP, resize=256)
    height, width = transforms.short_side_size(*frames.shape[1:3], 256)
    tested = transform.test(frames)
    for seed in range(4):
        trained = transform.train(frames, draws_of(seed))
        box = transforms.random_resized_crop_box(height, width, draws_of(seed))
        for index, frame in enumerate(frames):
            scaled = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
            top, left = (height - golden.CROP) // 2, (width - golden.CROP) // 2
            centre = scaled[top : top + golden.CROP, left : left + golden.CROP]
            np.testing.assert_array_equal(tested[index], centre)
            part = scaled[
                box.top : box.top + box.height, box.left : box.left + box.width
            ]
            part = cv2.resize(part, (golden.CROP,) * 2, interpolation=cv2.INTER_LINEAR)
            if golden.flip_draw(seed) < 0.5:
                part = cv2.flip(part, 1)
            np.testing.assert_array_equal(trained[index], part)


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
    with pytest.raises(ValueError, match="crop of 30 pixels does not fit in 24x40"):
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
    transform = read({"kind": kind, "size": 16, "resize": 20, "shift": 2})
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
        read(section)
