import cv2
import numpy as np
import pytest
import scipy.fft

from data_prep.bias import frame_hashes, near_duplicates
from smad_jax.data import catalog, images, jpeg_frames, records

RADII = (near_duplicates.PERCEPTUAL_RADIUS, near_duplicates.DIFFERENCE_RADIUS)


def picture(seed, height=120, width=170):
    """A picture of soft spots."""
    spots = np.random.default_rng(seed).uniform(10, 230, (13, 17, 3)).astype(np.float32)
    return cv2.resize(spots, (width, height), interpolation=cv2.INTER_LINEAR).astype(
        np.uint8
    )


def test_the_perceptual_hash_is_that_of_scipy_s_frequencies():
    grey = np.random.default_rng(0).normal(size=(5, 32, 32))
    found = frame_hashes.perceptual_hash(grey)
    for one, hash in zip(grey, found, strict=True):
        low = scipy.fft.dctn(one)[1:9, 1:9]
        bits = (low > np.median(low)).astype(int).ravel()
        assert int(hash) == int("".join(map(str, bits)), 2)
        assert bits.sum() == 32


def test_the_difference_hash_says_where_it_gets_brighter():
    grey = np.zeros((2, 8, 9))
    grey[0, 0] = np.arange(9)
    grey[0, 7, 8] = 1
    grey[1] = -np.arange(9)
    found = frame_hashes.difference_hash(grey)
    assert [hex(hash) for hash in found] == ["0xff00000000000001", "0x0"]


def test_brightness_contrast_and_size_change_no_more_than_counts_as_the_same():
    frame = picture(0)
    grey = np.float32(frame)
    changed = [
        np.clip(grey + 30, 0, 255),
        np.clip(grey * 0.7, 0, 255),
        cv2.resize(grey, (90, 90), interpolation=cv2.INTER_AREA),
    ]
    one = frame_hashes.hash_frames(frame[None])
    for other in changed:
        again = frame_hashes.hash_frames(np.uint8(other)[None])
        for a, b, radius in zip(one, again, RADII, strict=True):
            assert np.bitwise_count(a ^ b) <= radius
    for a, b in zip(one, frame_hashes.hash_frames(picture(1)[None]), strict=True):
        assert np.bitwise_count(a ^ b).min() > 15


def test_frames_without_detail_have_no_hash():
    dull = np.full((40, 60, 3), 9, np.uint8)
    noisy = dull + np.random.default_rng(0).integers(0, 9, dull.shape, np.uint8)
    for hashes in frame_hashes.hash_frames(np.stack([dull, noisy])):
        assert hashes.dtype == np.uint64
        assert len(hashes) == 0


def test_pictures_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"\[N, 32, 32\]"):
        frame_hashes.perceptual_hash(np.zeros((2, 8, 9)))
    with pytest.raises(ValueError, match=r"\[N, 8, 9\]"):
        frame_hashes.difference_hash(np.zeros((2, 32, 32)))


@pytest.fixture
def split(tmp_path):
    """Five images, of which the fourth is none."""
    with records.RecordWriter(tmp_path / "web" / "videos") as writer:
        for number in range(5):
            content = cv2.imencode(".png", picture(number)[..., ::-1])[1].tobytes()
            content = b"nothing" if number == 3 else content
            writer.write(records.VideoRecord(f"i{number}", content, 0, 1))
    ids = [f"i{number}" for number in range(5)]
    catalog.write_split(tmp_path / "web", "all", ids, [0] * 5)
    catalog.write_dataset_file(
        tmp_path / "web", name="web", classes=["x"], num_videos=5
    )
    return catalog.open_split(tmp_path, "web", "all")


def test_hashes_are_stored_and_computing_them_resumes(
    split, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(frame_hashes, "_PART", 2)
    hashed = []
    hash_video = frame_hashes._hash_video

    def stop(split, row, num_frames):
        hashed.append(row)
        if len(hashed) == 3:
            raise KeyboardInterrupt
        return hash_video(split, row, num_frames)

    rows = np.array([4, 0, 3, 2, 1])
    monkeypatch.setattr(frame_hashes, "_hash_video", stop)
    with pytest.raises(KeyboardInterrupt):
        frame_hashes.of_split(split, tmp_path / "web", rows, num_frames=3, num_jobs=1)
    hashed = [0, 0, 0]  # resumes
    found = frame_hashes.of_split(
        split, tmp_path / "web", rows, num_frames=3, num_jobs=1
    )
    assert hashed[3:] == [3, 2, 1]
    assert found.owner.tolist() == [0, 1, 3, 4]
    for owner, hash in zip(found.owner, found.perceptual, strict=True):
        pixels = picture(int(rows[owner]))
        assert frame_hashes.hash_frames(pixels[None])[0] == hash
    assert "no hash of 'i3': undecodable" in capsys.readouterr().err
    again = frame_hashes.of_split(split, tmp_path / "web", rows, num_frames=3)
    assert len(hashed) == 6
    np.testing.assert_array_equal(again.difference, found.difference)
    assert len(list((tmp_path / "web" / "hashes").iterdir())) == 1
    fewer = frame_hashes.of_split(split, tmp_path / "web", rows[:2], num_frames=3)
    assert fewer.owner.tolist() == [0, 1]


def test_stored_jpeg_files_are_hashed_once_each(tmp_path):
    pictures = [picture(seed) for seed in range(3)]
    files = [images.encode_jpeg(one, 95) for one in pictures]
    with records.RecordWriter(tmp_path / "toy" / "videos") as writer:
        for id, content in (("a", jpeg_frames.pack(files, 9, 3)), ("b", b"nothing")):
            writer.write(records.VideoRecord(id, content, 0, 9))
    catalog.write_split(tmp_path / "toy", "all", ["a", "b"], [0, 0])
    catalog.write_dataset_file(
        tmp_path / "toy", name="toy", classes=["x"], num_videos=2
    )
    split = catalog.open_split(tmp_path, "toy", "all")
    found = frame_hashes.of_split(
        split, tmp_path / "toy", np.arange(2), num_frames=8, num_jobs=1
    )
    assert found.owner.tolist() == [0, 0, 0]
    expected = frame_hashes.hash_frames(np.stack(pictures))
    for hashes, ours, radius in zip(found[1:], expected, RADII, strict=True):
        assert (np.bitwise_count(hashes ^ ours) <= radius).all()
