"""The answer of an audit in a sentence or two: how biased, and towards what."""

from collections.abc import Sequence

from smad_jax.evaluation import groups
from smad_jax.reporting.audit import (
    analysis,
    concern,
    joining,
    leaning,
    naming,
    words,
)

_LEVELS = {"none": "none found", "unclear": "too few to say"}


ADVERBS = {"slight": "slightly", "moderate": "moderately", "strong": "strongly"}


def level(audit: analysis.Audit, aspect: joining.Aspect) -> concern.Level:
    """Returns the level of concern; of a model that learned nothing there is none."""
    if words.has_learned_nothing(audit):
        return "unclear"
    return audit.of(aspect.name).concern.level


def level_name(audit: analysis.Audit, aspect: joining.Aspect) -> str:
    """Returns the level in words."""
    if words.has_learned_nothing(audit):
        return "cannot be judged"
    return _named(audit.of(aspect.name))


def _named(verdict: analysis.Verdict) -> str:
    if verdict.concern.reason == "entangled":
        return "not separable"
    if verdict.concern.reason == "shared" and verdict.controlled is not None:
        return words.owner(verdict.controlled)
    return _LEVELS.get(verdict.concern.level, verdict.concern.level)


def by_concern(audit: analysis.Audit) -> list[joining.Aspect]:
    """Returns the aspects, the one of most concern first."""
    rank = {name: n for n, name in enumerate(("unclear", *concern.LEVELS[:-1]))}
    return sorted(audit.material.aspects, key=lambda one: -rank[level(audit, one)])


def headline(audit: analysis.Audit) -> str:
    """Returns the answer, and in a few words that on a second model."""
    others = list(audit.accuracy)[1:]
    return _answer(audit) + "".join(_in_short(audit, model) for model in others)


def _in_short(audit: analysis.Audit, model: str) -> str:
    """The levels of another model and its gaps, as a sentence after the answer."""
    if words.has_learned_nothing(audit, model):
        return f" The bias of {naming.model(model)} cannot be judged."
    found = {a.name: audit.verdicts[a.name][model] for a in by_concern(audit)}
    levels = [_level_in_short(name, one) for name, one in found.items()]
    return f" Bias of {naming.model(model)}: {', '.join(levels)}."


def _level_in_short(aspect: str, verdict: analysis.Verdict) -> str:
    level, reason = verdict.concern
    if reason == "gap":
        return f"{level} for the {aspect} ({words.gap(verdict)} points)"
    if reason in ("few", "wide"):
        return f"unknown for the {aspect} (too few videos)"
    named = "none found" if reason == "shared" else _named(verdict)
    return f"{named} for the {aspect}"


def _answer(audit: analysis.Audit) -> str:
    model, aspects = naming.model(next(iter(audit.accuracy))), by_concern(audit)
    if words.has_learned_nothing(audit):
        commonest, share = words.commonest_action(audit)
        return (
            f"{words.opening(model)} may be no better than always predicting "
            f"{naming.quoted(commonest)} ({words.percent(share)} of "
            f"{len(audit.material.labels):,} videos), so its bias cannot be judged."
        )
    biased = [a for a in aspects if audit.of(a.name).concern.level in ADVERBS]
    if biased:
        towards = " and ".join(
            f"{ADVERBS[audit.of(a.name).concern.level]}"
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
    but = _but([one for a in free for one in exceptions(audit, a)])
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


def exceptions(audit: analysis.Audit, aspect: joining.Aspect) -> list[str]:
    """Returns the names of labels, groups and actions in one third beyond chance.

    A group whose label is named is not named again. There are none where the gap, and
    so perhaps they, are another aspect's.
    """
    verdict = audit.of(aspect.name)
    if verdict.concern.reason == "shared":
        return []
    hard = {one.value for one in verdict.pools}
    action, value = (
        [naming.quoted(name) for name in names]
        for names in (audit.material.classes, aspect.names)
    )
    return [
        *(f"all actions with {value[one.value]}" for one in verdict.pools),
        *(
            f"{action[one.label]} with {value[one.value]}"
            for one in verdict.groups
            if one.value not in hard
        ),
        *(
            f"{action[one.label]} where the {aspect.name} is {groups.THIRDS[one.value]}"
            for one in verdict.by_third
        ),
    ]


def _evidence(aspect: joining.Aspect, verdict: analysis.Verdict) -> str:
    """The numbers behind a headline, as the end of its sentence."""
    usual, rare = verdict.thirds[0], verdict.thirds[2]
    if verdict.concern.reason == "pairs":
        return _about_parts(aspect, verdict)
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


def _about_parts(aspect: joining.Aspect, verdict: analysis.Verdict) -> str:
    """The label or the pairs that exceed chance where the thirds do not differ."""
    whole = f"usual and rare {aspect.name} labels do not differ as a whole"
    fixed = verdict.controlled
    if verdict.p_gap < 0.05 and verdict.gap > 0 and fixed is not None:
        whole += f", with the {words.listed(fixed.others)} held fixed"
    if hard := leaning.unexplained(verdict.pools, verdict.leans):
        more = f" (and {len(hard) - 1} more such labels)" if hard[1:] else ""
        return (
            f"with {naming.quoted(aspect.names[hard[0].value])} it is correct on "
            f"{words.percent(hard[0].rate.share)} of {hard[0].rate.num_videos:,} "
            f"videos, against {words.percent(hard[0].expected)} expected from other "
            f"{aspect.name} labels{more}. But {whole}."
        )
    noun, verb = ("pair", "has") if verdict.num_leans == 1 else ("pairs", "have")
    return (
        f"{verdict.num_leans} {noun} of action and {aspect.name} {verb} more mistakes "
        f"than chance explains, but {whole}."
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
