"""What to do after an audit; every step rests on a test that stands on its page.

The rules, with the test on which each rests:

- *Use* a model: McNemar's test of all videos, if it is in no third less accurate beyond
  chance. *Prefer* one for rare labels: McNemar's test of the rare third and the
  permutation test of the gap, if the gap of an aspect is proven or not separable from
  another's. *Choose by your videos*: the first test, and McNemar's of a third where the
  model is less accurate. All other steps are for those who keep the audited model.
- *Retrain* or, if the gap is slight, *watch* an aspect: its gap is proven, that is, it
  exceeds chance with the other aspects held fixed.
- *Needs no retraining*: the gap of an aspect goes with another, whose gap is proven.
  *Find out* which aspect it is: the aspects are not separable.
- *Collect* an action outside a label, and other actions in it: they are taken for the
  action there beyond chance; the label is usual for the action, and the action itself
  is not less accurate there. Otherwise more of it outside would change nothing.
- *Look into* a label: all actions together are less accurate with it beyond chance,
  and no single pair accounts for it. *Look into* a pair: other pairs that are confused
  beyond chance, if no other step names their label. *Look into* groups and actions in
  one third: they are less accurate beyond chance, and usual and rare do not differ.
- *Add test videos*: a third is too small, or the interval of the gap is too wide.
"""

from collections.abc import Sequence
from typing import NamedTuple

from smad_jax.evaluation import groups, rates
from smad_jax.reporting.audit import (
    analysis,
    conclusions,
    joining,
    leaning,
    naming,
    words,
)

_FEW = 200  # videos in a third: accuracy is known within seven points
_SHOWN = 3  # pairs or groups that a step names


class Step(NamedTuple):
    """A piece of advice: what to do, in one line; why or how; what to type; for whom.

    Steps with a condition come last, and all have the same one.
    """

    lead: str
    detail: str
    command: str = ""
    condition: str = ""


def steps(audit: analysis.Audit, *, pictures: bool = True) -> list[Step]:
    """Returns what to do next, the most useful step first.

    Args:
        audit: The results.
        pictures: Whether the page shows videos, and not only their ids.
    """
    if words.has_learned_nothing(audit):
        return [_LEARN_FIRST, *_choice(audit)]
    choice, found, reasons = _choice(audit), [], {}
    for aspect in conclusions.by_concern(audit):
        verdict = audit.of(aspect.name)
        reason = verdict.concern.reason
        if reason != "entangled" or reason not in reasons.values():
            owned = any(audit.of(name).concern.proven for name in reasons)
            found += _against(aspect, verdict, owned=owned)
        reasons[aspect.name] = reason
        if reason != "few":
            found += _about_labels(audit, aspect, verdict)
    unclear = [name for name, reason in reasons.items() if reason in ("few", "wide")]
    if not choice and not found and not unclear:
        found.append(_NOTHING)
    if unclear:
        found.append(_add_videos(unclear))
    if any(audit.of(aspect.name).groups for aspect in audit.material.aspects):
        found.append(_look_at_examples(audit, pictures))
    kept = _kept(audit, choice)
    return [*choice, *(step._replace(condition=kept) for step in found)]


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


def _kept(audit: analysis.Audit, choice: Sequence[Step]) -> str:
    """The condition of advice on the audited model if the other is better."""
    first, *others = map(naming.model, audit.accuracy)
    better = any(other in step.lead for step in choice for other in others)
    return f"If you keep {first}:" if better else ""


