import dataclasses
import io
import json

import av
import numpy as np
import pytest

from data_prep.embedded import contact_sheet, small_labellers
from data_prep.embedded import make as maker
from smad_jax import errors
from smad_jax.data import catalog, video
from smad_jax.data.embedded import benchmark

SIZES = maker.Sizes(
    pool=220, iid=40, rare=30, tail_per_class=3, train_per_class=9, stills=300
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    lines = []
    root = tmp_path_factory.mktemp("data")
    return maker.prepare(root, 5, log=lines.append, sizes=SIZES), lines


def open_split(folder, name):
    return catalog.open_split(
        folder.parent, folder.name, name, aspects=("scene", "object")
    )


def test_progress_fits_a_terminal_of_80_columns(made):
    folder, lines = made
    assert "labels right: " in "".join(lines) and "action-scene NMI: " in "".join(lines)
    assert max(len(line.replace(str(folder), "data")) for line in lines) <= 80


def test_every_split_opens_with_both_aspects(made):
    folder, _ = made
    assert folder.name == "embedded-seed5"
    splits = {
        name: open_split(folder, name)
        for name in ("train", "tail", "iid", "rare", "pool")
    }
    assert {name: len(splits[name]) for name in ("iid", "rare", "pool", "train")} == {
        "iid": 40,
        "rare": 30,
        "pool": 220,
        "train": 90,
    }
    for split in splits.values():
        assert split.classes == benchmark.ACTIONS
        assert split.aspect_labels["scene"].shape == (len(split), 16)
        assert split.aspect_labels["object"].shape == (len(split), 8)
        assert all(mask.all() for mask in split.aspect_mask.values())
        for values in split.aspect_labels.values():
            np.testing.assert_allclose(values.sum(axis=1, dtype=float), 1, atol=0.01)


def test_train_and_tail_share_no_video_and_no_scene_of_a_class(made):
    train, tail = (open_split(made[0], name) for name in ("train", "tail"))
    assert not set(train.ids) & set(tail.ids)
    assert np.bincount(tail.labels).min() >= SIZES.tail_per_class
    for action in range(10):
        here, there = (
            set(split.aspect_labels["scene"][split.labels == action].argmax(1).tolist())
            for split in (train, tail)
        )
        assert not here & there


def test_the_stored_video_shows_what_was_rendered(made):
    pool = open_split(made[0], "pool")
    factors = benchmark.draw_factors(220, seed=5, stream=0, bias=benchmark.Bias())
    clips = benchmark.render(factors, seed=5, stream=0)
    for index in (0, 117, 219):
        stored = pool.video(index)
        assert pool.ids[index] == f"pool-{index:05}"
        assert stored.num_frames == 4
        frames = video.decode(stored.video, range(4))
        error = np.abs(frames.astype(int) - clips.video[index]).mean()
        assert error < 8
        assert pool.labels[index] == factors.action[index]


def test_the_truth_lies_beside_the_videos(made):
    truth = np.load(made[0] / "factors.npz")
    assert truth["ids"].shape == (290,)
    assert truth["ids"][260] == "rare-00000"
    assert truth["scene"][260:].min() >= benchmark.NUM_COMMON_SCENES
    actor = np.unpackbits(truth["actor"], axis=-1).astype(bool)
    factors = benchmark.draw_factors(220, seed=5, stream=0, bias=benchmark.Bias())
    expected = benchmark.render(factors, seed=5, stream=0).actor
    np.testing.assert_array_equal(actor[:220], expected)
    np.testing.assert_array_equal(truth["object"][:220], factors.object)


def test_even_a_few_pictures_teach_the_scene_labeller_more_than_chance(made):
    report = json.loads((made[0] / "report.json").read_text())
    assert report["labeller_accuracy"]["scene"] > 0.3  # chance is 1/16
    assert set(report["nmi_action_scene"]) == {"pool", "train", "tail"}


def test_progress_is_reported(made):
    assert len(made[1]) > 3
    assert "290 videos" in made[1][0]


def test_nothing_is_left_beside_the_data_set(made):
    assert [path.name for path in made[0].parent.iterdir()] == [made[0].name]


def test_an_existing_benchmark_is_kept(made):
    folder, _ = made
    before = (folder / "dataset.json").stat().st_mtime_ns
    lines = []
    again = maker.prepare(folder.parent, 5, log=lines.append, sizes=SIZES)
    assert again == folder
    assert lines == []
    assert (folder / "dataset.json").stat().st_mtime_ns == before


@pytest.fixture
def quick_labels(monkeypatch):
    """Labels by mean colour instead of trained networks."""

    def probabilities(_, frames):
        shade = frames.mean(axis=(1, 2)).astype(int) // 16 % 2 @ np.array([1, 2, 4])
        return np.eye(8, dtype=np.float32)[shade]

    labellers = small_labellers
    monkeypatch.setattr(labellers, "train", lambda *_, seed: None)
    monkeypatch.setattr(labellers, "probabilities", probabilities)


@pytest.mark.usefixtures("quick_labels")
def test_another_recipe_makes_it_again_with_a_message(tmp_path):
    lines = []
    sizes = maker.Sizes(120, 10, 10, 2, 4, 60)
    folder = maker.prepare(tmp_path, 0, log=lines.append, sizes=sizes)
    first = {path.name: path.read_bytes() for path in folder.glob("*.tfrecord")}
    bias = benchmark.Bias(strength=0.5)
    maker.prepare(tmp_path, 0, log=lines.append, sizes=sizes, bias=bias)
    assert any("another recipe" in line for line in lines)
    facts = catalog.read_dataset_file(folder)
    assert facts.recipe["bias"]["strength"] == 0.5
    maker.prepare(tmp_path, 0, log=lines.append, sizes=sizes)
    again = {path.name: path.read_bytes() for path in folder.glob("*.tfrecord")}
    assert again == first  # the same bytes twice
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@pytest.mark.usefixtures("quick_labels")
def test_a_failure_leaves_nothing_behind(tmp_path):
    sizes = maker.Sizes(60, 10, 10, 5, 30, 60)
    with pytest.raises(errors.DataError, match="cannot be split"):
        maker.prepare(tmp_path, 0, log=str, sizes=sizes)
    assert list(tmp_path.iterdir()) == []


def test_data_sets_made_before_there_was_web_data_stay_what_they_are(tmp_path):
    # the recipe of version 1: another one now would make all data sets again
    folder = tmp_path / "embedded-seed3"
    recipe = {
        "maker": "data_prep.embedded",
        "version": 1,
        "seed": 3,
        "sizes": {
            "pool": 4500,
            "iid": 800,
            "rare": 600,
            "tail_per_class": 60,
            "train_per_class": 250,
            "stills": 5000,
        },
        "bias": {
            "strength": 1.0,
            "scene_offsets": [0, 1, 5, 8],
            "scene_shares": [0.30, 0.20, 0.14, 0.10],
            "object_offsets": [0, 3, 5],
            "object_shares": [0.38, 0.22, 0.14],
            "object_absent": 0.10,
        },
    }
    catalog.write_dataset_file(
        folder, name=folder.name, classes=(), num_videos=5900, recipe=recipe
    )
    lines = []
    assert maker.prepare(tmp_path, 3, log=lines.append) == folder
    assert lines == []


@pytest.mark.usefixtures("quick_labels")
@pytest.mark.parametrize("name", [benchmark.LASTING_NAME, benchmark.MILDER_NAME])
def test_later_editions_have_an_oracle_whose_scenes_do_not_depend_on_the_action(
    tmp_path, name
):
    sizes = dataclasses.replace(SIZES, pool=500, oracle=600)
    folder = maker.prepare(tmp_path, 5, name=name, log=str, sizes=sizes)
    assert folder.name == f"{name}-seed5"
    truth = np.load(folder / "factors.npz")
    scene = {}
    for part in ("pool", "iid", "oracle", "rare"):
        ids = catalog.open_split(tmp_path, folder.name, part).ids
        rows = np.isin(truth["ids"], ids)
        scene[part] = truth["action"][rows], truth["scene"][rows]
    favourite = {part: np.mean(a == s) for part, (a, s) in scene.items()}
    assert len(scene["oracle"][0]) == 600
    bias = maker.EDITIONS[name].bias
    assert abs(favourite["pool"] - bias.scene_shares[0]) < 0.05
    assert abs(favourite["oracle"] - 1 / benchmark.NUM_COMMON_SCENES) < 0.05


@pytest.mark.usefixtures("quick_labels")
def test_the_large_edition_stores_a_second_of_eight_frames_of_112_pixels(tmp_path):
    sizes = maker.Sizes(
        pool=60, iid=10, rare=10, tail_per_class=1, train_per_class=1, stills=50
    )
    bias = benchmark.Bias()  # enough scenes for so few videos
    name = benchmark.LARGE_NAME
    folder = maker.prepare(tmp_path, 5, name=name, log=str, sizes=sizes, bias=bias)
    how = maker.EDITIONS[name].how
    assert catalog.read_dataset_file(folder).recipe["look"]["size"] == 112
    pool = catalog.open_split(tmp_path, folder.name, "pool")
    factors = benchmark.draw_factors(60, seed=5, stream=0, bias=bias)
    clips = benchmark.render(factors, seed=5, stream=0, how=how)
    stored = pool.video(7)
    assert stored.num_frames == 8
    with av.open(io.BytesIO(stored.video)) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.pix_fmt) == (8, "yuv420p")
    frames = video.decode(stored.video, range(8))
    assert frames.shape == (8, 112, 112, 3)
    assert np.abs(frames.astype(int) - clips.video[7]).mean() < 20  # grain is lost
    with np.load(folder / "factors.npz") as truth:
        actor = np.unpackbits(truth["actor"], axis=-1).astype(bool)
    np.testing.assert_array_equal(actor[:60], clips.actor)
    sheet = contact_sheet.draw(folder, columns=2, zoom=1)
    assert sheet.shape == (10 * (112 + 18), 2 * (8 * 112 + 8), 3)


