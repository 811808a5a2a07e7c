import json

import cv2
import numpy as np
import pytest

from data_prep import background_swap
from data_prep.bias import backgrounds
from data_prep.embedded import render
from smad_jax import errors
from smad_jax.data import catalog, images, jpeg_frames, records, video
from smad_jax.evaluation import __main__

T, H, W = 5, 20, 30
DATASET = "embedded-seed0-x0.05"


def test_actor_moves_over_a_still_background_and_the_twin_is_frozen():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 100, (T, H, W, 3), np.uint8)
    mask = np.zeros((T, H, W), bool)
    for t in range(T):
        mask[t, 4:9, 3 * t : 3 * t + 4] = True
    background = np.full((2 * H, 2 * W, 3), 200, np.uint8)
    moving, frozen = backgrounds.compose(frames, mask, background)
    np.testing.assert_array_equal(moving[mask], frames[mask])
    assert (moving[~mask] == 200).all()
    assert (frozen == moving[T // 2]).all()


def test_what_moves_is_masked():
    frames = np.full((T, H, W, 3), 50, np.uint8)
    # plain colour would leave the inside of what moves as it was
    pattern = np.random.default_rng(0).integers(0, 256, (10, 8, 3))
    for t in range(T):
        frames[t, 5:15, 4 + t : 12 + t] = pattern
    mask = backgrounds.motion_mask(frames)
    assert mask.shape == (T, H, W)
    assert mask.mean() == 0.5
    assert mask[0, 8:12, 5:14].all()
    assert not backgrounds.motion_mask(frames[:1]).any(), "a picture has no motion"


def test_mask_of_a_file_is_resized_and_may_be_one_for_all_frames(tmp_path):
    small = np.zeros((T, H // 2, W // 2), np.uint8)
    small[1, 2:4, 3:6] = 1
    np.savez(tmp_path / "a.npz", mask=small)
    cv2.imwrite(str(tmp_path / "b.png"), 255 * small[1])
    found = backgrounds.read_mask(tmp_path / "a.npz", "a.mp4", (T, H, W))
    assert found.sum() == 4 * 6 and found[1, 4:8, 6:12].all()
    everywhere = backgrounds.read_mask(tmp_path / "b.png", "b", (T, H, W))
    assert everywhere.sum() == T * 4 * 6
    with pytest.raises(errors.DataError, match=r"`mask` \[4, H, W\] for the 4 frames"):
        backgrounds.read_mask(tmp_path / "a.npz", "a", (4, H, W))


@pytest.mark.parametrize("name", ["walk/a.mp4.png", "walk/a.npz", "a.mp4.npz", "a.png"])
def test_mask_is_named_with_folders_and_ending_or_without(tmp_path, name):
    (tmp_path / "walk").mkdir()
    (tmp_path / name).touch()
    found = backgrounds.find_masks(tmp_path, ["run/b.mp4", "walk/a.mp4"])
    assert found == {"walk/a.mp4": tmp_path / name}


def test_mask_that_fits_no_video_or_two_is_refused(tmp_path):
    with pytest.raises(errors.DataError) as caught:
        backgrounds.find_masks(tmp_path, ["walk/a.mp4"])
    names = "walk/a.mp4 walk/a a.mp4 a".split()
    for name in names:
        assert f"{tmp_path / name}.npz, {tmp_path / name}.png" in str(caught.value)
    (tmp_path / "a.png").touch()
    with pytest.raises(errors.DataError, match=r"'walk/a.mp4' or of 'run/a.mp4'"):
        backgrounds.find_masks(tmp_path, ["walk/a.mp4", "run/a.mp4"])


def test_actor_is_painted_over():
    frame = np.full((H, W, 3), 80, np.uint8)
    mask = np.zeros((H, W), bool)
    mask[5:12, 9:14] = True
    frame[mask] = 255
    scene = backgrounds.scene_without_actor(frame, mask)
    assert np.abs(scene.astype(int) - 80).max() <= 2


def test_stripes_differ_and_use_the_whole_picture():
    rng = np.random.default_rng(0)
    one, other = (backgrounds.stripes(H, W, rng) for _ in range(2))
    assert one.shape == (H, W, 3)
    assert one.std() > 10
    assert (one != other).any()


@pytest.mark.parametrize("kind", ["masks", "boxes"])
def test_own_masks_and_boxes_locate_people(kind, small_data, tmp_path, capsys):
    root = tmp_path / "datasets"
    root.mkdir()
    (root / DATASET).symlink_to(small_data / DATASET)
    source = catalog.open_split(root, DATASET, "iid")
    given = tmp_path / ("people" if kind == "masks" else "people.json")
    if kind == "masks":
        given.mkdir()
        for id in source.ids[:3]:
            mask = np.zeros((32, 32), np.uint8)
            mask[8:24, 8:24] = 255
            cv2.imwrite(str(given / f"{id}.png"), mask)
    else:
        box = [[8, 8, 24, 24, 1.0]]
        given.write_text(json.dumps({id: [box] * 4 for id in source.ids[:3]}))
    flags = ["--data-root", str(root), "--dataset", DATASET, "--split", "iid"]
    flags += ["--background", "stripes", f"--{kind}", str(given), "--name", "mine"]
    assert background_swap.main(flags) == 0
    printed = capsys.readouterr().out
    assert f"people by {kind} of {given.name}" in printed
    moving = catalog.open_split(root, "mine", "scuba")
    assert list(moving.ids) == [f"{id}|scuba" for id in source.ids[:3]]
    for row in range(3):
        clip = video.decode(moving.video(row).video, range(4)).astype(int)
        theirs = video.decode(source.video(row).video, range(4)).astype(int)
        inside = np.abs(clip - theirs)[:, 10:22, 10:22].mean()
        outside = np.abs(clip - theirs)[:, :6].mean()
        assert inside < 12 < 30 < outside


@pytest.fixture
def films(tmp_path):
    """A data set of three classes, each of two videos of one grey, and its grey."""
    folder = tmp_path / "datasets" / "films"
    grey_of = {}
    with records.RecordWriter(folder / "videos") as writer:
        for label, name in enumerate(("walk", "run", "jump")):
            for number in range(2):
                id = f"{name}/{number}.mp4"
                grey_of[id] = 20 + 40 * (2 * label + number)
                frames = np.full((T, 32, 32, 3), grey_of[id], np.uint8)
                content = render.encode(frames)
                writer.write(records.VideoRecord(id, content, label, T))
    labels = np.repeat(range(3), 2)
    catalog.write_split(folder, "val", list(grey_of), labels)
    classes = ("walk", "run", "jump")
    catalog.write_dataset_file(folder, name="films", classes=classes, num_videos=6)
    return folder.parent, grey_of


def swap(root, *options):
    flags = ["--data-root", str(root), "--dataset", "films", *map(str, options)]
    return background_swap.main(flags)


@pytest.mark.parametrize("kind", ["masks", "boxes"])
def test_backgrounds_come_only_from_videos_whose_people_are_located(
    kind, films, tmp_path, capsys
):
    root, grey_of = films
    located = ["walk/0.mp4", "walk/1.mp4", "run/1.mp4"]
    given = tmp_path / ("people" if kind == "masks" else "people.json")
    if kind == "masks":
        for id in located:
            mask = np.zeros((1, 32, 32), bool)
            mask[:, 8:24, 8:24] = True
            path = given / f"{id.removesuffix('.mp4')}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, mask=mask)
    else:
        box = [[8, 8, 24, 24, 1.0]]
        given.write_text(json.dumps({id: [box] * T for id in located}))
    assert swap(root, f"--{kind}", given) == 0
    assert f"3 not among the {kind} of people" in capsys.readouterr().out
    moving = catalog.open_split(root, "films-swap", "scuba")
    assert list(moving.ids) == [f"{id}|scuba" for id in located]
    for row, id in enumerate(located):
        clip = video.decode(moving.video(row).video, range(T))
        others = [grey_of[o] for o in located if o.split("/")[0] != id.split("/")[0]]
        assert min(abs(clip[:, :4].mean() - grey) for grey in others) < 4
        assert abs(clip[:, 12:20, 12:20].mean() - grey_of[id]) < 4


def test_message_states_why_no_video_can_be_used(films, tmp_path, capsys):
    root, _ = films
    masks = tmp_path / "masks"
    masks.mkdir()
    assert swap(root, "--masks", masks) == 3
    assert f"{masks / 'walk/0.mp4.npz'}, " in capsys.readouterr().err
    (masks / "walk").mkdir()
    picture = np.zeros((32, 32), np.uint8)
    cv2.imwrite(str(masks / "walk/0.png"), picture)
    assert swap(root, "--masks", masks) == 3
    printed = capsys.readouterr().err
    assert "5 not among the masks of masks" in printed
    assert "1 people cover less than 5% or more than 50% of the picture" in printed
    picture[8:24, 8:24] = 255
    cv2.imwrite(str(masks / "walk/0.png"), picture)
    assert swap(root, "--masks", masks) == 3
    printed = capsys.readouterr().err
    assert "1 no other class has videos whose people are located" in printed
    assert "5%" not in printed
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps({"walk/0": []}))
    assert swap(root, "--boxes", boxes) == 3
    assert "is 'walk/0.mp4', the file's 'walk/0'" in capsys.readouterr().err
    assert swap(root) == 3
    assert "6 nothing moves in the video" in capsys.readouterr().err


def test_boxes_are_those_of_the_frames_that_stored_jpeg_files_show(tmp_path):
    grey = images.encode_jpeg(np.full((20, 32, 3), 90, np.uint8), 95)
    with records.RecordWriter(tmp_path / "toy/videos") as writer:
        writer.write(records.VideoRecord("a", jpeg_frames.pack([grey] * 2, 5, 3), 0, 5))
    catalog.write_split(tmp_path / "toy", "all", ["a"], [0])
    catalog.write_dataset_file(
        tmp_path / "toy", name="toy", classes=["x"], num_videos=1
    )
    split = catalog.open_split(tmp_path, "toy", "all")
    path = tmp_path / "boxes.json"
    boxes = [[[2 * t, 3, 2 * t + 9, 15, 1.0]] for t in range(5)]
    path.write_text(json.dumps({"a": boxes}))
    options = background_swap.Options(split="all", background="stripes", boxes=path)
    _, mask = background_swap._Videos(split, tmp_path, options).read(0)
    assert mask.argmax(axis=2)[:, 5].tolist() == [0, 0, 0, 6, 6]


def test_name_must_be_a_plain_one(small_data, capsys):
    flags = ["--data-root", str(small_data), "--dataset", DATASET, "--split", "iid"]
    assert background_swap.main([*flags, "--name", "../x"]) == 2
    assert "../x" in capsys.readouterr().err


def test_exact_masks_of_the_benchmark_make_a_set_that_evaluate_contrasts(
    small_data, fresh_run, tmp_path, capsys
):
    root = tmp_path / "datasets"
    root.mkdir()
    (root / DATASET).symlink_to(small_data / DATASET)
    given = ["--data-root", str(root), "--dataset", DATASET, "--split", "iid"]
    assert background_swap.main(given) == 0
    printed = capsys.readouterr().out
    name = f"{DATASET}-swap"
    source = catalog.open_split(root, DATASET, "iid")
    moving, frozen = (
        catalog.open_split(root, name, part) for part in ("scuba", "scufo")
    )
    assert f"{len(moving)} videos and their frozen twins" in printed
    assert "people by exact masks of factors.npz" in printed
    assert f"--data-root {root} --split" in printed
    assert 0.5 * len(source) < len(moving) <= len(source)
    label_of = dict(zip(source.ids, source.labels, strict=True))
    for row in range(3):
        id = moving.ids[row].removesuffix("|scuba")
        assert moving.labels[row] == label_of[id]
        clip = video.decode(moving.video(row).video, range(4)).astype(int)
        still = video.decode(frozen.video(row).video, range(4)).astype(int)
        assert np.abs(np.diff(still, axis=0)).mean() < 2
        before = video.decode(source.video(source.ids.index(id)).video, range(4))
        changed = np.abs(clip - before).mean()
        assert changed > 10, "another scene"
    assert background_swap.main(given) == 2, "it exists"
    arguments = ["evaluate", "--run", fresh_run, "--data-root", root, "--split"]
    arguments += [f"{name}/scuba", f"{name}/scufo", "--out", tmp_path / "out"]
    assert __main__.main([str(argument) for argument in arguments]) == 0
    report = json.loads((tmp_path / "out" / f"{name}-contrast.json").read_text())
    assert report["num_pairs"] == len(moving)
    assert 0 <= report["contrasted"] <= report["scuba"] <= 1
    assert "contrasted accuracy" in capsys.readouterr().out
    arguments = [str(one) for one in arguments if not str(one).endswith("scufo")]
    assert __main__.main(arguments) == 0
    assert f"add {name}/scufo to --split" in capsys.readouterr().out


def test_nothing_usable_leaves_nothing_behind(small_data, tmp_path, monkeypatch):
    root = tmp_path / "datasets"
    root.mkdir()
    (root / DATASET).symlink_to(small_data / DATASET)
    monkeypatch.setattr(background_swap, "SHARES", (0.99, 1.0))
    given = ["--data-root", str(root), "--dataset", DATASET, "--split", "rare"]
    assert background_swap.main(given) == 3
    assert [path.name for path in root.iterdir()] == [DATASET]
