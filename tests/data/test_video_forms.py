"""Files in which packets, frames and pictures are not the same in number or place."""

import io

import av
import cv2
import numpy as np
import pytest

from smad_jax.data import images, video

H264 = {"g": "6", "bf": "2", "crf": "10"}


def packets_of(content):
    with av.open(io.BytesIO(content)) as file:
        stream = file.streams.video[0]
        packets = [
            (bytes(p), p.pts, p.dts, p.is_keyframe)
            for p in file.demux(stream)
            if p.size
        ]
        return packets, stream.codec_context.extradata, stream.time_base


def remux(content, packets, container):
    """A file of these packets of `content`: (bytes, pts, dts, whether a key frame)."""
    out = io.BytesIO()
    with (
        av.open(io.BytesIO(content)) as source,
        av.open(out, "w", format=container) as file,
    ):
        stream = file.add_stream_from_template(source.streams.video[0])
        for data, pts, dts, key in packets:
            packet = av.Packet(data)
            packet.pts, packet.dts, packet.is_keyframe = pts, dts, key
            packet.stream, packet.time_base = stream, source.streams.video[0].time_base
            file.mux(packet)
    return out.getvalue()


def check_counts_and_frames(content, count, container_packets):
    with av.open(io.BytesIO(content)) as file:
        assert len([p for p in file.demux(video=0) if p.dts is not None]) == (
            container_packets
        )
    assert video.probe(content).num_frames == count
    assert video.probe(content, count="stated").num_frames == count
    every = list(video.frames(content))
    assert len(every) == count
    wanted = [count - 1, 0, count // 2, count - 2]
    np.testing.assert_array_equal(
        video.decode(content, wanted, num_frames=count), [every[i] for i in wanted]
    )
    return every


def test_packets_that_an_edit_list_discards_are_no_frames(tiny_video):
    content = tiny_video(60, container="mp4", **H264)
    packets, _, _ = packets_of(content)
    start = sorted(pts for _, pts, _, _ in packets)[8]  # within the second group
    moved = [(data, p - start, d - start, key) for data, p, d, key in packets]
    # FFmpeg leaves out the first group of 6 and discards 2 packets of the second.
    every = check_counts_and_frames(remux(content, moved, "mp4"), 52, 54)
    whole = list(video.frames(content))
    np.testing.assert_array_equal(every, whole[8:])


def test_hidden_frames_of_vp8_are_not_counted():
    out = io.BytesIO()
    scene = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    with av.open(out, "w", format="webm") as file:
        stream = file.add_stream("libvpx", rate=25, options={"g": "20"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(100):
            frame = av.VideoFrame.from_ndarray(np.roll(scene, number, 1), "rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    packets = []
    for number, (data, pts, dts, key) in enumerate(packets_of(out.getvalue())[0]):
        if number % 10 == 5:  # RFC 6386, 9.1: the bit that shows a frame
            hidden = bytes([data[0] & ~0x10]) + data[1:]
            packets.append((hidden, pts - 1, dts - 1, False))
        packets.append((data, pts, dts, key))
    check_counts_and_frames(remux(out.getvalue(), packets, "webm"), 100, 110)


def test_empty_packets_do_not_end_a_video(tiny_video):
    content = tiny_video(12, container="avi", bf="0")
    packets, _, _ = packets_of(content)
    spaced = []
    for number, (data, _, _, key) in enumerate(packets):
        spaced += [(data, 2 * number, 2 * number, key)]
        spaced += [(b"", 2 * number + 1, 2 * number + 1, False)]
    check_counts_and_frames(remux(content, packets, "avi"), 12, 12)
    repeated = remux(content, spaced, "avi")
    assert video.probe(repeated).num_frames == 12
    assert video.probe(repeated, count="stated").num_frames == 12


MIRRORS = {
    "as stored": ((1, 0, 0, 1), lambda x: x),
    "left and right": ((-1, 0, 0, 1), lambda x: x[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda x: x[::-1]),
    "half a turn": ((-1, 0, 0, -1), lambda x: x[::-1, ::-1]),
    "clockwise": ((0, 1, -1, 0), lambda x: np.rot90(x, -1)),
    "counter-clockwise": ((0, -1, 1, 0), lambda x: np.rot90(x, 1)),
    "transposed": ((0, 1, 1, 0), lambda x: x.swapaxes(0, 1)),
    "other diagonal": ((0, -1, -1, 0), lambda x: x[::-1, ::-1].swapaxes(0, 1)),
}


@pytest.mark.parametrize("name", MIRRORS)
def test_pictures_are_turned_and_mirrored_as_the_file_says(tiny_video, name):
    (a, b, c, d), turn = MIRRORS[name]
    content = bytearray(tiny_video(2))
    # ISO/IEC 14496-12, 8.3.2: nine numbers, the first four of which turn and mirror
    place = content.index(b"tkhd") + 4 + 40
    for offset, value in ((0, a), (4, b), (12, c), (16, d)):
        content[place + offset : place + offset + 4] = (value << 16).to_bytes(
            4, "big", signed=True
        )
    plain = video.decode(tiny_video(2), [1])[0]
    found = video.decode(bytes(content), [1])[0]
    np.testing.assert_array_equal(found, turn(plain))
    facts = video.probe(bytes(content))
    assert (facts.height, facts.width) == found.shape[:2]


def test_size_of_a_picture_turned_by_a_few_degrees_is_that_of_its_frames(tiny_video):
    content = bytearray(tiny_video(2))
    place = content.index(b"tkhd") + 4 + 40
    for offset, value in ((0, 0.996), (4, 0.087), (12, -0.087), (16, 0.996)):
        content[place + offset : place + offset + 4] = round(value * 65536).to_bytes(
            4, "big", signed=True
        )
    facts = video.probe(bytes(content))
    assert (facts.height, facts.width) == video.decode(bytes(content), [1]).shape[1:3]


@pytest.mark.parametrize("default", [False, True], ids=["first", "second"])
@pytest.mark.parametrize("pictures", [1, 20])
def test_best_stream_is_taken_not_the_first(pictures, default):
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        small = file.add_stream("mjpeg", rate=25)
        large = file.add_stream("libx264", rate=25)
        small.width, small.height, small.pix_fmt = 32, 16, "yuvj420p"
        large.width, large.height, large.pix_fmt = 64, 48, "yuv420p"
        if default:
            large.disposition = av.stream.Disposition.default
        for _ in range(pictures):
            file.mux(small.encode(av.VideoFrame(32, 16, "yuvj420p")))
        for _ in range(20):
            file.mux(large.encode(av.VideoFrame(64, 48, "yuv420p")))
        for stream in (small, large):
            file.mux(stream.encode(None))
    # FFmpeg takes the stream that the file marks as its default.
    wanted = 64 if default or pictures == 1 else 32
    facts = video.probe(out.getvalue())
    assert (facts.num_frames, facts.width) == (20, wanted)


def test_stream_without_a_decoder_is_passed_over():
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        streams = [file.add_stream(name, rate=25) for name in ("libx264", "mpeg4")]
        for stream, width in zip(streams, (96, 64), strict=True):
            stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
        for stream in streams:
            for _ in range(20):
                file.mux(stream.encode(av.VideoFrame(stream.width, 48, "yuv420p")))
            file.mux(stream.encode(None))
    content = out.getvalue()
    assert video.probe(content).codec == "h264"
    facts = video.probe(content.replace(b"avc1" + bytes(6), b"zzzz" + bytes(6)))
    assert (facts.codec, facts.num_frames, facts.width) == ("mpeg4", 20, 64)


def animation(codec, container, count):
    """An animation of `count` pictures of distinct greys."""
    out = io.BytesIO()
    pixels = {"gif": "gray", "apng": "rgb24", "libwebp_anim": "bgra"}[codec]
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 40, 24, pixels
        for number in range(count):
            picture = np.full((24, 40, 3), 20 + 40 * number, np.uint8)
            picture[:, : 5 + number] = 255
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            file.mux(stream.encode(frame.reformat(format=pixels)))
        file.mux(stream.encode(None))
    return out.getvalue()


@pytest.mark.parametrize(
    ("codec", "container"), [("gif", "gif"), ("apng", "apng"), ("libwebp_anim", "webp")]
)
def test_animation_is_a_clip_and_a_still_is_not(codec, container):
    content = animation(codec, container, 5)
    assert images.is_animated(content)
    assert not images.is_image(content)
    facts = video.probe(content)
    assert (facts.num_frames, facts.width, facts.height) == (5, 40, 24)
    assert video.probe(content, count="stated").num_frames == 5
    found = video.decode(content, [4, 0, 2])
    for frame, number in zip(found, (4, 0, 2), strict=True):
        assert abs(int(frame[12, 30, 0]) - (20 + 40 * number)) < 8
    with pytest.raises(video.VideoError, match="only 5 can"):
        video.decode(content, [5])
    with pytest.raises(video.VideoError):
        video.decode(content[: len(content) * 2 // 3], [4])
    still = cv2.imencode(".png", found[0])[1].tobytes()
    assert images.is_image(still)
    assert images.is_image(animation(codec, container, 1))


def test_animation_with_more_pixels_than_fit_is_refused_before_decoding(monkeypatch):
    content = animation("libwebp_anim", "webp", 5)
    huge = content[:24] + b"\xff\x3f\0" * 2 + content[30:]  # 16384 x 16384
    monkeypatch.setattr(cv2, "imdecodeanimation", lambda _: pytest.fail("decoded"))
    with pytest.raises(video.VideoError, match="16384x16384 has more than"):
        video.decode(huge, [0])
