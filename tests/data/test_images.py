import cv2
import numpy as np
import pytest

from smad_jax.data import images, video

H, W = 24, 40


def picture(seed=0, height=H, width=W):
    blocks = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3))
    return blocks.astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)


def encode(rgb, extension):
    """A file of the picture; cv2 takes the channels as blue, green, red."""
    found, content = cv2.imencode(extension, rgb[..., ::-1])
    assert found
    return content.tobytes()


def with_block(jpeg, marker, block):
    """The JPEG file with a block of its own kind behind the first marker."""
    return jpeg[:2] + marker + (len(block) + 2).to_bytes(2, "big") + block + jpeg[2:]


def with_orientation(jpeg, orientation):
    """The JPEG file with an EXIF block that says how the camera was held."""
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00" + bytes([orientation, 0, 0])
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x01" + entry + bytes(4)
    return with_block(jpeg, b"\xff\xe1", b"Exif\x00\x00" + tiff)


def test_png_comes_back_as_red_green_blue():
    rgb = picture()
    content = encode(rgb, ".png")
    assert images.is_image(content)
    np.testing.assert_array_equal(images.decode(content), rgb)


def test_jpeg_comes_back_close_to_what_it_was():
    rgb = picture()
    content = encode(rgb, ".jpg")
    assert images.is_image(content)
    # its colours stand for two pixels, so the borders of the blocks blur
    assert np.abs(images.decode(content).astype(int) - rgb).mean() < 8


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, lambda x: x),
        (2, lambda x: x[:, ::-1]),
        (3, lambda x: x[::-1, ::-1]),
        (6, lambda x: np.rot90(x, -1)),
        (8, lambda x: np.rot90(x)),
    ],
)
def test_picture_is_turned_as_the_camera_was_held(orientation, turned):
    plain = encode(picture(), ".jpg")
    content = with_orientation(plain, orientation)
    expected = turned(images.decode(plain))
    np.testing.assert_array_equal(images.decode(content), expected)
    facts = video.probe(content)
    assert (facts.height, facts.width) == expected.shape[:2]


def test_grey_deep_and_transparent_pictures_get_three_channels():
    grey = picture()[..., 0]
    for stored in (
        grey,
        grey.astype(np.uint16) * 257,
        cv2.merge([grey, grey, grey, np.full_like(grey, 9)]),
    ):
        content = cv2.imencode(".png", stored)[1].tobytes()
        np.testing.assert_array_equal(
            images.decode(content), grey[..., None].repeat(3, axis=2)
        )


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_image_is_a_video_of_one_frame(extension):
    content = encode(picture(), extension)
    facts = video.probe(content)
    assert (facts.num_frames, facts.height, facts.width) == (1, H, W)
    assert facts.failure == ""
    clip = video.decode(content, [0, 0, 0], num_frames=1)
    assert clip.shape == (3, H, W, 3)
    for frame in clip:
        np.testing.assert_array_equal(frame, images.decode(content))
    with pytest.raises(video.VideoError, match="only 1 can"):
        video.decode(content, [0, 1])


@pytest.mark.parametrize("extension", [".jpg", ".png", ".gif"])
def test_missing_end_is_noticed(extension):
    content = encode(np.random.default_rng(0).integers(0, 256, (64, 72, 3)), extension)
    thumbnail = encode(picture(1, 8, 16), ".jpg")
    if extension == ".jpg":
        content = with_block(content, b"\xff\xe2", b"thumb" + thumbnail)
    assert not images.ends_early(content)
    for cut in (2, 20, len(content) // 3):
        assert images.ends_early(content[:-cut])
        for read in (video.probe, lambda content: video.decode(content, [0])):
            with pytest.raises(video.VideoError, match="the image ends early"):
                read(content[:-cut])


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff\xda\x00\x02" + bytes(99) + b"\xff\xd9",
        b"\x89PNG\r\n\x1a\n" + bytes(9) + b"IEND\xaeB`\x82",
    ],
)
def test_image_that_cannot_be_decoded_is_a_video_error(content):
    assert images.decode(content) is None
    for read in (video.probe, lambda content: video.decode(content, [0])):
        with pytest.raises(video.VideoError) as caught:
            read(content)
        assert caught.value.reason == "undecodable"


def test_videos_are_no_images(tiny_video):
    assert not images.is_image(tiny_video())
    assert not images.is_image(b"")


@pytest.mark.parametrize("tail", [b"\xff\xda", b"\xff\xd8\xff\xda" + bytes(50)])
@pytest.mark.parametrize("extension", [".jpg", ".gif"])
def test_image_with_something_behind_its_end_is_whole(extension, tail):
    content = encode(picture(), extension) + bytes(9) + tail
    assert not images.ends_early(content)
    assert images.decode(content).shape == picture().shape


def test_real_images_come_in_the_order_of_channels_that_opencv_reads(real_data):
    paths = sorted((real_data / "images").glob("*.jpg"))
    assert paths
    for path in paths:
        expected = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        np.testing.assert_array_equal(video.decode(path.read_bytes(), [0])[0], expected)


@pytest.mark.parametrize(
    ("extension", "flags"),
    [
        (".png", []),
        (".jpg", []),
        (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        (".bmp", []),
        (".tiff", []),
        (".gif", []),
        (".webp", [cv2.IMWRITE_WEBP_QUALITY, 50]),
        (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),
    ],
)
def test_size_is_read_from_the_header(extension, flags):
    for height, width in ((24, 40), (300, 7)):
        found, content = cv2.imencode(
            extension, np.zeros((height, width, 3), np.uint8), flags
        )
        assert found
        content = content.tobytes()
        assert images.size(content) == (width, height)
        for end in range(0, 40, 3):  # damaged, but never an exception
            images.size(content[:end])


def test_size_of_a_jpeg_is_not_that_of_its_thumbnail():
    small = encode(picture(height=8, width=16), ".jpg")
    whole = with_block(encode(picture(), ".jpg"), b"\xff\xe1", b"Exif\0\0" + small)
    assert images.size(whole) == (W, H)
