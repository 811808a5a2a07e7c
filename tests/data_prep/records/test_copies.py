import hashlib
import io
import time

import av
import pytest

from data_prep.records import copies
from tests.helpers import noise_videos


def in_another_container(content):
    out = io.BytesIO()
    with (
        av.open(io.BytesIO(content)) as old,
        av.open(out, "w", format="matroska") as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return out.getvalue()


def test_copy_in_another_container_has_the_same_digest():
    content = noise_videos.encode(5)
    moved = in_another_container(content)
    assert moved != content
    assert copies.digest(moved) == copies.digest(content)
    assert copies.digest(noise_videos.encode(5, seed=1)) != copies.digest(content)
    assert copies.digest(b"no video") != copies.digest(b"nor this")


def test_file_that_makes_ffmpeg_open_ports_is_compared_by_its_bytes():
    content = (
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        b"m=video 50506 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )
    start = time.monotonic()
    assert copies.digest(content) == hashlib.sha256(content).hexdigest()[:16]
    assert time.monotonic() - start < 1  # no port was opened to wait at


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("walk/a.mp4", "walk/a.avi", True),
        ("walk/a.mp4", "run/a.mp4", False),
        ("walk/a1.mp4", "walk/a2.mp4", False),
        (
            "walk/abcdefghijk_000001_000011.mp4",
            "run/abcdefghijk_000042_000052.mp4",
            True,
        ),
        (
            "walk/bcdefghijk_000001_000011.mp4",
            "run/bcdefghijk_000042_000052.mp4",
            False,
        ),
        ("W/v_Walk_g01_c01.avi", "W/v_Walk_g01_c02.avi", True),
        ("W/v_Walk_g01_c01.avi", "W/v_Walk_g02_c01.avi", False),
        (
            "abcdefghijk_E_000001_000002_A_0001_0002",
            "abcdefghijk_E_000003_000004_A_0001_0002",
            True,
        ),
        ("walk/v/part_0.mp4", "walk/v/part_3.mp4", True),
        ("walk/part_0.mp4", "walk/part_3.mp4", False),
        ("frames/a#0", "frames/a#120", True),
    ],
)
def test_names_show_clips_of_one_recording(one, other, same):
    assert (copies.recording(one) == copies.recording(other)) is same


def test_groups_join_equal_content_and_equal_names():
    digests = {"a.mp4": "x", "b.mp4": "y", "c.mp4": "x", "c.avi": "z", "d.mp4": "w"}
    assert copies.groups(digests) == [["a.mp4", "c.mp4", "c.avi"], ["b.mp4"], ["d.mp4"]]


def test_hold_out_is_by_class_and_by_the_hash_of_the_id():
    label_of = {f"v{i}": i % 2 for i in range(20)} | {"single": 2, "p": 3, "q": 3}
    alone = [[id] for id in label_of]
    held_out = copies.hold_out(alone, label_of, 0.3)
    counts = [sum(label_of[id] == label for id in held_out) for label in range(4)]
    assert counts == [3, 3, 0, 1]
    # as every data set was divided before groups were known
    assert {id for id in held_out if label_of[id] == 0} == {"v0", "v8", "v16"}
    assert copies.hold_out(alone[::-1], label_of, 0.3) == held_out
    assert copies.hold_out(alone, label_of, 0) == set()


def test_groups_are_held_out_whole_and_every_class_keeps_training_videos():
    label_of = {f"v{i}": i // 10 for i in range(30)} | {"w0": 3, "w1": 3, "x": 4}
    together = [[f"v{i}", f"v{i + 1}"] for i in range(0, 10, 2)]  # pairs
    together += [[f"v{i}" for i in range(10, 17)], ["v17", "v18", "v19"]]  # 7 and 3
    together += [["v20", "x"], *([f"v{i}"] for i in range(21, 30)), ["w0", "w1"]]
    held_out = copies.hold_out(together, label_of, 0.2)
    assert all(len(held_out.intersection(ids)) in (0, len(ids)) for ids in together)
    counts = [sum(label_of[id] == label for id in held_out) for label in range(5)]
    assert counts == [2, 3, 2, 0, 0]
    assert "v20" not in held_out, "class 4 would lose its only video"


def test_remarks_name_videos_in_two_splits_and_copies_of_two_classes():
    digests = dict(zip("abcdef", "1 2 3 1 5 6".split(), strict=True))
    splits = {"train": "abc", "val": "de", "ood": "eb", "train1": "a", "train2": "a"}
    label_of = dict.fromkeys("abcdef", 0)
    remarks = list(copies.remarks(splits, digests, label_of))
    assert len(remarks) == 3
    assert (
        "1 video is in 'val' and in 'train', as 'd' (there 'a'); a test" in remarks[0]
    )
    assert "1 video is in 'ood' and in 'train', as 'b'; a test" in remarks[1]
    assert remarks[2] == "1 video is in 'ood' and in 'val', as 'e'"
    mixed = next(copies.remarks({}, digests, label_of | {"d": 1}))
    assert "1 video is stored under two classes, as 'd' and 'a'" in mixed
