import numpy as np
import pytest

from smad_jax.data import (
    bad_videos,
    catalog,
    containers,
    images,
    jpeg_frames,
    records,
    transforms,
    video,
    views,
)
from smad_jax.data.sampling import Sampling
from smad_jax.data.transforms import Transform

V, SIZE = 40, 20


@pytest.fixture
def a_split(tmp_path, tiny_video):
    """Stores one video, by name `video` or `jpeg`, and opens it."""

    def opened(store):
        content = tiny_video(V, 24, 32)
        if store == "jpeg":
            files = [images.encode_jpeg(f, 95) for f in video.frames(content)]
            content = jpeg_frames.pack(files, V)
        with records.RecordWriter(tmp_path / "toy" / "videos") as writer:
            writer.write(records.VideoRecord("v", content, 0, V))
        catalog.write_split(tmp_path / "toy", "val", ["v"], [0])
        catalog.write_dataset_file(
            tmp_path / "toy", name="toy", classes=["walk"], num_videos=1
        )
        return catalog.open_split(tmp_path, "toy", "val")

    return opened


def read_views(split, sampling):
    batches = views.test_batches(
        split,
        sampling=sampling,
        transform=Transform("random_shift", SIZE),
        batch_size=1,
        bad_videos=bad_videos.BadVideos(None, 0.0, num_videos=1),
        num_threads=0,
    )
    return np.concatenate([batch["video"] for batch in batches])[0]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling("clip", 4, stride=2, test_views=12),  # overlapping
        Sampling("clip", 16, stride=4, test_views=3),  # longer than the video
        Sampling("clip", 3, stride=2, test_views=0),  # one after the other
        Sampling("segments", 4, test_views=5),
    ],
)
@pytest.mark.parametrize("store", ["video", "jpeg"])
def test_no_frame_of_overlapping_clips_is_decoded_or_resized_twice(
    a_split, monkeypatch, store, sampling
):
    split = a_split(store)
    stored = split.video(0).video
    name, module = ("decode", images) if store == "jpeg" else ("upright", containers)
    make, made = getattr(module, name), []
    monkeypatch.setattr(module, name, lambda *given: made.append(given) or make(*given))
    resize, resized = transforms.resize, []
    monkeypatch.setattr(
        transforms,
        "resize",
        lambda f, *to: resized.append(f[..., 0, 0, 0].size) or resize(f, *to),
    )
    clips = read_views(split, sampling)
    monkeypatch.undo()
    numbers = sampling.test(V)
    assert sum(resized) == len(made) == len(np.unique(numbers))
    frames = video.decode(stored, numbers.reshape(-1))
    expected = Transform("random_shift", SIZE).test(frames)
    np.testing.assert_array_equal(clips, expected.reshape(clips.shape))
