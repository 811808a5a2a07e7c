"""The commands that measure a network, from the command line on."""

import csv
import json
import pathlib

import cv2
import numpy as np
import pytest

from smad_jax.data import catalog
from smad_jax.data.embedded import benchmark
from smad_jax.evaluation import (
    __main__,
    accuracy,
    fairness,
    few_shot,
    linear_svm,
    predict,
    probe,
)
from smad_jax.evaluation import features as feature_files
from smad_jax.experiment import trained
from smad_jax.reporting.audit import inputs
from smad_jax.torch_weights import weights

DATASET = "embedded-seed0-x0.05"


@pytest.fixture
def call(capsys):
    """Runs a command; returns the exit code and what it printed."""

    def run(*arguments):
        code = __main__.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


@pytest.fixture(scope="module")
def network(fresh_run, small_data):
    return trained.load(fresh_run, small_data)


@pytest.fixture(scope="module")
def pool(fresh_run, small_data, tmp_path_factory):
    """A file of features of all videos that the benchmark divides."""
    path = tmp_path_factory.mktemp("features") / "pool.npz"
    options = ["--run", fresh_run, "--data-root", small_data, "--views", 3]
    arguments = ["features", *options, "--split", "embedded/pool", "--out", path]
    assert __main__.main([str(argument) for argument in arguments]) == 0
    return path


def test_evaluate_reports_the_measures_of_the_predictions(
    fresh_run, small_data, tmp_path, call
):
    code, printed = call(
        *("evaluate", "--run", fresh_run, "--data-root", small_data),
        *("--split", "embedded/rare", "--bootstrap", 10, "--out", tmp_path),
    )
    assert code == 0, printed
    report = json.loads((tmp_path / "embedded-rare.json").read_text("utf-8"))
    predictions = predict.Predictions.load(tmp_path / "embedded-rare.npz")
    split = catalog.open_split(small_data, DATASET, "rare", aspects=("scene",))
    expected = accuracy.summary(
        predictions.probabilities, split.labels, predictions.ids
    )
    found = report["accuracy"]
    assert {name: found[name] for name in expected} == expected
    measures = fairness.measures(
        split.labels,
        predictions.probabilities.argmax(axis=1),
        split.aspect_labels["scene"].argmax(axis=1),
        num_bootstrap=10,
        seed=0,
    )
    scene = report["aspects"]["scene"]["measures"]
    assert scene["separation"]["value"] == measures.separation.value
    assert scene["independence"]["high"] == measures.independence.high
    assert set(report["aspects"]) == {"object", "scene"}
    assert "worst class: " in printed
    assert f"top1 {expected['top1']:.1%}" in printed
    assert printed.count("separation: between") == 1


def test_evaluate_names_the_scenes_of_the_worst_groups(
    fresh_run, small_data, tmp_path, call, monkeypatch
):
    split = catalog.open_split(small_data, DATASET, "iid", aspects=("scene",))
    scenes = split.aspect_labels["scene"].argmax(axis=1)
    pairs, count = np.unique([split.labels, scenes], axis=1, return_counts=True)
    label, scene = pairs[:, count.argmax()]
    wrong = (split.labels == label) & (scenes == scene)

    def predicted(network, split):
        answers = np.where(wrong, (split.labels + 1) % 10, split.labels)
        return predict.Predictions(
            np.asarray(split.ids), split.labels, np.eye(10)[answers], answers[:, None]
        )

    monkeypatch.setattr(trained.TrainedNetwork, "predict", predicted)
    code, printed = call(
        *("evaluate", "--run", fresh_run, "--data-root", small_data, "--out", tmp_path),
        *("--split", "embedded/iid", "--bootstrap", 0, "--aspects", "scene"),
        *("--min-videos", 2, "--mean", "geometric", "--average", "ratio"),
    )
    assert code == 0, printed
    report = json.loads((tmp_path / "embedded-iid.json").read_text("utf-8"))
    worst = report["aspects"]["scene"]["worst_groups"][0]
    assert not worst["beyond_chance"], "the set is small"
    assert worst["class"] == benchmark.ACTIONS[label]
    assert worst["name"] == benchmark.SCENES[scene]
    assert (worst["num_videos"], worst["accuracy"]) == (wrong.sum(), 0)
    assert worst["name"] in printed.partition("worst groups")[2]
    assert report["aspects"]["scene"]["worst_group"]["accuracy"] == 0
    answers = predicted(None, split).answers
    expected = fairness.separation(
        split.labels, answers, scenes, mean="geometric", average="ratio"
    )
    found = report["aspects"]["scene"]["measures"]["separation"]["value"]
    assert found == pytest.approx(expected)


