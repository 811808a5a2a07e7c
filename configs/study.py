"""The studies on the embedded benchmark: what is compared over draws, and what tuned.

    python -m smad_jax study --write docs/results/smad.md
    python -m smad_jax study --config configs/study.py:omnidebias
    python -m smad_jax tune --config configs/study.py:methods

The argument names a study of `STUDIES`; `smad` is the default. An arm is what follows
`main.py --config`. The settings of an arm are the trials of `tune`, three for each, six
on the later editions; configs/embedded.py holds what was chosen. An arm without trials
has the settings of another arm, or its own flags.
"""

import types
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from configs import embedded

Trials = tuple[tuple[str, ...], ...]

BASELINE = "configs/slowonly_baseline.py"
SMAD = "configs/slowonly_smad.py"
JOINT = "configs/slowonly_omnidebias.py"
LONGER = "--config.training.epochs=36"  # three times the usual number
DFR_LONGER = "--config.training.epochs=45"  # of four fifths of the videos
LASTING = "embedded-lasting"
MILDER = "embedded-milder"
CONTROL = "SMAD, shuffled labels"


class Study(NamedTuple):
    """What is compared; `smad_jax.reporting.design.Design` explains the fields."""

    arms: dict[str, str]
    pairs: tuple[tuple[str, str], ...]
    settings: dict[str, Trials]
    prepare: tuple[str, ...] = ()
    primary: tuple[tuple[str, str, str], ...] = ()


def _rate(rate: float) -> str:
    return f"--config.optimizer.learning_rate={rate}"


def _ramp(ramp: str) -> str:
    return f"--config.method.ramp={ramp}"


def _settings(**values: float) -> tuple[str, ...]:
    return tuple(f"--config.method.settings.{k}={v}" for k, v in values.items())


class Method(NamedTuple):
    """A row of the tables of methods.

    Attributes:
        config: What follows `configs/slowonly_`.
        usual: The values of its settings that its authors or its file name.
        other: The values of the same settings that tuning tries, too.
        adversary: Whether tuning tries ramps, and one rate, in place of rates.
        tuned: Whether it is tuned at all; a row without takes what was chosen for the
            row before, which is the same method for another test set.
    """

    config: str
    usual: Mapping[str, float] = types.MappingProxyType({})
    other: Mapping[str, float] = types.MappingProxyType({})
    adversary: bool = False
    tuned: bool = True

    def three(self) -> Trials:
        """Returns three trials, of the first edition's benchmark."""
        if self.adversary:
            low = _rate(3e-3)
            weak, usual = _settings(**self.other), _settings(**self.usual)
            growing, constant = _ramp("dann"), _ramp("constant")
            return (
                (low, *weak, growing),
                (low, *usual, growing),
                (low, *usual, constant),
            )
        if not self.usual:
            return _RATES
        usual, other = _settings(**self.usual), _settings(**self.other)
        return (_rate(6e-3), *usual), (_rate(3e-3), *usual), (_rate(3e-3), *other)

    def six(self) -> Trials:
        """Returns six trials: three rates or strengths, and two of something else."""
        if self.adversary:
            between = {k: (self.other[k] * v) ** 0.5 for k, v in self.usual.items()}
            return _by_ramps(self.other, between, self.usual)
        if not self.usual:
            return _SIX_RATES
        both = _settings(**self.usual), _settings(**self.other)
        rates = [_rate(rate) for rate in (1.5e-3, 3e-3, 6e-3)]
        return tuple((rate, *values) for values in both for rate in rates)


def _by_ramps(*strengths: Mapping[str, float]) -> Trials:
    """Every strength of an adversary with both ramps, at the middle rate."""
    return tuple(
        (_rate(3e-3), *_settings(**values), _ramp(ramp))
        for values in strengths
        for ramp in ("dann", "constant")
    )


_RATES = tuple((_rate(rate),) for rate in (1.5e-3, 3e-3, 6e-3))
_SIX_RATES = tuple((_rate(0.75e-3 * 2**n),) for n in range(6))


def _weight(weight: float) -> dict[str, float]:
    """SMAD's two losses at half its adversarial weight each."""
    return {"soft_ce_weight": weight, "kl_weight": weight}


