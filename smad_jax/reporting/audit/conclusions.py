"""The answer of an audit in one sentence, what to do, and both for a terminal."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from smad_jax.evaluation import groups, rates
from smad_jax.reporting.audit import analysis, concern, joining, naming, words

_FEW = 200  # videos in a third: accuracy is known within seven points
_COLUMNS = 80  # of a terminal

_LEVELS = {"none": "none found", "unclear": "too few to say"}


class Step(NamedTuple):
    """A piece of advice: what to do, in one line, and why or how."""

    lead: str
    detail: str


def level(audit: analysis.Audit, aspect: joining.Aspect) -> concern.Level:
    """Returns the level of concern; of a model that learned nothing there is none."""
    if words.has_learned_nothing(audit):
        return "unclear"
    return audit.of(aspect.name).concern.level


def level_name(audit: analysis.Audit, aspect: joining.Aspect) -> str:
    """Returns the level in words."""
    if words.has_learned_nothing(audit):
        return "cannot be judged"
    found = audit.of(aspect.name).concern
    if found.reason == "entangled":
        return "not separable"
    return _LEVELS.get(found.level, found.level)


def by_concern(audit: analysis.Audit) -> list[joining.Aspect]:
    """Returns the aspects, the one of most concern first."""
    rank = {name: n for n, name in enumerate(("unclear", *concern.LEVELS[:-1]))}
    return sorted(audit.material.aspects, key=lambda one: -rank[level(audit, one)])


def headline(audit: analysis.Audit) -> str:
    """Returns the answer in a sentence or two: how biased, towards what."""
    model, aspects = naming.model(next(iter(audit.accuracy))), by_concern(audit)
    if words.has_learned_nothing(audit):
        commonest, share = words.commonest_action(audit)
        return (
            f"{words.opening(model)} may be no better than always predicting "
            f"{naming.quoted(commonest)} ({words.percent(share)} of "
            f"{len(audit.material.labels):,} videos), so its bias cannot be judged."
        )
    biased = [a for a in aspects if audit.of(a.name).concern.level in _ADVERBS]
    if biased:
        towards = " and ".join(
            f"{_ADVERBS[audit.of(a.name).concern.level]}"
            f"{' biased' * (a is biased[0])} towards the {a.name}"
            for a in biased
        )
        evidence = _evidence(biased[0], audit.of(biased[0].name))
        return f"{words.opening(model)} is {towards}: {evidence}"
    reasons = {a.name: audit.of(a.name).concern.reason for a in aspects}
    if entangled := [name for name, why in reasons.items() if why == "entangled"]:
        return (
            f"{words.opening(model)} is less accurate where the "
            f"{' or the '.join(entangled)} is rare, but the aspects go together in "
            "this set, so the videos cannot show which of them the model uses."
        )
    few = [name for name, why in reasons.items() if why in ("few", "wide")]
    free = [a for a in aspects if a.name not in few]
    if not free:
        return (
            f"There are too few videos to say whether {model} is biased towards the "
            f"{' or the '.join(few)}: {_doubt(audit.of(few[0]))}"
        )
    found = f"No bias of {model} towards the {' or the '.join(a.name for a in free)} is"
    but = _but([one for a in free for one in _exceptions(audit, a)])
    if few:
        unknown = " and the ".join(few)
        return f"{found} found; for the {unknown} there are too few videos to say.{but}"
    return f"{found} found: {_evidence(free[0], audit.of(free[0].name))}{but}"


def _but(exceptions: Sequence[str]) -> str:
    """The parts that chance does not explain, as a sentence after the answer."""
    if not exceptions:
        return ""
    more = f" and {len(exceptions) - 1} more" if exceptions[1:] else ""
    return f" But accuracy is lower than chance explains for {exceptions[0]}{more}."


def _exceptions(audit: analysis.Audit, aspect: joining.Aspect) -> list[str]:
    """Names of all groups, actions in one third and labels that exceed chance.

    There are none where the gap, and so perhaps they, are another aspect's.
    """
    verdict = audit.of(aspect.name)
    if verdict.concern.reason == "shared":
        return []
    action, value = (
        [naming.quoted(name) for name in names]
        for names in (audit.material.classes, aspect.names)
    )
    return [
        *(f"{action[one.label]} with {value[one.value]}" for one in verdict.groups),
        *(
            f"{action[one.label]} where the {aspect.name} is {groups.THIRDS[one.value]}"
            for one in verdict.by_third
        ),
        *(f"all actions with {value[one.value]}" for one in verdict.pools),
    ]


_ADVERBS = {"slight": "slightly", "moderate": "moderately", "strong": "strongly"}


def _evidence(aspect: joining.Aspect, verdict: analysis.Verdict) -> str:
    """The numbers behind a headline, as the end of its sentence."""
    usual, rare = verdict.thirds[0], verdict.thirds[2]
    if verdict.concern.reason == "pairs":
        noun, verb = ("pair", "has") if verdict.num_leans == 1 else ("pairs", "have")
        return (
            f"{verdict.num_leans} {noun} of action and {aspect.name} {verb} more "
            "mistakes than chance explains, but the rare third as a whole does not."
        )
    if verdict.concern.reason == "hidden" and verdict.controlled is not None:
        gap = verdict.controlled.gap
        return (
            f"where the {aspect.name} is rare, it is "
            f"{words.number_of_points(gap.difference)} points less accurate than on "
            f"the same action with a usual one ({gap.num_videos:,} videos, the "
            f"{words.listed(verdict.controlled.others)} held fixed)."
        )
    return (
        f"it is correct on {words.percent(usual.share)} of {usual.num_videos:,} videos "
        f"whose {aspect.name} is usual for the action {aspect.counted}, and on "
        f"{words.percent(rare.share)} of {rare.num_videos:,} where it is rare."
    )


def _doubt(verdict: analysis.Verdict) -> str:
    """Why nothing can be concluded, as the end of a sentence."""
    usual, rare = verdict.thirds[0], verdict.thirds[2]
    if verdict.concern.reason == "few":
        return (
            f"the usual third has {usual.num_videos} videos and the rare third "
            f"{rare.num_videos}, but each needs {concern.ENOUGH}."
        )
    return (
        f"the gap of {words.number_of_points(verdict.gap)} points between usual and "
        f"rare may be anything from {words.ends(verdict.gap_interval)} points."
    )


def advice(audit: analysis.Audit) -> list[Step]:
    """Returns what to do next, the most useful step first.

    No step contradicts a test: an aspect is held responsible only for a gap that is
    left with the others held fixed.
    """
    if words.has_learned_nothing(audit):
        return [_LEARN_FIRST, *_choice(audit)]
    steps, reasons = _choice(audit), {}
    for aspect in by_concern(audit):
        verdict = audit.of(aspect.name)
        reason = verdict.concern.reason
        if reason != "entangled" or reason not in reasons.values():
            steps += _against(aspect, verdict)
        reasons[aspect.name] = reason
        if verdict.leans and reason != "few":
            steps.append(_collect(audit, aspect, verdict))
        elif verdict.concern.level == "none" or reason == "wide":
            steps += _look_into(audit, aspect)
    unclear = [name for name, reason in reasons.items() if reason in ("few", "wide")]
    if not steps and not unclear:
        steps.append(_NOTHING)
    if unclear:
        steps.append(_add_videos(unclear))
    if any(audit.of(aspect.name).groups for aspect in audit.material.aspects):
        labels = " or ".join(aspect.name for aspect in audit.material.aspects)
        steps.append(
            Step(
                "Look at the examples below",
                f"Labels of {labels} usually come from a network; where they are "
                "wrong, ignore the group.",
            )
        )
    return steps


_LEARN_FIRST = Step(
    "First find out why accuracy is so low",
    "Either the classes are in another order than the labels', the predictions belong "
    "to other videos, or training failed. Only a model that has learned something can "
    "show bias.",
)
_NOTHING = Step(
    "No finding calls for a remedy",
    "Audit another aspect, or videos with rarer scenes, before calling the model "
    "unbiased.",
)


def _against(aspect: joining.Aspect, verdict: analysis.Verdict) -> list[Step]:
    """Whether to retrain because of an aspect, if its thirds differ."""
    reason, controlled = verdict.concern.reason, verdict.controlled
    if verdict.concern.proven:
        gap = verdict.gap if reason == "gap" or not controlled else controlled.gap[1]
        gap = f"gap of {words.number_of_points(gap)} points between usual and rare"
        if verdict.concern.level == "slight":
            return [
                Step(
                    f"Watch the {aspect.name}, but do not retrain for it alone",
                    f"The {gap} exceeds chance and is slight. Audit the model again "
                    "after every other remedy.",
                )
            ]
        return [
            Step(
                f"Retrain so that the features do not reveal the {aspect.name}",
                f"This aims at the {gap}. If the model has an adversarial head on "
                "these labels, raise its weight; otherwise add one (SMAD), as python "
                "-m smad_jax train --config configs/slowonly_smad.py does; "
                "docs/your_videos.md shows how to run it on your videos. Judge the "
                "result by accuracy on the rare third, not overall.",
            )
        ]
    if controlled is None or reason not in ("shared", "entangled"):
        return []
    others, gap = words.listed(controlled.others), controlled.gap
    left = (
        f"With the {others} held fixed, {words.number_of_points(gap.difference)} of "
        f"the {aspect.name}'s {words.number_of_points(verdict.gap)} points are left "
        f"({words.ends((gap.low, gap.high))}; {words.p_value(gap.p)})."
    )
    if reason == "shared":
        return [Step(f"Do not retrain because of the gap of the {aspect.name}", left)]
    return [
        Step(
            f"Find out whether it is the {aspect.name} or the {others}",
            f"{left} Test on videos where only one of them is rare.",
        )
    ]


def _look_into(audit: analysis.Audit, aspect: joining.Aspect) -> list[Step]:
    """The step for groups that stand out of thirds that do not differ."""
    exceptions, controlled = (
        _exceptions(audit, aspect),
        audit.of(aspect.name).controlled,
    )
    if not exceptions:
        return []
    others = ""
    if controlled is not None:
        others = f" The {words.listed(controlled.others)} may be the cause."
    return [
        Step(
            f"Look into {'; '.join(exceptions[:3])}",
            "Accuracy there is lower than chance explains, although usual and rare "
            f"{aspect.name} labels do not differ as a whole. Check the labels of these "
            f"videos, then collect more of them for training.{others}",
        )
    ]


def _add_videos(unclear: Sequence[str]) -> Step:
    """The step for sets that are too small."""
    return Step(
        "Add test videos",
        "There are too few videos to say whether the model is biased towards the "
        f"{' or the '.join(unclear)}. With {_FEW} in the rare third, accuracy there is "
        "known within about seven points.",
    )


def _collect(
    audit: analysis.Audit, aspect: joining.Aspect, verdict: analysis.Verdict
) -> Step:
    pairs = [
        f"{naming.quoted(audit.material.classes[lean.label])} outside "
        f"{naming.quoted(aspect.names[lean.value])}"
        for lean in verdict.leans[:3]
    ]
    more = ", …" if verdict.num_leans > len(pairs) else ""
    return Step(
        "Collect training videos of actions outside the "
        f"{aspect.name} they are mistaken in ({', '.join(pairs)}{more})",
        f"And of other actions with the same {aspect.name}. From web data, keep the "
        "third with the rarest labels (OmniDebias).",
    )


def _choice(audit: analysis.Audit) -> list[Step]:
    """Which of two models to prefer, where a test decides."""
    change = audit.change
    if change is None:
        return []
    first, second = map(naming.quoted, audit.accuracy)
    shifts = {
        aspect: comparison.thirds[2]
        for aspect, comparison in audit.comparisons.items()
        if comparison.adjusted[2] < 0.05
        and comparison.p_gap < 0.05
        # a gap that is another aspect's decides nothing
        and any(v.concern.proven for v in audit.verdicts[aspect].values())
    }
    ahead = 1 if change.difference > 0 else -1
    loses = any(
        ahead * third.difference < 0 and p < 0.05
        for one in audit.comparisons.values()
        for third, p in zip(one.thirds, one.adjusted, strict=True)
    )
    if change.p < 0.05 and not loses:
        gains = [f"{_gain(change)} better overall"]
        gains += [
            f"{_gain(rare)} where the {name} is rare" for name, rare in shifts.items()
        ]
        return [
            Step(
                f"Use {second if ahead > 0 else first}: {', '.join(gains)}",
                f"The overall difference exceeds chance ({words.p_value(change.p)}), "
                "and in no third is it less accurate beyond chance.",
            )
        ]
    steps = []
    for aspect, rare in shifts.items():
        better = second if rare.difference > 0 else first
        p = audit.comparisons[aspect].adjusted[2]
        steps.append(
            Step(
                f"Prefer {better} if the {aspect} may change after deployment",
                f"On the {rare.num_videos:,} videos of the rare third its accuracy is "
                f"{_gain(rare)} higher ({words.p_value(p)}).",
            )
        )
    return steps


def _gain(change: rates.Change) -> str:
    return f"{words.number_of_points(abs(change.difference))} points"


def summary(audit: analysis.Audit) -> str:
    """Returns the page's first screen as text for a terminal of 80 columns."""
    rows: list[tuple[str, ...]] = [
        ("accuracy", *groups.THIRDS, "gap, points", "concern")
    ]
    for aspect in audit.material.aspects:
        verdict = audit.of(aspect.name)
        rows.append(
            (
                naming.plain(aspect.name),
                *map(_of, verdict.thirds),
                words.gap(verdict),
                level_name(audit, aspect),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    rate = next(iter(audit.accuracy.values()))
    parts = [
        textwrap.fill(headline(audit), _COLUMNS),
        "\n".join([*lines, f"all videos: {_of(rate)} correct"]),
        "\n".join(
            textwrap.fill(
                step.lead, _COLUMNS, initial_indent=f"{n}. ", subsequent_indent="   "
            )
            for n, step in enumerate(advice(audit), 1)
        ),
    ]
    text = "\n\n".join(parts).replace("\u00a0", " ")
    return "\n".join(map(naming.plain_text, text.split("\n")))


def _of(rate: rates.Rate) -> str:
    return f"{words.percent(rate.share)} of {rate.num_videos:,}"
