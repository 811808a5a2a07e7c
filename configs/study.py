"""The studies on the embedded benchmark: what is compared over draws, and what tuned.

    python -m smad_jax.reporting study --write docs/results.md --write-means README.md
    python -m smad_jax.reporting study --config configs/study.py:omnidebias
    python -m smad_jax.reporting tune --config configs/study.py:smad

`smad`, the default, has the rows of Table 7 and a control; `omnidebias` those of
Table 9. An arm is what follows `main.py --config`. The settings of an arm are the
trials of `tune`; the configs hold what was chosen. An arm without any takes what was
chosen for another. Three trials an arm, for all of them.
"""

from collections.abc import Iterable
from typing import Any

SMAD = "configs/slowonly_smad.py"
JOINT = "configs/slowonly_omnidebias.py"

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


def get_config(arg: str = "smad") -> dict[str, Any]:
    """Returns the study called `arg`; the order of its arms is that of the tables.

    Raises:
        ValueError: if there is none.
    """
    known = {"smad": _smad, "omnidebias": _omnidebias}
    if arg not in known:
        raise ValueError(f"unknown study {arg!r}; known: {', '.join(known)}")
    return {
        "name": arg,
        "sets": ("iid", "tail", "rare"),
        "tuning_seed": 1001,  # a draw of the data that no table uses
        **known[arg](),
    }


def _smad() -> dict[str, Any]:
    """Table 7, and a control whose adversaries learn from labels dealt out anyhow."""
    control = "SMAD, shuffled labels"
    arms = {
        "baseline": "configs/slowonly_baseline.py",
        "SAAR": f"{SMAD}:aspects=none",
        "MAAT": f"{SMAD}:saar=off",
        "SMAD": SMAD,
        control: f"{SMAD}:labels=shuffled",
    }
    return {
        "arms": arms,
        "pairs": (*_with_baseline(arms), ("SMAD", control), ("SMAD", "MAAT")),
        "settings": {
            "baseline": _RATES,
            "SAAR": _RATES,
            "MAAT": _ADVERSARIES,
            "SMAD": _ADVERSARIES,
        },
        "prepare": (),
    }


def _omnidebias() -> dict[str, Any]:
    """Table 9: the thirds of the web data, a random third and all, at equal steps."""
    parts = ("bias", "mid", "unbias", "rand", "all")
    arms = {"baseline": "configs/slowonly_baseline.py"} | {
        f"web {part}": f"{JOINT}:web={part}" for part in parts
    }
    web = "--data-root {data_root} --dataset embedded-web-seed{seed}"
    return {
        "arms": arms,
        "pairs": (
            *_with_baseline(arms),
            *(("web unbias", f"web {part}") for part in parts if part != "unbias"),
        ),
        "settings": {},  # the baseline's
        "prepare": (  # the baseline of a draw is its teacher
            "data_prep.embedded --web --seed {seed} --out {data_root}",
            f"data_prep.teacher_filter {web} --split raw --teacher {{baseline}}",
            f"data_prep.omnidebias {web} --split positive --name web",
        ),
    }


def _with_baseline(arms: Iterable[str]) -> list[tuple[str, str]]:
    """Every other arm with the baseline."""
    return [(arm, "baseline") for arm in arms if arm != "baseline"]
