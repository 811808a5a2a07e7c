"""The embedded study: the arms of Table 7 and a control, over seeds.

Every seed draws its own data. Hyper-parameters were chosen by `tune`, on a draw
that no table uses, with the same number of trials for every arm.
"""

import pathlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from smad_jax.reporting import runs, tables

BASELINE = "baseline"
ARMS = {
    BASELINE: "configs/slowonly_baseline.py",
    "SAAR": "configs/slowonly_smad.py:aspects=none",
    "MAAT": "configs/slowonly_smad.py:saar=off",
    "SMAD": "configs/slowonly_smad.py",
    "SMAD, shuffled labels": "configs/slowonly_smad.py:labels=shuffled",
}
# What is tested, the second arm subtracted from the first.
PAIRS = (
    *((arm, BASELINE) for arm in ARMS if arm != BASELINE),
    ("SMAD", "SMAD, shuffled labels"),
    ("SMAD", "MAAT"),
)
SETS = ("iid", "tail", "rare")

# The draw of the data for tuning; the tables use others.
TUNING_SEED = 1001
_RATES = tuple(
    (f"--config.optimizer.learning_rate={rate}",) for rate in (1.5e-3, 3e-3, 6e-3)
)
# Half the adversarial weight of an aspect, before the division by their number, and
# how it grows during training; all at the middle one of the rates.
_ADVERSARIES = tuple(
    (
        "--config.optimizer.learning_rate=0.003",
        f"--config.method.settings.soft_ce_weight={weight}",
        f"--config.method.settings.kl_weight={weight}",
        f"--config.method.ramp={ramp}",
    )
    for weight, ramp in ((0.05, "dann"), (0.15, "dann"), (0.15, "constant"))
)
# What is tried for every arm, as often for each; the control takes SMAD's setting.
SETTINGS = {
    BASELINE: _RATES,
    "SAAR": _RATES,
    "MAAT": _ADVERSARIES,
    "SMAD": _ADVERSARIES,
}

Report = Callable[[str], None]


class Study(NamedTuple):
    """What a study found, in Markdown.

    Attributes:
        means: The table of means over seeds alone.
        text: All tables, and what they rest on.
    """

    means: str
    text: str


def seed_flags(seed: int) -> tuple[str, ...]:
    """Returns the flags that give a run its own draw of data and of everything."""
    return (f"--config.seed={seed}", f"--config.data.embedded_seed={seed}")


def run(out: pathlib.Path, seeds: Sequence[int], at_once: int, report: Report) -> Study:
    """Makes what is missing of arms x seeds under `out`; returns the tables.

    Raises:
        DataError: if a run fails, or its folder holds one with other settings.
    """
    jobs = [
        runs.Job(config, seed_flags(seed), out / _plain(arm) / f"seed{seed}")
        for seed in seeds
        for arm, config in ARMS.items()
    ]
    done = dict(
        zip(jobs, runs.finish(jobs, at_once=at_once, report=report), strict=True)
    )
    scores = {
        arm: {
            name: [
                finished.results[f"{name}/top1"]
                for job, finished in done.items()
                if job.config == config
            ]
            for name in SETS
        }
        for arm, config in ARMS.items()
    }
    means, differences = tables.study(scores, PAIRS)
    listed = " ".join(map(str, seeds))
    origin = _origin(done.values(), at_once, f"study --seeds {listed}")
    text = (
        f"Top-1 accuracy in per cent, mean ± standard deviation over seeds "
        f"{listed.replace(' ', ', ')}, each with its own draw of the data.\n\n"
        f"{means}\n\n"
        f"Paired differences in points, with a two-sided t-test; Holm's correction is "
        f"over all rows.\n\n"
        f"{differences}\n\n{origin}\n"
    )
    return Study(means, text)


def tune(out: pathlib.Path, at_once: int, report: Report) -> str:
    """Tries every arm's settings on the tuning draw.

    The score of a setting is the mean of the three accuracies on that draw.

    Raises:
        DataError: if a run fails, or its folder holds one with other settings.
    """
    jobs = {
        (arm, setting): runs.Job(
            ARMS[arm],
            (*setting, *seed_flags(TUNING_SEED)),
            out / "tune" / _plain(arm) / f"{_plain(_named(setting))}-seed{TUNING_SEED}",
        )
        for arm, settings in SETTINGS.items()
        for setting in settings
    }
    finished = runs.finish(list(jobs.values()), at_once=at_once, report=report)
    scores = {
        trial: 100 * np.array([run.results[f"{name}/top1"] for name in SETS])
        for trial, run in zip(jobs, finished, strict=True)
    }
    rows = []
    for arm, settings in SETTINGS.items():
        means = [scores[arm, setting].mean() for setting in settings]
        best = settings[int(np.argmax(means))]
        for setting, mean in zip(settings, means, strict=True):
            values = (*scores[arm, setting], mean)
            cells = (f"{value:.1f}" for value in values)
            chosen = "chosen" if setting == best else ""
            rows.append((arm, _named(setting), *cells, chosen))
    table = tables.markdown(("arm", "setting", *SETS, "mean", ""), rows)
    return (
        f"Top-1 accuracy in per cent on draw {TUNING_SEED}.\n\n{table}\n\n"
        f"{_origin(finished, at_once, 'tune')}\n"
    )


def _origin(finished: Iterable[runs.Run], at_once: int, command: str) -> str:
    """Returns the line that says how the runs were made."""
    finished = list(finished)
    commits = ", ".join(sorted({run.commit for run in finished}))
    seconds = np.median([run.seconds for run in finished])
    return (
        f"Commit {commits}; {seconds:.0f} s a run, {at_once} at once; "
        f"`python -m smad_jax.reporting {command}`."
    )


def _named(setting: tuple[str, ...]) -> str:
    """Returns a setting's flags without the sections of their keys."""
    pairs = (flag.partition("=") for flag in setting)
    return " ".join(f"{key.rpartition('.')[2]}={value}" for key, _, value in pairs)


def _plain(name: str) -> str:
    """Returns a name as a folder name."""
    return re.sub("[ ,=]+", "-", name.lower())
