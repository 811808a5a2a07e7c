"""From a folder of real files to a tested network, the broken ones included."""

import json

import pytest

from configs import base, slowonly_baseline, slowonly_smad, tsn_baseline
from data_prep import build_records, pseudo_label
from smad_jax.experiment.run import train_and_test

CLASSES = {
    "chore": ("test.mp4", "part_0.mp4", "flipping_a_pancake.mkv"),
    "face": ("test.avi", "carphone_pristine.mp4"),
    "other": ("corrupted.mp4", "unordered.mov", "nasa_13013.mp4"),
    "pattern": ("av1_video.mkv", "h265_video.mp4"),
    "sport": ("demo.mp4", "test_video_structuralize.mp4", "bikes.mp4"),
    "turned": ("video_0.mov", "video_90.mov", "video_180.mov", "video_270.mov"),
}


@pytest.fixture(scope="module")
def data(real_data, tmp_path_factory):
    """All 17 files as a data set called `mine`, with clusters as scene labels."""
    root = tmp_path_factory.mktemp("real")
    videos, names = real_data / "videos", root / "list.txt"
    lines = [f"{file} {name}" for name, files in CLASSES.items() for file in files]
    assert {line.split()[0] for line in lines} == {p.name for p in videos.iterdir()}
    names.write_text("\n".join(lines) + "\n")
    where = ["--out", str(root), "--name", "mine"]
    arguments = ["--videos", str(videos), "--list", str(names), *where]
    assert build_records.main(arguments) == 0
    place = ["--data-root", str(root), "--dataset", "mine"]
    how = ["--aspect", "scene", "--labeller", "appearance", "--num-labels", "4"]
    assert pseudo_label.main([*place, *how]) == 0
    return root


def test_broken_file_is_left_out_with_its_reason_and_short_ones_are_kept(data):
    lines = (data / "mine" / "bad_videos.jsonl").read_text().splitlines()
    bad = [json.loads(line) for line in lines]
    assert [(row["id"], row["reason"]) for row in bad] == [
        ("corrupted.mp4", "truncated")
    ]
    everything = (data / "mine" / "splits" / "all.txt").read_text()
    assert "video_90.mov" in everything
    assert len(everything.splitlines()) == 16


@pytest.mark.parametrize("config", [slowonly_baseline, slowonly_smad, tsn_baseline])
def test_real_videos_train_and_test(data, config, tmp_path):
    chosen = base.smoke(config.get_config("mine"))
    chosen.data.root = str(data)
    chosen.init.folder = ""
    tiny = "tsn_tiny" if config is tsn_baseline else "slowonly_tiny"
    chosen.model.name = tiny  # the same road with a small network
    results = train_and_test(chosen, tmp_path)
    assert 0 <= results["val/top1"] <= 1
    assert not (tmp_path / "bad_videos.jsonl").exists()