def test_evaluate_finds_classes_by_their_names(
    fresh_run, small_data, web_data, tmp_path, call
):
    code, printed = call(
        *("evaluate", "--run", fresh_run, "--data-root", small_data, "--split"),
        *(f"{web_data}/{name}" for name in ("train", "backwards")),
        *("--out", tmp_path),
    )
    assert code == 0, printed
    straight, backwards = (
        json.loads((tmp_path / f"{web_data}-{name}.json").read_text("utf-8"))
        for name in ("train", "backwards")
    )
    assert straight["accuracy"] == backwards["accuracy"]
    assert straight["aspects"] == {}, "the stills have no labels of aspects"
    assert "separation:" not in printed


def test_imported_weights_predict_as_their_run_does(
    fresh_run, small_data, tmp_path, call, network
):
    arrays, manifest = weights.load_arrays(fresh_run)
    plain = {path: a for path, a in arrays.items() if not path.startswith("saar/")}
    weights.save_weights(tmp_path / "imported", plain, manifest)
    (tmp_path / "classes.txt").write_text("\n".join(benchmark.ACTIONS))
    given = ["evaluate", "--run", tmp_path / "imported", "--data-root", small_data]
    given += ["--split", f"{DATASET}/rare", "--out", tmp_path]
    code, printed = call(*given)
    assert code == 2
    assert "give a config (configs/NAME.py:DATA) and their classes" in printed
    code, printed = call(
        *(*given, "--config", "configs/slowonly_baseline.py", "--bootstrap", 0),
        *("--classes", tmp_path / "classes.txt"),
    )
    assert code == 0, printed
    predictions = predict.Predictions.load(tmp_path / f"{DATASET}-rare.npz")
    split = catalog.open_split(small_data, DATASET, "rare")
    # a fresh SAAR changes nothing
    expected = network.predict(split)
    np.testing.assert_allclose(
        predictions.probabilities, expected.probabilities, atol=1e-5
    )
    code, printed = call(*given, "--config", "nowhere.py", "--classes", "none.txt")
    assert code == 2
    assert "nowhere.py" in printed


def test_block_of_a_feature_vector_is_the_feature_of_that_view(
    pool, fresh_run, small_data
):
    found = feature_files.Features.load(pool)
    split = catalog.open_split(small_data, DATASET, "pool")
    views = trained.load(fresh_run, small_data, test_views=3).features(split).features
    size = views.shape[2]
    for view in range(3):
        block = found.features[:, view * size : (view + 1) * size]
        np.testing.assert_allclose(block, views[:, view], atol=1e-5)
    assert found.ids.tolist() == list(split.ids)
    assert found.labels.tolist() == split.labels.tolist()
    assert found.num_views == 3


def test_static_video_has_equal_blocks(fresh_run, small_data, web_data, tmp_path, call):
    options = ["--run", fresh_run, "--data-root", small_data, "--views", 4]
    code, printed = call(
        *("features", *options, "--split", f"{web_data}/few"),
        *("--out", tmp_path / "few.npz"),
    )
    assert code == 0, printed
    found = feature_files.Features.load(tmp_path / "few.npz")
    blocks = found.features.reshape(3, 4, -1)
    np.testing.assert_allclose(blocks, blocks[:, :1].repeat(4, 1), atol=1e-5)
    assert blocks.std(axis=(0, 2)).min() > 0


