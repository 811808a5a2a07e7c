import io
import pickle
import time

import av
import cv2
import numpy as np
import pytest

from smad_jax.data import images, video

# frames that decode, height and width of the upright picture
REAL = {
    "av1_video.mkv": (125, 360, 640),
    "bikes.mp4": (250, 272, 640),
    "carphone_pristine.mp4": (120, 144, 176),
    "corrupted.mp4": (28, 720, 1280),
    "demo.mp4": (280, 256, 340),
    "flipping_a_pancake.mkv": (310, 240, 426),
    "h265_video.mp4": (10, 128, 128),
    "nasa_13013.mp4": (390, 270, 480),
    "part_0.mp4": (32, 256, 340),
    "test.avi": (164, 240, 320),
    "test.mp4": (300, 256, 340),
    "test_video_structuralize.mp4": (300, 240, 426),
    "unordered.mov": (4, 50, 50),
    "video_0.mov": (3, 320, 568),
    "video_90.mov": (3, 568, 320),
    "video_180.mov": (3, 320, 568),
    "video_270.mov": (3, 568, 320),
}


@pytest.fixture(scope="module")
def read(real_data):
    return lambda name: (real_data / "videos" / name).read_bytes()


def in_sequence(content):
    """All frames, with no packet left out."""
    with video._open(content, time.monotonic() + 60) as opened:
        reformatter = video.av.video.reformatter.VideoReformatter()
        return [
            video._upright(frame, reformatter, None) for frame in video._decoded(opened)
        ]


@pytest.mark.parametrize("name", REAL)
def test_probe_counts_the_frames_that_decode(read, name):
    facts = video.probe(read(name))
    assert (facts.num_frames, facts.height, facts.width) == REAL[name]
    assert bool(facts.failure) == (name == "corrupted.mp4")


@pytest.mark.parametrize("name", sorted(set(REAL) - {"corrupted.mp4"}))
def test_frame_i_is_the_ith_in_display_order(read, name):
    content = read(name)
    frames = in_sequence(content)
    count = len(frames)
    assert (count, *frames[0].shape[:2]) == REAL[name]
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


@pytest.fixture
def opened(monkeypatch):
    """Every file that is opened, and the frame numbers that come out of it."""
    files, numbers = [], []
    open_file, at_its_time = video._open, video._at_its_time
    monkeypatch.setattr(
        video, "_open", lambda *given: files.append(given) or open_file(*given)
    )

    def seen(*given):
        numbers.append(at_its_time(*given).number)
        return at_its_time(*given)

    monkeypatch.setattr(video, "_at_its_time", seen)
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
    np.testing.assert_array_equal(clip, np.stack(in_sequence(content))[[33, 40]])


@pytest.mark.parametrize(
    "name",
    ["test.mp4", "unordered.mov", "video_0.mov", "video_90.mov", "video_270.mov"],
)
def test_frames_agree_with_opencv(real_data, read, name):
    indices = [0, 1, 2] if REAL[name][0] < 100 else [0, 7, 123]
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


@pytest.mark.parametrize("name", ["demo.mp4", "flipping_a_pancake.mkv", "test.avi"])
def test_file_cut_short_is_truncated(read, name):
    content = read(name)
    try:
        facts = video.probe(content[: len(content) // 2])
    except video.VideoError as error:
        assert error.reason == "truncated"
    else:
        assert facts.num_frames < REAL[name][0]
        assert facts.failure
    assert not video.probe(content).failure


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "truncated"), (b"no video " * 500, "undecodable")],
)
def test_what_is_no_video_has_a_reason(content, reason):
    for use in (video.probe, lambda content: video.decode(content, [0])):
        with pytest.raises(video.VideoError) as caught:
            use(content)
        assert caught.value.reason == reason


def test_sound_without_pictures_has_no_video_stream():
    frames = 8000
    header = b"RIFF" + (36 + frames).to_bytes(4, "little") + b"WAVEfmt "
    header += (16).to_bytes(4, "little") + (1).to_bytes(2, "little") * 2
    header += (8000).to_bytes(4, "little") * 2 + b"\x01\x00\x08\x00"
    header += b"data" + frames.to_bytes(4, "little")
    with pytest.raises(video.VideoError) as caught:
        video.decode(header + bytes(frames), [0])
    assert caught.value.reason == "no_video_stream"


