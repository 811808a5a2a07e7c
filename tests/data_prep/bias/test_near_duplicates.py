import csv

import cv2
import numpy as np
import pytest

from data_prep import aras, omnidebias, teacher_filter
from data_prep.bias import frame_hashes, near_duplicates
from data_prep.embedded import render
from smad_jax import errors
from smad_jax.data import aspect_records, catalog, records, video
from tests.data_prep.bias.test_frame_hashes import picture


def flipped(hashes, number, rng):
    """Hashes with `number` random bits changed."""
    for row in range(len(hashes)):
        for bit in rng.choice(64, number, replace=False):
            hashes[row] ^= np.uint64(1) << np.uint64(bit)
    return hashes


@pytest.mark.parametrize("radius", [0, 3, 6, 9])
def test_all_close_pairs_are_found_and_no_others(radius, monkeypatch):
    monkeypatch.setattr(near_duplicates, "_CANDIDATES", 50)
    rng = np.random.default_rng(radius)
    targets = rng.integers(0, 2**64, 300, np.uint64)
    near = [flipped(targets[:80].copy(), n, rng) for n in range(12)]
    queries = rng.permutation(np.concatenate([*near, targets[:3] ^ targets[3:6]]))
    found = near_duplicates.close_pairs(queries, targets, radius=radius)
    distance = np.bitwise_count(queries[:, None] ^ targets)
    query, target = np.nonzero(distance <= radius)
    assert len(query) >= 80 * (radius + 1)
    np.testing.assert_array_equal(found.query, query)
    np.testing.assert_array_equal(found.target, target)


def test_nothing_is_close_to_nothing():
    empty = np.zeros(0, np.uint64)
    for a, b in ((empty, empty), (empty, empty + 1), (np.ones(3, np.uint64), empty)):
        assert len(near_duplicates.close_pairs(a, b, radius=6).query) == 0
    with pytest.raises(ValueError, match="0 to 15 bits, not 16"):
        near_duplicates.close_pairs(empty, empty, radius=16)


def hashes(*videos):
    """Hashes of videos given by the bits of their frames, the same for both."""
    owner = np.repeat(np.arange(len(videos)), [len(frames) for frames in videos])
    bits = np.array([bit for frames in videos for bit in frames], np.uint64)
    return frame_hashes.Hashes(owner, bits, bits)


A, B, C, D, E = (int(n) for n in np.random.default_rng(5).integers(0, 2**63, 5))


def test_two_frames_make_a_duplicate_and_one_of_an_image():
    found = near_duplicates.find(
        hashes([A, B, C], [A, D], [], [A], [E, E]), hashes([D, E], [C, A], [A, B, C])
    )
    # three frames in common beat two; a picture shown twice is two frames
    assert found.video.tolist() == [0, 3, 4]
    assert found.other.tolist() == [2, 1, 0]
    assert found.frames.tolist() == [3, 1, 2]


def test_a_frame_that_only_one_of_the_hashes_takes_for_the_same_is_another():
    one = hashes([A])
    for name in ("perceptual", "difference"):
        other = hashes([A])._replace(**{name: np.array([~np.uint64(A)])})
        assert len(near_duplicates.find(one, other).video) == 0
    assert len(near_duplicates.find(one, hashes([A])).video) == 1


def store(root, name, files, label_of=lambda id: 0, classes=("x", "y")):
    folder = root / name
    with records.RecordWriter(folder / "videos") as writer:
        for id, content in files.items():
            length = 1 if id.endswith(("jpg", "png")) else 0
            writer.write(records.VideoRecord(id, content, label_of(id), length))
    catalog.write_split(folder, "all", list(files), [label_of(id) for id in files])
    catalog.write_dataset_file(
        folder, name=name, classes=classes, num_videos=len(files)
    )


def changed(frames):
    """Frames resized without keeping their shape, brighter, flatter."""
    return np.stack(
        [
            cv2.resize(np.clip(frame * 0.8 + 40, 0, 255).astype(np.uint8), (224, 160))
            for frame in frames
        ]
    )