def _against(
    aspect: joining.Aspect, verdict: analysis.Verdict, *, owned: bool
) -> list[Step]:
    """Whether to retrain because of an aspect; `owned` if another has a proven gap."""
    reason, controlled = verdict.concern.reason, verdict.controlled
    if verdict.concern.proven:
        gap = verdict.gap if reason == "gap" or not controlled else controlled.gap[1]
        gap = f"gap of {words.number_of_points(gap)} points between usual and rare"
        if verdict.concern.level == "slight":
            return [
                Step(
                    f"Watch the {aspect.name}, but do not retrain for it alone",
                    f"The {gap} exceeds chance and is slight. Repeat this audit "
                    "whenever the model changes.",
                )
            ]
        return [
            Step(
                f"Retrain so that the features do not reveal the {aspect.name}",
                f"This aims at the {gap}. If the model has an adversarial head on "
                "these labels, raise its weight; otherwise add one (SMAD). Judge the "
                "result by accuracy on the rare third, not overall. "
                "docs/your_videos.md shows how to train on your videos with this "
                "command:",
                "python -m smad_jax train --config configs/slowonly_smad.py",
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
    if not gap.num_videos:
        left = (
            f"No action has videos of usual and rare {aspect.name} whose {others} is "
            "equally rare."
        )
    if reason == "shared":
        owner = words.owner(controlled)
        return [
            Step(f"The {aspect.name} needs no retraining: its gap is {owner}", left)
        ]
    matter = f"it is the {aspect.name} or the {others}"
    if owned:
        matter = f"the {aspect.name} matters too, beside the {others}"
    return [
        Step(
            f"Find out whether {matter}",
            f"{left} Test on videos where only one of them is rare.",
        )
    ]


def _about_labels(
    audit: analysis.Audit, aspect: joining.Aspect, verdict: analysis.Verdict
) -> list[Step]:
    """The steps for single labels, pairs and groups."""
    standing = [lean for lean in verdict.leans if lean.follows_label]
    hard = leaning.unexplained(verdict.pools, verdict.leans)
    told = {one.value for one in (*standing, *hard)}
    rest = [lean for lean in verdict.leans if lean.value not in told]
    found = [_collect(audit, aspect, standing)] if standing else []
    found += [_look_into_label(aspect, pool) for pool in hard[:_SHOWN]]
    found += [_look_into_pairs(audit, aspect, rest)] if rest else []
    alike = verdict.concern.level == "none" or verdict.concern.reason == "wide"
    return found or (_look_into_groups(audit, aspect) if alike else [])


def _collect(
    audit: analysis.Audit, aspect: joining.Aspect, leans: Sequence[leaning.Lean]
) -> Step:
    inside, outside, kind = "with", "without", f"{aspect.name} labels"
    if aspect.name == "scene":
        inside, outside, kind = "in", "outside", "scenes"
    pairs = [
        f"{naming.quoted(audit.material.classes[lean.label])} {outside} "
        f"{naming.quoted(aspect.names[lean.value])}"
        for lean in leans[:_SHOWN]
    ]
    label = naming.quoted(aspect.names[leans[0].value])
    there = label if len(leans) == 1 else f"these {kind}"
    more = ", …" if len(leans) > len(pairs) else ""
    return Step(
        f"Collect training videos of {', '.join(pairs)}{more}, and of other actions "
        f"{inside} {there}",
        f"The {aspect.name} is usual for the action, and other actions are mistaken "
        "for it there. Of videos from the web, keep the third with the rarest labels "
        "(OmniDebias).",
    )


def _look_into_label(aspect: joining.Aspect, pool: leaning.Pool) -> Step:
    return Step(
        f"Look into videos with {naming.quoted(aspect.names[pool.value])}: "
        f"{words.percent(pool.rate.share)} are correct, "
        f"{words.percent(pool.expected)} expected",
        f"All actions together are less accurate there than with any other "
        f"{aspect.name}. Check the labels of these videos, then collect more of them "
        "for training, of every action.",
    )


def _look_into_pairs(
    audit: analysis.Audit, aspect: joining.Aspect, leans: Sequence[leaning.Lean]
) -> Step:
    shown, action = leans[:_SHOWN], audit.material.classes
    answers: dict[int, list[str]] = {}
    for lean in shown:
        answers.setdefault(lean.value, []).append(naming.quoted(action[lean.label]))
    pairs = [
        f"with {naming.quoted(aspect.names[value])} that are classified as "
        f"{' or '.join(several)}"
        for value, several in answers.items()
    ]
    more = ", …" if len(leans) > len(shown) else ""
    return Step(
        f"Look into other actions {', and '.join(pairs)}{more}",
        "There are more of them than chance explains. "
        f"{''.join(_why_not_collect(aspect, action[one.label], one) for one in shown)}"
        f"{_about_whole_label(audit, aspect, shown)}"
        "Check the labels of these videos, then collect more of them for training.",
    )


def _why_not_collect(aspect: joining.Aspect, action: str, lean: leaning.Lean) -> str:
    """Why more videos of an action outside a label would not help, as a sentence."""
    action, label = naming.quoted(action), naming.quoted(aspect.names[lean.value])
    if not lean.usual:
        return f"{label} is not usual for {action}: {words.how_usual(aspect, lean)}. "
    return (
        f"{action} itself is less accurate with {label}: "
        f"{words.percent(lean.there.share)}, and {words.percent(lean.elsewhere.share)} "
        "elsewhere. "
    )


def _about_whole_label(
    audit: analysis.Audit, aspect: joining.Aspect, leans: Sequence[leaning.Lean]
) -> str:
    """The labels that are hard as a whole only because of a pair, as sentences."""
    verdict, values = audit.of(aspect.name), {lean.value for lean in leans}
    hard = leaning.unexplained(verdict.pools, verdict.leans)
    return "".join(
        f"Of all videos with {naming.quoted(aspect.names[pool.value])}, "
        f"{words.percent(pool.rate.share)} are correct and "
        f"{words.percent(pool.expected)} expected; one pair makes up at least half of "
        "the excess mistakes. "
        for pool in verdict.pools
        if pool.value in values and pool not in hard
    )


def _look_into_groups(audit: analysis.Audit, aspect: joining.Aspect) -> list[Step]:
    """The step for groups that stand out of thirds that do not differ."""
    exceptions = conclusions.exceptions(audit, aspect)
    controlled = audit.of(aspect.name).controlled
    if not exceptions:
        return []
    others = ""
    if controlled is not None:
        others = f" The {words.listed(controlled.others)} may be the cause."
    return [
        Step(
            f"Look into {'; '.join(exceptions[:_SHOWN])}",
            "Accuracy there is lower than chance explains, although usual and rare "
            f"{aspect.name} labels do not differ as a whole. Check the labels of these "
            f"videos, then collect more of them for training.{others}",
        )
    ]


def _look_at_examples(audit: analysis.Audit, pictures: bool) -> Step:
    labels = " and ".join(aspect.name for aspect in audit.material.aspects)
    wrong = (
        f"The {labels} labels often come from a network. Ignore groups where they are "
        "wrong."
    )
    if pictures:
        return Step("Look at the examples below", wrong)
    return Step(
        "Look at examples: run the audit again with --videos FOLDER",
        f"The page then shows a frame of each video. {wrong}",
    )


def _add_videos(unclear: Sequence[str]) -> Step:
    """The step for sets that are too small."""
    return Step(
        "Add test videos",
        "There are too few videos to say whether the model is biased towards the "
        f"{' or the '.join(unclear)}. With {_FEW} in the rare third, accuracy there is "
        "known within about seven points.",
    )


def _choice(audit: analysis.Audit) -> list[Step]:
    """Which of two models to prefer, where a test decides."""
    change = audit.change
    if change is None:
        return []
    models, shifts = [*map(naming.quoted, audit.accuracy)], _shifts(audit)
    ahead = change.difference > 0
    losses = [
        loss for name in audit.comparisons for loss in _losses(audit, name, ahead)
    ]
    if change.p < 0.05 and not losses:
        gains = [f"{_gain(change)} better overall"]
        gains += [
            f"{_gain(rare)} where the {name} is rare"
            for name, (rare, *_) in shifts.items()
        ]
        return [
            Step(
                f"Use {models[ahead]}: {', '.join(gains)}",
                f"The overall difference exceeds chance ({words.p_value(change.p)}), "
                "and in no third is it less accurate beyond chance."
                + "".join(_left(audit, ahead)),
            )
        ]
    if change.p < 0.05 and not shifts:
        return [
            Step(
                f"Choose by your videos: {models[ahead]} is {_gain(change)} better "
                f"overall, but {words.listed(losses)}",
                f"Each difference exceeds chance (overall {words.p_value(change.p)}).",
            )
        ]
    return [_prefer(audit, name, *shift) for name, shift in shifts.items()]


class _Shift(NamedTuple):
    """What a model gains where a label is rare; the p-value; the aspect tested."""

    rare: rates.Change
    p: float
    aspect: str


def _shifts(audit: analysis.Audit) -> dict[str, _Shift]:
    """By aspect, what one of two models gains in its rare third beyond chance.

    A gap that is another aspect's decides nothing. Aspects that are not separable
    count as one, by the numbers of the first.
    """
    found, together = {}, []
    for aspect, one in audit.comparisons.items():
        concerns = [v.concern for v in audit.verdicts[aspect].values()]
        if one.adjusted[2] < 0.05 and one.p_gap < 0.05:
            if any(concern.proven for concern in concerns):
                found[aspect] = _Shift(one.thirds[2], one.adjusted[2], aspect)
            elif any(concern.reason == "entangled" for concern in concerns):
                together.append(aspect)
    if together:
        one = audit.comparisons[together[0]]
        found[" or the ".join(together)] = _Shift(
            one.thirds[2], one.adjusted[2], together[0]
        )
    return found


def _losses(audit: analysis.Audit, aspect: str, second: bool) -> list[str]:
    """The thirds of an aspect where a model is less accurate beyond chance."""
    one = audit.comparisons[aspect]
    return [
        f"{_gain(third)} worse where the {aspect} is {name}"
        for name, third, p in zip(groups.THIRDS, one.thirds, one.adjusted, strict=True)
        if p < 0.05 and (third.difference < 0) == second
    ]


def _prefer(
    audit: analysis.Audit, names: str, rare: rates.Change, p: float, aspect: str
) -> Step:
    """The step for a model that is better where labels are rare, with its price."""
    second = rare.difference > 0
    losses = _losses(audit, aspect, second)
    change = audit.change
    if change is not None and change.p < 0.05 and (change.difference < 0) == second:
        losses.append(f"{_gain(change)} worse overall")
    price = f", but {words.listed(losses)}" if losses else ""
    return Step(
        f"Prefer {[*map(naming.quoted, audit.accuracy)][second]} if the {names} may "
        f"change after deployment: it is {_gain(rare)} better where the {aspect} is "
        f"rare{price}",
        f"The rare third has {rare.num_videos:,} videos ({words.p_value(p)})."
        + " The losses exceed chance too." * bool(losses),
    )


def _left(audit: analysis.Audit, second: bool) -> list[str]:
    """What the better model still lacks, a sentence for each aspect."""
    return [
        f" It is still {adverb} biased towards the {aspect}."
        for aspect, verdicts in audit.verdicts.items()
        if (
            adverb := conclusions.ADVERBS.get(
                [*verdicts.values()][second].concern.level
            )
        )
    ]


def _gain(change: rates.Change) -> str:
    return f"{words.number_of_points(abs(change.difference))} points"
