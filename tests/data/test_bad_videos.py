import pytest

from smad_jax import errors
from smad_jax.data import bad_videos


def test_bad_videos_of_an_earlier_run_are_not_listed_twice(tmp_path):
    path = tmp_path / "bad.jsonl"
    for _ in range(2):
        bad = bad_videos.BadVideos(path, 0.5, num_videos=10)
        bad.record(3, "three", "timeout", "slow", None)
        bad.record(3, "three", "timeout", "slow", None)
        assert bad.count == 1
    path.write_text(path.read_text() + '{"id": "fo')  # a run was killed while writing
    bad_videos.BadVideos(path, 0.5, num_videos=10)
    assert len(path.read_text().splitlines()) == 2


def test_one_bad_video_is_always_allowed():
    bad = bad_videos.BadVideos(None, 0.0, num_videos=10)
    bad.record(0, "a", "missing", "gone", None)
    with pytest.raises(errors.DataError, match="missing 1, timeout 1"):
        bad.record(1, "b", "timeout", "slow", None)


def test_summary_counts_the_training_videos_of_each_source_once(tmp_path):
    train = bad_videos.BadVideos(
        tmp_path / "bad_videos.jsonl", 1, num_videos=9, source="mine/train"
    )
    for row, reason in enumerate(("truncated", "truncated", "undecodable")):
        train.record(row, f"{row}.mp4", reason, "cut", "8.mp4")
    other = bad_videos.BadVideos(
        tmp_path / "bad_videos-1.jsonl", 1, num_videos=9, source="mine/train"
    )
    other.record(0, "0.mp4", "truncated", "cut", "8.mp4")  # of another process
    test = bad_videos.BadVideos(
        tmp_path / "bad_videos.jsonl", 1, num_videos=9, source="mine/val"
    )
    test.record(0, "v.mp4", "truncated", "cut", None)
    with open(tmp_path / "bad_videos.jsonl", "a") as file:
        file.write('{"source": "mine/')
    lines = bad_videos.summary(tmp_path)
    assert len(lines) == 1
    assert lines[0].startswith("3 videos of mine/train could not be used in training")
    assert "(truncated 2, undecodable 1)" in lines[0]
    assert bad_videos.summary(tmp_path / "none") == []
