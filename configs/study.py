"""The studies on the embedded benchmark: what is compared over draws, and what tuned.

    python -m smad_jax.reporting study --write docs/results/smad.md
    python -m smad_jax.reporting study --config configs/study.py:omnidebias
    python -m smad_jax.reporting tune --config configs/study.py:methods

`smad`, the default, has the rows of Table 7 and a control; `methods` those of Table 3
and the methods that came later; `longer` and `methods-longer` the same at three times
the steps; `omnidebias` has those of Table 9; `parts` those of Tables 8 and 13, the
aspects and the losses; `weights` MAAT and SMAD over a range of adversarial weights;
`causes` looks for why some of Table 3's methods hardly train, and `retried` has those
that were changed for what it found. An arm is what follows `main.py --config`. The
settings of an arm are the trials of `tune`, three for each; the configs hold what was
chosen. An arm without any takes what was chosen for another, or says its own.
"""

from collections.abc import Iterable
from typing import Any

SMAD = "configs/slowonly_smad.py"
LONGER = "--config.training.epochs=36"  # three times the usual number
DFR_LONGER = "--config.training.epochs=45"  # of four fifths of the videos
JOINT = "configs/slowonly_omnidebias.py"

_RATES = tuple(
    (f"--config.optimizer.learning_rate={rate}",) for rate in (1.5e-3, 3e-3, 6e-3)
)


def _adversaries(**values: tuple[float, float]) -> tuple[tuple[str, ...], ...]:
    """Weaker and usual values of an adversary, and how it grows, at the middle rate."""
    weaker, usual = (
        tuple(
            f"--config.method.settings.{name}={pair[n]}"
            for name, pair in values.items()
        )
        for n in (0, 1)
    )
    rate = "--config.optimizer.learning_rate=0.003"
    growing, constant = (
        f"--config.method.ramp={ramp}" for ramp in ("dann", "constant")
    )
    return (rate, *weaker, growing), (rate, *usual, growing), (rate, *usual, constant)


def _trials(**values: tuple[float, float]) -> tuple[tuple[str, ...], ...]:
    """Usual values of settings at two rates, and other ones at the lower rate."""
    high, low = (f"--config.optimizer.learning_rate={rate}" for rate in (6e-3, 3e-3))
    usual, other = (
        tuple(
            f"--config.method.settings.{name}={pair[n]}"
            for name, pair in values.items()
        )
        for n in (0, 1)
    )
    return (high, *usual), (low, *usual), (low, *other)


# Half the adversarial weight of an aspect, before the division by their number.
_SMAD_TRIALS = _adversaries(soft_ce_weight=(0.05, 0.15), kl_weight=(0.05, 0.15))
# What follows `configs/slowonly_`, and the trials. Methods that adapt to a test set are
# trained for each; the second takes what was chosen for the first.
_METHODS = {
    "AdaBN": ("adabn", _RATES),
    "FrameShuffle": ("frame_shuffle", _trials(weight=(0.5, 0.25))),
    "SDN": ("sdn", _adversaries(reversal=(0.1, 0.5), confusion_weight=(0.1, 1.0))),
    "DANN, tail": ("dann:target=tail", _trials(weight=(1.0, 0.3))),
    "DANN, rare": ("dann:target=rare", ()),
    "MMD, tail": ("mmd:target=tail", _trials(weight=(0.5, 0.15))),
    "MMD, rare": ("mmd:target=rare", ()),
    "SAVA, tail": (
        "sava:target=tail",
        _trials(weight=(1.0, 0.3), order_weight=(1.0, 0.3)),
    ),
    "SAVA, rare": ("sava:target=rare", ()),
    "StillMix": ("still_mix", _trials(probability=(0.5, 0.25))),
    "background erasing": ("background_erasing", _trials(probability=(0.5, 0.25))),
    "FAME": ("fame", _trials(probability=(0.25, 0.5))),
    "ActorCutMix": ("actor_cut_mix", _trials(probability=(0.25, 0.5))),
    "ALBAR": (
        "albar",
        _trials(
            still_weight=(1.0, 0.1),
            entropy_weight=(4.25, 0.425),
            gradient_weight=(10.0, 1.0),
        ),
    ),
    "GroupDRO": ("group_dro", _trials(step_size=(0.01, 0.1))),
    "DFR": ("dfr", _trials(inverse_penalty=(1.0, 0.1))),
}


def get_config(arg: str = "smad") -> dict[str, Any]:
    """Returns the study called `arg`; the order of its arms is that of the tables.

    Raises:
        ValueError: if there is none.
    """
    known = {
        "smad": _smad,
        "longer": _longer,
        "methods": _methods,
        "methods-longer": _methods_longer,
        "omnidebias": _omnidebias,
        "parts": _parts,
        "weights": _weights,
        "causes": _causes,
        "retried": _retried,
    }
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
            "MAAT": _SMAD_TRIALS,
            "SMAD": _SMAD_TRIALS,
        },
        "prepare": (),
    }


def _longer() -> dict[str, Any]:
    """Does what the rows of Table 7 show last when every arm trains to the end?"""
    usual = _smad()
    arms = {arm: f"{flags} {LONGER}" for arm, flags in usual["arms"].items()}
    return {**usual, "arms": arms, "settings": {}}  # the settings are those of `smad`


