import functools
import importlib
import itertools
import json
import pathlib

import pytest

from configs import slowonly_sdn
from smad_jax import errors, methods
from smad_jax.reporting import design

FILE = pathlib.Path(__file__).parents[2] / "configs" / "study.py"
STUDIES = ("smad", "methods", "omnidebias", "parts", "input", "weights", "retried")
LASTING = tuple(
    f"lasting{part}" for part in ("", "-methods", "-parts", "-omnidebias", "-weights")
)


def load(name):
    return design.load(f"{FILE}:{name}")


def config_of(study, arm):
    """An arm's config, its flags set."""
    source, flags = study.command(arm)
    file, _, argument = source.partition(":")
    module = importlib.import_module(f"configs.{pathlib.Path(file).stem}")
    config = module.get_config(argument)
    for flag in flags:
        key, _, value = flag.removeprefix("--config.").partition("=")
        *sections, last = key.split(".")
        section = functools.reduce(getattr, sections, config)
        assert last in section, f"{arm}: no key {key}"
        section[last] = value if isinstance(section[last], str) else json.loads(value)
    return config


def holds(config, flag):
    """Whether a config has the value of a flag already."""
    key, _, value = flag.removeprefix("--config.").partition("=")
    for part in key.split("."):
        config = config[part]
    return config == (value if isinstance(config, str) else json.loads(value))


def test_first_study_is_the_default():
    assert design.load(str(FILE)).name == "smad"


@pytest.mark.parametrize("name", STUDIES + LASTING)
def test_setting_of_the_configs_is_among_those_tried(name):
    study = load(name)
    for arm, settings in study.settings.items():
        config = config_of(study, arm)
        assert any(all(holds(config, flag) for flag in setting) for setting in settings)


@pytest.mark.parametrize("studies", [STUDIES, LASTING])
def test_arms_of_one_name_are_the_same_in_every_study_of_an_edition(studies):
    # so that a row means the same in every table of them
    arms = {}
    for name in studies:
        for arm, command in load(name).arms.items():
            assert arms.setdefault(arm, command) == command


@pytest.mark.parametrize(
    ("main", "name", "count"),
    [
        ("smad", "smad", 3),
        ("smad", "methods", 3),
        ("lasting", "lasting", 6),
        ("lasting", "lasting-methods", 6),
        ("milder", "milder", 6),
    ],
)
def test_every_arm_has_equally_many_trials_but_those_that_take_anothers(
    main, name, count
):
    arms = set(load(name).arms)
    tried = load(main).settings | load(name).settings
    assert {len(set(settings)) for settings in tried.values()} == {count}
    others = {"SMAD, shuffled labels", "DANN, rare", "MMD, rare", "SAVA, rare"}
    others |= {"SMAD, twice", "MAAT, twice", "StillMix, bank"}
    others |= {"differences", "SMAD on differences"}
    others |= {"average of weights", "SMAD, average of weights"}
    assert arms - set(tried) == others & arms


@pytest.mark.parametrize(
    ("main", "name"), [("smad", "methods"), ("lasting", "lasting-methods")]
)
def test_no_setting_is_tried_by_two_studies(main, name):
    assert not set(load(main).settings) & set(load(name).settings)


@pytest.mark.parametrize(
    ("name", "without"),
    [("methods", {"still_mix_bank"}), ("lasting-methods", set())],
)
def test_every_method_is_an_arm_with_trials_of_settings_that_it_has(name, without):
    study = load(name)
    configs = {arm: config_of(study, arm) for arm in study.arms}
    used = {config.method.name for config in configs.values()}
    assert used == set(methods.METHODS) - without
    for arm, settings in study.settings.items():
        for flag in itertools.chain(*settings):
            key = flag.removeprefix("--config.").partition("=")[0].split(".")
            assert key[-1] in functools.reduce(getattr, key[:-1], configs[arm])


def test_parts_of_smad_differ_in_aspects_or_loss_alone():
    study = load("parts")
    found = {
        arm: (config.method.aspects, config.method.settings.to_dict())
        for arm in study.arms
        if arm != "baseline"
        for config in [config_of(study, arm)]
    }
    aspects, settings = found["SMAD"]
    assert found["scene"] == (("scene",), settings)
    assert found["object"] == (("object",), settings)
    assert found["SMAD, weight for each"] == (aspects, settings | {"weights": "each"})
    assert found["SoftCE"] == (aspects, settings | {"kl_weight": 0.0})
    assert found["KL"] == (aspects, settings | {"soft_ce_weight": 0.0})
    strength = settings["soft_ce_weight"] + settings["kl_weight"]
    twice = {"soft_ce_weight": strength, "kl_weight": 0.0}
    assert found["SoftCE, twice"] == (aspects, settings | twice)