# Half the adversarial weight of an aspect, before the division by their number.
_SMAD_TRIALS = Method("smad", _weight(0.15), _weight(0.05), adversary=True).three()
# Methods that adapt to a test set are trained for each.
_METHODS: dict[str, Method] = {
    "AdaBN": Method("adabn"),
    "FrameShuffle": Method("frame_shuffle", {"weight": 0.5}, {"weight": 0.25}),
    "SDN": Method(
        "sdn",
        {"reversal": 0.5, "confusion_weight": 1.0},
        {"reversal": 0.1, "confusion_weight": 0.1},
        adversary=True,
    ),
    "DANN, tail": Method("dann:target=tail", {"weight": 1.0}, {"weight": 0.3}),
    "DANN, rare": Method("dann:target=rare", tuned=False),
    "MMD, tail": Method("mmd:target=tail", {"weight": 0.5}, {"weight": 0.15}),
    "MMD, rare": Method("mmd:target=rare", tuned=False),
    "SAVA, tail": Method(
        "sava:target=tail",
        {"weight": 1.0, "order_weight": 1.0},
        {"weight": 0.3, "order_weight": 0.3},
    ),
    "SAVA, rare": Method("sava:target=rare", tuned=False),
    "StillMix": Method("still_mix", {"probability": 0.5}, {"probability": 0.25}),
    "background erasing": Method(
        "background_erasing", {"probability": 0.5}, {"probability": 0.25}
    ),
    "FAME": Method("fame", {"probability": 0.25}, {"probability": 0.5}),
    "ActorCutMix": Method("actor_cut_mix", {"probability": 0.25}, {"probability": 0.5}),
    "ALBAR": Method(
        "albar",
        {"still_weight": 1.0, "entropy_weight": 4.25, "gradient_weight": 10.0},
        {"still_weight": 0.1, "entropy_weight": 0.425, "gradient_weight": 1.0},
    ),
    "GroupDRO": Method("group_dro", {"step_size": 0.01}, {"step_size": 0.1}),
    "DFR": Method("dfr", {"inverse_penalty": 1.0}, {"inverse_penalty": 0.1}),
}


def get_config(arg: str = "smad") -> dict[str, object]:
    """Returns the study called `arg`; the order of its arms is that of the tables.

    Raises:
        ValueError: if there is none.
    """
    if arg not in STUDIES:
        raise ValueError(f"unknown study {arg!r}; known: {', '.join(STUDIES)}")
    return {
        "name": arg,
        "sets": ("iid", "tail", "rare"),
        "tuning_seed": 1001,  # a draw of the data that no table uses
        **STUDIES[arg]()._asdict(),
    }


def _smad() -> Study:
    """Table 7, and a control whose adversaries learn from permuted labels."""
    arms = _main_arms()
    pairs = (*_with_baseline(arms), ("SMAD", CONTROL), ("SMAD", "MAAT"))
    trials = dict.fromkeys(("baseline", "SAAR"), _RATES)
    return Study(arms, pairs, trials | dict.fromkeys(("MAAT", "SMAD"), _SMAD_TRIALS))


def _main_arms(data: str = "") -> dict[str, str]:
    return {
        "baseline": _on(data, BASELINE),
        "SAAR": _on(data, SMAD, "aspects=none"),
        "MAAT": _on(data, SMAD, "saar=off"),
        "SMAD": _on(data, SMAD),
        CONTROL: _on(data, SMAD, "labels=shuffled"),
    }


def _lasting(data: str = LASTING) -> Study:
    """Table 7 where the bias lasts; what is tested was named before any of its runs.

    The arms *twice* have twice the adversarial weight that tuning chose. The scene
    decides more of the action here, so stronger adversaries are among the trials;
    `lasting-edges` and `milder-edges` extend the trials where an edge of them won.
    """
    arms = _main_arms(data)
    for arm in ("MAAT", "SMAD"):
        row = embedded.tuned(arm.lower(), data)
        weight = 2 * row["method.settings.kl_weight"]
        arms[f"{arm}, twice"] = " ".join((arms[arm], *_settings(**_weight(weight))))
    tested = (
        *((arm, other) for arm in ("SMAD", "MAAT") for other in ("baseline", CONTROL)),
        ("SAAR", "baseline"),
        ("SMAD", "MAAT"),
        ("SMAD, twice", "MAAT, twice"),
    )
    pairs = tuple(dict.fromkeys((*_with_baseline(arms), *tested)))
    weights = _by_ramps(*(_weight(weight) for weight in (0.15, 0.3, 0.6)))
    trials = dict.fromkeys(("baseline", "SAAR"), _SIX_RATES)
    return Study(
        arms,
        pairs,
        trials | dict.fromkeys(("MAAT", "SMAD"), weights),
        primary=tuple((*pair, name) for pair in tested for name in ("tail", "rare")),
    )