def _methods() -> dict[str, Any]:
    """Table 3, and the methods that came later, beside the baseline, MAAT and SMAD."""
    arms = {
        "baseline": "configs/slowonly_baseline.py",
        "MAAT": f"{SMAD}:saar=off",
        "SMAD": SMAD,
    } | {arm: _config(name) for arm, (name, _) in _METHODS.items()}
    trials = {arm: settings for arm, (_, settings) in _METHODS.items() if settings}
    return {
        "arms": arms,
        "pairs": _with_baseline(arms),
        "settings": trials,  # those of the first three are tried by `smad`
        "prepare": (),
    }


def _methods_longer() -> dict[str, Any]:
    """The rows of `methods` when every arm trains to the end.

    With the settings that were chosen for a third of the steps. Methods that adapt to
    a test set do so to one, as they are trained for each.
    """
    usual = _methods()
    arms = {
        arm: f"{flags} {DFR_LONGER if arm == 'DFR' else LONGER}"
        for arm, flags in usual["arms"].items()
        if not arm.endswith(", rare")
    }
    return {**usual, "arms": arms, "pairs": _with_baseline(arms), "settings": {}}


def _config(name: str) -> str:
    """`sava:target=tail` as what follows --config."""
    file, colon, argument = name.partition(":")
    return f"configs/slowonly_{file}.py{colon}{argument}"


def _parts() -> dict[str, Any]:
    """Tables 8 and 13: one aspect or both, and one loss for soft labels or both.

    The weight of SMAD is divided by the number of aspects; an arm of its own has it for
    each, so that the number of aspects and the strength are told apart.
    """
    arms = {
        "baseline": "configs/slowonly_baseline.py",
        "scene": f"{SMAD}:aspects=scene",
        "object": f"{SMAD}:aspects=object",
        "SMAD": SMAD,
        "SMAD, weight for each": f"{SMAD}:weights=each",
        "SoftCE": f"{SMAD}:loss=soft_ce",
        "KL": f"{SMAD}:loss=kl",
        # what both are together, for their gradients are the same
        "SoftCE, twice": (
            f"{SMAD}:loss=soft_ce --config.method.settings.soft_ce_weight=0.3"
        ),
    }
    others = [arm for arm in arms if arm not in ("baseline", "SMAD")]
    return {
        "arms": arms,
        "pairs": (*_with_baseline(arms), *(("SMAD", arm) for arm in others)),
        "settings": {},  # SMAD's
        "prepare": (),
    }


def _weights() -> dict[str, Any]:
    """Where MAAT and SMAD train: weights of an adversary from 0.03 to 1, two ramps.

    The weight is that of an aspect before the division by their number, half of it
    SoftCE and half KL.
    """
    arms, pairs = {"baseline": "configs/slowonly_baseline.py"}, []
    for ramp in ("constant", "dann"):
        for weight in (0.03, 0.1, 0.3, 1.0):
            flags = " ".join(
                (
                    f"--config.method.settings.soft_ce_weight={weight / 2}",
                    f"--config.method.settings.kl_weight={weight / 2}",
                    f"--config.method.ramp={ramp}",
                )
            )
            maat, smad = (f"{arm} {weight} {ramp}" for arm in ("MAAT", "SMAD"))
            arms[maat] = f"{SMAD}:saar=off {flags}"
            arms[smad] = f"{SMAD} {flags}"
            pairs.append((smad, maat))
    return {"arms": arms, "pairs": tuple(pairs), "settings": {}, "prepare": ()}


def _causes() -> dict[str, Any]:
    """Do FrameShuffle and StillMix lack time, and what is it in SDN?

    Runs of three times as many steps; and SDN at its authors' weights from the start,
    each of its two parts alone, and both at a tenth or less and growing.
    """
    slow = ("baseline", "FrameShuffle", "StillMix")
    arms = {"baseline": "configs/slowonly_baseline.py"}
    arms |= {arm: _config(_METHODS[arm][0]) for arm in slow[1:]}
    arms |= {f"{arm}, longer": f"{config} {LONGER}" for arm, config in arms.items()}
    full = "SDN, full strength"
    parts = {
        full: (0.5, 1.0, "constant"),
        "SDN, confusion alone": (0.0, 1.0, "constant"),
        "SDN, adversary alone": (0.5, 0.0, "constant"),
        "SDN, weaker and growing": (0.1, 0.1, "dann"),
    }
    for arm, (reversal, confusion, ramp) in parts.items():
        arms[arm] = (
            "configs/slowonly_sdn.py --config.optimizer.learning_rate=0.006 "
            f"--config.method.settings.reversal={reversal} "
            f"--config.method.settings.confusion_weight={confusion} "
            f"--config.method.ramp={ramp}"
        )
    arms["SDN"] = "configs/slowonly_sdn.py"  # at a lower rate
    return {
        "arms": arms,
        "pairs": (
            *((f"{arm}, longer", arm) for arm in slow),
            *((f"{arm}, longer", "baseline, longer") for arm in slow[1:]),
            *((arm, full) for arm in parts if arm != full),
        ),
        "settings": {},
        "prepare": (),
    }


def _retried() -> dict[str, Any]:
    """The rows of `methods` that changed after the others had been tuned.

    SDN had three trials of which none was weak enough to train, DFR fewer steps than
    the others.
    """
    usual, changed = _methods(), ("SDN", "DFR")
    arms = {arm: usual["arms"][arm] for arm in ("baseline", *changed)}
    settings = {arm: usual["settings"][arm] for arm in changed}
    return {**usual, "arms": arms, "pairs": _with_baseline(arms), "settings": settings}


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


def _with_baseline(arms: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Every other arm with the baseline."""
    return tuple((arm, "baseline") for arm in arms if arm != "baseline")