def test_weights_are_a_range_at_both_ramps_and_smad_is_compared_with_maat():
    study = load("weights")
    found = {
        (
            config.model.saar,
            config.method.ramp,
            config.method.settings.soft_ce_weight + config.method.settings.kl_weight,
        )
        for config in (config_of(study, arm) for arm in study.arms if arm != "baseline")
    }
    assert found == set(
        itertools.product((True, False), ("constant", "dann"), (0.03, 0.1, 0.3, 1.0))
    )
    assert len(study.pairs) == 8
    assert all(
        config_of(study, one).model.saar and not config_of(study, other).model.saar
        for one, other in study.pairs
    )


def test_causes_are_looked_for_by_one_change_each():
    study = load("causes")
    found = {arm: config_of(study, arm) for arm in study.arms}
    for arm in ("baseline", "FrameShuffle", "StillMix"):
        longer = found[f"{arm}, longer"]
        assert longer.training.epochs == 3 * found[arm].training.epochs
        longer.training.epochs = found[arm].training.epochs
        assert longer.to_dict() == found[arm].to_dict()
    parts = {
        arm: (settings.reversal, settings.confusion_weight)
        for arm in study.arms
        if arm.startswith("SDN")
        for settings in [found[arm].method.settings]
    }
    full = found["SDN, full strength"].method
    reversal, confusion = parts["SDN, full strength"]
    usual = slowonly_sdn.get_config("k200db").method
    assert full.to_dict() == usual.to_dict()
    assert parts["SDN, confusion alone"] == (0, confusion)
    assert parts["SDN, adversary alone"] == (reversal, 0)
    weak = parts["SDN, weaker and growing"]
    assert 0 < weak[0] < reversal and 0 < weak[1] < confusion
    assert found["SDN, weaker and growing"].method.ramp == "dann"
    rates = {found[arm].optimizer.learning_rate for arm in parts if arm != "SDN"}
    assert len(rates) == 1


@pytest.mark.parametrize(
    "name, longer", [("smad", "longer"), ("methods", "methods-longer")]
)
def test_longer_is_the_usual_study_at_three_times_the_steps(name, longer):
    usual, longer = load(name), load(longer)
    kept = {arm for arm in usual.arms if not arm.endswith(", rare")}
    assert longer.arms.keys() == kept
    assert longer.pairs == tuple(pair for pair in usual.pairs if set(pair) <= kept)
    for arm in kept:
        short, long = config_of(usual, arm), config_of(longer, arm)
        assert long.training.epochs == 3 * short.training.epochs
        long.training.epochs = short.training.epochs
        assert long.to_dict() == short.to_dict()


def test_control_has_the_setting_of_smad():
    study = load("smad")
    control, smad = config_of(study, "SMAD, shuffled labels"), config_of(study, "SMAD")
    assert control.data.aspect_labels == "shuffled"
    control.data.aspect_labels = smad.data.aspect_labels
    assert control.to_dict() == smad.to_dict()


def test_arms_are_the_switches_of_table_7_and_a_control():
    study = load("smad")
    configs = {arm: config_of(study, arm) for arm in study.arms}
    assert {
        arm: (config.model.saar, config.method.name, config.data.aspect_labels)
        for arm, config in configs.items()
    } == {
        "baseline": (False, "baseline", "given"),
        "SAAR": (True, "baseline", "given"),
        "MAAT": (False, "smad", "given"),
        "SMAD": (True, "smad", "given"),
        "SMAD, shuffled labels": (True, "smad", "shuffled"),
    }


def test_arms_of_table_9_differ_in_the_part_of_the_web_data_alone():
    study = load("omnidebias")
    configs = {arm: config_of(study, arm) for arm in study.arms if arm != "baseline"}
    parts = {arm: config.data.web.media.split for arm, config in configs.items()}
    assert parts == {
        f"web {part}": f"embedded-web/web-{part}"
        for part in ("bias", "mid", "unbias", "rand", "all")
    }
    for config in configs.values():
        config.data.web.media.split = ""
    assert len({config.to_json() for config in configs.values()}) == 1


