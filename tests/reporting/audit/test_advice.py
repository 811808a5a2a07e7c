import html
import re

import numpy as np
import pytest

from smad_jax.reporting.audit import (
    advice,
    conclusions,
    naming,
    page,
    terminal,
    words,
)
from tests.benchmarks import similar_aspects
from tests.helpers.audits import audit, draw, reads_the_scene, spoilt, text_and_advice


def test_scene_where_every_action_fails_is_named_and_no_pair_of_it():
    found = audit(*spoilt())
    label, scene, predicted = spoilt()
    here = scene == 2
    share = words.percent((label == predicted)[here].mean())
    named = "“\u2068scene 2\u2069”"
    assert f"with {named} it is correct on {share} of" in conclusions.headline(found)
    lead = advice.steps(found)[0].lead
    assert lead.startswith(f"Look into videos with {named}: {share} are correct, ")
    assert "outside" not in text_and_advice(found)[1]


def test_actions_are_collected_outside_the_scene_that_stands_for_them():
    found = audit(*reads_the_scene())
    steps = {step.lead.split()[0]: step.lead for step in advice.steps(found)}
    pair = r"“\u2068class (\d)\u2069” outside “\u2068scene (\d)\u2069”"
    pairs = re.findall(pair, steps["Collect"])
    assert len(pairs) == 3 and all(action == scene for action, scene in pairs)
    assert steps["Collect"].endswith(", …, and of other actions in these scenes")
    shown = page.render(found, {}, 0)
    assert "itself: " in shown and " correct there, " in shown


def test_one_mistaken_action_in_a_scene_that_is_not_usual_for_it_is_looked_into():
    label, scene, predicted = draw(1200, usual=0.95, rare=0.95)
    lured = (scene == 2) & (np.random.default_rng(5).random(1200) < 0.3)
    found = audit(label, scene, np.where(lured & (label != 2), 4, predicted))
    [lean] = found.of("scene").leans
    assert (lean.label, lean.value, lean.follows_label) == (4, 2, False)
    text, steps = text_and_advice(found)
    assert "1 pair of action and scene has more mistakes than chance" in text
    assert (
        "Look into other actions with “\u2068scene 2\u2069” that are classified as "
        "“\u2068class 4\u2069”" in steps
    )
    assert "Collect" not in steps and "Look into videos" not in steps


def test_second_model_has_its_verdict_in_the_answer_and_the_advice_its_condition():
    label, scene, biased = draw(rare=0.5)
    found = audit(label, scene, biased, draw(rare=0.7)[2])
    gap = words.gap(found.verdicts["scene"]["second"])
    level = found.verdicts["scene"]["second"].concern.level
    assert conclusions.headline(found).endswith(
        f" Bias of “\u2068second\u2069”: {level} for the scene ({gap} points)."
    )
    use, retrain = advice.steps(found)[:2]
    assert use.lead.startswith("Use “\u2068second\u2069”")
    assert f"It is still {level}ly biased towards the scene." in use.detail
    assert retrain.lead == "Retrain so that the features do not reveal the scene"
    alone = advice.steps(audit(label, scene, biased))[0]
    assert alone == retrain._replace(condition="")
    constant = conclusions.headline(audit(label, scene, biased, np.zeros_like(label)))
    assert constant.endswith("The bias of “\u2068second\u2069” cannot be judged.")


def priced(seed=0):
    """One model that follows the scene, and one that is worse where it is usual."""
    label, scene, biased = draw(1200, usual=0.95, rare=0.4, seed=seed)
    return label, scene, biased, draw(1200, usual=0.75, rare=0.75, seed=seed)[2]


def test_model_that_is_better_where_labels_are_rare_has_its_price_beside_it():
    found = audit(*priced())
    step = advice.steps(found)[0]
    usual, _, rare = found.comparisons["scene"].thirds
    assert usual.difference < 0 < rare.difference
    gain, loss = (words.number_of_points(abs(x.difference)) for x in (rare, usual))
    assert f"it is {gain} points better where the scene is rare, but " in step.lead
    assert f"{loss} points worse where the scene is usual" in step.lead
    assert "worse overall" not in step.lead


