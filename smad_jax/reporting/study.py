"""The embedded study: the arms of Table 7 and a control, over seeds.

Every seed draws its own data. Hyper-parameters were chosen by `tune`, on a draw
that no table uses, with the same number of trials for every arm.
"""

import pathlib
from collections.abc import Callable, Sequence

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
SETS = ("iid", "tail", "rare")

# The draw of the data for tuning; the tables use others.
TUNING_SEED = 1001
# The same settings are tried for every arm.
SETTINGS = tuple((f"--config.optimizer.learning_rate={rate}",) for rate in (4e-3, 8e-3))
TUNED = (BASELINE, "SAAR", "MAAT", "SMAD")  # the control takes SMAD's setting

Report = Callable[[str], None]


def seed_flags(seed: int) -> tuple[str, ...]:
    """Returns the flags that give a run its own draw of data and of everything."""
    return (f"--config.seed={seed}", f"--config.data.embedded_seed={seed}")


def run(out: pathlib.Path, seeds: Sequence[int], at_once: int, report: Report) -> str:
    """Makes what is missing of arms x seeds under `out`; returns the tables."""
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
    commits = ", ".join(sorted({finished.commit for finished in done.values()}))
    seconds = np.mean([finished.seconds for finished in done.values()])
    means, differences = tables.study(scores, BASELINE)
    return (
        f"Top-1 accuracy in per cent, mean ± standard deviation over seeds "
        f"{', '.join(map(str, seeds))}, each with its own draw of the data.\n\n"
        f"{means}\n\n{differences}\n\n"
        f"Commit {commits}; {seconds:.0f} s a run, {at_once} at once; "
        f"`python -m smad_jax.reporting study --seeds {' '.join(map(str, seeds))}`.\n"
    )


def tune(out: pathlib.Path, at_once: int, report: Report) -> str:
    """Tries the same number of settings for every arm on the tuning draw.

    The score of a setting is the mean of the three accuracies on that draw.
    """
    trials = {
        runs.Job(
            ARMS[arm],
            (*setting, *seed_flags(TUNING_SEED)),
            out / "tune" / _plain(arm) / f"trial{number}",
        ): arm
        for arm in TUNED
        for number, setting in enumerate(SETTINGS)
    }
    finished = runs.finish(list(trials), at_once=at_once, report=report)
    scores = {
        job: 100 * np.array([run.results[f"{name}/top1"] for name in SETS])
        for job, run in zip(trials, finished, strict=True)
    }
    rows = []
    for job, arm in trials.items():
        best = max(scores[j].mean() for j in trials if trials[j] == arm)
        chosen = "chosen" if scores[job].mean() == best else ""
        setting = " ".join(flag.rpartition(".")[2] for flag in job.overrides[:-2])
        cells = (f"{value:.1f}" for value in (*scores[job], scores[job].mean()))
        rows.append((arm, setting, *cells, chosen))
    return tables.markdown(("arm", "setting", *SETS, "mean", ""), rows)


def _plain(arm: str) -> str:
    """Returns an arm's name as a folder name."""
    return arm.lower().replace(", ", "-").replace(" ", "-")
