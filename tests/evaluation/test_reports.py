import json

import pytest

from smad_jax.evaluation import reports

EPISODES = {
    "accuracy": 0.4,
    "ways": 5,
    "queries": 1,
    "episodes": 10_000,
    "rule": "mean",
    "views": 10,
}
PAIRS = [
    {"train": f"ucf101/train{n}", "test": f"ucf101/val{n}", "c": 1.0} for n in (1, 2)
]
TRAIN, TESTS = [[pair[key] for pair in PAIRS] for key in ("train", "test")]


@pytest.fixture
def features(tmp_path):
    path = tmp_path / "ucf101-all.npz"
    path.write_bytes(b"some features")
    return path


def put(features, **found):
    path = features.with_name("report.json")
    reports.write(path, [features], found)
    return path


def test_only_episodes_like_the_papers_count(features):
    path = put(features, **{"1-shot": EPISODES})
    assert reports.few_shot_accuracy(path, 1) == 0.4
    assert reports.few_shot_accuracy(path, 5) is None
    for other in (
        {"ways": 6},
        {"queries": 2},
        {"episodes": 100},
        {"rule": "nearest"},
        {"views": 3},
    ):
        path = put(features, **{"1-shot": EPISODES | other})
        assert reports.few_shot_accuracy(path, 1) is None


def test_only_machines_of_these_lists_and_of_the_papers_c_count(features):
    path = put(features, mean=0.8, splits=PAIRS, views=10)
    assert reports.svm_accuracy(path, TRAIN, TESTS) == 0.8
    assert reports.svm_accuracy(path, TRAIN[::-1], TESTS) is None
    assert reports.svm_accuracy(path, TRAIN[:1], TESTS[:1]) is None
    path = put(features, mean=0.8, splits=[PAIRS[0], PAIRS[1] | {"c": 10.0}], views=10)
    assert reports.svm_accuracy(path, TRAIN, TESTS) is None
    path = put(features, mean=0.8, splits=PAIRS, views=1)
    assert reports.svm_accuracy(path, TRAIN, TESTS) is None


def test_report_of_features_that_were_extracted_again_does_not_count(features):
    path = put(features, **{"1-shot": EPISODES})
    features.write_bytes(b"others")
    assert reports.few_shot_accuracy(path, 1) is None
    put(features, **{"5-shot": EPISODES})
    assert reports.few_shot_accuracy(path, 5) == 0.4
    assert "1-shot" not in json.loads(path.read_text()), "it was of the former"
    features.unlink()
    assert reports.few_shot_accuracy(path, 5) == 0.4


def test_number_of_shots_is_added_to_what_is_there(features):
    put(features, **{"1-shot": EPISODES})
    path = put(features, **{"5-shot": EPISODES | {"accuracy": 0.6}})
    assert reports.few_shot_accuracy(path, 1) == 0.4
    assert reports.few_shot_accuracy(path, 5) == 0.6


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"1-shot": {"accuracy": 1}}'])
def test_what_is_no_report_is_not_there(tmp_path, text):
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text)
    assert reports.few_shot_accuracy(path, 1) is None
    assert reports.svm_accuracy(path, TRAIN, TESTS) is None