def test_few_shot_and_svm_are_those_of_the_extracted_features(
    pool, small_data, tmp_path, call
):
    videos = feature_files.Features.load(pool)
    out = tmp_path / "few_shot.json"
    code, printed = call(
        *("few_shot", "--features", pool, "--episodes", 200, "--shots", 2, "--out", out)
    )
    assert code == 0, printed
    expected = few_shot.evaluate(
        *(videos.features, videos.labels, videos.ids), num_shots=2, num_episodes=200
    )
    found = json.loads(out.read_text())["2-shot"]
    assert found["accuracy"] == expected.accuracy
    assert not list(pool.parent.glob("few_shot-*")), "the paper has 10,000 episodes"
    assert "not for Table 5: episodes 200 instead of 10000, views 3" in printed
    lists = [f"embedded/{name}" for name in ("train", "tail")]
    code, printed = call(
        *("svm", "--features", pool, pool, "--data-root", small_data, "--out", out),
        *("--train", *lists, "--test", *lists[::-1]),
    )
    assert code == 0, printed
    train, tail = (
        catalog.open_split(small_data, DATASET, name) for name in ("train", "tail")
    )
    one, other = (
        (videos.features[videos.rows_of(split.ids)], split.labels)
        for split in (train, tail)
    )
    accuracies = [
        linear_svm.accuracy(*one, *other),
        linear_svm.accuracy(*other, *one),
    ]
    found = json.loads(out.read_text())
    assert [split["accuracy"] for split in found["splits"]] == accuracies
    assert found["mean"] == pytest.approx(sum(accuracies) / 2)
    assert f"mean of 2 splits: {found['mean']:.1%}" in printed
    assert "not for Table 5: views 3 instead of 10" in printed
    assert not list(pool.parent.glob("svm-*"))
    code, printed = call(
        "svm", "--features", pool, "--train", *lists, "--test", lists[0]
    )
    assert (code, "go in pairs" in printed) == (2, True)
    code, printed = call(
        "svm", "--features", pool, "--train", "train", "--test", "tail"
    )
    assert (code, "expected DATASET/SPLIT" in printed) == (2, True)


def test_probe_stands_beside_majority_chance_and_the_runs_adversary(
    fresh_run, small_data, tmp_path, call, network
):
    code, printed = call(
        *("probe", "--run", fresh_run, "--data-root", small_data),
        *("--split", "embedded/pool", "--out", tmp_path / "probe.json"),
    )
    assert code == 0, printed
    report = json.loads((tmp_path / "probe.json").read_text())
    split = catalog.open_split(small_data, DATASET, "pool", aspects=("scene",))
    predictions = network.predict(split)
    expected = probe.evaluate(
        predictions.features, split.aspect_labels["scene"].argmax(axis=1)
    )
    assert report["scene"]["accuracy"] == expected.accuracy
    assert report["scene"]["adversary"] == 0.25, "that of the last logged step"
    assert report["object"]["adversary"] is None
    assert f"{expected.majority:.1%}" in printed


@pytest.fixture
def folder(tmp_path, small_data):
    """Videos and a picture of a folder, and what is none."""
    folder = tmp_path / "my videos"
    (folder / "deep, deep").mkdir(parents=True)
    split = catalog.open_split(small_data, DATASET, "iid")
    (folder / "b $x^2$.MP4").write_bytes(split.video(1).video)
    (folder / "deep, deep" / "a.mp4").write_bytes(split.video(0).video)
    (folder / "still.png").write_bytes(
        cv2.imencode(".png", np.full((40, 50, 3), 90, np.uint8))[1].tobytes()
    )
    (folder / "cut.mp4").write_bytes(split.video(2).video[:300])
    (folder / "gone.mp4").symlink_to("nowhere.mp4")
    (folder / "notes.txt").write_text("no video")
    return folder


