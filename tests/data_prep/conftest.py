import pathlib

import numpy as np
import pytest

from data_prep.embedded import render
from data_prep.labels import label_parts, network_labels
from smad_jax.data import catalog, records
from smad_jax.data.embedded import benchmark
from tests.data_prep.labels.test_network_labels import colours

NUM_VIDEOS = 36


@pytest.fixture
def data_root(tmp_path: pathlib.Path) -> pathlib.Path:
    """Videos of three very different scenes, one of them cut short."""
    folder = tmp_path / "tiny"
    factors = benchmark.Factors(
        np.arange(NUM_VIDEOS) % 10,
        np.array([0, 8, 11])[np.arange(NUM_VIDEOS) % 3],
        np.full(NUM_VIDEOS, -1),
    )
    clips = benchmark.render(factors, seed=0, stream=0)
    with records.RecordWriter(folder / "videos", 2) as writer:
        for row in range(NUM_VIDEOS):
            file = render.encode(clips.video[row])
            if row == NUM_VIDEOS - 1:
                file = file[:60]
            writer.write(records.VideoRecord(f"clip {row:02}", file, row % 10, 4))
    catalog.write_split(
        folder, "train", [f"clip {row:02}" for row in range(NUM_VIDEOS)], factors.action
    )
    catalog.write_dataset_file(
        folder, name="tiny", classes=benchmark.ACTIONS, num_videos=NUM_VIDEOS
    )
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """Replaces the network by one that measures colours; returns its batch sizes."""
    sizes = []

    def classify(images):
        sizes.append(len(images))
        return colours(images)

    monkeypatch.setattr(network_labels, "load_network", lambda *_: classify)
    return sizes


@pytest.fixture
def job(data_root, calls):
    folder = data_root / "tiny"
    (folder / "parts").mkdir()
    return label_parts.Job(
        folder=folder,
        weights=folder / "none",
        labeller="resnet18",
        parts=folder / "parts",
        num_videos=NUM_VIDEOS,
        part_size=7,
        num_frames=3,
        batch_size=8,
        num_threads=2,
    )
