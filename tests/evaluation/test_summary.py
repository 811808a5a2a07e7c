import numpy as np

from smad_jax.commands import evaluate, measures
from smad_jax.evaluation import predictions, summary


def test_aspect_with_one_label_is_not_called_fair():
    labels = np.arange(20) % 2
    given = predictions.Predictions(
        ids=np.array([f"v{row}" for row in range(20)]),
        labels=labels,
        probabilities=np.eye(2, dtype=np.float32)[labels],
        features=np.zeros((20, 1), np.float32),
    )
    aspects = {"scene": np.full(20, 3), "object": np.arange(20) // 2 % 2}
    report = summary.summarize(given, aspects, classes="ab", num_bootstrap=0)
    assert report["with_one_label"] == ["scene"]
    assert list(report["aspects"]) == ["object"]
    text = evaluate.table(measures.Evaluation("set/val", given, report, 0))
    assert "scene: all videos have the same label" in text