@pytest.mark.parametrize(
    "name", ["smad", "methods", "omnidebias", "parts", *LASTING[:-1]]
)
def test_every_arm_is_compared_with_the_baseline_and_no_pair_twice(name):
    study = load(name)
    with_baseline = {arm for arm, other in study.pairs if other == "baseline"}
    assert with_baseline == set(study.arms) - {"baseline"}
    assert len(set(study.pairs)) == len(study.pairs)


@pytest.mark.parametrize("edition", ["lasting", "milder"])
def test_studies_of_later_editions_test_what_was_named_before_they_ran(edition):
    study = load(edition)
    control = "SMAD, shuffled labels"
    named = {(arm, b) for arm in ("SMAD", "MAAT") for b in ("baseline", control)}
    named |= {("SAAR", "baseline"), ("SMAD", "MAAT"), ("SMAD, twice", "MAAT, twice")}
    assert set(study.primary) == {(*p, s) for p in named for s in ("tail", "rare")}
    assert {len(settings) for settings in study.settings.values()} == {6}
    weights = {
        arm: config_of(study, arm).method.settings.kl_weight
        for arm in ("MAAT", "SMAD", "MAAT, twice", "SMAD, twice")
    }
    assert weights["MAAT, twice"] == 2 * weights["MAAT"]
    assert weights["SMAD, twice"] == 2 * weights["SMAD"]
    for arm in study.arms:
        assert config_of(study, arm).data.train == f"embedded-{edition}/train"


DEMO = """
def get_config(arg="demo"):
    return {
        "name": arg, "arms": {"baseline": "a.py", "other": "b.py --config.c=1"},
        "pairs": (("other", "baseline"),), "sets": ("iid",), "tuning_seed": 7,
        "settings": {"other": (("--config.d=2",),)}, "prepare": (), CHANGE
    }
"""


def demo(tmp_path, change=""):
    file = tmp_path / "demo.py"
    file.write_text(DEMO.replace("CHANGE", change), "utf-8")
    return str(file)


def test_flags_of_an_arm_follow_its_config(tmp_path):
    study = design.load(f"{demo(tmp_path)}:mine")
    assert study.name == "mine"
    assert study.command("other") == ("b.py", ("--config.c=1",))
    assert study.command("baseline") == ("a.py", ())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ('"arms": {"smad": "b.py"}', "the first arm must be 'baseline'"),
        ('"pairs": (("sdn", "baseline"),)', "no arm sdn; known: baseline, other"),
        ('"settings": {"sdn": ()}', "no arm sdn"),
        ('"seeds": (1,)', "it has .*seeds"),
        ('"pairs": "other"', "pairs must be pairs of arms, but it is 'other'"),
        (
            '"primary": (("other", "baseline", "tail"),)',
            "primary must be .* but it is .*'tail'",
        ),
        ('"sets": "iid"', "sets must be names of test sets, but it is 'iid'"),
        ('"arms": {"baseline": 3}', "arms must be .*`--config`"),
        (
            '"settings": {"other": ("--config.d=2",)}',
            "its trials, each a tuple of flags",
        ),
        (
            '"settings": {"other": ((), ()), "baseline": ((),)}',
            "trials, not .*'other': 2",
        ),
    ],
)
def test_design_that_does_not_fit_together_is_refused(change, named, tmp_path):
    with pytest.raises(errors.ConfigError, match=named):
        design.load(demo(tmp_path, change))


def test_missing_file_or_study_names_what_there_is(tmp_path):
    with pytest.raises(errors.ConfigError, match=r"configs/stud\.py"):
        design.load("configs/stud.py")
    with pytest.raises(errors.ConfigError, match="known: smad, longer, methods"):
        load("sdn")
    broken = tmp_path / "broken.py"
    for text in ("def get_config(", "def get_config():\n    return 1 / 0"):
        broken.write_text(text)
        with pytest.raises(errors.ConfigError, match=r"broken\.py cannot be read: "):
            design.load(str(broken))
    (tmp_path / "empty.py").touch()
    with pytest.raises(errors.ConfigError, match="get_config"):
        design.load(str(tmp_path / "empty.py"))
