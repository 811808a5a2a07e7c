import csv
import json

import pytest

from data_prep import check_data
from tests.helpers import noise_videos

NAMES = ("run/a.mp4", "run/b c.mp4", "sit/-d.mp4", "sit/short.mp4", "sit/twin.mp4")


@pytest.fixture
def place(tmp_path):
    """Seven listed videos: one short, one twice, one cut, one text, one missing."""
    root = tmp_path / "videos"
    for seed, name in enumerate(NAMES):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise_videos.encode(2 if "short" in name else 4, seed))
    (root / "sit/twin.mp4").write_bytes((root / "run/a.mp4").read_bytes())
    (root / "run/cut.mp4").write_bytes(noise_videos.encode(9)[:-700])
    (tmp_path / "train.txt").write_text(
        "run/a.mp4 run\nrun/b c.mp4 run\nrun/cut.mp4 run\nsit/-d.mp4 sit\n"
        "sit/short.mp4 sit\n"
    )
    (tmp_path / "val.txt").write_text("sit/twin.mp4 sit\nrun/gone.mp4 run\n")
    return tmp_path


def run(place, *more):
    lists = ["--list", str(place / "train.txt"), "--val-list", str(place / "val.txt")]
    arguments = ["--videos", str(place / "videos"), *lists, "--min-frames", "3", *more]
    return check_data.main(arguments)


def test_every_state_is_counted_by_class_and_in_all(place, capsys):
    assert run(place, "--out", str(place / "report")) == 0
    with open(place / "report/classes.csv", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    counts = ("listed", "present", "missing", "undecodable", "too_short", "duplicated")
    assert [int(rows["run"][key]) for key in counts] == [4, 3, 1, 1, 0, 0]
    assert [int(rows["sit"][key]) for key in counts] == [3, 3, 0, 0, 1, 1]
    assert (rows["run"]["share"], rows["sit"]["share"]) == ("0.5000", "0.6667")
    summary = json.loads((place / "report/summary.json").read_text())
    assert [summary[key] for key in counts] == [7, 6, 1, 1, 1, 1]
    assert summary["share"] == pytest.approx(4 / 7)
    assert summary["duplicates"] == [["run/a.mp4", "sit/twin.mp4"]]
    assert summary["in_training_and_validation"] == summary["duplicates"]
    assert all(len(digest) == 64 for digest in summary["lists"].values())
    output = capsys.readouterr().out
    assert "57.1% of the videos" in output
    assert "as 'run/a.mp4' and 'sit/twin.mp4'" in output


@pytest.mark.parametrize(("share", "code"), [("0.57", 0), ("0.58", 3), ("1.5", 2)])
def test_exit_code_says_whether_enough_is_there(place, share, code):
    assert run(place, "--min-share", share) == code


def test_a_second_run_reads_only_what_changed(place, monkeypatch):
    report = place / "report"
    assert run(place, "--out", str(report)) == 0
    whole = (report / "files.jsonl").read_text()
    # as a kill in the middle of a line leaves it
    (report / "files.jsonl").write_text(whole[: whole.rindex('"found"')])
    (place / "videos/run/cut.mp4").write_bytes(noise_videos.encode(5, 99))
    read = []
    check = check_data.video_files.check
    monkeypatch.setattr(
        check_data.video_files,
        "check",
        lambda root, id, *more: read.append(id) or check(root, id, *more),
    )
    assert run(place, "--out", str(report)) == 0
    assert sorted(read) == ["run/cut.mp4", "run/gone.mp4"]
    assert json.loads((report / "summary.json").read_text())["undecodable"] == 0
    read.clear()
    assert run(place, "--out", str(report)) == 0
    assert read == []
    assert run(place, "--out", str(report), "--check", "open") == 0
    assert len(read) == 7


def test_malformed_list_is_a_data_error(place, capsys):
    (place / "train.txt").write_text("run/a.mp4\n")
    assert run(place) == 3
    assert "line 1: expected `relative/path label`" in capsys.readouterr().err


def test_real_videos_are_told_apart(tmp_path, real_data, capsys):
    lines = ["demo.mp4 0", "corrupted.mp4 0", "unordered.mov 1", "nowhere.mp4 1"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    arguments = ["--videos", str(real_data / "videos"), "--min-frames", "64"]
    arguments += ["--list", str(tmp_path / "list.txt"), "--min-share", "0.5"]
    assert check_data.main(arguments) == 3
    output = capsys.readouterr()
    row = next(line for line in output.out.splitlines() if line.startswith("all "))
    assert row.split() == ["all", *"431110", "25.0%"]
    assert "25.0% of the videos" in output.err
