"""The findings of an audit in sentences, and what to do about them."""

import math

import numpy as np

from smad_jax.evaluation import rates
from smad_jax.reporting.audit import analysis, joining, naming

_GAP = 0.05  # share of videos that makes a gap worth acting on
_FEW = 200  # videos in a third whose interval is too wide to decide by


def percent(share: float) -> str:
    """Returns a share in per cent, to a tenth; a dash for NaN."""
    if math.isnan(share):
        return "\u2013"
    return f"{100 * share:.1f}\u00a0%"


def points(difference: float) -> str:
    """Returns a signed difference of shares in percentage points."""
    return f"{100 * difference:+.1f}".replace("-", "\u2212") + " points"


def number_of_points(difference: float) -> str:
    """Returns a difference of shares in points, without the unit; a dash for NaN."""
    if math.isnan(difference):
        return "\u2013"
    return f"{100 * difference:.1f}".replace("-", "\u2212")


def number(value: float, sign: str = "") -> str:
    """Returns a measure to three digits."""
    return f"{value:{sign}.3f}".replace("-", "\u2212")


def p_value(p: float) -> str:
    """Returns a p-value, tiny ones as a bound."""
    return "p\u00a0<\u00a00.001" if p < 0.001 else f"p\u00a0=\u00a0{p:.3f}"


def interval(rate: rates.Rate) -> str:
    """Returns both ends of a rate's interval in per cent."""
    return f"{100 * rate.low:.1f} to {100 * rate.high:.1f} %"


def findings(audit: analysis.Audit) -> list[str]:
    """Returns the first paragraphs of the page, a sentence or three each."""
    model, rate = next(iter(audit.accuracy.items()))
    paragraphs = [
        f"{naming.quoted(model)} classifies {percent(rate.share)} of "
        f"{rate.num_videos:,} videos correctly (95 % interval: {interval(rate)})."
    ]
    paragraphs += _about_majority(audit)
    for aspect in audit.material.aspects:
        verdict = audit.verdicts[aspect.name][model]
        paragraphs.append(_about_thirds(aspect, verdict))
        paragraphs.append(_about_measures(aspect, verdict))
        paragraphs.append(_about_leans(audit, aspect, verdict))
    if audit.change is not None:
        paragraphs.append(_about_change(audit, audit.change))
    return paragraphs


def _about_majority(audit: analysis.Audit) -> list[str]:
    """A warning if always predicting one action may be as accurate."""
    rate = next(iter(audit.accuracy.values()))
    commonest, share = _commonest(audit)
    if rate.low > share:
        return []
    text = (
        f"Always predicting {naming.quoted(commonest)} may be as accurate: it is "
        f"correct on {percent(share)}."
    )
    if _has_learned_nothing(audit):
        text += " The findings below mean little for such a model."
    return [text]


def _has_learned_nothing(audit: analysis.Audit) -> bool:
    """Whether one constant prediction is as good, or is all the model makes."""
    rate = next(iter(audit.accuracy.values()))
    given = next(iter(audit.material.models.values()))
    return rate.high <= _commonest(audit)[1] or len(np.unique(given[given >= 0])) < 2


def _commonest(audit: analysis.Audit) -> tuple[str, float]:
    """The most frequent action, and its share of the videos."""
    counts = np.bincount(audit.material.labels)
    return audit.material.classes[int(counts.argmax())], counts.max() / counts.sum()


def _about_thirds(aspect: joining.Aspect, verdict: analysis.Verdict) -> str:
    usual, rare = verdict.thirds[0], verdict.thirds[2]
    if math.isnan(verdict.gap):
        return (
            f"Accuracy cannot be compared between usual and rare {aspect.name} labels: "
            "that takes at least three videos of an action."
        )
    if verdict.p_gap >= 0.05:
        judged = "The gap may be chance"
    elif verdict.gap > 0:
        judged = "The gap is larger than chance explains"
    else:
        judged = f"A model that is better where the {aspect.name} is rare shows no bias"
    return (
        f"Accuracy is {percent(usual.share)} where the {aspect.name} is usual for the "
        f"action {aspect.counted} and {percent(rare.share)} where it is rare: a gap of "
        f"{number_of_points(verdict.gap)} points. {judged} ({p_value(verdict.p_gap)})."
    )


def _about_measures(aspect: joining.Aspect, verdict: analysis.Verdict) -> str:
    found, extra = verdict.measures, verdict.measures.amplified
    independence, oracle = number(found.independence.value), number(found.oracle.value)
    separation, chance = (
        number(value) for value in (found.separation.value, found.separation.control)
    )
    if math.isnan(extra.low):
        return (
            f"NMI with the {aspect.name} is {independence} for the predictions and "
            f"{oracle} for the true actions. Separation is {separation}, and {chance} "
            "by chance. Without bootstrap draws these numbers have no intervals."
        )
    if extra.low > 0 and verdict.reveals_more:
        first = "more about the {} than the true actions do: the model amplifies bias"
    elif extra.low > 0:
        first = (
            "no more about the {} than the true actions do; their NMI is higher "
            "because fewer actions are predicted"
        )
    elif extra.high < 0:
        first = "less about the {} than the true actions do"
    else:
        first = "about as much about the {} as the true actions do"
    if found.separation.low > found.separation.control:
        second = "they still depend on it"
    else:
        second = "no dependence is certain"
    return (
        f"The predictions reveal {first.format(aspect.name)} (NMI {independence} "
        f"against {oracle}). Among videos of the same action {second} (separation "
        f"{separation}; {chance} by chance)."
    )


