import cv2
import numpy as np
import pytest

from data_prep.labels import network_labels
from smad_jax import errors
from smad_jax.data import records
from smad_jax.torch_weights import networks, weights

Z = 3


def colours(images):
    """A network of a kind: the share of each colour in an image."""
    total = images.mean(axis=(1, 2)).astype(np.float32) + 1
    return total / total.sum(axis=1, keepdims=True)


def frames(*levels, weights=None):
    """Frames of one colour each."""
    pixels = np.zeros((len(levels), 224, 224, 3), np.uint8)
    pixels[:] = np.array(levels, np.uint8)[:, None, None]
    even = np.full(len(levels), 1 / len(levels), np.float32)
    return network_labels.Frames(pixels, even if weights is None else weights)


def test_videos_share_full_batches_and_each_gets_its_weighted_mean():
    rng = np.random.default_rng(0)
    videos = [
        (f"v{n}", frames(*rng.integers(0, 256, (n, 3)), weights=rng.dirichlet([1] * n)))
        for n in (3, 5, 1, 7)
    ]
    sizes = []

    def classify(images):
        sizes.append(len(images))
        return colours(images)

    found = dict(network_labels.average(iter(videos), classify, 4))
    assert sizes == [4, 4, 4, 4]
    assert list(found) == [id for id, _ in videos]
    for id, (pixels, share) in videos:
        expected = np.average(colours(pixels), axis=0, weights=share)
        np.testing.assert_allclose(found[id], expected, rtol=1e-5)


def test_a_batch_may_be_larger_than_all_frames():
    found = list(network_labels.average(iter([("a", frames([9, 9, 9]))]), colours, 50))
    assert [id for id, _ in found] == ["a"]
    np.testing.assert_allclose(found[0][1], [1 / 3] * 3, rtol=1e-6)


def stored(tmp_path, content, num_frames):
    with records.RecordWriter(tmp_path / "videos") as writer:
        writer.write(records.VideoRecord("a", content, 0, num_frames))
    return records.RecordReader(tmp_path, "videos")


@pytest.mark.parametrize("num_frames", [1, 0])
def test_an_image_is_looked_at_once_and_as_the_reference_crops_it(tmp_path, num_frames):
    picture = np.random.default_rng(0).integers(0, 256, (300, 512, 3), np.uint8)
    content = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
    reader = stored(tmp_path, content, num_frames)
    looked = network_labels.look_at(reader, 0, 25)
    assert looked.frames.weights.tolist() == [1]
    # 300x512 to 256x437, then rows 16.. and columns 106.. of it
    small = cv2.resize(picture, (437, 256), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(looked.frames.pixels[0], small[16:240, 106:330])


def test_frames_of_a_short_video_count_as_often_as_they_are_drawn(data_root):
    reader = records.RecordReader(data_root / "tiny", "videos")
    looked = network_labels.look_at(reader, 0, 25)
    # of 25 equal parts of 4 frames, the centres are 0.08, 0.24, ... 3.92
    np.testing.assert_allclose(looked.frames.weights * 25, [6, 6, 7, 6], rtol=1e-6)
    assert looked.frames.pixels.shape == (4, 224, 224, 3)


def test_a_video_that_cannot_be_decoded_has_a_reason(tmp_path):
    looked = network_labels.look_at(stored(tmp_path, b"no video", 4), 0, 25)
    assert (looked.frames, looked.reason) == (None, "undecodable")


@pytest.fixture
def folder(tmp_path):
    """Weights of a labeller, of its head at least."""
    arrays = {
        "head/kernel": np.zeros((512, Z), np.float32),
        "head/bias": np.zeros(Z, np.float32),
    }
    manifest = weights.Manifest(networks.Network("resnet18", Z))
    weights.save_weights(tmp_path / "weights", arrays, manifest)
    manifest = weights.Manifest(networks.Network("resnet18", None))
    weights.save_weights(tmp_path / "headless", {}, manifest)
    arrays["head/bias"] += 1
    manifest = weights.Manifest(networks.Network("resnet18", Z))
    weights.save_weights(tmp_path / "others", arrays, manifest)
    return tmp_path


def test_weights_are_told_apart_by_what_is_in_them(folder):
    one = network_labels.check_weights(folder / "weights", "resnet18")
    assert one == network_labels.check_weights(folder / "weights", "resnet18")
    assert one.num_labels == Z
    assert one != network_labels.check_weights(folder / "others", "resnet18")


def test_weights_of_another_network_or_without_head_are_refused(folder):
    with pytest.raises(errors.ConfigError, match="'resnet18', not of 'resnet50'"):
        network_labels.check_weights(folder / "weights", "resnet50")
    with pytest.raises(errors.ConfigError, match="no head"):
        network_labels.check_weights(folder / "headless", "resnet18")