def test_models_are_compared_although_the_aspects_are_not_separable():
    label, scene, *models = priced()
    found = audit(label, scene, *models, object=(scene + 1) % 5)
    assert {one["first"].concern.reason for one in found.verdicts.values()} == {
        "entangled"
    }
    prefer, *others = advice.steps(found)
    assert prefer.lead.startswith(
        "Prefer “\u2068second\u2069” if the scene or the object"
    )
    assert not [step for step in others if "Prefer" in step.lead]


def test_aspect_beside_one_with_a_proven_gap_is_not_offered_instead_of_it():
    for seed in range(9):
        found = similar_aspects.drawn("near", seed)
        if found.of("object").concern.reason == "entangled":
            break
    assert found.of("scene").concern.proven
    leads = [step.lead for step in advice.steps(found)]
    assert "Retrain so that the features do not reveal the scene" in leads
    assert "Find out whether the object matters too, beside the scene" in leads


def test_better_model_with_a_loss_and_no_proven_gap_is_a_choice():
    label, scene, first = draw(usual=0.8, rare=0.8)
    found = audit(label, scene, first, draw(usual=0.75, rare=0.99)[2])
    assert found.change.p < 0.05 and found.comparisons["scene"].adjusted[0] < 0.05
    lead = advice.steps(found)[0].lead
    assert "second" in lead and " worse where the scene is usual" in lead


def test_everything_about_a_model_that_is_beaten_is_under_the_same_condition():
    label, scene, predicted = reads_the_scene()
    found = audit(label, scene, predicted, label)
    use, *others = advice.steps(found)
    assert use.lead.startswith("Use “") and use.condition == ""
    condition = "If you keep “\u2068first\u2069”:"
    assert len(others) > 2 and {step.condition for step in others} == {condition}
    assert any(step.lead.startswith("Collect") for step in others)
    for shown in (page.render(found, {}, 0), terminal.summary(found)):
        first, _, rest = shown.partition(naming.plain_text(condition))
        if "<html" in shown:
            first, _, rest = shown.partition(condition)
            assert rest.count(condition) == 1, "once on the first screen, once below"
            assert f"All {len(others) + 1} steps, and why" in rest
        assert "Use “" in first and "Collect" in rest
        assert "Collect" not in first


def test_advice_on_a_pair_states_why_it_is_not_collected_and_the_label_it_spoils():
    label, scene, predicted = draw(1200, usual=0.95, rare=0.95)
    lured = (scene == 2) & (np.random.default_rng(5).random(1200) < 0.3)
    found = audit(label, scene, np.where(lured & (label != 2), 4, predicted))
    [lean], [pool] = found.of("scene").leans, found.of("scene").pools
    own = np.mean(scene[label == 4] == 2)
    assert lean.own_share == own and not lean.usual
    detail = advice.steps(found)[0].detail
    assert f"{words.percent(own)} of its videos in this set have this scene" in detail
    assert f"{words.percent(pool.rate.share)} are correct and" in detail
    assert f"{words.percent(pool.expected)} expected" in detail
    assert "itself is less accurate" not in detail
    shown = html.unescape(page.render(found, {}, 0))
    assert f"{words.percent(own)} of its videos in this set" in shown


CASES = {
    "reads the scene": lambda seed: audit(*reads_the_scene(seed)),
    "reads it a little": lambda seed: audit(*reads_the_scene(seed, share=0.1)),
    "one bad scene": lambda seed: audit(*spoilt(seed % 5, seed)),
    "unbiased": lambda seed: audit(*draw(1200, seed=seed)),
    "rare is worse": lambda seed: audit(*draw(1200, rare=0.7, seed=seed)),
    "two models": lambda seed: audit(
        *draw(1200, rare=0.5, seed=seed), draw(1200, seed=seed)[2]
    ),
    "two models with a price": lambda seed: audit(*priced(seed)),
    "two models, copies": lambda seed: audit(*priced(seed), object=priced(seed)[1]),
    "better overall, worse for usual": lambda seed: audit(
        *draw(1200, seed=seed), draw(1200, usual=0.6, rare=0.95, seed=seed)[2]
    ),
    "few videos": lambda seed: audit(*draw(50, seed=seed)),
    **{
        copy: lambda seed, copy=copy: similar_aspects.drawn(copy, seed)
        for copy in similar_aspects.COPIES
    },
}


