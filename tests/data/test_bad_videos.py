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