def _edges(data: str, *weights: float) -> Study:
    """Adversaries beyond the trials of a study of Table 7, whose edges won.

    In `lasting` the strongest was MAAT's best, and the weakest SMAD's. In `milder` the
    weakest was the best of both.
    """
    usual = _lasting(data)
    arms = {arm: usual.arms[arm] for arm in ("baseline", "MAAT", "SMAD")}
    further = _by_ramps(*(_weight(weight) for weight in weights))
    trials = dict.fromkeys(("MAAT", "SMAD"), further)
    return Study(arms, _with_baseline(arms), trials)


def _lasting_methods() -> Study:
    """Table 3 where the bias lasts, and what else may help.

    That is motion as input, a bank for StillMix and an average of the weights (EMA).

    Every method is tuned with as many trials as SMAD. What has no trials of its own has
    the settings of the method that it extends.
    """
    main = _main_arms(LASTING)
    arms = {arm: main[arm] for arm in ("baseline", "MAAT", "SMAD")}
    arms |= {arm: _config(row.config, LASTING) for arm, row in _METHODS.items()}
    arms["StillMix, bank"] = _config("still_mix:bank=stills", LASTING)
    motion = "--config.data.sampling.input=difference"
    arms["differences"] = f"{arms['baseline']} {motion}"
    arms["SMAD on differences"] = f"{arms['SMAD']} {motion}"
    average = "--config.training.ema=0.999"  # the last 1,000 of 3,750 steps or so
    arms["average of weights"] = f"{arms['baseline']} {average}"
    arms["SMAD, average of weights"] = f"{arms['SMAD']} {average}"
    trials = {arm: method.six() for arm, method in _METHODS.items() if method.tuned}
    pairs = (
        *_with_baseline(arms),
        ("SMAD on differences", "differences"),
        ("SMAD, average of weights", "SMAD"),
        ("StillMix, bank", "StillMix"),
    )
    frames = "--config.data.sampling.num_frames=1 --config.seed={seed}"
    draw = "--config.data.embedded_seed={seed}"
    prepare = (  # the bank's network sees one frame at a time
        f"smad_jax train --config configs/tsn_baseline.py:{LASTING} {frames} {draw} "
        "--workdir {baseline}-frames",
        f"data_prep.still_bank --data-root {{data_root}} --dataset {LASTING}-"
        "seed{seed} --split train --teacher {baseline}-frames --name stills",
    )
    return Study(arms, pairs, trials, prepare)


def _longer() -> Study:
    """Does what Table 7 shows last when every arm trains to the end?"""
    usual = _smad()
    arms = {arm: f"{flags} {LONGER}" for arm, flags in usual.arms.items()}
    return Study(arms, usual.pairs, {})  # with the settings of `smad`


def _methods() -> Study:
    """Table 3, and the methods that came later, beside the baseline, MAAT and SMAD."""
    arms = {"baseline": BASELINE, "MAAT": f"{SMAD}:saar=off", "SMAD": SMAD}
    arms |= {arm: _config(method.config) for arm, method in _METHODS.items()}
    # The trials of the first three are those of `smad`.
    trials = {arm: method.three() for arm, method in _METHODS.items() if method.tuned}
    return Study(arms, _with_baseline(arms), trials)


def _methods_longer() -> Study:
    """The rows of `methods` when every arm trains to the end, with the same settings.

    Methods that adapt to a test set do so to one, as they are trained for each.
    """
    arms = {
        arm: f"{flags} {DFR_LONGER if arm == 'DFR' else LONGER}"
        for arm, flags in _methods().arms.items()
        if not arm.endswith(", rare")
    }
    return Study(arms, _with_baseline(arms), {})


def _config(name: str, data: str = "") -> str:
    """`sava:target=tail` as what follows --config."""
    file, _, argument = name.partition(":")
    return _on(data, f"configs/slowonly_{file}.py", argument)


