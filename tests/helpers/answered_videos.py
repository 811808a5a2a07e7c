"""A data set without pictures, and what a network predicts of its videos."""

import numpy as np

from smad_jax.data import catalog, records
from smad_jax.evaluation import predict


def make(root, name, split, kind, *, labels, probabilities, classes):
    """Writes five videos `KIND 0` to `KIND 4`, and `predictions.npz` in another order.

    The file has a prediction more than the data set has videos.
    """
    folder = root / name
    ids = [f"{kind} {row}" for row in range(5)]
    with records.RecordWriter(folder / "videos") as writer:
        for id, label in zip(ids, labels.tolist(), strict=True):
            writer.write(records.VideoRecord(id, b"", label, 1))
    catalog.write_split(folder, split, ids, labels)
    catalog.write_dataset_file(folder, name=name, classes=classes, num_videos=5)
    order = [3, 0, 4, 1, 2]
    predict.Predictions(
        ids=np.array([*(ids[row] for row in order), "another"]),
        labels=np.array([*labels[order], 0]),
        probabilities=np.concatenate([probabilities[order], [[1, 0, 0]]]),
        features=np.zeros((6, 2)),
    ).save(root / "predictions.npz")