@pytest.mark.parametrize("indices", [[5], [40, 41]])
def test_time_runs_out(tiny_video, indices):
    content = tiny_video(60)
    with pytest.raises(video.VideoError) as caught:
        video.decode(content, indices, time_limit=0)
    assert caught.value.reason == "timeout"


def test_frame_past_the_end_is_truncated(tiny_video):
    with pytest.raises(video.VideoError, match="only 4 can") as caught:
        video.decode(tiny_video(4), [4])
    assert caught.value.reason == "truncated"


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
    frames = in_sequence(content)
    assert len(frames) == 120
    for start in range(0, 113, 7):
        clip = video.decode(content, [start, start + 7])
        np.testing.assert_array_equal(clip, [frames[start], frames[start + 7]])


def test_wrong_frame_count_of_the_container_is_not_trusted(tiny_video):
    content = tiny_video(90, g="12")
    expected = in_sequence(content)[80]
    np.testing.assert_array_equal(
        video.decode(content, [80], num_frames=85)[0], expected
    )


PLACED = "bikes.mp4 demo.mp4 flipping_a_pancake.mkv nasa_13013.mp4 video_0.mov".split()


@pytest.mark.parametrize("name", PLACED)
def test_packets_whose_places_are_known_give_the_same_frames(read, name, opened):
    content, count = read(name), REAL[name][0]
    places = video.packet_places(content, count)
    assert 0 < len(places) < 0.01 * len(content) + 100
    files, _ = opened
    for start in (0, count // 3, count - 1):
        indices = (start + np.arange(4) * 8) % count
        files.clear()
        clip = video.decode(content, indices, num_frames=count, packet_places=places)
        assert not files  # nothing was searched
        np.testing.assert_array_equal(clip, video.decode(content, indices))


@pytest.mark.parametrize("name", sorted(set(REAL) - {*PLACED}))
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
    places, expected = video.packet_places(content, 40), in_sequence(content)[35]
    if change == "places":
        places = places[:-1]
    elif change == "file":
        content = tiny_video(41, g="12")
        expected = in_sequence(content)[35]
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


@pytest.mark.parametrize("indices", [[], [-1], [[1, 2]]])
def test_indices_must_be_frame_numbers(tiny_video, indices):
    with pytest.raises(ValueError, match="frame numbers from 0"):
        video.decode(tiny_video(), indices)


def test_error_survives_pickling():
    error = pickle.loads(pickle.dumps(video.VideoError("timeout", "too slow")))
    assert (error.reason, error.detail) == ("timeout", "too slow")
    assert str(error) == "timeout: too slow"


@pytest.mark.parametrize(
    "text",
    [
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 50504 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{path}\n",
        "ffconcat version 1.0\nfile {path}\n",
    ],
    ids=["sdp", "hls", "concat"],
)
def test_file_that_makes_ffmpeg_open_others_is_refused(tmp_path, tiny_video, text):
    path = tmp_path / "other.mp4"
    path.write_bytes(tiny_video())
    start = time.monotonic()
    for read in (video.probe, lambda content: video.decode(content, [0])):
        with pytest.raises(video.VideoError, match="cannot be opened"):
            read(text.format(path=path).encode())
    assert time.monotonic() - start < 1  # no port was opened to wait at


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
@pytest.mark.parametrize("name", ["_open", "_packets", "_decoded"])
@pytest.mark.parametrize("error", [MemoryError(), av.error.MemoryError(12, "none")])
def test_no_file_can_end_more_than_its_own_reading(
    tiny_video, monkeypatch, count, name, error
):
    def fail(*unused):
        raise error

    if name == "_packets" and count == "decoded":
        return  # not used
    monkeypatch.setattr(video, name, fail)
    with pytest.raises(video.VideoError) as caught:
        video.probe(tiny_video(), count=count)
    assert caught.value.reason == "undecodable"
