import pathlib

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.evaluation import predictions, rates, summary
from smad_jax.reporting.audit import (
    advice,
    analysis,
    audits,
    conclusions,
    inputs,
    joining,
    page,
    terminal,
    words,
)
from tests.helpers.audits import audit, draw, text_and_advice


def test_gap_beyond_chance_calls_for_a_remedy():
    text, advice = text_and_advice(audit(*draw(rare=0.5)))
    assert "The gap is larger than chance explains (p\u00a0<\u00a00.001)" in text
    assert "Retrain so that the features do not reveal the scene" in advice


def test_thirds_without_training_videos_are_those_of_evaluate():
    label, scene, predicted = draw(num_videos=301, rare=0.5)
    given = predictions.Predictions(
        ids=np.array([f"v{row:05}" for row in range(len(label))]),
        labels=label,
        probabilities=np.eye(5, dtype=np.float32)[predicted],
        features=np.zeros((len(label), 1), np.float32),
    )
    report = summary.summarize(given, {"scene": scene}, classes="abcde")
    found = audit(label, scene, predicted)
    thirds = found.verdicts["scene"]["first"].thirds
    assert [(third.num_videos, third.share) for third in thirds] == [
        (third["num_videos"], third["accuracy"])
        for third in report["aspects"]["scene"]["rarity"]
    ]
    assert "usual for the action in this set" in text_and_advice(found)[0]


def test_answer_names_bias_and_size_and_the_first_step_what_to_do():
    found = audit(*draw(rare=0.5))
    usual, _, rare = found.verdicts["scene"]["first"].thirds
    assert conclusions.headline(found) == (
        "“\u2068first\u2069” is strongly biased towards the scene: it is correct on "
        f"{words.percent(usual.share)} of {usual.num_videos:,} videos whose scene is "
        "usual for the action in this set, and on "
        f"{words.percent(rare.share)} of {rare.num_videos:,} where it is rare."
    )
    assert (
        advice.steps(found)[0].lead
        == "Retrain so that the features do not reveal the scene"
    )
    assert conclusions.headline(audit(*draw())).startswith(
        "No bias of “\u2068first\u2069” towards the scene is found: "
    )


def test_dozen_of_videos_is_too_few_to_say():
    label = np.arange(12) % 2
    found = audit(label, np.arange(12) % 3, np.where(np.arange(12) % 3, label, 1))
    text, advice = text_and_advice(found)
    assert "There are too few videos to say whether" in text.splitlines()[0]
    assert (
        "the usual third has 4 videos and the rare third 4, but each needs 20" in text
    )
    assert "too few videos to say whether the model is biased" in advice
    assert "Retrain" not in advice and "Collect" not in advice
    assert "too few to say" in terminal.summary(found)


def test_advice_never_blames_an_aspect_for_the_gap_of_another():
    label, scene, predicted = draw(usual=0.9, rare=0.4)
    rng = np.random.default_rng(1)
    usual = (scene == label) == (rng.random(len(label)) < 0.8)
    thing = np.where(usual, label, (label + rng.integers(1, 5, len(label))) % 5)
    found = audit(label, scene, predicted, object=thing)
    text, advice = text_and_advice(found)
    assert found.verdicts["object"]["first"].p_gap < 0.001
    assert "So the gap above goes with the scene" in text
    assert "So the gap is the scene's own" in text
    assert "The object needs no retraining: its gap is the scene's" in advice
    shown, gap = page.render(found, {}, 0), found.of("object").controlled.gap
    assert shown.count('class="cross"') == 1, "and not its transpose too"
    assert '"level">the scene&#39;s<' in shown
    big = f"<b>{words.number_of_points(gap.difference)}</b>points with the scene held"
    assert big in shown, "not the gap that is the scene's"
    [line] = [x for x in terminal.summary(found).split("\n") if x.startswith("object ")]
    assert line.endswith("the scene's")
    assert "Retrain so that the features do not reveal the scene" in advice
    assert "Retrain so that the features do not reveal the object" not in advice
    assert "towards the object" not in conclusions.headline(found)


def test_share_of_mistakes_that_go_with_unusual_scenes_is_worked_out():
    found = audit(*draw(rare=0.5))
    thirds = found.verdicts["scene"]["first"].thirds
    errors = sum(third.num_videos - third.hits for third in thirds)
    least = sum(third.num_videos for third in thirds) * (1 - thirds[0].share)
    expected = f"about {errors - least:.0f} of the {errors:,} mistakes"
    assert expected in text_and_advice(found)[0]


def test_small_gap_may_be_chance_and_calls_for_nothing():
    text, advice = text_and_advice(audit(*draw()))
    assert "The gap may be chance (p\u00a0=\u00a0" in text
    assert "Retrain" not in advice
    assert "No finding calls for a remedy" in advice


