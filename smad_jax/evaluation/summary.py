"""The report on one set of predictions, ready for JSON and a table."""

from collections.abc import Mapping, Sequence

import numpy as np

from smad_jax.evaluation import accuracy, fairness, groups, information, predictions

Report = dict[str, object]


def summarize(
    given: predictions.Predictions,
    aspects: Mapping[str, np.ndarray],
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
    measures of Table 4. An aspect without a label on any readable video, or with the
    same one on all, is only named.

    Args:
        given: Predictions of V videos.
        aspects: By aspect, [V] int hard labels, negative where there is none.
        classes: [K] names.
        num_bootstrap: Draws behind each interval; 0 for none.
        seed: Random seed.
        min_videos: Smaller groups are ignored.
        num_worst: The largest number of worst groups to list.
        mean: Of two entropies, by which NMI is divided; see `fairness.separation`.
        average: Over groups; see there.
    """
    labels, predicted = given.labels, given.answers
    readable = (labels >= 0) & (predicted >= 0)
    reports, unlabelled, constant = {}, [], []
    for name, hard in aspects.items():
        num_labels = len(np.unique(hard[readable & (hard >= 0)]))
        if num_labels < 2:
            (constant if num_labels else unlabelled).append(name)
            continue
        measures = fairness.measures(
            labels,
            predicted,
            hard,
            num_bootstrap=num_bootstrap,
            seed=seed,
            mean=mean,
            average=average,
        )
        odds = groups.equalised_odds(
            labels, predicted, hard, min_videos=min_videos, seed=seed
        )
        thirds = groups.equal_thirds(labels, hard, ids=given.ids)
        counted = groups.group_accuracy(labels, predicted, hard)
        reports[name] = (
            _measures(measures)
            | _spread(odds, classes)
            | _rarity(labels, predicted, thirds, classes)
            | _lowest(counted, classes, min_videos=min_videos, num_worst=num_worst)
        )
    label, value = groups.worst_class(labels, predicted)
    return {
        "num_videos": len(labels),
        "unreadable": given.unreadable,
        "num_classes": len(np.unique(labels)),
        "accuracy": {
            **accuracy.summary(given.probabilities, labels, given.ids),
            "worst_class": {"name": classes[label], "accuracy": value},
        },
        "aspects": reports,
        "without_labels": unlabelled,
        "with_one_label": constant,
    }


def _measures(found: fairness.Measures) -> Report:
    """The measures of Table 4."""
    names = ("independence", "oracle", "amplified", "separation", "sufficiency")
    measured: dict[str, fairness.Measured] = {n: getattr(found, n) for n in names}
    return {
        "num_videos": found.num_videos,
        "measures": {
            name: {
                "value": one.value,
                "low": _finite(one.low),
                "high": _finite(one.high),
                "control": one.control,
            }
            for name, one in measured.items()
        },
    }


def _spread(found: groups.Spread, classes: Sequence[str]) -> Report:
    """The deviation of equalised odds."""
    per_class = zip(found.label, found.deviation, strict=True)
    return {
        "equalised_odds": {
            "spread": _finite(found.mean),
            "chance": _finite(found.chance),
            "num_classes": len(found.label),
            "per_class": {classes[label]: float(value) for label, value in per_class},
        }
    }


def _rarity(
    labels: np.ndarray, predicted: np.ndarray, third: np.ndarray, classes: Sequence[str]
) -> Report:
    """Accuracy in each of `groups.THIRDS`."""
    return {
        "rarity": [
            {
                "third": part.name,
                "num_videos": part.num_videos,
                "accuracy": _finite(part.accuracy),
                "worst_class": classes[part.worst_label] if part.num_videos else None,
                "worst_accuracy": _finite(part.worst_accuracy),
            }
            for part in groups.accuracy_by_third(labels, predicted, third)
        ]
    }


def _lowest(
    counted: groups.Groups, classes: Sequence[str], *, min_videos: int, num_worst: int
) -> Report:
    """The group of the lowest accuracy, and those that are low beyond chance."""
    lowest = groups.worst_group(counted, min_videos=min_videos)
    worst = groups.worst_groups(counted, count=num_worst, min_videos=min_videos)
    listed = _listed(counted.take(worst.rows), classes)
    return {
        "worst_group": _listed(counted.take(np.array([lowest])), classes)[0],
        "worst_groups": [
            group | {"beyond_chance": bool(sure)}
            for group, sure in zip(listed, worst.sure, strict=True)
        ],
    }


def _listed(found: groups.Groups, classes: Sequence[str]) -> list[Report]:
    """Groups with the names of their classes and the numbers of their labels."""
    return [
        {
            "class": classes[label],
            "label": int(aspect),
            "num_videos": int(size),
            "accuracy": float(right / size),
        }
        for label, aspect, size, right in zip(*found, strict=True)
    ]


def _finite(value: float) -> float | None:
    """The value, or None for NaN, which JSON does not have."""
    return float(value) if np.isfinite(value) else None
