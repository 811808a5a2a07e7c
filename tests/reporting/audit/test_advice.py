import html
import re

import numpy as np
import pytest

from smad_jax.reporting.audit import advice, conclusions, naming, page, words
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
    assert retrain.lead == (
        "If you keep “\u2068first\u2069”, retrain so that the features do not reveal "
        "the scene"
    )
    alone = advice.steps(audit(label, scene, biased))[0].lead
    assert alone == "Retrain so that the features do not reveal the scene"
    constant = conclusions.headline(audit(label, scene, biased, np.zeros_like(label)))
    assert constant.endswith("The bias of “\u2068second\u2069” cannot be judged.")


CASES = {
    "reads the scene": lambda seed: audit(*reads_the_scene(seed)),
    "reads it a little": lambda seed: audit(*reads_the_scene(seed, share=0.1)),
    "one bad scene": lambda seed: audit(*spoilt(seed % 5, seed)),
    "unbiased": lambda seed: audit(*draw(1200, seed=seed)),
    "rare is worse": lambda seed: audit(*draw(1200, rare=0.7, seed=seed)),
    "two models": lambda seed: audit(
        *draw(1200, rare=0.5, seed=seed), draw(1200, seed=seed)[2]
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
    pairs = re.findall(r"with “\w+ (\d+)” that are classified as “class (\d+)”", lead)
    leans = aspect_of(found, lead).leans
    known = {(str(one.value), str(one.label)) for one in leans}
    return pairs and known.issuperset(pairs)


def reasons(found):
    return {found.of(aspect.name).concern.reason for aspect in found.material.aspects}


RULES = {
    "Use ": lambda found, lead, shown: found.change.p < 0.05,
    ".*etrain so that": retrain,
    ".*atch the": lambda *of: aspect_of(*of[:2]).concern == ("slight", "gap"),
    "Do not retrain": lambda *of: {"gap", "hidden"} & reasons(of[0]),
    "Find out": lambda *of: "entangled" in reasons(of[0]),
    "Collect": collect,
    "Look into videos": look_into_label,
    "Look into other": look_into_pairs,
    "Look into (all|“)": lambda *of: aspect_of(*of[:2]).listed.any(),
    "Add test videos": lambda *of: {"few", "wide"} & reasons(of[0]),
    "Look at examples": lambda *of: "Worst groups" in of[2],
    "No finding": lambda *of: not {"gap", "hidden", "pairs"} & reasons(of[0]),
}