def _on(data: str, config: str, *choices: str) -> str:
    """A config with its argument, on a data set or the default's."""
    argument = ",".join(filter(None, (data, *choices)))
    return f"{config}:{argument}" if argument else config


def _parts(data: str = "") -> Study:
    """Tables 8 and 13: one aspect or both, and one loss for soft labels or both.

    SMAD divides its weight by the number of aspects. An arm that does not separates
    the number of aspects from the strength.
    """
    twice = 2 * embedded.tuned("smad", data)["method.settings.soft_ce_weight"]
    arms = {
        "baseline": _on(data, BASELINE),
        "scene": _on(data, SMAD, "aspects=scene"),
        "object": _on(data, SMAD, "aspects=object"),
        "SMAD": _on(data, SMAD),
        "SMAD, weight for each": _on(data, SMAD, "weights=each"),
        "SoftCE": _on(data, SMAD, "loss=soft_ce"),
        "KL": _on(data, SMAD, "loss=kl"),
        # what both are together, for their gradients are the same
        "SoftCE, twice": " ".join(
            (_on(data, SMAD, "loss=soft_ce"), *_settings(soft_ce_weight=twice))
        ),
    }
    others = [arm for arm in arms if arm not in ("baseline", "SMAD")]
    pairs = (*_with_baseline(arms), *(("SMAD", arm) for arm in others))
    return Study(arms, pairs, {})


def _input() -> Study:
    """Motion as input: differences of neighbouring frames, alone and beside RGB."""
    seen = {"differences": "difference", "RGB and differences": "rgb+difference"}
    arms = {"baseline": BASELINE, "SMAD": SMAD}
    for what, value in seen.items():
        flag = f"--config.data.sampling.input={value}"
        arms |= {what: f"{BASELINE} {flag}", f"SMAD on {what}": f"{SMAD} {flag}"}
    pairs = (*_with_baseline(arms), *((f"SMAD on {what}", what) for what in seen))
    return Study(arms, pairs, {})  # with the settings for RGB


def _weights() -> Study:
    """Where MAAT and SMAD train: weights of an adversary from 0.03 to 1, two ramps.

    The weight is that of an aspect before the division by their number, half of it
    SoftCE and half KL.
    """
    arms, pairs = {"baseline": BASELINE}, []
    for ramp in ("constant", "dann"):
        for weight in (0.03, 0.1, 0.3, 1.0):
            halves = _settings(soft_ce_weight=weight / 2, kl_weight=weight / 2)
            flags = " ".join((*halves, _ramp(ramp)))
            maat, smad = (f"{arm} {weight} {ramp}" for arm in ("MAAT", "SMAD"))
            arms[maat] = f"{SMAD}:saar=off {flags}"
            arms[smad] = f"{SMAD} {flags}"
            pairs.append((smad, maat))
    return Study(arms, tuple(pairs), {})


def _lasting_weights() -> Study:
    """In how many draws MAAT and SMAD train, by adversarial weight and aspects.

    The paper's reason for SAAR is that training converges at larger weights with
    several aspects (Sec. 5.1). One aspect is the scene, two are scene and object. Five
    are these and three groupings of the videos by how their frames look, which follow
    the scene as the paper's further aspects do. The weight is that of all aspects
    together, half of it SoftCE and half KL, constant from the first step.

    A draw trains if it is above its baseline on the tail and at least half as good on
    iid: a network that guesses is above it on the tail, too, with 10 % against 3.
    """
    looks = [f"look-{count}" for count in (8, 16, 32)]
    aspects = {
        "one": ("scene",),
        "two": ("scene", "object"),
        "five": ("scene", "object", *looks),
    }
    arms, pairs = {"baseline": _on(LASTING, BASELINE)}, []
    for count, names in aspects.items():
        for weight in (0.3, 1.0, 3.0):
            flags = " ".join((*_settings(**_weight(weight / 2)), _ramp("constant")))
            chosen = f"aspects={'+'.join(names)}"
            maat, smad = (f"{arm} {weight}, {count}" for arm in ("MAAT", "SMAD"))
            arms[maat] = f"{_on(LASTING, SMAD, chosen, 'saar=off')} {flags}"
            arms[smad] = f"{_on(LASTING, SMAD, chosen)} {flags}"
            pairs.append((smad, maat))
    prepare = tuple(
        f"data_prep.pseudo_label --data-root {{data_root}} --dataset {LASTING}-"
        f"seed{{seed}} --aspect {look} --labeller appearance "
        f"--num-labels {look.partition('-')[2]}"
        for look in looks
    )
    return Study(arms, tuple(pairs), {}, prepare)


