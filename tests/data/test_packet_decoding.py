import numpy as np
import pytest

from smad_jax.data import containers, packet_decoding, video
from tests.helpers import real_videos


@pytest.fixture
def opened(monkeypatch):
    """Every file that is opened, and the frame numbers that come out of it."""
    files, numbers = [], []
    open_file, at_its_time = containers.open_video, packet_decoding._at_its_time
    monkeypatch.setattr(
        containers,
        "open_video",
        lambda *given: files.append(given) or open_file(*given),
    )

    def seen(*given):
        numbers.append(at_its_time(*given).number)
        return at_its_time(*given)

    monkeypatch.setattr(packet_decoding, "_at_its_time", seen)
    return files, numbers


@pytest.mark.parametrize("name", ["demo.mp4", "flipping_a_pancake.mkv", "bikes.mp4"])
def test_only_packets_that_a_late_frame_needs_are_decoded(read, name, opened):
    video.decode(read(name), [240])
    files, numbers = opened
    assert len(files) == 1  # for packets and frames
    assert numbers[-1] >= 240 > len(numbers)


def test_packets_between_distant_frames_are_left_out(tiny_video, opened):
    content = tiny_video(120, g="12", bf="0")
    video.decode(content, [3, 50, 100])
    assert opened[1] == [0, 1, 2, 3, 48, 49, 50, 96, 97, 98, 99, 100]


def test_pictures_that_predict_no_other_are_left_out(tiny_video, opened):
    options = {"g": "60", "bf": "3", "x264-params": "b-adapt=0:scenecut=0:b-pyramid=0"}
    content = tiny_video(60, container="matroska", **options)
    clip = video.decode(content, [33, 40])
    # IBBBPBBBP...: every fourth picture predicts others
    assert opened[1] == [0, 4, 8, 12, 16, 20, 24, 28, 32, 33, 36, 40]
    np.testing.assert_array_equal(
        clip, np.stack(real_videos.in_sequence(content))[[33, 40]]
    )


@pytest.mark.parametrize("container", ["mp4", "matroska"])
@pytest.mark.parametrize(
    "options",
    [
        {"g": "12"},
        {"g": "40", "bf": "3"},
        {"g": "24", "bf": "5", "x264-params": "open-gop=1:b-pyramid=strict"},
    ],
)
def test_needed_packets_are_enough_for_reordered_frames(tiny_video, container, options):
    content = tiny_video(120, 48, 32, container=container, **options)
    frames = real_videos.in_sequence(content)
    assert len(frames) == 120
    for start in range(0, 113, 7):
        clip = video.decode(content, [start, start + 7])
        np.testing.assert_array_equal(clip, [frames[start], frames[start + 7]])


def test_wrong_frame_count_of_the_container_is_not_trusted(tiny_video):
    content = tiny_video(90, g="12")
    expected = real_videos.in_sequence(content)[80]
    np.testing.assert_array_equal(
        video.decode(content, [80], num_frames=85)[0], expected
    )


PLACED = "bikes.mp4 demo.mp4 flipping_a_pancake.mkv nasa_13013.mp4 video_0.mov".split()


@pytest.mark.parametrize("name", PLACED)
def test_packets_whose_places_are_known_give_the_same_frames(read, name, opened):
    content, count = read(name), real_videos.FACTS[name][0]
    places = video.packet_places(content, count)
    assert 0 < len(places) < 0.01 * len(content) + 100
    files, _ = opened
    for start in (0, count // 3, count - 1):
        indices = (start + np.arange(4) * 8) % count
        files.clear()
        clip = video.decode(content, indices, num_frames=count, packet_places=places)
        assert not files  # nothing was searched
        np.testing.assert_array_equal(clip, video.decode(content, indices))


@pytest.mark.parametrize("name", sorted(set(real_videos.FACTS) - {*PLACED}))
def test_places_are_known_of_plain_h264_alone(read, name):
    content = read(name)
    facts = video.probe(content)
    is_plain = facts.codec == "h264" and not facts.rotation and not facts.failure
    assert bool(video.packet_places(content, facts.num_frames)) == is_plain


def test_files_without_plain_packets_have_no_places(tiny_video):
    content = tiny_video(40)
    assert video.packet_places(content, 40)
    assert video.packet_places(content, 39) == b""
    place = content.index(b"tkhd") + 4 + 40  # mirrored, which no packet says
    mirrored = content[:place] + b"\xff\xff\0\0" + content[place + 4 :]
    for other in (mirrored, content[:-700], b"no video " * 99, b""):
        assert video.packet_places(other, 40) == b""


@pytest.mark.parametrize("change", ["places", "file", "count"])
def test_places_that_are_not_those_of_the_file_are_passed_over(
    tiny_video, opened, change
):
    content, num_frames = tiny_video(40, g="12"), 40
    places, expected = (
        video.packet_places(content, 40),
        real_videos.in_sequence(content)[35],
    )
    if change == "places":
        places = places[:-1]
    elif change == "file":
        content = tiny_video(41, g="12")
        expected = real_videos.in_sequence(content)[35]
    else:
        num_frames = 39
    opened[0].clear()
    clip = video.decode(content, [35], num_frames=num_frames, packet_places=places)
    assert opened[0]
    np.testing.assert_array_equal(clip[0], expected)


def test_limits_hold_where_places_are_known(tiny_video):
    content = tiny_video(40)
    places = video.packet_places(content, 40)
    for limits in (video.Limits(picture=32 * 48 - 1), video.Limits(clip=32 * 48)):
        with pytest.raises(video.VideoError, match="pixels"):
            video.decode(content, [1, 39], packet_places=places, limits=limits)
    with pytest.raises(video.VideoError) as caught:
        video.decode(content, [39], packet_places=places, time_limit=0)
    assert caught.value.reason == "timeout"
