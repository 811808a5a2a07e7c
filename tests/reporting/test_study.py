import importlib
import json
import pathlib

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.reporting import runs, study

SEEDS = (1, 2, 4)


def silent(line):
    pass


def config_of(arm):
    file, _, argument = study.ARMS[arm].partition(":")
    return importlib.import_module(f"configs.{pathlib.Path(file).stem}").get_config(
        argument
    )


def holds(config, flag):
    """Whether a config has the value of a flag already."""
    key, _, value = flag.removeprefix("--config.").partition("=")
    for part in key.split("."):
        config = config[part]
    return config == (value if isinstance(config, str) else json.loads(value))


@pytest.mark.parametrize("arm", study.SETTINGS)
def test_setting_of_the_configs_is_among_those_tried(arm):
    config, settings = config_of(arm), study.SETTINGS[arm]
    assert any(all(holds(config, flag) for flag in setting) for setting in settings)


def test_every_arm_has_as_many_trials():
    assert {len(settings) for settings in study.SETTINGS.values()} == {3}
    assert set(study.ARMS) - set(study.SETTINGS) == {"SMAD, shuffled labels"}


def test_control_has_the_setting_of_smad():
    control, smad = config_of("SMAD, shuffled labels"), config_of("SMAD")
    assert control.data.aspect_labels == "shuffled"
    control.data.aspect_labels = smad.data.aspect_labels
    assert control.to_dict() == smad.to_dict()


def test_arms_are_the_switches_of_table_7_and_a_control():
    found = {
        arm: (config.model.saar, config.method.name, config.data.aspect_labels)
        for arm, config in ((arm, config_of(arm)) for arm in study.ARMS)
    }
    assert found == {
        "baseline": (False, "baseline", "given"),
        "SAAR": (True, "baseline", "given"),
        "MAAT": (False, "smad", "given"),
        "SMAD": (True, "smad", "given"),
        "SMAD, shuffled labels": (True, "smad", "shuffled"),
    }


def test_every_arm_is_compared_with_the_baseline_and_smad_with_its_rivals():
    assert {other for arm, other in study.PAIRS if arm == "SMAD"} == {
        *("baseline", "MAAT", "SMAD, shuffled labels")
    }
    with_baseline = {arm for arm, other in study.PAIRS if other == "baseline"}
    assert with_baseline == set(study.ARMS) - {"baseline"}
    assert len(set(study.PAIRS)) == len(study.PAIRS) == 6


def test_study_makes_every_arm_with_every_seed_in_a_folder_of_its_own(
    fake_runs, tmp_path
):
    found = study.run(tmp_path, SEEDS, 1, silent)
    folders = {str(job.folder.relative_to(tmp_path)) for job in fake_runs}
    arms = ("baseline", "saar", "maat", "smad", "smad-shuffled-labels")
    assert folders == {f"{arm}/seed{seed}" for arm in arms for seed in SEEDS}
    assert len(fake_runs) == len(study.ARMS) * len(SEEDS)
    lines = found.means.splitlines()
    assert [cell.strip() for cell in lines[0].split("|")[1:-1]] == [
        *("arm", "iid", "tail", "rare")
    ]
    tail = [
        100 * runs.read(tmp_path / "maat" / f"seed{seed}").results["tail/top1"]
        for seed in SEEDS
    ]
    row = next(line for line in lines if line.startswith("| MAAT"))
    assert (
        row.split("|")[3].strip() == f"{np.mean(tail):.1f} ± {np.std(tail, ddof=1):.1f}"
    )


def test_text_of_a_study_holds_tables_commits_and_command(fake_runs, tmp_path):
    found = study.run(tmp_path, SEEDS, 1, silent)
    assert found.means in found.text
    rows = [line for line in found.text.splitlines() if line.startswith("|")]
    assert len(rows) == (2 + len(study.ARMS)) + (2 + 3 * len(study.PAIRS))
    assert "seeds 1, 2, 4," in found.text
    assert "Commit c0, c1; 60 s a run, 1 at once" in found.text
    assert "`python -m smad_jax.reporting study --seeds 1 2 4`" in found.text


def test_repeated_study_makes_nothing_again_and_says_the_same(fake_runs, tmp_path):
    before = study.run(tmp_path, SEEDS, 1, silent)
    made = len(fake_runs)
    assert study.run(tmp_path, SEEDS, 1, silent) == before
    assert len(fake_runs) == made


def test_run_of_another_seed_is_not_taken_for_its_folders(fake_runs, tmp_path):
    study.run(tmp_path, SEEDS, 1, silent)
    path = tmp_path / "saar" / "seed2" / "config.json"
    path.write_text((tmp_path / "saar" / "seed1" / "config.json").read_text())
    with pytest.raises(errors.DataError, match=r"seed2: seed is 1, wanted 2"):
        study.run(tmp_path, SEEDS, 1, silent)


def test_tuning_tries_every_setting_for_every_arm_on_the_tuning_draw(
    fake_runs, tmp_path
):
    text = study.tune(tmp_path, 1, silent)
    folders = {str(job.folder.relative_to(tmp_path)) for job in fake_runs}
    assert len(folders) == 4 * 3
    assert {f for f in folders if "baseline" in f} == {
        f"tune/baseline/learning_rate-{rate}-seed1001"
        for rate in ("0.0015", "0.003", "0.006")
    }
    assert (
        "tune/smad/learning_rate-0.003-soft_ce_weight-0.15-kl_weight-0.15-"
        "ramp-constant-seed1001" in folders
    )
    assert all("--config.data.embedded_seed=1001" in job.overrides for job in fake_runs)
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert len(rows) == len(fake_runs)
    assert sum("learning_rate=0.003" in row for row in rows) == 2 + 2 * 3
    assert "Commit c0, c1; 60 s a run, 1 at once" in text
    assert "`python -m smad_jax.reporting tune`" in text


def test_tuning_chooses_the_best_mean_of_every_arm_once(fake_runs, tmp_path):
    text = study.tune(tmp_path, 1, silent)
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ][2:]
    for arm in study.SETTINGS:
        means = {float(row[5]): row[6] for row in rows if row[0] == arm}
        assert means.pop(max(means)) == "chosen"
        assert set(means.values()) == {""}
    cells = [float(cell) for cell in rows[0][2:6]]
    assert cells[3] == pytest.approx(np.mean(cells[:3]), abs=0.1)


def test_new_setting_is_tried_and_old_numbers_stay_with_theirs(
    fake_runs, tmp_path, monkeypatch
):
    study.tune(tmp_path, 1, silent)
    made = len(fake_runs)
    new = ("--config.optimizer.learning_rate=0.016",)
    for arm, settings in study.SETTINGS.items():
        monkeypatch.setitem(study.SETTINGS, arm, (new, *settings[:1]))
    text = study.tune(tmp_path, 1, silent)
    assert len(fake_runs) == made + len(study.SETTINGS)
    assert "learning_rate=0.016" in text
    assert "learning_rate=0.006" not in text
