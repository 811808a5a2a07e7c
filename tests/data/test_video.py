import io
import time

import av
import cv2
import numpy as np
import pytest

from smad_jax.data import containers, images, video
from tests.helpers import real_videos


@pytest.mark.parametrize("name", real_videos.FACTS)
def test_probe_counts_the_frames_that_decode(read, name):
    facts = video.probe(read(name))
    assert (facts.num_frames, facts.height, facts.width) == real_videos.FACTS[name]
    assert bool(facts.failure) == (name == "corrupted.mp4")


@pytest.mark.parametrize("name", sorted(set(real_videos.FACTS) - {"corrupted.mp4"}))
def test_frame_i_is_the_ith_in_display_order(read, name):
    content = read(name)
    frames = real_videos.in_sequence(content)
    count = len(frames)
    assert (count, *frames[0].shape[:2]) == real_videos.FACTS[name]
    starts = sorted({0, 1, count // 3, count // 2, count - 20, count - 1})
    for start in starts:
        indices = (start + np.arange(3) * 7) % count
        clip = video.decode(content, indices, num_frames=count)
        np.testing.assert_array_equal(clip, np.stack([frames[i] for i in indices]))


def test_order_and_repeats_of_the_indices_are_kept(read):
    content = read("demo.mp4")
    clip = video.decode(content, [200, 3, 200, 90])
    np.testing.assert_array_equal(clip[0], clip[2])
    for index, frame in zip((200, 3, 200, 90), clip, strict=True):
        np.testing.assert_array_equal(frame, video.decode(content, [index])[0])


@pytest.mark.parametrize(
    "name",
    ["test.mp4", "unordered.mov", "video_0.mov", "video_90.mov", "video_270.mov"],
)
def test_frames_agree_with_opencv(real_data, read, name):
    indices = [0, 1, 2] if real_videos.FACTS[name][0] < 100 else [0, 7, 123]
    clip = video.decode(read(name), indices)
    capture = cv2.VideoCapture(str(real_data / "videos" / name))
    frames = []
    for _ in range(max(indices) + 1):
        found, frame = capture.read()
        assert found
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    capture.release()
    for index, frame in zip(indices, clip, strict=True):
        assert frame.shape == frames[index].shape
        difference = np.abs(frame.astype(int) - frames[index].astype(int))
        assert difference.mean() < 3  # chroma is interpolated in another way


def test_frames_of_test_avi_agree_with_the_frame_folder(real_data, read):
    clip = video.decode(read("test.avi"), np.arange(12))
    for number in range(1, 11):
        path = real_data / "images" / f"img_{number:05}.jpg"
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(int)
        differences = [np.abs(picture - frame).mean() for frame in clip.astype(int)]
        assert int(np.argmin(differences)) == number  # image i is frame i, from 0
        assert differences[number] < 1.2


def test_failure_beyond_the_frames_wanted_does_not_matter(read):
    content = read("corrupted.mp4")
    assert video.decode(content, [27, 0]).shape == (2, 720, 1280, 3)
    assert video.decode(content, [27], num_frames=28).shape == (1, 720, 1280, 3)
    with pytest.raises(video.VideoError, match="after 28 of 50 frames") as caught:
        video.decode(content, [28])
    assert caught.value.reason == "truncated"


def test_stated_count_needs_no_decoding(read):
    assert video.probe(read("test.mp4"), count="stated").num_frames == 300
    assert video.probe(read("corrupted.mp4"), count="stated").num_frames == 50


@pytest.mark.parametrize("indices", [[5], [40, 41]])
def test_time_runs_out(tiny_video, indices):
    content = tiny_video(60)
    with pytest.raises(video.VideoError) as caught:
        video.decode(content, indices, time_limit=0)
    assert caught.value.reason == "timeout"


def test_a_suspended_process_loses_no_video(tiny_video, monkeypatch):
    content, hours = tiny_video(60), iter(range(0, 10**6, 3600))
    expected = video.decode(content, [5, 41])
    monkeypatch.setattr(time, "monotonic", lambda: next(hours))
    np.testing.assert_array_equal(video.decode(content, [5, 41]), expected)


def test_frame_past_the_end_is_truncated(tiny_video):
    with pytest.raises(video.VideoError, match="only 4 can") as caught:
        video.decode(tiny_video(4), [4])
    assert caught.value.reason == "truncated"


@pytest.mark.parametrize("indices", [[], [-1], [[1, 2]]])
def test_indices_must_be_frame_numbers(tiny_video, indices):
    with pytest.raises(ValueError, match="frame numbers from 0"):
        video.decode(tiny_video(), indices)


def noise(codec, container, **options):
    """40 frames of noise, all but the first predicted; large packets to damage."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(
            codec, rate=8, options={"g": "40", "sc_threshold": "0", **options}
        )
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.thread_count = 1
        for number in range(40):
            picture = np.random.default_rng(number).integers(0, 256, (48, 64, 3))
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), "rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


def damage_packet(content, number):
    with av.open(io.BytesIO(content)) as file:
        place = [packet.pos for packet in file.demux(video=0) if packet.size][number]
    return content[: place + 300] + bytes(40) + content[place + 340 :]


@pytest.mark.parametrize(
    ("codec", "container", "options"),
    [("libx264", "mp4", {"x264-params": "cabac=0"}), ("mpeg4", "avi", {})],
)
def test_frame_that_ffmpeg_marks_as_corrupt_ends_the_video(codec, container, options):
    content = noise(codec, container, bf="0", **options)  # each predicts the next
    damaged = damage_packet(content, 20)
    with av.open(io.BytesIO(damaged)) as file:
        marks = [frame.is_corrupt for frame in file.decode(video=0)]
    good = marks.index(True)
    assert 0 < good < len(marks) - 1  # FFmpeg itself decodes to the end
    facts = video.probe(damaged)
    assert facts.num_frames == good and "corrupt" in facts.failure
    np.testing.assert_array_equal(
        video.decode(damaged, [good - 1]), video.decode(content, [good - 1])
    )
    for wanted in (good, len(marks) - 1):
        with pytest.raises(video.VideoError, match="corrupt"):
            video.decode(damaged, [wanted])


def test_damage_to_a_picture_that_predicts_no_other_spoils_it_alone():
    options = {"bf": "1", "x264-params": "b-adapt=0"}  # IPBPBPB...
    content = noise("libx264", "mp4", **options)
    damaged = damage_packet(content, 20)  # frame 19
    np.testing.assert_array_equal(
        video.decode(damaged, [39]), video.decode(content, [39])
    )
    for indices in ([19], [19, 39]):
        with pytest.raises(video.VideoError, match="after 19 good ones is corrupt"):
            video.decode(damaged, indices)


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        (video.Limits(picture=32 * 48 - 1), "a frame of 48x32 has more than 1,535"),
        (video.Limits(clip=3 * 32 * 48 - 1), "3 frames of 48x32 together"),
    ],
)
def test_more_pixels_than_the_limit_are_refused(tiny_video, limits, fault):
    content = tiny_video(40)
    for indices in ([0, 1, 2], [39, 1, 2]):  # by their packets too
        with pytest.raises(video.VideoError, match=fault) as caught:
            video.decode(content, indices, limits=limits)
        assert caught.value.reason == "undecodable"
    same = video.Limits(picture=32 * 48, clip=3 * 32 * 48)
    assert len(video.decode(content, [0, 1, 2, 0], limits=same)) == 4


def test_size_of_an_image_is_limited_before_it_is_decoded(monkeypatch):
    found, content = cv2.imencode(".png", np.zeros((9, 5, 3), np.uint8))
    huge = content.tobytes()[:16] + (20_000).to_bytes(4, "big") * 2
    monkeypatch.setattr(images, "decode", lambda _: pytest.fail("decoded"))
    assert found
    with pytest.raises(video.VideoError, match="20000x20000 has more than"):
        video.probe(huge)


@pytest.mark.parametrize("count", ["decoded", "stated"])
@pytest.mark.parametrize("name", ["open_video", "packets_of", "decoded"])
@pytest.mark.parametrize("error", [MemoryError(), av.error.MemoryError(12, "none")])
def test_no_file_can_end_more_than_its_own_reading(
    tiny_video, monkeypatch, count, name, error
):
    def fail(*unused):
        raise error

    if name == "packets_of" and count == "decoded":
        return  # not used
    monkeypatch.setattr(containers, name, fail)
    with pytest.raises(video.VideoError) as caught:
        video.probe(tiny_video(), count=count)
    assert caught.value.reason == "undecodable"
