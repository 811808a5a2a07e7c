"""Audits of made-up models, whose bias is known."""

import pathlib

import numpy as np

from smad_jax.reporting.audit import (
    advice,
    analysis,
    conclusions,
    inputs,
    joining,
    words,
)


def audit(label, scene, *predictions, **others):
    """The audit of one or two models; all arguments are [V] int, by name aspects."""
    ids = np.array([f"v{n:05}" for n in range(len(label))])

    def table(answers):
        return inputs.Table(pathlib.Path("t.csv"), ids, answers, None, (), 0)

    names = ("first", "second")
    material = joining.join(
        dict(zip(names, map(table, predictions), strict=False)),
        table(label),
        {"scene": table(scene)} | {name: table(one) for name, one in others.items()},
    )
    return analysis.analyse(
        material, num_bootstrap=40, seed=0, report=lambda line: None
    )


def draw(num_videos=3000, usual=0.8, rare=0.8, seed=0):
    """Labels, scenes that are mostly the label's, and answers right at two rates."""
    rng = np.random.default_rng(seed)
    label = rng.integers(5, size=num_videos)
    scene = np.where(
        rng.random(num_videos) < 0.5, label, rng.integers(5, size=num_videos)
    )
    chance = np.where(scene == label, usual, rare)
    wrong = (label + rng.integers(1, 5, size=num_videos)) % 5
    return label, scene, np.where(rng.random(num_videos) < chance, label, wrong)


def text_and_advice(found):
    """The answer and all paragraphs; and the advice."""
    paragraphs = [conclusions.headline(found), *words.overall(found)]
    for aspect in found.material.aspects:
        paragraphs += words.of_aspect(found, aspect)
    steps = [f"{step.lead}. {step.detail}" for step in advice.steps(found)]
    return "\n".join(paragraphs), "\n".join(steps)


def spoilt(scene_of_all=2, seed=0, count=1200):
    """A model that fails for all actions in one scene, usual for its own action."""
    label, scene, predicted = draw(count, usual=0.95, rare=0.95, seed=seed)
    rng = np.random.default_rng(seed + 1)
    bad = (scene == scene_of_all) & (rng.random(count) < 0.5)
    return label, scene, np.where(bad, rng.integers(5, size=count), predicted)


def reads_the_scene(seed=0, count=1200, share=0.5):
    """A model that often predicts the action whose scene it sees."""
    label, scene, predicted = draw(count, usual=0.95, rare=0.95, seed=seed)
    rng = np.random.default_rng(seed + 1)
    return label, scene, np.where(rng.random(count) < share, scene, predicted)