def test_being_better_where_scenes_are_rare_is_not_called_chance():
    text, advice = text_and_advice(audit(*draw(usual=0.4, rare=0.9)))
    assert "better where the scene is rare shows no bias" in text
    assert "may be chance" not in text
    assert "Retrain" not in advice


def test_thirds_of_two_videos_an_action_are_no_gap():
    label = np.repeat(np.arange(30), 2)
    found = audit(label, np.arange(60) % 7, label)
    text, _ = text_and_advice(found)
    assert "Accuracy cannot be compared" in text
    assert np.isnan(found.verdicts["scene"]["first"].gap)
    assert words.number_of_points(float("nan")) == "\u2013"
    assert words.percent(rates.of(0, 0).share) == "\u2013"


def test_merging_actions_is_not_called_amplified_bias():
    rng = np.random.default_rng(0)
    label = rng.integers(6, size=3000)
    scene = np.where(rng.random(3000) < 0.6, label // 2, rng.integers(3, size=3000))
    found = audit(label, scene, label // 2 * 2)  # of two actions with one scene, one
    verdict = found.verdicts["scene"]["first"]
    assert verdict.measures.amplified.low > 0 and not verdict.reveals_more
    text, _ = text_and_advice(found)
    assert "because fewer actions are predicted" in text
    assert "the model amplifies bias" not in text


def test_reading_the_scene_is_called_amplified_bias():
    label, scene, _ = draw()
    text, _ = text_and_advice(
        audit(label, scene, np.where(np.arange(3000) % 3 > 0, scene, label))
    )
    assert "the model amplifies bias" in text
    assert "they still depend on it" in text


@pytest.mark.parametrize("swapped", [False, True])
def test_model_that_is_better_where_scenes_are_rare_is_preferred(swapped):
    label, scene, biased = draw(rare=0.4)
    fair = draw(rare=0.8)[2]
    models = (fair, biased) if swapped else (biased, fair)
    text, advice = text_and_advice(audit(label, scene, *models))
    better = "first" if swapped else "second"
    steps = advice.splitlines()
    assert steps[0].startswith(
        f"Use “\u2068{better}\u2069”: 15.8 points better overall"
    )
    assert "39.7 points where the scene is rare" in steps[0] and "Prefer" not in advice
    assert ("lower overall" if swapped else "higher overall") in text
    same = text_and_advice(audit(label, scene, biased, biased))[1]
    assert "Prefer" not in same and "Use " not in same


def test_model_that_is_worse_on_usual_scenes_is_preferred_for_rare_ones_only():
    label, scene, biased = draw(usual=0.95, rare=0.4)
    found = audit(label, scene, biased, draw(usual=0.7, rare=0.7, seed=0)[2])
    rare = found.comparisons["scene"].thirds[2].difference
    advice = text_and_advice(found)[1]
    assert "Prefer “\u2068second\u2069” if the scene may change" in advice
    assert f"it is {100 * rare:.1f} points better where the scene is rare" in advice
    assert "Use “" not in advice


def test_gap_of_another_aspect_decides_no_choice():
    label, scene, biased = draw(usual=0.95, rare=0.4)
    fair = draw(usual=0.7, rare=0.7)[2]
    rng = np.random.default_rng(1)
    usual = (scene == label) == (rng.random(len(label)) < 0.8)
    thing = np.where(usual, label, (label + rng.integers(1, 5, len(label))) % 5)
    found = audit(label, scene, biased, fair, object=thing)
    assert found.comparisons["object"].p_gap < 0.05
    advice = text_and_advice(found)[1]
    assert "if the scene may change" in advice
    assert "if the object may change" not in advice


def test_group_beyond_chance_is_in_the_headline_the_advice_and_the_tile():
    label, scene, predicted = draw(900, usual=0.9, rare=0.9)
    bad = np.flatnonzero((label == 1) & (scene == 2))[::2]
    predicted[bad] = np.arange(len(bad)) % 5  # too many mistakes, of every kind
    found = audit(label, scene, predicted)
    assert found.of("scene").concern.level == "none"
    group = "“\u2068class 1\u2069” with “\u2068scene 2\u2069”"
    assert f"But accuracy is lower than chance explains for {group}" in (
        conclusions.headline(found)
    )
    _, advice = text_and_advice(found)
    assert f"Look into {group}" in advice and "No finding calls" not in advice
    assert "1 group is less accurate beyond chance." in page.render(found, {}, 0)


@pytest.mark.parametrize("num_videos", [40, 300, 3000])
@pytest.mark.parametrize("rare", [0.4, 0.7, 0.8])
def test_headline_advice_and_tiles_never_contradict(num_videos, rare):
    label, scene, predicted = draw(num_videos, usual=0.8, rare=rare)
    found = audit(label, scene, predicted)
    verdict, (_, advice) = found.of("scene"), text_and_advice(found)
    headline, shown = conclusions.headline(found), page.render(found, {}, 0)
    level = verdict.concern.level
    assert ("biased towards the scene:" in headline) == (
        level not in ("none", "unclear")
    ) or "too few videos" in headline
    assert headline.startswith("No bias") == (level == "none")
    assert ("do not reveal the scene" in advice) == (level in ("strong", "moderate"))
    assert ("Add test videos" in advice) == (level == "unclear")
    if "No finding calls" in advice:
        assert level == "none" and not verdict.listed.any()
    assert f'"level">{conclusions.level_name(found, found.material.aspects[0])}<' in (
        shown
    )
    few = verdict.concern.reason == "few"
    assert (f"<b>{words.gap(verdict)}</b>points between" in shown) == (not few)


def test_aspects_that_go_together_get_one_piece_of_advice():
    label, scene, predicted = draw(usual=0.9, rare=0.4)
    found = audit(label, scene, predicted, object=(scene + 1) % 5)
    text, advice = text_and_advice(found)
    assert advice.count("Find out whether it is") == 1
    assert "Nor can pairs of action and scene be separated" in text
    assert "than chance explains (25 of" not in text
    shown = page.render(found, {}, 0)
    assert "</bdi> cannot be separated either." in shown
    assert 'class="cross"' not in shown, "cells by two copies show a difference"


def test_single_model_without_a_name_is_the_model():
    label, scene, predicted = draw(rare=0.5)
    found = audits.audit(predicted, label, {"scene": scene}, bootstrap=2)
    assert conclusions.headline(found).startswith("The model is strongly biased")


def test_slight_bias_is_not_left_without_advice():
    label, scene, predicted = draw(num_videos=40_000, usual=0.83, rare=0.80)
    found = audit(label, scene, predicted)
    assert found.of("scene").concern == ("slight", "gap")
    assert "Watch the scene" in text_and_advice(found)[1]
    assert "Add test videos" not in text_and_advice(found)[1]


def test_order_of_the_rows_does_not_matter():
    label, scene, predicted = draw(600)
    ids = np.array([f"v{n}" for n in range(600)])
    found = []
    for order in (np.arange(600), np.random.default_rng(1).permutation(600)):
        tables = [
            inputs.Table(pathlib.Path("t"), ids[order], values[order], None, (), 0)
            for values in (label, scene, predicted)
        ]
        material = joining.join({"m": tables[2]}, tables[0], {"scene": tables[1]})
        result = analysis.analyse(
            material, num_bootstrap=0, seed=0, report=lambda line: None
        )
        found.append(result.verdicts["scene"]["m"].thirds)
    assert found[0] == found[1]


def test_pairs_of_too_few_videos_are_not_called_free_of_bias():
    label = np.arange(9) % 3
    found = audit(label, np.arange(9) // 3, label)
    text, advice = text_and_advice(found)
    assert text.count("needs 20") == 2 and "than chance explains" not in text
    assert "too few videos to say" in advice and "No finding calls" not in advice
    shown = page.render(found, {}, 0)
    assert "Each third needs 20 videos, and pairs need ten." in shown
    assert "Separation" not in shown
    assert "too few videos to locate the" not in shown, "there are none"
    assert "<b>\u2013</b>" not in shown and "There are no mistakes." in shown
    assert words.gap(found.of("scene")) == "\u2013"


def test_arrays_that_pair_by_position_have_one_length():
    answers, scenes = [0, 1] * 10, [0, 0, 1] * 10
    with pytest.raises(errors.DataError, match="20 predictions, 20 labels, 30 scene"):
        audits.audit(answers, answers, {"scene": scenes})
    with pytest.raises(errors.DataError, match="15 labels, 20 other"):
        audits.audit(answers, answers[:15], {"scene": scenes[:20]}, other=answers)
    with pytest.raises(errors.ConfigError, match="aspects must be a dict"):
        audits.audit(answers, answers, [scenes])


def test_labels_that_do_not_occur_are_not_counted():
    label = np.arange(60) % 3
    found = audits.audit(label, label, {"scene": np.arange(60) % 4 * 2}, bootstrap=0)
    assert len(found.material.aspects[0].names) == 7
    assert "3 actions, 4 <bdi>scene</bdi> labels" in page.render(found, {}, 0)


def test_too_few_to_say_has_another_meter_than_none_found():
    few, none = (audit(*draw(n)) for n in (30, 3000))
    assert few.of("scene").concern.level == "unclear"
    assert none.of("scene").concern.level == "none"
    meters = [
        page.render(found, {}, 0).partition('class="meter')[2][:300]
        for found in (few, none)
    ]
    assert ["unknown" in meter.partition("\n")[0] for meter in meters] == [True, False]
    assert "other aspect" not in page.render(none, {}, 0).partition("<nav")[0]


def test_empty_list_of_worst_groups_states_what_a_group_is():
    shown = page.render(audit(*draw()), {}, 0)
    assert (
        "There are none. A group is one action with one scene, of at least 10" in shown
    )
