"""The paragraph that a run's log begins with: network, method, data and devices."""

import jax

from smad_jax.data import catalog, groups, masking
from smad_jax.experiment import build, splits
from smad_jax.experiment.keys import Data
from smad_jax.experiment.settings import Settings
from smad_jax.training import joint, loop, train_state


def describe(
    settings: Settings,
    opened: splits.Splits,
    plan: loop.Plan,
    state: train_state.TrainState,
) -> str:
    """Returns network, method, data and devices of a run, in one paragraph."""
    train, model = opened.train, settings.model
    # The aspect of groups is for sampling by, not to be invariant to.
    against = [name for name in train.aspects if name != groups.NAME]
    count = sum(leaf.size for leaf in jax.tree.leaves(state.params["model"]))
    processes = jax.process_count()
    return (
        f"{model.name}{' + SAAR' if model.saar else ''}, "
        f"{count:,} parameters; method {settings.method.name}"
        f"{' against ' + ', '.join(against) if against else ''}\n"
        f"{len(train):,} videos of {len(train.classes)} classes; "
        f"{plan.total_steps:,} steps of {plan.batch_size} videos, learning rate "
        f"{build.scaled_rate(settings):.4g}; "
        f"{jax.device_count()} x {jax.devices()[0].device_kind}"
        f"{f', {processes} processes' if processes > 1 else ''}"
        f"{_warn_of_warmup(settings)}"
        + "".join(
            f"\n{line}" for line in _describe_streams(settings.data, opened, plan.order)
        )
    )


def _warn_of_warmup(settings: Settings) -> str:
    """Returns a line about a warm-up that takes the whole run, or nothing."""
    section, epochs = settings.optimizer, settings.training.epochs
    if section.schedule != "cosine" or section.warmup_epochs < epochs:
        return ""
    # A share, if there is one, replaces the epochs; one epoch can only be without.
    shorter = max(1, epochs // 10) if epochs > 1 else 0
    key = "warmup_share=0" if section.warmup_share else f"warmup_epochs={shorter}"
    return (
        f"\nWARNING: the warm-up of {section.warmup_epochs} epochs takes the whole run "
        f"of {epochs}, so the learning rate never reaches its value; set "
        f"--config.optimizer.{key}"
    )


def _describe_streams(
    data: Data, opened: splits.Splits, turns: joint.Order
) -> list[str]:
    """Returns a line about each stream beside the training set's."""
    lines = [_describe_web(name, split, turns) for name, split in opened.web.items()]
    if opened.target is not None:
        lines.append(
            f"with {len(opened.target):,} unlabelled videos of "
            f"{opened.target.dataset}/{opened.target.name}, {data.unlabelled_size} a "
            "step"
        )
    if data.masked:
        lines.append(_describe_masked(opened.masked, data.masked_size))
    return lines


def _describe_web(name: str, split: catalog.Split, turns: joint.Order) -> str:
    """Returns the line about a web stream."""
    batches, batch_size = turns.web[name]
    # Without labels the adversary of an aspect does not see this stream.
    bare = [aspect for aspect, mask in split.aspect_mask.items() if not mask.any()]
    return (
        f"jointly with {name}, {len(split):,} of {split.dataset}/{split.name}: "
        f"{batches} x {batch_size} after "
        f"{'each step' if turns.every == 1 else f'every {turns.every} steps'}"
        f"{'; no labels for ' + ', '.join(bare) if bare else ''}"
    )


def _describe_masked(found: masking.Masked | None, batch_size: int) -> str:
    """Returns the line about clips without people."""
    # No error: the rest of the loss needs no such clips.
    if found is None:
        return (
            "NOTICE: no training video has boxes in enough of its frames, so no clip "
            "has the people painted out, and the loss on such clips is left out. "
            "Name a file of boxes with data.masked.boxes, or do without by "
            "data.masked.without_boxes='guess'"
        )
    return (
        f"with {len(found.split):,} videos whose people are painted out, "
        f"{found.num_guessed:,} of them by guess: {batch_size} a step, "
        + ("as an update of their own" if found.turns == "alternate" else "at once")
    )
