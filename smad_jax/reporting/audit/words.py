"""The findings of an audit in sentences; `conclusions` draws them together."""

import math
from collections.abc import Sequence

import numpy as np

from smad_jax.evaluation import rates
from smad_jax.reporting.audit import analysis, concern, joining, leaning, naming


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


def gap(verdict: analysis.Verdict) -> str:
    """Returns the gap in points; a dash if a third has too few videos."""
    few = verdict.concern.reason == "few"
    return number_of_points(math.nan if few else verdict.gap)


def located(audit: analysis.Audit) -> str:
    """Returns the share of mistakes that are located; nothing if none could be."""
    few = all(audit.of(aspect.name).too_few for aspect in audit.material.aspects)
    return "" if few else percent(audit.explained.share)


def number(value: float, sign: str = "") -> str:
    """Returns a measure to three digits."""
    return f"{value:{sign}.3f}".replace("-", "\u2212")


def p_value(p: float) -> str:
    """Returns a p-value, tiny ones as a bound."""
    return "p\u00a0<\u00a00.001" if p < 0.001 else f"p\u00a0=\u00a0{p:.3f}"


def interval(rate: rates.Rate) -> str:
    """Returns both ends of a rate's interval in per cent."""
    return f"{100 * rate.low:.1f} to {100 * rate.high:.1f} %"


def overall(audit: analysis.Audit) -> list[str]:
    """Returns paragraphs about all videos, whatever their aspects."""
    model, rate = next(iter(audit.accuracy.items()))
    explained = audit.explained
    text = (
        f"{opening(naming.model(model))} classifies {percent(rate.share)} of "
        f"{rate.num_videos:,} videos correctly (95 % interval: {interval(rate)})."
    )
    found = [audit.of(aspect.name) for aspect in audit.material.aspects]
    if explained.hits:
        text += (
            f" Of its {explained.num_videos:,} mistakes, {explained.hits:,} "
            f"({percent(explained.share)}) fall in groups or pairs below that exceed "
            "chance."
        )
    elif explained.num_videos and any(one.concern.proven for one in found):
        text += (
            f" None of its {explained.num_videos:,} mistakes falls in a single group "
            "or pair that exceeds chance: the gap below is spread over many."
        )
    change = [] if audit.change is None else [_about_change(audit, audit.change)]
    return [text, *_about_majority(audit), *change]


def of_aspect(audit: analysis.Audit, aspect: joining.Aspect) -> list[str]:
    """Returns paragraphs about one aspect, a sentence or three each."""
    verdict = audit.of(aspect.name)
    if verdict.too_few:
        return [_about_thirds(aspect, verdict)]
    return [
        " ".join([_about_thirds(aspect, verdict), *_about_errors(aspect, verdict)]),
        *_about_control(aspect, verdict),
        _about_measures(aspect, verdict),
        _about_leans(audit, aspect, verdict),
    ]


def opening(text: str) -> str:
    """Returns a text as a sentence begins."""
    return text[:1].upper() + text[1:]


def ends(interval: tuple[float, float]) -> str:
    """Returns both ends of the interval of a difference in points."""
    return " to ".join(map(number_of_points, interval))


def listed(names: Sequence[str]) -> str:
    """Returns names as an enumeration."""
    return " and ".join(names)


def owner(controlled: concern.Controlled) -> str:
    """Returns whose a gap is that goes with the aspects held fixed."""
    first, *more = controlled.others
    return "another aspect's" if more else f"the {first}'s"


def how_usual(aspect: joining.Aspect, lean: leaning.Lean) -> str:
    """Returns how often the label of a pair occurs with its action."""
    return (
        f"{percent(lean.own_share)} of its videos {aspect.counted} have this "
        f"{aspect.name} ({percent(lean.others_share)} of the others), and "
        f"{percent(lean.before_share)} a more frequent one"
    )


def _about_majority(audit: analysis.Audit) -> list[str]:
    """A warning if always predicting one action may be as accurate."""
    rate = next(iter(audit.accuracy.values()))
    commonest, share = commonest_action(audit)
    if rate.low > share:
        return []
    return [
        f"Always predicting {naming.quoted(commonest)} may be as accurate: it is "
        f"correct on {percent(share)}."
    ]


