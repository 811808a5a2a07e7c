"""What a run's answers and features on a test set tell of each aspect (Table 4).

Independence, separation and sufficiency are of the answers; the probe is a fresh linear
classifier on the features, half of the videos for training, for an adversary at chance
proves nothing.
"""

import pathlib

from smad_jax import errors
from smad_jax.data import selection
from smad_jax.evaluation import fairness, predictions, probe
from smad_jax.experiment import run_folder, splits

MEASURES = ("independence", "separation", "sufficiency", "probe")


def measure(folder: pathlib.Path, name: str) -> dict[str, float] | None:
    """Returns the measures of a finished run, named `aspect/measure`, 0 to 1.

    `aspect/oracle` is the independence of the true actions, `aspect/majority` what
    always answering the most frequent label would reach in place of the probe. With
    `/control` behind it a name is that of what chance alone would show.

    Args:
        folder: The run's.
        name: A test set of it.

    Returns:
        None if the run's predictions, or the labels of its test set, are not there.

    Raises:
        DataError: if its predictions are damaged.
    """
    try:
        config = run_folder.read_config(folder)
        place = config.evaluation.sets[name]
        aspects = splits.labelled_aspects(config, place)
        split = splits.open_place(config, place, aspects=aspects)
    except errors.DataError:
        return None
    path = folder / "predictions" / f"{name}.npz"
    if not path.is_file():
        return None
    said = predictions.Predictions.load(path)
    predicted, found = said.answers, {}
    for aspect in aspects:
        if split.aspects[aspect].kind != "soft":
            continue  # of tags a video has several
        secondary = selection.hard_labels(split, aspect)
        read = probe.evaluate(said.features, secondary)
        measured = fairness.measures(
            split.labels, predicted, secondary, num_bootstrap=0, seed=0
        )
        told = {"probe": read.accuracy, "majority": read.majority}
        for key in ("oracle", "independence", "separation", "sufficiency"):
            one = getattr(measured, key)
            told |= {key: one.value, f"{key}/control": one.control}
        found |= {f"{aspect}/{key}": value for key, value in told.items()}
    return found
