import time

import pytest

from smad_jax.data import video
from tests.helpers import real_videos


@pytest.mark.parametrize("name", ["demo.mp4", "flipping_a_pancake.mkv", "test.avi"])
def test_file_cut_short_is_truncated(read, name):
    content = read(name)
    try:
        facts = video.probe(content[: len(content) // 2])
    except video.VideoError as error:
        assert error.reason == "truncated"
    else:
        assert facts.num_frames < real_videos.FACTS[name][0]
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