def has_learned_nothing(audit: analysis.Audit, model: str | None = None) -> bool:
    """Returns whether one constant prediction is as good, or is all the model makes.

    Args:
        audit: The results.
        model: By default the audited one.
    """
    model = next(iter(audit.accuracy)) if model is None else model
    rate, given = audit.accuracy[model], audit.material.models[model]
    return (
        rate.high <= commonest_action(audit)[1] or len(np.unique(given[given >= 0])) < 2
    )


def commonest_action(audit: analysis.Audit) -> tuple[str, float]:
    """Returns the most frequent action, and its share of the videos."""
    counts = np.bincount(audit.material.labels)
    return audit.material.classes[int(counts.argmax())], counts.max() / counts.sum()


def _about_thirds(aspect: joining.Aspect, verdict: analysis.Verdict) -> str:
    usual, rare = verdict.thirds[0], verdict.thirds[2]
    if math.isnan(verdict.gap):
        return (
            f"Accuracy cannot be compared between usual and rare {aspect.name} labels: "
            "that takes at least three videos of an action."
        )
    if verdict.concern.reason == "few":
        return (
            f"Nothing can be concluded about the {aspect.name}: the usual third has "
            f"{usual.num_videos} videos and the rare third {rare.num_videos}, but each "
            f"needs {concern.ENOUGH}."
        )
    if verdict.p_gap >= 0.05:
        judged = "The gap may be chance"
    elif verdict.gap > 0:
        judged = "The gap is larger than chance explains"
    else:
        judged = f"A model that is better where the {aspect.name} is rare shows no bias"
    return (
        f"{percent(usual.share)} of {usual.num_videos:,} videos are correct where the "
        f"{aspect.name} is usual for the action {aspect.counted}, and "
        f"{percent(rare.share)} of {rare.num_videos:,} where it is rare: a gap of "
        f"{number_of_points(verdict.gap)} points ({ends(verdict.gap_interval)}). "
        f"{judged} ({p_value(verdict.p_gap)})."
    )


def _about_errors(aspect: joining.Aspect, verdict: analysis.Verdict) -> list[str]:
    """How many mistakes go with unusual labels, where the gap is proven."""
    if not (verdict.concern.proven and verdict.extra_errors > 0):
        return []
    errors = sum(rate.num_videos - rate.hits for rate in verdict.thirds)
    return [
        f"If all videos were classified as well as those with a usual {aspect.name}, "
        f"about {verdict.extra_errors:,.0f} of the {errors:,} mistakes "
        f"({100 * verdict.extra_errors / errors:.0f}\u00a0%) would not occur."
    ]


def _about_control(aspect: joining.Aspect, verdict: analysis.Verdict) -> list[str]:
    """The gap with the other aspects held fixed, and what follows."""
    if verdict.controlled is None or math.isnan(verdict.gap):
        return []
    others, gap = listed(verdict.controlled.others), verdict.controlled.gap
    if not gap.num_videos:
        return [
            f"No action has videos of usual and rare {aspect.name} whose {others} is "
            "equally rare, so the aspects cannot be separated."
        ]
    judged = {
        "gap": f"So the gap is the {aspect.name}'s own.",
        "hidden": f"So the {others} hides a gap of the {aspect.name}.",
        "shared": f"So the gap above goes with the {others}.",
        "entangled": f"So it may be the {others}'s.",
    }.get(verdict.concern.reason, "")
    return [
        f"With the {others} held fixed the gap is {number_of_points(gap.difference)} "
        f"points ({ends((gap.low, gap.high))}; {p_value(gap.p)}, "
        f"Cochran-Mantel-Haenszel test on {gap.num_videos:,} videos). {judged}".strip()
    ]


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
        second = "they do not depend on it beyond chance by this measure"
        if verdict.concern.proven:
            second += ", although accuracy differs as stated above"
    return (
        f"The predictions reveal {first.format(aspect.name)} (NMI {independence} "
        f"against {oracle}). Among videos of the same action {second} (separation "
        f"{separation}; {chance} by chance)."
    )


def _about_leans(
    audit: analysis.Audit, aspect: joining.Aspect, verdict: analysis.Verdict
) -> str:
    tested, pairs = verdict.num_tested
    if not verdict.leans and verdict.concern.reason == "entangled":
        return (
            f"Nor can pairs of action and {aspect.name} be separated: only mistakes "
            "that no other aspect predicts as well are counted, and none are left."
        )
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
        f"{count}{naming.quoted(label)} with {naming.quoted(value)}. Of the "
        f"{first.here.num_videos:,} videos of other actions there, "
        f"{percent(first.here.share)} are classified as "
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