def test_web_data_of_a_later_edition_are_refused(tmp_path, capsys):
    arguments = ["--web", "--name", benchmark.LASTING_NAME, "--out", str(tmp_path)]
    assert maker.main(arguments) == 2
    assert "share the web data" in capsys.readouterr().err


@pytest.mark.parametrize(("seed", "scale"), [(-1, 1), (0, 0.01), (0, 1.5)])
def test_an_unknown_draw_is_refused(tmp_path, capsys, seed, scale):
    arguments = f"--seed {seed} --scale {scale} --out {tmp_path}".split()
    assert maker.main(arguments) == 2
    assert "must be" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "embedded-seed3").mkdir()
    with pytest.raises(errors.DataError, match=r"no dataset\.json"):
        maker.prepare(tmp_path, 3, log=str, sizes=SIZES)


def test_the_contact_sheet_has_a_row_for_each_action(made):
    sheet = contact_sheet.draw(made[0], columns=4, zoom=2)
    assert sheet.shape == (10 * (64 + 18), 4 * (4 * 64 + 8), 3)


def test_the_command_prints_where_the_data_set_is(made, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(maker.Sizes, "scaled", lambda self, share: SIZES)
    sheet = tmp_path / "sheet.png"
    arguments = ["--seed", "5", "--out", str(made[0].parent), "--sheet", str(sheet)]
    assert maker.main(arguments) == 0
    assert str(made[0]) in capsys.readouterr().out
    assert sheet.read_bytes().startswith(b"\x89PNG")
