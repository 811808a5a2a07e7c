import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from smad_jax.data import containers, images, jpeg_frames, video

V, HEIGHT, WIDTH = 7, 40, 56


@pytest.fixture(scope="module")
def files():
    """Seven pictures as JPEG files."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (V, 5, 7, 3), np.uint8)
    pictures = [cv2.resize(picture, (WIDTH, HEIGHT)) for picture in small]
    return [images.encode_jpeg(picture, 90) for picture in pictures]


def by_pillow(file):
    return np.asarray(Image.open(io.BytesIO(file)))


def test_frames_are_those_of_another_decoder(files):
    content = jpeg_frames.pack(files, V)
    clip = video.decode(content, [5, 0, 5])
    assert clip.shape == (3, HEIGHT, WIDTH, 3)
    for frame, row in zip(clip, (5, 0, 5), strict=True):
        np.testing.assert_array_equal(frame, by_pillow(files[row]))
    every = list(video.frames(content))
    np.testing.assert_array_equal(every, video.decode(content, range(V)))
    assert list(video.encoded(content)) == files


def test_no_stored_frame_is_a_packet_of_a_file(files, monkeypatch):
    monkeypatch.setattr(containers, "open_video", lambda *_: pytest.fail("opened"))
    assert video.packet_places(jpeg_frames.pack(files, V), V) == b""
    assert video.packet_places(files[0], 1) == b""


@pytest.mark.parametrize("count", ["decoded", "stated"])
def test_facts_are_those_of_the_video(files, count):
    facts = video.probe(jpeg_frames.pack(files[::3], V, 3), count=count)
    assert facts == video.Facts(V, V, WIDTH, HEIGHT, 0, "mjpeg", 0.0, "")


def test_frames_left_out_are_those_before_them(files):
    content = jpeg_frames.pack(files[::3], V, 3)
    expected = [by_pillow(files[3 * (number // 3)]) for number in range(V)]
    np.testing.assert_array_equal(list(video.frames(content)), expected)
    np.testing.assert_array_equal(
        video.decode(content, [6, 1, 2]), [expected[i] for i in (6, 1, 2)]
    )
    with pytest.raises(video.VideoError, match="only 7 can") as caught:
        video.decode(content, [7])
    assert caught.value.reason == "truncated"


@pytest.fixture
def decoded(monkeypatch):
    """The scales at which pictures are decoded."""
    scales = []
    decode = images.decode

    def seen(content, scale=1):
        scales.append(scale)
        return decode(content, scale)

    monkeypatch.setattr(images, "decode", seen)
    return scales


def test_only_the_wanted_frames_are_decoded_each_once(files, decoded):
    content = jpeg_frames.pack([files[0], b"damaged", *files[2:]], V)
    video.decode(content, [4, 0, 4, 2])
    assert decoded == [1, 1, 1]


@pytest.mark.parametrize(
    ("short_side", "scale"),
    [(0, 1), (41, 1), (40, 1), (21, 1), (20, 2), (11, 2), (10, 4), (5, 8), (1, 8)],
)
def test_frames_are_never_smaller_than_they_are_used(files, decoded, short_side, scale):
    content = jpeg_frames.pack(files, V)
    clip = video.decode(content, [3], short_side=short_side)
    assert decoded == [scale]
    assert clip.shape[1:3] == (-(-HEIGHT // scale), -(-WIDTH // scale))
    smaller = cv2.resize(
        by_pillow(files[3]), clip.shape[2:0:-1], interpolation=cv2.INTER_AREA
    )
    assert np.abs(clip[0].astype(int) - smaller).mean() < 4


def test_frames_need_not_come_smaller_than_they_are_stored(tiny_video):
    content = tiny_video(4)
    np.testing.assert_array_equal(
        video.decode(content, [1], short_side=8), video.decode(content, [1])
    )


def of_another_size(file):
    place = images._jpeg_size(file)
    return file[:place] + struct.pack(">HH", 60_000, 60_000) + file[place + 4 :]


@pytest.mark.parametrize(
    ("damage", "reason", "fault"),
    [
        (lambda file: file[: len(file) // 2], "truncated", "stored frame 2 ends early"),
        (lambda file: b"\0" * len(file), "undecodable", "must be a JPEG of 56x40"),
        (of_another_size, "undecodable", "must be a JPEG of 56x40"),
        (lambda file: file[:2] + file[-2:], "undecodable", "must be a JPEG"),
    ],
)
def test_damaged_frame_has_a_reason(files, damage, reason, fault):
    content = jpeg_frames.pack([*files[:2], damage(files[2]), *files[3:]], V)
    np.testing.assert_array_equal(
        video.decode(content, [1, 3]), [by_pillow(files[1]), by_pillow(files[3])]
    )
    with pytest.raises(video.VideoError, match=fault) as caught:
        video.decode(content, [1, 2])
    assert caught.value.reason == reason
    facts = video.probe(content)
    assert facts.num_frames == 2 and fault in facts.failure


@pytest.mark.parametrize("length", [8, 12, 30, 400, -1])
def test_file_cut_short_is_truncated(files, length):
    content = jpeg_frames.pack(files, V)[:length]
    for use in (video.probe, lambda content: video.decode(content, [0])):
        with pytest.raises(video.VideoError) as caught:
            use(content)
        assert caught.value.reason == "truncated"


def test_flipped_bit_in_a_frame_spoils_that_frame_alone(files):
    content = bytearray(jpeg_frames.pack(files, V))
    content[jpeg_frames.unpack(bytes(content)).starts[2] + 300] ^= 4
    content = bytes(content)
    assert images.decode(content[jpeg_frames.unpack(content).starts[2] :]) is not None
    np.testing.assert_array_equal(video.decode(content, [1]), [by_pillow(files[1])])
    for use in (
        lambda: video.decode(content, [2]),
        lambda: video.decode_frames(jpeg_frames.unpack(content), [3, 2]),
        lambda: list(video.frames(content)),
        lambda: list(video.encoded(content)),
    ):
        with pytest.raises(video.VideoError, match="checksum of stored frame 2") as e:
            use()
        assert e.value.reason == "undecodable"
    assert video.probe(content).num_frames == 2


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        (video.Limits(picture=HEIGHT * WIDTH - 1), "a frame of 56x40 has more than"),
        (video.Limits(clip=3 * HEIGHT * WIDTH - 1), "3 frames of 56x40 together"),
    ],
)
def test_more_pixels_than_the_limit_are_refused(files, decoded, limits, fault):
    content = jpeg_frames.pack(files, V)
    with pytest.raises(video.VideoError, match=fault):
        video.decode(content, [0, 3, 5], limits=limits)
    assert decoded == []


def test_time_runs_out(files):
    content = jpeg_frames.pack(files, V)
    for use in (
        lambda: video.decode(content, [0], time_limit=-1),
        lambda: video.probe(content, time_limit=-1),
    ):
        with pytest.raises(video.VideoError) as caught:
            use()
        assert caught.value.reason == "timeout"
