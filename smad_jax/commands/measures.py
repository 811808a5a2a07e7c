"""Testing a network on labelled videos: accuracy, bias, and what its features hold."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.data import catalog, label_names, selection
from smad_jax.evaluation import (
    contingency,
    groups,
    information,
    predict,
    probe,
    static_bias,
    summary,
)
from smad_jax.experiment import trained


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A network on one test set.

    Attributes:
        place: DATASET/SPLIT.
        predictions: Of the videos whose class the network knows.
        report: Accuracies and measures of bias, ready for JSON; see `summary`.
        left_out: How many videos are of other classes.
    """

    place: str
    predictions: predict.Predictions
    report: dict[str, Any]
    left_out: int

    @property
    def contrast_place(self) -> str | None:
        """The split that a test of static bias is contrasted with; None for others."""
        dataset, _, name = self.place.rpartition("/")
        twins = {
            static_bias.SCUBA: static_bias.SCUFO,
            static_bias.SCUFO: static_bias.SCUBA,
        }
        return f"{dataset}/{twins[name]}" if name in twins else None


def evaluate(
    network: trained.TrainedNetwork,
    place: str,
    *,
    aspects: Sequence[str] | None = None,
    bootstrap: int = 200,
    seed: int = 0,
    mean: information.Mean = "arithmetic",
    average: contingency.Averaging = "groups",
    min_videos: int = groups.MIN_VIDEOS,
    worst: int = 10,
) -> Evaluation:
    """Predicts every video of a split and measures accuracy and bias.

    Args:
        network: From `load_run`.
        place: DATASET/SPLIT.
        aspects: To measure against; None for all with soft labels.
        bootstrap: Draws behind each interval; 0 for none.
        seed: Random seed of draws and permutations.
        mean: Mean of two entropies by which NMI is divided.
        average: Average over groups in separation and sufficiency.
        min_videos: Smaller groups are skipped, unless all are smaller.
        worst: Number of worst groups to list.

    Raises:
        ConfigError: if an aspect has tags.
        DataError: if the split or its labels are missing.
    """
    given = _open(network, place, aspects)
    split = selection.with_classes(given, network.classes)
    folder = network.dataset_folder(place)
    names = {
        name: label_names.stored(folder, name, aspect.num_labels)
        for name, aspect in split.aspects.items()
    }
    predictions = network.predict(split)
    report: dict[str, Any] = summary.summarize(
        predictions,
        {aspect: selection.hard_labels(split, aspect) for aspect in split.aspects},
        classes=network.classes,
        num_bootstrap=bootstrap,
        seed=seed,
        min_videos=min_videos,
        num_worst=worst,
        mean=mean,
        average=average,
    )
    for aspect, part in report["aspects"].items():
        known = names[aspect]
        for group in (part["worst_group"], *part["worst_groups"]) if known else ():
            group["name"] = known[group["label"]]
    return Evaluation(place, predictions, report, len(given) - len(split))


def contrast(
    moving: Evaluation, others: Mapping[str, Evaluation]
) -> static_bias.Result | None:
    """Returns the contrasted accuracy of a SCUBA test whose SCUFO is among `others`."""
    is_first = moving.place.rpartition("/")[2] == static_bias.SCUBA
    frozen = others.get(moving.contrast_place or "")
    if not is_first or frozen is None:
        return None
    return static_bias.contrast(moving.predictions, frozen.predictions)


def _open(
    network: trained.TrainedNetwork, place: str, wanted: Sequence[str] | None
) -> catalog.Split:
    """The split with soft labels: of all aspects, or of those in `wanted`."""
    names = network.labelled_aspects(place) if wanted is None else wanted
    split = network.open_split(place, aspects=names)
    for name in wanted or ():
        if split.aspects[name].kind != "soft":
            raise errors.ConfigError(
                f"videos have several tags of {name!r}; the measures need one label "
                "per video"
            )
    soft = {name: one for name, one in split.aspects.items() if one.kind == "soft"}
    return dataclasses.replace(split, aspects=soft)


def probe_features(
    network: trained.TrainedNetwork,
    place: str,
    *,
    aspects: Sequence[str] = (),
    max_videos: int = 20_000,
    strength: float = 1.0,
    seed: int = 0,
) -> dict[str, probe.Result]:
    """Returns the accuracy of a fresh linear probe for each aspect.

    Args:
        network: From `load_run`.
        place: DATASET/SPLIT; its videos may be of any classes.
        aspects: Aspects to probe for; none for all that have soft labels.
        max_videos: Videos used at most; 0 for all.
        strength: C of the logistic regression, above 0.
        seed: Random seed of the halves.

    Raises:
        ConfigError: if `strength` is not above 0.
        DataError: if an aspect has no soft labels.
    """
    if strength <= 0:
        raise errors.ConfigError(f"strength must be above 0, not {strength}")
    names = aspects or network.labelled_aspects(place)
    split = network.open_split(place, aspects=names)
    soft = [name for name in names if split.aspects[name].kind == "soft"]
    if not soft or (aspects and len(soft) < len(names)):
        others = ", ".join(sorted(set(names) - set(soft))) or "any aspect"
        raise errors.DataError(f"{place} has no soft labels of {others} to probe for")
    # The network need not know the videos' classes.
    unlabelled = dataclasses.replace(split, labels=np.zeros_like(split.labels))
    features = network.predict(unlabelled).features
    return {
        name: probe.evaluate(
            features,
            selection.hard_labels(split, name),
            max_videos=max_videos,
            strength=strength,
            seed=seed,
        )
        for name in soft
    }


def adversary_accuracy(run: pathlib.Path) -> dict[str, float]:
    """Returns the accuracy of each adversarial head at a run's last logged step."""
    path = run / "metrics.jsonl"
    if not path.is_file():
        return {}
    with file_io.reading(path, "train again, or remove the file"):
        found = {}
        # Not the last line alone, which may be of a test during training.
        for line in path.read_text("utf-8").splitlines():
            for key, value in json.loads(line).items():
                if key.startswith("accuracy/"):
                    found[key.removeprefix("accuracy/")] = value
        return found