def _causes() -> Study:
    """Do FrameShuffle and StillMix lack time, and why does SDN hardly train?

    Three times as many steps; and SDN at its authors' weights from the start, each of
    its two parts alone, and both at a tenth or less and growing.
    """
    slow = ("baseline", "FrameShuffle", "StillMix")
    arms = {"baseline": BASELINE}
    arms |= {arm: _config(_METHODS[arm].config) for arm in slow[1:]}
    arms |= {f"{arm}, longer": f"{config} {LONGER}" for arm, config in arms.items()}
    full = "SDN, full strength"
    parts = {
        full: (0.5, 1.0, "constant"),
        "SDN, confusion alone": (0.0, 1.0, "constant"),
        "SDN, adversary alone": (0.5, 0.0, "constant"),
        "SDN, weaker and growing": (0.1, 0.1, "dann"),
    }
    for arm, (reversal, confusion, ramp) in parts.items():
        weights = _settings(reversal=reversal, confusion_weight=confusion)
        flags = (_config("sdn"), _rate(6e-3), *weights, _ramp(ramp))
        arms[arm] = " ".join(flags)
    arms["SDN"] = _config("sdn")  # at a lower rate
    pairs = (
        *((f"{arm}, longer", arm) for arm in slow),
        *((f"{arm}, longer", "baseline, longer") for arm in slow[1:]),
        *((arm, full) for arm in parts if arm != full),
    )
    return Study(arms, pairs, {})


def _retried() -> Study:
    """The rows of `methods` that changed after the others had been tuned.

    None of SDN's three trials was weak enough to train, and DFR had fewer steps than
    the others.
    """
    usual, changed = _methods(), ("SDN", "DFR")
    arms = {arm: usual.arms[arm] for arm in ("baseline", *changed)}
    settings = {arm: usual.settings[arm] for arm in changed}
    return Study(arms, _with_baseline(arms), settings)


def _omnidebias(data: str = "") -> Study:
    """Table 9: the thirds of the web data, a random third and all, at equal steps."""
    parts = ("bias", "mid", "unbias", "rand", "all")
    arms = {"baseline": _on(data, BASELINE)}
    arms |= {f"web {part}": _on(data, JOINT, f"web={part}") for part in parts}
    others = [arm for arm in arms if arm not in ("baseline", "web unbias")]
    name = "lasting" if data else "web"
    kept = f"positive-{name}" if data else "positive"
    web = "--data-root {data_root} --dataset embedded-web-seed{seed}"
    pairs = (*_with_baseline(arms), *(("web unbias", arm) for arm in others))
    prepare = (  # the baseline of a draw is its teacher
        "data_prep.embedded --web --seed {seed} --out {data_root}",
        f"data_prep.teacher_filter {web} --split raw --teacher {{baseline}}"
        + f" --name {kept}" * bool(data),
        f"data_prep.omnidebias {web} --split {kept} --name {name}",
    )
    return Study(arms, pairs, {}, prepare)  # with the settings of the baseline


def _with_baseline(arms: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Every other arm with the baseline."""
    return tuple((arm, "baseline") for arm in arms if arm != "baseline")


STUDIES = {
    "smad": _smad,
    "longer": _longer,
    "methods": _methods,
    "methods-longer": _methods_longer,
    "omnidebias": _omnidebias,
    "parts": _parts,
    "input": _input,
    "weights": _weights,
    "causes": _causes,
    "retried": _retried,
    "lasting": _lasting,
    "lasting-edges": lambda: _edges(LASTING, 0.075, 0.9, 1.2),
    "lasting-methods": _lasting_methods,
    "lasting-parts": lambda: _parts(LASTING),
    "lasting-omnidebias": lambda: _omnidebias(LASTING),
    "lasting-weights": _lasting_weights,
    "milder": lambda: _lasting(MILDER),
    "milder-edges": lambda: _edges(MILDER, 0.0375, 0.075),
}
