"""An audit in plain words: what was found, and what to do about it."""

import math

import numpy as np

from smad_jax.evaluation import rates
from smad_jax.reporting.audit import analysis, joining, naming

_GAP = 0.05  # share of videos that makes a gap worth acting on
_FEW = 200  # videos in a third whose interval is too wide to decide by


def percent(share: float) -> str:
    """Returns a share in per cent, to a tenth; a dash for that of no videos."""
    if math.isnan(share):
        return "\u2013"
    return f"{100 * share:.1f}\u00a0%"


def points(difference: float) -> str:
    """Returns a signed difference of shares in percentage points."""
    return f"{100 * difference:+.1f}".replace("-", "\u2212") + " points"


def number_of_points(difference: float) -> str:
    """Returns a difference of shares in points, without the word; a dash for none."""
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
    said = [
        f"{naming.quoted(model)} is right on {percent(rate.share)} of "
        f"{rate.num_videos:,} videos ({interval(rate)} at 95 % confidence)."
    ]
    said += _about_majority(audit)
    for aspect in audit.material.aspects:
        verdict = audit.verdicts[aspect.name][model]
        said.append(_about_thirds(aspect, verdict))
        said.append(_about_measures(aspect, verdict))
        said.append(_about_leans(audit, aspect, verdict))
    if audit.change is not None:
        said.append(_about_change(audit, audit.change))
    return said


def _about_majority(audit: analysis.Audit) -> list[str]:
    """What a model is worth that may be no better than one answer to everything."""
    rate = next(iter(audit.accuracy.values()))
    commonest, share = _commonest(audit)
    if rate.low > share:
        return []
    said = (
        f"That is not surely better than to answer {naming.quoted(commonest)} every "
        f"time, which is right on {percent(share)}."
    )
    if _has_learned_nothing(audit):
        said += " What follows says little of such a model."
    return [said]


def _has_learned_nothing(audit: analysis.Audit) -> bool:
    """Whether one answer to everything is as good, or is all that is given."""
    rate = next(iter(audit.accuracy.values()))
    given = next(iter(audit.material.models.values()))
    return rate.high <= _commonest(audit)[1] or len(np.unique(given[given >= 0])) < 2


def _commonest(audit: analysis.Audit) -> tuple[str, float]:
    """The commonest action, and its share of the videos."""
    counts = np.bincount(audit.material.labels)
    return audit.material.classes[int(counts.argmax())], counts.max() / counts.sum()


def _about_thirds(aspect: joining.Aspect, verdict: analysis.Verdict) -> str:
    usual, rare = verdict.thirds[0], verdict.thirds[2]
    if math.isnan(verdict.gap):
        return (
            f"Which {aspect.name} is usual and which rare cannot be told: that takes "
            "three videos of an action or more."
        )
    if verdict.p_gap >= 0.05:
        judged = "This may be chance"
    elif verdict.gap > 0:
        judged = "The gap is larger than chance explains"
    else:
        judged = "It is surely better where it is rare, which is no sign of this bias"
    return (
        f"Where the {aspect.name} is usual for the action it is right on "
        f"{percent(usual.share)}, where it is rare on {percent(rare.share)}: a gap of "
        f"{number_of_points(verdict.gap)} points. {judged} ({p_value(verdict.p_gap)})."
    )


def _about_measures(aspect: joining.Aspect, verdict: analysis.Verdict) -> str:
    found, extra = verdict.measures, verdict.measures.amplified
    if math.isnan(extra.low):
        return (
            f"NMI of its answers and the {aspect.name} is "
            f"{number(found.independence.value)}, of the true actions "
            f"{number(found.oracle.value)}; separation is "
            f"{number(found.separation.value)}, chance alone shows "
            f"{number(found.separation.control)}. Without bootstrap draws nothing is "
            "said of how sure that is."
        )
    if extra.low > 0 and verdict.tells_more:
        first = "tell more about the {} than the true actions do: bias is amplified"
    elif extra.low > 0:
        first = (
            "tell no more about the {} than the true actions do, though their NMI is "
            "higher, for fewer actions are answered"
        )
    elif extra.high < 0:
        first = "tell less about the {} than the true actions do"
    else:
        first = "tell about as much of the {} as the true actions do"
    within = found.separation
    if within.low > within.control:
        second = "Among videos of one and the same action they still depend on it"
    else:
        second = "Among videos of one and the same action no dependence is certain"
    return (
        f"Its answers {first.format(aspect.name)} (NMI "
        f"{number(found.independence.value)} against {number(found.oracle.value)}). "
        f"{second} (separation {number(within.value)}, chance alone shows "
        f"{number(within.control)})."
    )