def test_predict_lists_likely_classes_and_reports_bad_videos(
    fresh_run, small_data, folder, tmp_path, call, network
):
    out = tmp_path / "predictions.csv"
    code, printed = call(
        *("predict", "--run", fresh_run, "--data-root", tmp_path / "nothing"),
        *("--videos", folder, "--out", out, "--top", 4),
    )
    assert code == 0, printed
    with open(out, encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert list(rows) == [
        *("b $x^2$.MP4", "cut.mp4", "deep, deep/a.mp4", "gone.mp4", "still.png")
    ]
    split = catalog.open_split(small_data, DATASET, "iid")
    predictions = network.predict(split).probabilities
    for name, row in (("deep, deep/a.mp4", 0), ("b $x^2$.MP4", 1)):
        order = np.argsort(-predictions[row])[:4]
        names = [rows[name][f"class_{rank}"] for rank in (1, 2, 3, 4)]
        assert names == [benchmark.ACTIONS[label] for label in order]
        values = [float(rows[name][f"p_{rank}"]) for rank in (1, 2, 3, 4)]
        np.testing.assert_allclose(values, predictions[row][order], atol=1e-4)
        assert rows[name]["problem"] == ""
    assert rows["cut.mp4"]["problem"].startswith("truncated: ")
    assert rows["gone.mp4"]["problem"] == "missing: No such file or directory"
    assert rows["cut.mp4"]["class_1"] == ""
    assert "2 cannot be used (missing 1, truncated 1)" in printed.replace(
        "truncated 1, missing 1", "missing 1, truncated 1"
    )
    assert "ffmpeg -i OLD NEW.mp4" in printed
    picture = cv2.imread(str(out.with_suffix(".png")))
    assert picture is not None
    assert picture.std() > 10


def test_predict_takes_a_file_too_and_the_audit_reads_its_table(
    fresh_run, folder, tmp_path, call
):
    given = ["predict", "--run", fresh_run, "--pictures", 0]
    one, all_of_them = tmp_path / "one.csv", tmp_path / "all.csv"
    code, printed = call(*given, "--videos", folder / "b $x^2$.MP4", "--out", one)
    assert code == 0, printed
    with open(one, encoding="utf-8", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["b $x^2$.MP4"]
    assert call(*given, "--videos", folder, "--out", all_of_them)[0] == 0
    table = inputs.read(all_of_them, "prediction")
    answered = [answer for answer in table.hard if answer]
    assert len(answered) == len(table.ids) - 2
    assert set(answered) <= set(benchmark.ACTIONS)


def test_predict_of_nothing_but_bad_videos_is_an_error_that_keeps_the_reasons(
    fresh_run, tmp_path, call
):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.mp4").write_bytes(b"no video")
    code, printed = call(
        *("predict", "--run", fresh_run, "--videos", tmp_path / "bad"),
        *("--out", tmp_path / "predictions.csv"),
    )
    assert code == 3
    assert "predictions.csv" in printed and "a.mp4: " in printed
    assert "a.mp4,undecodable: " in (tmp_path / "predictions.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("predict", "--videos", "no/where"), 3, "no/where is neither a folder"),
        (("predict", "--videos", "configs"), 3, "no videos in configs"),
        (("evaluate", "--split", "rare"), 2, "expected DATASET/SPLIT"),
        (("evaluate", "--split", "embedded/rar"), 3, "did you mean 'rare'"),
        (("features", "--split", "a/b", "--views", "-1"), 2, "views must be at"),
        (("predict", "--videos", "configs", "--out", "x.png"), 2, "name of the sheet"),
        (
            ("evaluate", "--split", "embedded/iid", "--config", "configs/common.py"),
            *(2, "config and classes are for imported weights"),
        ),
        (
            ("probe", "--split", "embedded/iid", "--strength", "0"),
            *(2, "strength must be above 0"),
        ),
        (
            ("probe", "--split", "embedded/iid", "--aspects", "scenes"),
            *(3, "did you mean 'scene'?"),
        ),
    ],
)
def test_mistakes_end_in_one_line_with_the_exit_code(
    fresh_run, small_data, call, arguments, code, message, monkeypatch
):
    monkeypatch.chdir(pathlib.Path(__file__).parents[2])
    command, *rest = arguments
    found, printed = call(
        *(command, "--run", fresh_run, "--data-root", small_data, *rest)
    )
    assert (found, message in printed) == (code, True), printed


def test_file_that_holds_no_features_is_refused(tmp_path, call):
    (tmp_path / "text.npz").write_text("no features")
    for name, message in (("text", "is no file of features"), ("none", "no features")):
        code, printed = call("few_shot", "--features", tmp_path / f"{name}.npz")
        assert (code, message in printed) == (3, True)


@pytest.mark.parametrize("command", __main__.main.commands)
def test_help_of_a_command_shows_defaults(command, capsys):
    with pytest.raises(SystemExit):
        __main__.main([command, "--help"])
    printed = capsys.readouterr().out
    assert "(default: " in printed
    assert "default: None" not in printed