@pytest.mark.parametrize("case", CASES)
def test_every_step_rests_on_a_test_on_the_page_that_points_the_same_way(case):
    for seed in range(5):
        found = CASES[case](seed)
        shown = naming.plain_text(html.unescape(page.render(found, {}, 0)))
        for step in advice.steps(found, pictures=False):
            lead = naming.plain_text(step.lead)
            assert f"<b>{lead}.</b>" in shown
            [rests] = [test for rule, test in RULES.items() if re.match(rule, lead)]
            assert rests(found, lead, shown), lead


def aspect_of(found, lead):
    """The verdict on the first aspect that a step names."""
    names = "|".join(aspect.name for aspect in found.material.aspects)
    return found.of(re.search(names, lead)[0])


def retrain(found, lead, shown):
    verdict = aspect_of(found, lead)
    fixed = verdict.controlled
    p = verdict.p_gap if fixed is None else fixed.gap.p
    assert verdict.concern.level in ("moderate", "strong")
    return p < 0.05 and words.p_value(p) in shown


def collect(found, lead, shown):
    verdict = aspect_of(found, lead)
    pairs = re.findall(r"“class (\d+)” (?:outside|without) “\w+ (\d+)”", lead)
    leans = {(str(one.label), str(one.value)): one for one in verdict.leans}
    worst = {(str(one.label), str(one.value)) for one in verdict.groups}
    for pair in pairs:
        there, elsewhere = leans[pair].there, leans[pair].elsewhere
        assert leans[pair].usual and leans[pair].here.share > leans[pair].expected
        assert there.share >= elsewhere.share and pair not in worst
        assert f"{words.percent(there.share)} of {there.num_videos} correct" in shown
    return pairs


def look_into_label(found, lead, shown):
    verdict, value = aspect_of(found, lead), re.search(r"\d+", lead)[0]
    [pool] = [one for one in verdict.pools if str(one.value) == value]
    assert f"{words.percent(pool.expected)} expected" in lead
    return pool.rate.share < pool.expected and words.percent(pool.rate.share) in shown


def look_into_pairs(found, lead, shown):
    several = re.findall(r"with “\w+ (\d+)” that are classified as ([^,]+)", lead)
    pairs = {
        (value, label)
        for value, labels in several
        for label in re.findall(r"“class (\d+)”", labels)
    }
    leans = {
        (str(one.value), str(one.label)): one for one in aspect_of(found, lead).leans
    }
    for pair in pairs:
        assert f"{words.percent(leans[pair].own_share)} of its videos" in shown
    return pairs


def prefer(found, lead, shown):
    one = found.comparisons[re.search("better where the (scene|object)", lead)[1]]
    losses = "worse" in lead
    worse = [
        change.difference * one.thirds[2].difference < 0 and p < 0.05
        for change, p in zip(one.thirds, one.adjusted, strict=True)
    ]
    assert losses == any(worse) or found.change.p < 0.05
    return one.p_gap < 0.05 and words.p_value(one.adjusted[2]) in shown


def reasons(found):
    return {found.of(aspect.name).concern.reason for aspect in found.material.aspects}


RULES = {
    "Use ": lambda found, lead, shown: found.change.p < 0.05,
    "Choose by": lambda found, lead, shown: found.change.p < 0.05 and " worse " in lead,
    "Prefer ": prefer,
    ".*etrain so that": retrain,
    ".*atch the": lambda *of: aspect_of(*of[:2]).concern == ("slight", "gap"),
    "The .* needs no retraining": lambda *of: {"gap", "hidden"} & reasons(of[0]),
    "Find out": lambda *of: "entangled" in reasons(of[0]),
    "Collect": collect,
    "Look into videos": look_into_label,
    "Look into other": look_into_pairs,
    "Look into (all|“)": lambda *of: aspect_of(*of[:2]).listed.any(),
    "Add test videos": lambda *of: {"few", "wide"} & reasons(of[0]),
    "Look at examples": lambda *of: "Worst groups" in of[2],
    "No finding": lambda *of: not {"gap", "hidden", "pairs"} & reasons(of[0]),
}
