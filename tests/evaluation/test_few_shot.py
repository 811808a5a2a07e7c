import numpy as np
import pytest

from smad_jax import errors
from smad_jax.evaluation import few_shot

V, D, K = 60, 12, 9


def videos(seed=0):
    """Random features of nine classes, and names in random order."""
    rng = np.random.default_rng(seed)
    labels = np.arange(V) % K
    features = rng.normal(size=(V, D)) + 2 * np.eye(K, D)[labels]
    return features, labels, rng.permutation([f"v{row:03}" for row in range(V)])


def by_hand(features, episodes, rule):
    """The definition with loops, on the same episodes."""

    def cosine(a, b):
        return a @ b / np.sqrt((a @ a) * (b @ b))

    right = []
    for supports, queries in zip(*episodes, strict=True):
        for way, rows in enumerate(queries):
            for row in rows:
                scores = []
                for shots in supports:
                    found = [cosine(features[row], features[shot]) for shot in shots]
                    unit = [features[s] / np.linalg.norm(features[s]) for s in shots]
                    scores.append(
                        {
                            "mean": np.mean(found),
                            "nearest": np.max(found),
                            "prototype": cosine(features[row], np.mean(unit, axis=0)),
                        }[rule]
                    )
                right.append(np.argmax(scores) == way)
    return np.mean(right)


@pytest.mark.parametrize("rule", few_shot.RULES)
@pytest.mark.parametrize("num_shots", [1, 3])
def test_accuracy_is_that_of_the_definition(rule, num_shots):
    features, labels, ids = videos()
    sizes = {"num_ways": 4, "num_shots": num_shots, "num_queries": 2}
    found = few_shot.evaluate(
        features, labels, ids, rule=rule, num_episodes=50, seed=5, **sizes
    )
    order = np.argsort(ids)
    episodes = few_shot.draw_episodes(
        labels[order], num_episodes=50, rng=np.random.default_rng(5), **sizes
    )
    expected = by_hand(features[order], episodes, rule)
    assert found.accuracy == pytest.approx(expected)
    assert 0.2 < found.accuracy < 1


@pytest.mark.parametrize(
    ("supports", "scores"),
    [
        ([[0.6, 0.8], [0.6, -0.8]], {"mean": 0.6, "prototype": 1.0, "nearest": 0.6}),
        (
            [[0.99, 0.141], [0.5, 0.866]],
            {"mean": 0.745, "prototype": 0.829, "nearest": 0.99},
        ),
    ],
)
def test_rules_score_the_worked_examples(supports, scores):
    query = np.array([[[1.0, 0.0]]])
    for rule, expected in scores.items():
        found = few_shot.class_scores(np.array([[supports]]), query, rule)
        assert found.item() == pytest.approx(expected, abs=1e-3)


def test_orthogonal_classes_are_separated_and_equal_ones_by_chance():
    labels, ids = np.arange(V) % K, np.arange(V).astype(str)
    found = few_shot.evaluate(np.eye(K, D)[labels], labels, ids, num_shots=5)
    assert (found.accuracy, found.interval) == (1.0, 0.0)
    assert (found.num_episodes, found.num_classes) == (10_000, K)
    alike = few_shot.evaluate(np.ones((V, D)), labels, ids)
    assert alike.accuracy == pytest.approx(0.2)
    zeros = few_shot.evaluate(np.zeros((V, D)), labels, ids, num_shots=5)
    assert zeros.accuracy == pytest.approx(0.2)


def test_interval_is_that_of_a_mean_over_episodes():
    features, labels, ids = videos()
    found = few_shot.evaluate(features, labels, ids, num_episodes=2500)
    means = [
        few_shot.evaluate(features, labels, ids, num_episodes=2500, seed=seed).accuracy
        for seed in range(1, 31)
    ]
    assert found.interval == pytest.approx(1.96 * np.std(means), rel=0.4)


def test_scale_of_a_video_and_the_order_of_the_file_change_nothing():
    features, labels, ids = videos()
    plain = few_shot.evaluate(features, labels, ids, num_episodes=300)
    rng = np.random.default_rng(3)
    scaled = features * rng.uniform(0.01, 100, (V, 1))
    assert few_shot.evaluate(scaled, labels, ids, num_episodes=300) == plain
    order = rng.permutation(V)
    moved = few_shot.evaluate(
        features[order], labels[order], ids[order], num_episodes=300
    )
    assert moved == plain
    other = few_shot.evaluate(features, labels, ids, num_episodes=300, seed=1)
    assert other.accuracy != plain.accuracy


def test_episodes_hold_different_videos_of_different_large_classes():
    labels = np.repeat([4, 7, 8, 9, 11, 30], [6, 6, 7, 5, 40, 8])
    support, query = few_shot.draw_episodes(
        labels,
        num_ways=5,
        num_shots=4,
        num_queries=2,
        num_episodes=400,
        rng=np.random.default_rng(0),
    )
    assert (support.shape, query.shape) == ((400, 5, 4), (400, 5, 2))
    for episode in np.concatenate([support, query], axis=2):
        assert len(np.unique(episode)) == 30
        classes = labels[episode]
        assert (classes == classes[:, :1]).all()
        assert len(np.unique(classes)) == 5
    used = np.concatenate([support, query], axis=2)
    assert set(np.unique(labels[used])) == {4, 7, 8, 11, 30}, "9 has only five videos"
    counts = np.bincount(used.ravel(), minlength=len(labels))[labels == 11]
    assert counts.min() > 0.5 * counts.mean(), "every video is drawn about as often"


def test_too_few_large_classes_are_an_error():
    with pytest.raises(errors.DataError, match=r"^4 classes have the 7 videos that 6"):
        few_shot.evaluate(
            np.ones((31, D)),
            np.repeat(np.arange(5), [7, 7, 7, 7, 3]),
            np.arange(31),
            num_shots=6,
        )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rule": "median"}, "known: mean, prototype, nearest"),
        ({"num_shots": 0}, "shots must be at least 1, not 0"),
    ],
)
def test_settings_that_do_not_exist_are_refused(changed, message):
    with pytest.raises(errors.ConfigError, match=message):
        few_shot.evaluate(*videos(), **changed)
