"""Everything that is reported of one set of predictions, ready for JSON and a table."""

from collections.abc import Mapping, Sequence

import numpy as np

from smad_jax.evaluation import accuracy, fairness, groups, information, predictions

Report = dict[str, object]


def summarize(
    said: predictions.Predictions,
    secondary: Mapping[str, np.ndarray],
    *,
    classes: Sequence[str],
    num_bootstrap: int = 200,
    seed: int = 0,
    min_videos: int = groups.MIN_VIDEOS,
    num_worst: int = 10,
    mean: information.Mean = "arithmetic",
    average: fairness.Averaging = "groups",
) -> Report:
    """Returns accuracies, and for each aspect the measures of bias.

    A video that could not be read counts as wrong in accuracies and is left out of the
    measures of Table 4. An aspect of which no readable video has a label is only named.

    Args:
        said: Of V videos.
        secondary: By aspect, [V] int hard labels, negative where there is none.
        classes: [K] names.
        num_bootstrap: Draws behind each interval; 0 for none.
        seed: Of draws and permutations.
        min_videos: Groups of fewer videos are passed over.
        num_worst: How many of the worst groups to list.
        mean: Of two entropies, by which NMI is divided; see `fairness.separation`.
        average: Over groups, likewise.
    """
    labels = said.labels
    predicted = said.answers
    readable = (labels >= 0) & (predicted >= 0)
    unlabelled = [
        n for n, hard in secondary.items() if not (readable & (hard >= 0)).any()
    ]
    label, value = groups.worst_class(labels, predicted)
    return {
        "num_videos": len(labels),
        "unreadable": said.unreadable,
        "num_classes": len(np.unique(labels)),
        "accuracy": {
            **accuracy.summary(said.probabilities, labels, said.ids),
            "worst_class": {"name": classes[label], "accuracy": value},
        },
        "aspects": {
            name: _of_aspect(
                labels,
                predicted,
                hard,
                classes=classes,
                ids=said.ids,
                num_bootstrap=num_bootstrap,
                seed=seed,
                min_videos=min_videos,
                num_worst=num_worst,
                mean=mean,
                average=average,
            )
            for name, hard in secondary.items()
            if name not in unlabelled
        },
        "without_labels": unlabelled,
    }


def _of_aspect(
    labels: np.ndarray,
    predicted: np.ndarray,
    secondary: np.ndarray,
    *,
    classes: Sequence[str],
    ids: np.ndarray,
    num_bootstrap: int,
    seed: int,
    min_videos: int,
    num_worst: int,
    mean: information.Mean,
    average: fairness.Averaging,
) -> Report:
    """What depends on one aspect's labels."""
    found = fairness.measures(
        labels,
        predicted,
        secondary,
        num_bootstrap=num_bootstrap,
        seed=seed,
        mean=mean,
        average=average,
    )
    spread = groups.equalised_odds(
        labels, predicted, secondary, min_videos=min_videos, seed=seed
    )
    third = groups.equal_thirds(labels, secondary, ids=ids)
    counted = groups.group_accuracy(labels, predicted, secondary)
    lowest = groups.worst_group(counted, min_videos=min_videos)
    worst = groups.worst_groups(counted, count=num_worst, min_videos=min_videos)
    return {
        "num_videos": found.num_videos,
        "measures": {
            name: {
                "value": measured.value,
                "low": _finite(measured.low),
                "high": _finite(measured.high),
                "control": measured.control,
            }
            for name, measured in (
                ("independence", found.independence),
                ("oracle", found.oracle),
                ("amplified", found.amplified),
                ("separation", found.separation),
                ("sufficiency", found.sufficiency),
            )
        },
        "equalised_odds": {
            "spread": _finite(spread.mean),
            "chance": _finite(spread.chance),
            "num_classes": len(spread.label),
            "per_class": {
                classes[label]: float(value)
                for label, value in zip(spread.label, spread.deviation, strict=True)
            },
        },
        "rarity": [
            {
                "third": part.name,
                "num_videos": part.num_videos,
                "accuracy": _finite(part.accuracy),
                "worst_class": classes[part.worst_label] if part.num_videos else None,
                "worst_accuracy": _finite(part.worst_accuracy),
            }
            for part in groups.accuracy_by_third(labels, predicted, third)
        ],
        "worst_group": _listed(counted.take(np.array([lowest])), classes)[0],
        "worst_groups": [
            group | {"beyond_chance": bool(sure)}
            for group, sure in zip(
                _listed(counted.take(worst.rows), classes), worst.sure, strict=True
            )
        ],
    }


def _listed(found: groups.Groups, classes: Sequence[str]) -> list[Report]:
    """Groups by name and number."""
    return [
        {
            "class": classes[label],
            "label": int(secondary),
            "num_videos": int(size),
            "accuracy": float(right / size),
        }
        for label, secondary, size, right in zip(*found, strict=True)
    ]


def _finite(value: float) -> float | None:
    """The value, or None for what there is no value of: JSON has no NaN."""
    return float(value) if np.isfinite(value) else None