def test_changed_copies_of_real_clips_are_found_and_others_kept(real_data, tmp_path):
    names = ("test_video_structuralize.mp4", "demo.mp4", "flipping_a_pancake.mkv")
    tested = {name: (real_data / "videos" / name).read_bytes() for name in names}
    store(tmp_path, "tested", tested)
    web = {}
    for name in names:
        copy = changed(video.decode(tested[name], np.arange(20, 140, 3)))
        web[f"copy of {name}"] = render.encode(copy)
        web[f"{name}.jpg"] = cv2.imencode(
            ".jpg", copy[17, :, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 40]
        )[1].tobytes()
    for name in ("bikes.mp4", "carphone_pristine.mp4", "nasa_13013.mp4", "test.avi"):
        web[name] = (real_data / "videos" / name).read_bytes()
    image = (real_data / "images" / "img_00003.jpg").read_bytes()
    web["another.jpg"] = image
    store(tmp_path, "web", web)
    split = catalog.open_split(tmp_path, "web", "all")
    rows = np.arange(len(split))
    found = near_duplicates.leave_out(
        tmp_path, split, rows, ["tested/all"], report="clean"
    )
    assert [split.ids[row] for row in found.rows] == list(web)[6:]
    assert found.lines == ["6 of 11 show the same as one of tested/all, left out"]
    with open(tmp_path / "web" / "splits" / "clean.duplicates.csv") as file:
        listed = list(csv.reader(file))[1:]
    assert [row[:2] for row in listed] == [
        [id, f"tested/all/{id.removeprefix('copy of ').removesuffix('.jpg')}"]
        for id in list(web)[:6]
    ]


def encoded(seed, *, height=120):
    return cv2.imencode(".png", picture(seed, height))[1].tobytes()


@pytest.fixture
def data_root(tmp_path):
    """Twelve web images, the first three of which are test images in another size."""
    web = {f"web {n}.png": encoded(n, height=90) for n in range(12)}
    store(tmp_path, "web", web, label_of=lambda id: int(id[4:-4]) % 2)
    store(tmp_path, "tested", {f"{n}.png": encoded(n) for n in (0, 1, 2, 50, 51)})
    return tmp_path


def place(data_root, *more):
    return ["--data-root", str(data_root), "--dataset", "web", *more]


def test_the_filter_leaves_test_images_out(data_root, capsys):
    ids = [f"web {n}.png" for n in range(12)]
    answers = np.eye(2)[[n % 2 for n in range(10)] + [1, 0]]  # wrong at the end
    np.savez(data_root / "predictions.npz", ids=ids, probabilities=answers)
    flags = (
        "--predictions",
        str(data_root / "predictions.npz"),
        "--against",
        "tested/all",
    )
    assert teacher_filter.main(place(data_root, *flags)) == 0
    split = catalog.open_split(data_root, "web", "positive")
    assert split.ids == tuple(ids[3:10])
    printed = capsys.readouterr().out
    assert "3 of 10 show the same as one of tested/all" in printed
    assert "positive: 7 of 12 media" in printed


def test_the_thirds_leave_test_images_out_before_they_count(data_root):
    ids = [f"web {n}.png" for n in range(12)]
    aspect_records.write(
        data_root / "web", "scene", ids, np.eye(365)[[0] * 6 + [1] * 6]
    )
    flags = ("--split", "all", "--against", "tested/all")
    assert omnidebias.main(place(data_root, *flags)) == 0
    split = catalog.open_split(data_root, "web", "web-all")
    # scene 1 is the more frequent once three of scene 0 are gone
    assert sorted(split.ids) == sorted(ids[3:])
    assert set(catalog.open_split(data_root, "web", "web-bias").ids) < set(ids[6:])


def test_aras_leaves_training_clips_out(tmp_path, capsys):
    files = {f"archery/{n}_0.png": encoded(n, height=90) for n in range(3)}
    store(tmp_path, "aras", files)
    store(tmp_path, "kinetics400", {"1.png": encoded(1)}, classes=("archery", "yoga"))
    lines = [f"aras_clips/archery/{n}_0.png 0\n" for n in (0, 1, 1, 2, 7)]
    (tmp_path / "list.txt").write_text("".join(lines))
    (tmp_path / "names.txt").write_text("archery\nyoga\n")
    flags = [
        "--list",
        str(tmp_path / "list.txt"),
        "--names",
        str(tmp_path / "names.txt"),
    ]
    flags += ["--data-root", str(tmp_path), "--against", "kinetics400/all"]
    assert aras.main(flags) == 0
    split = catalog.open_split(tmp_path, "aras", "aras104")
    assert split.ids == ("archery/0_0.png", "archery/2_0.png")
    printed = capsys.readouterr().out
    assert "1 of 3 show the same as one of kinetics400/all" in printed
    assert "2 lines, 2 clips, 1 classes; 1 lines left out" in printed


def test_what_is_no_list_is_refused(data_root):
    split = catalog.open_split(data_root, "web", "all")
    for where, error in (("tested", errors.ConfigError), ("a/b", errors.DataError)):
        with pytest.raises(error):
            near_duplicates.leave_out(
                data_root, split, np.arange(3), [where], report="x"
            )