def _about_leans(
    audit: analysis.Audit, aspect: joining.Aspect, verdict: analysis.Verdict
) -> str:
    tested, pairs = verdict.num_tested
    if not tested:
        return (
            f"There are too few videos to test if actions are predicted too often with "
            f"a certain {aspect.name} (0 of {pairs} pairs have ten)."
        )
    if not verdict.leans:
        return (
            f"No action is predicted with any {aspect.name} more often than chance "
            f"explains ({tested} of {pairs} pairs have enough videos to be tested)."
        )
    first = verdict.leans[0]
    label, value = audit.material.classes[first.label], aspect.names[first.value]
    if verdict.num_leans == 1:
        count = f"1 pair of action and {aspect.name} exceeds chance: "
    else:
        count = (
            f"{verdict.num_leans} pairs of action and {aspect.name} exceed chance, "
            "most of all "
        )
    return (
        f"{count}{naming.quoted(label)} with {naming.quoted(value)}. Of the videos of "
        f"other actions there, {percent(first.here.share)} are classified as "
        f"{naming.quoted(label)}; {percent(first.expected)} would be if the "
        f"{aspect.name} did not matter."
    )


def _about_change(audit: analysis.Audit, change: rates.Change) -> str:
    first, second = map(naming.quoted, audit.accuracy)
    tested = f"({points(change.difference)}, McNemar's test: {p_value(change.p)})"
    if change.p >= 0.05:
        return (
            f"The overall accuracies of {second} and {first} do not differ "
            f"significantly {tested}."
        )
    better = "higher" if change.difference > 0 else "lower"
    return f"{second} has {better} overall accuracy than {first} {tested}."


def advice(audit: analysis.Audit) -> list[str]:
    """Returns what to do next, the most useful step first."""
    model = next(iter(audit.accuracy))
    steps, small = [], []
    aspects = audit.material.aspects
    for aspect in aspects:
        verdict = audit.verdicts[aspect.name][model]
        rare = verdict.thirds[2]
        if verdict.gap > _GAP and verdict.p_gap < 0.05:
            steps.append(
                f"Train against the {aspect.name} to close the gap of "
                f"{100 * verdict.gap:.1f} points between usual and rare. Add an "
                "adversarial head on these labels (SMAD; configs/slowonly_smad.py is "
                "an example), or raise its weight if there is one. Judge the result by "
                "accuracy on the rare third, not by overall accuracy."
            )
        if verdict.leans:
            steps.append(_collect(audit, aspect, verdict))
        if rare.num_videos < _FEW:
            small.append(aspect.name)
    steps += _choice(audit)
    if _has_learned_nothing(audit):
        steps.insert(
            0,
            "First find out why accuracy is so low. Either the classes are in another "
            "order than the labels', the predictions belong to other videos, or "
            "training failed. Only a model that has learned something can show bias.",
        )
    if not steps and small:
        steps.append("There are too few videos to say whether the model is biased.")
    elif not steps:
        steps.append(
            "No finding calls for a remedy. Audit another aspect, or videos with rarer "
            "scenes, before calling the model unbiased."
        )
    if small:
        steps.append(
            f"Add test videos: the rare third by {' and '.join(small)} has fewer than "
            f"{_FEW}, so its accuracy is uncertain by several points."
        )
    if any(audit.verdicts[aspect.name][model].groups for aspect in aspects):
        labels = " or ".join(aspect.name for aspect in aspects)
        steps.append(
            f"Look at the examples below. Labels of {labels} usually come from a "
            "network; where they are wrong, ignore the group."
        )
    return steps


def _collect(
    audit: analysis.Audit, aspect: joining.Aspect, verdict: analysis.Verdict
) -> str:
    pairs = [
        f"{naming.quoted(audit.material.classes[lean.label])} without "
        f"{naming.quoted(aspect.names[lean.value])}"
        for lean in verdict.leans[:3]
    ]
    return (
        f"Collect training videos that break these associations: {'; '.join(pairs)}, "
        f"and other actions with the same {aspect.name}. From web data, keep the third "
        "with the rarest labels (OmniDebias)."
    )


def _choice(audit: analysis.Audit) -> list[str]:
    """Which of two models to prefer, where a test decides."""
    if audit.change is None:
        return []
    first, second = audit.accuracy
    steps = []
    for aspect, comparison in audit.comparisons.items():
        rare, p = comparison.thirds[2], comparison.adjusted[2]
        if p < 0.05 and comparison.p_gap < 0.05:
            better = second if rare.difference > 0 else first
            steps.append(
                f"If the {aspect} may change after deployment, prefer "
                f"{naming.quoted(better)}: on the rare third the accuracy of "
                f"{naming.quoted(second)} differs by {points(rare.difference)} "
                f"({p_value(p)})."
            )
    return steps
