import cv2
import numpy as np
import pytest

from data_prep.lists import wanted_videos
from data_prep.records import transcode
from smad_jax.data import images, jpeg_frames, video
from tests.helpers import noise_videos


def resized(picture, like):
    height, width = like.shape[:2]
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def test_frame_i_of_the_smaller_video_shows_frame_i(real_data):
    content = (real_data / "videos/part_0.mp4").read_bytes()
    smaller = transcode.shorten_side(content, 128, time_limit=60)
    facts = video.probe(smaller)
    assert (facts.width, facts.height, facts.num_frames) == (170, 128, 32)
    indices = [0, 13, 31]
    before, after = video.decode(content, indices), video.decode(smaller, indices)
    for row, picture in enumerate(after):
        errors = [
            np.abs(resized(frame, picture).astype(int) - picture).mean()
            for frame in before
        ]
        assert np.argmin(errors) == row
        assert errors[row] < 5


def test_equal_videos_become_equal_bytes():
    content = noise_videos.encode(7)
    smaller = [transcode.shorten_side(content, 16, time_limit=60) for _ in range(3)]
    assert smaller[0] == smaller[1] == smaller[2] != content


def test_turned_video_is_upright_afterwards(real_data):
    content = (real_data / "videos/video_90.mov").read_bytes()
    facts = video.probe(content)
    smaller = video.probe(transcode.shorten_side(content, 64, time_limit=60))
    assert (facts.width, facts.height) == (320, 568)
    assert (smaller.width, smaller.height, smaller.rotation) == (64, 114, 0)


def test_of_a_broken_video_the_readable_part_is_kept(real_data):
    content = (real_data / "videos/corrupted.mp4").read_bytes()
    smaller = transcode.shorten_side(content, 128, time_limit=60)
    assert video.probe(smaller).num_frames == 28


def test_what_is_small_enough_stays_as_it_is():
    content = noise_videos.encode(3)  # 32x24
    assert transcode.shorten_side(content, 24, time_limit=60) is content
    with pytest.raises(video.VideoError, match="undecodable"):
        transcode.shorten_side(b"no video" * 99, 16, time_limit=60)


def test_larger_image_becomes_a_smaller_jpeg():
    picture = np.zeros((30, 50, 3), np.uint8)
    picture[:, 25:] = 200
    content = cv2.imencode(".png", picture)[1].tobytes()
    smaller = transcode.shorten_side(content, 20, time_limit=60)
    assert images.codec(smaller) == "mjpeg"
    decoded = images.decode(smaller)
    assert decoded.shape == (20, 34, 3)
    assert np.abs(decoded.astype(int) - resized(picture, decoded)).mean() < 3


def test_joined_frames_are_those_of_the_folder(real_data):
    frames = wanted_videos.Frames("images", 3, 6)
    content = transcode.join_frames(real_data, frames)
    assert transcode.join_frames(real_data, frames) == content
    assert video.probe(content).num_frames == 6
    found = video.decode(content, [5, 0, 2])
    paths = [real_data / f"images/img_{number:05}.jpg" for number in (8, 3, 5)]
    expected = [images.decode(path.read_bytes()) for path in paths]
    # FFmpeg and OpenCV spread colours over pixels differently
    assert np.abs(found.astype(int) - np.stack(expected)).mean() < 1


def test_frames_that_are_no_jpeg_become_one(tmp_path):
    picture = np.full((24, 32, 3), 90, np.uint8)
    for number in (1, 2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    frames = wanted_videos.Frames(".", 1, 2)
    content = transcode.join_frames(tmp_path, frames, "{}.png")
    assert np.abs(video.decode(content, [1]).astype(int) - 90).max() <= 1
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:-20])
    with pytest.raises(video.VideoError, match=r"truncated: frame 2\.png ends early"):
        transcode.join_frames(tmp_path, frames, "{}.png")


SPLIT = {"short_side": 0, "stride": 1, "quality": 90, "time_limit": 60}


def test_split_video_has_the_reduced_frames_of_the_video(real_data):
    content = (real_data / "videos/part_0.mp4").read_bytes()
    stored = transcode.split_frames(content, **SPLIT | {"short_side": 128, "stride": 3})
    facts = video.probe(stored)
    assert (facts.width, facts.height, facts.num_frames) == (170, 128, 32)
    packed = jpeg_frames.unpack(stored)
    assert (len(packed), packed.stride) == (11, 3)
    for row, frame in enumerate(list(video.frames(content))[::3]):
        smaller = cv2.resize(frame, (170, 128), interpolation=cv2.INTER_AREA)
        assert packed.file(row) == images.encode_jpeg(smaller, 90)


def test_split_video_is_upright_and_ends_before_what_is_broken(real_data):
    turned = (real_data / "videos/video_90.mov").read_bytes()
    stored = transcode.split_frames(turned, **SPLIT)
    before, after = video.decode(turned, [0, 2]), video.decode(stored, [0, 2])
    assert before.shape == after.shape
    assert np.abs(before.astype(int) - after).mean() < 5
    broken = (real_data / "videos/corrupted.mp4").read_bytes()
    stored = transcode.split_frames(broken, **SPLIT | {"short_side": 128})
    assert video.probe(stored).num_frames == 28
    with pytest.raises(video.VideoError, match="time"):
        transcode.split_frames(turned, **SPLIT | {"time_limit": 0})


def test_joined_jpeg_files_are_stored_as_they_were(real_data):
    content = transcode.join_frames(real_data, wanted_videos.Frames("images", 3, 6))
    stored = transcode.split_frames(content, **SPLIT | {"stride": 2}, are_jpeg=True)
    packed = jpeg_frames.unpack(stored)
    paths = [real_data / f"images/img_{number:05}.jpg" for number in (3, 5, 7)]
    files = [packed.file(row) for row in range(len(packed))]
    assert files == [path.read_bytes() for path in paths]
    assert packed.num_frames == 6


def test_joined_jpeg_files_of_two_sizes_get_the_size_of_the_first(tmp_path):
    for number, height in ((1, 24), (2, 40)):
        picture = np.full((height, 32, 3), 90, np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), picture)
    frames = wanted_videos.Frames(".", 1, 2)
    content = transcode.join_frames(tmp_path, frames, "{}.jpg")
    stored = transcode.split_frames(content, **SPLIT, are_jpeg=True)
    assert video.decode(stored, [0, 1]).shape == (2, 24, 32, 3)