def _about_leans(
    audit: analysis.Audit, aspect: joining.Aspect, verdict: analysis.Verdict
) -> str:
    if not verdict.leans:
        return (
            f"With no {aspect.name} is any action answered more often than by chance."
        )
    first = verdict.leans[0]
    label, value = audit.material.classes[first.label], aspect.names[first.value]
    one = verdict.num_leans == 1
    stand = "1 pair" if one else f"{verdict.num_leans} pairs"
    return (
        f"{stand} of action and {aspect.name} {'stands' if one else 'stand'} out more "
        f"than chance explains{':' if one else '; most of all'} "
        f"{naming.quoted(label)} with {naming.quoted(value)}, the answer to "
        f"{percent(first.here.share)} of the other videos there, where "
        f"{percent(first.expected)} would be if the {aspect.name} did not matter."
    )


def _about_change(audit: analysis.Audit, change: rates.Change) -> str:
    first, second = map(naming.quoted, audit.accuracy)
    if change.p >= 0.05:
        return (
            f"{second} and {first} do not differ surely over all videos "
            f"({points(change.difference)}, McNemar's test: {p_value(change.p)})."
        )
    better = "better" if change.difference > 0 else "worse"
    return (
        f"{second} is {better} than {first} over all videos "
        f"({points(change.difference)}, McNemar's test: {p_value(change.p)})."
    )


def advice(audit: analysis.Audit) -> list[str]:
    """Returns what to do next, the most useful first."""
    model = next(iter(audit.accuracy))
    steps, small = [], []
    aspects = audit.material.aspects
    for aspect in aspects:
        verdict = audit.verdicts[aspect.name][model]
        rare = verdict.thirds[2]
        if verdict.gap > _GAP and verdict.p_gap < 0.05:
            steps.append(
                f"Train against the {aspect.name}: an adversarial head on these labels "
                "(SMAD; configs/slowonly_smad.py is an example), or one of more weight "
                f"if there is one already, aims at the {100 * verdict.gap:.1f} points "
                "between usual and rare. Judge it by the rare third, not by all videos."
            )
        if verdict.leans:
            steps.append(_collect(audit, aspect, verdict))
        if rare.num_videos < _FEW:
            small.append(aspect.name)
    steps += _choice(audit)
    if _has_learned_nothing(audit):
        steps.insert(
            0,
            "Find out first why the model is hardly right: classes in another order "
            "than the labels', predictions of other videos or a training that came to "
            "nothing look like this. Bias shows in a model that has learned something.",
        )
    if not steps:
        steps.append(
            "Nothing here asks for a remedy. Audit another aspect, or videos with "
            "rarer scenes, before calling the model unbiased."
        )
    if small:
        steps.append(
            f"Add test videos: the rare third by {' and '.join(small)} has fewer than "
            f"{_FEW}, and its accuracy is known to some points only."
        )
    if any(audit.verdicts[aspect.name][model].groups for aspect in aspects):
        labels = " or ".join(aspect.name for aspect in aspects)
        steps.append(
            f"Look at the examples below. Labels of {labels} usually come from a "
            "network; where they are wrong, the group is no finding."
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
        f"Collect training videos that break the habit: {'; '.join(pairs)}, and other "
        f"actions with them. Of web data keep the third with the "
        "rarest labels (OmniDebias)."
    )


def _choice(audit: analysis.Audit) -> list[str]:
    """Which of two models to take, where a test tells."""
    if audit.change is None:
        return []
    first, second = audit.accuracy
    told = []
    for aspect, comparison in audit.comparisons.items():
        rare, p = comparison.thirds[2], comparison.adjusted[2]
        if p < 0.05 and comparison.p_gap < 0.05:
            better = second if rare.difference > 0 else first
            told.append(
                f"Where the {aspect} may change after deployment, prefer "
                f"{naming.quoted(better)}: on the rare third "
                f"{naming.quoted(second)} is at {points(rare.difference)} "
                f"({p_value(p)})."
            )
    return told
