"""Dependence of a run's predictions and features on each aspect (Table 4).

Independence, separation and sufficiency measure the predictions. The probe is a fresh
linear classifier on the features, trained on half of the videos, because an adversary
at chance proves nothing.
"""

import pathlib

from smad_jax import errors
from smad_jax.data import selection
from smad_jax.evaluation import fairness, predictions, probe
from smad_jax.experiment import places
from smad_jax.experiment.settings import Settings

MEASURES = ("independence", "separation", "sufficiency", "probe")


def measure(folder: pathlib.Path, name: str) -> dict[str, float] | None:
    """Returns the measures of a finished run, named `aspect/measure`, 0 to 1.

    `aspect/oracle` is the independence of the true actions, `aspect/majority` the
    probe's accuracy if it always predicted the most frequent label. Names that end in
    `/control` are the values by chance.

    Args:
        folder: Folder of the run.
        name: One of its test sets.

    Returns:
        None if the run's predictions or the labels of its test set are missing.

    Raises:
        DataError: if its predictions are damaged.
    """
    try:
        settings = Settings.of_run(folder)
        place = settings.evaluation.sets[name]
        aspects = places.labelled_aspects(settings.data, place)
        split = places.open_place(settings.data, place, aspects=aspects)
    except errors.DataError:
        return None
    path = folder / "predictions" / f"{name}.npz"
    if not path.is_file():
        return None
    stored = predictions.Predictions.load(path)
    predicted, found = stored.answers, {}
    for aspect in aspects:
        if split.aspects[aspect].kind != "soft":
            continue  # a video has several tags
        hard = selection.hard_labels(split, aspect)
        probed = probe.evaluate(stored.features, hard)
        measured = fairness.measures(
            split.labels, predicted, hard, num_bootstrap=0, seed=0
        )
        values = {"probe": probed.accuracy, "majority": probed.majority}
        for key in ("oracle", "independence", "separation", "sufficiency"):
            one = getattr(measured, key)
            values |= {key: one.value, f"{key}/control": one.control}
        found |= {f"{aspect}/{key}": value for key, value in values.items()}
    return found
