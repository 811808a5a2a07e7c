"""The answer of an audit in one sentence, what to do, and both for a terminal."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from smad_jax.evaluation import groups, rates
from smad_jax.reporting.audit import analysis, concern, joining, naming, words

_FEW = 200  # videos in a third; of fewer the accuracy is uncertain by several points
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
    """Returns the answer in one sentence: how biased, towards what."""
    model, aspects = naming.quoted(next(iter(audit.accuracy))), by_concern(audit)
    if words.has_learned_nothing(audit):
        commonest, share = words.commonest_action(audit)
        return (
            f"{model} may be no better than always predicting "
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
        return f"{model} is {towards}: {_evidence(biased[0], audit.of(biased[0].name))}"
    reasons = {a.name: audit.of(a.name).concern.reason for a in aspects}
    if entangled := [name for name, why in reasons.items() if why == "entangled"]:
        return (
            f"{model} is less accurate where the {' or the '.join(entangled)} is rare, "
            f"but the aspects go together in this set, so the videos cannot show which "
            "of them the model uses."
        )
    few = [name for name, why in reasons.items() if why in ("few", "wide")]
    free = [a for a in aspects if a.name not in few]
    if not free:
        return (
            f"There are too few videos to say whether {model} is biased towards the "
            f"{' or the '.join(few)}: {_doubt(audit.of(few[0]))}"
        )
    found = f"No bias of {model} towards the {' or the '.join(a.name for a in free)} is"
    if few:
        unknown = " and the ".join(few)
        return f"{found} found; for the {unknown} there are too few videos to say."
    return f"{found} found: {_evidence(free[0], audit.of(free[0].name))}"


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
    steps, small, unclear = [], [], []
    for aspect in by_concern(audit):
        verdict = audit.of(aspect.name)
        steps += _against(aspect, verdict)
        if verdict.leans and verdict.concern.reason != "few":
            steps.append(_collect(audit, aspect, verdict))
        if verdict.thirds[2].num_videos < _FEW:
            small.append(aspect.name)
        if verdict.concern.reason in ("few", "wide"):
            unclear.append(aspect.name)
    steps += _choice(audit)
    if not steps and not unclear:
        steps.append(_NOTHING)
    if unclear or small:
        steps.append(_add_videos(unclear, small))
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
    """Whether to train against an aspect, if its thirds differ."""
    reason, controlled = verdict.concern.reason, verdict.controlled
    if verdict.concern.level in ("moderate", "strong"):
        gap = verdict.gap if reason == "gap" or not controlled else controlled.gap[1]
        return [
            Step(
                f"Train against the {aspect.name}",
                f"This aims at the gap of {100 * gap:.1f} points between usual and "
                "rare. Add an adversarial head on these labels (SMAD; "
                "configs/slowonly_smad.py is an example), or raise its weight if there "
                "is one. Judge the result by accuracy on the rare third, not overall.",
            )
        ]
    if controlled is None or reason not in ("shared", "entangled"):
        return []
    others, gap = words.listed(controlled.others), controlled.gap
    left = (
        f"With the {others} held fixed, {words.number_of_points(gap.difference)} of "
        f"its {words.number_of_points(verdict.gap)} points are left "
        f"({words.ends((gap.low, gap.high))}; {words.p_value(gap.p)})."
    )
    if reason == "shared":
        return [Step(f"Do not train against the {aspect.name} for its gap", left)]
    return [
        Step(
            f"Find out whether it is the {aspect.name} or the {others}",
            f"{left} Test on videos where only one of them is rare.",
        )
    ]


def _add_videos(unclear: Sequence[str], small: Sequence[str]) -> Step:
    """The step for small sets."""
    if unclear:
        return Step(
            "Add test videos",
            f"There are too few videos to say whether the model is biased towards the "
            f"{' or the '.join(unclear)}. With {_FEW} in the rare third, accuracy "
            "there is known within about seven points.",
        )
    return Step(
        "Add test videos",
        f"The rare third by {' and '.join(small)} has fewer than {_FEW}, so its "
        "accuracy is uncertain by several points.",
    )


def _collect(
    audit: analysis.Audit, aspect: joining.Aspect, verdict: analysis.Verdict
) -> Step:
    pairs = [
        f"{naming.quoted(audit.material.classes[lean.label])} without "
        f"{naming.quoted(aspect.names[lean.value])}"
        for lean in verdict.leans[:3]
    ]
    count = verdict.num_leans
    return Step(
        f"Collect training videos that break {count} "
        f"{'pair' if count == 1 else 'pairs'} of action and {aspect.name}",
        f"Most of all {'; '.join(pairs)}; and other actions with the same "
        f"{aspect.name}. From web data, keep the third with the rarest labels "
        "(OmniDebias).",
    )


def _choice(audit: analysis.Audit) -> list[Step]:
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
                Step(
                    f"Prefer {naming.quoted(better)} if the {aspect} may change after "
                    "deployment",
                    f"On the {rare.num_videos:,} videos of the rare third the accuracy "
                    f"of {naming.quoted(second)} differs by "
                    f"{words.points(rare.difference)} ({words.p_value(p)}).",
                )
            )
    return steps


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
                words.number_of_points(verdict.gap),
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
