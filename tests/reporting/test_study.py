import dataclasses
import json
import pathlib
import subprocess

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.reporting import design, kept, runs, study

SEEDS = (1, 2, 4)
FILE = pathlib.Path(__file__).parents[2] / "configs" / "study.py"


@pytest.fixture
def smad():
    return dataclasses.replace(design.load(str(FILE)), source="configs/study.py")


@pytest.fixture
def omnidebias():
    return design.load(f"{FILE}:omnidebias")


def silent(line):
    pass


def test_study_makes_every_arm_with_every_seed_in_a_folder_of_its_own(
    smad, fake_runs, tmp_path
):
    found = study.run(smad, tmp_path, SEEDS, 1, silent)
    folders = {str(job.folder.relative_to(tmp_path)) for job in fake_runs}
    arms = ("baseline", "saar", "maat", "smad", "smad-shuffled-labels")
    assert folders == {f"{arm}/seed{seed}" for arm in arms for seed in SEEDS}
    assert len(fake_runs) == len(smad.arms) * len(SEEDS)
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


def test_text_of_a_study_holds_tables_commits_and_command(smad, fake_runs, tmp_path):
    found = study.run(smad, tmp_path, SEEDS, 1, silent)
    assert found.means in found.text
    rows = [line for line in found.text.splitlines() if line.startswith("|")]
    arms = len(smad.arms)
    assert len(rows) == (2 + arms) + (2 + 3 * len(smad.pairs)) + (2 + arms)
    assert "seeds 1, 2, 4," in found.text
    assert "Commit c0, c1; 60 s of processor time a run, 1 at once" in found.text
    assert (
        "`python -m smad_jax.reporting study --config configs/study.py --seeds 1 2 4`"
        in found.text
    )


def test_arms_of_one_name_and_other_flags_have_folders_of_their_own(
    smad, fake_runs, tmp_path
):
    longer = dataclasses.replace(design.load(f"{FILE}:longer"), source="longer")
    for chosen in (smad, longer):
        study.run(chosen, tmp_path, (1, 2), 1, silent)
    assert len({job.folder for job in fake_runs}) == len(fake_runs) == 20
    assert (tmp_path / "smad-epochs-36" / "seed1" / "results.json").is_file()


def test_repeated_study_runs_nothing_again_and_prints_the_same(
    smad, fake_runs, tmp_path
):
    before = study.run(smad, tmp_path, SEEDS, 1, silent)
    made = len(fake_runs)
    assert study.run(smad, tmp_path, SEEDS, 1, silent) == before
    assert len(fake_runs) == made


def test_run_of_another_seed_is_not_taken_for_its_folders(smad, fake_runs, tmp_path):
    study.run(smad, tmp_path, SEEDS, 1, silent)
    path = tmp_path / "saar" / "seed2" / "config.json"
    path.write_text((tmp_path / "saar" / "seed1" / "config.json").read_text())
    with pytest.raises(errors.DataError, match=r"seed2: seed is 1, expected 2"):
        study.run(smad, tmp_path, SEEDS, 1, silent)


def test_tuning_tries_every_setting_for_every_arm_on_the_tuning_draw(
    smad, fake_runs, tmp_path
):
    text = study.tune(smad, tmp_path, 1, silent)
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
    assert "Commit c0, c1; 60 s of processor time a run, 1 at once" in text
    assert "`python -m smad_jax.reporting tune --config configs/study.py`" in text


def test_tuning_chooses_the_best_mean_of_every_arm_once(smad, fake_runs, tmp_path):
    text = study.tune(smad, tmp_path, 1, silent)
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ][2:]
    for arm in smad.settings:
        means = {float(row[5]): row[6] for row in rows if row[0] == arm}
        assert means.pop(max(means)) == "chosen"
        assert set(means.values()) == {""}
    cells = [float(cell) for cell in rows[0][2:6]]
    assert cells[3] == pytest.approx(np.mean(cells[:3]), abs=0.1)


def test_new_setting_is_tried_and_old_numbers_stay_with_theirs(
    smad, fake_runs, tmp_path, monkeypatch
):
    study.tune(smad, tmp_path, 1, silent)
    made = len(fake_runs)
    new = ("--config.optimizer.learning_rate=0.016",)
    for arm, settings in smad.settings.items():
        monkeypatch.setitem(smad.settings, arm, (new, *settings[:1]))
    text = study.tune(smad, tmp_path, 1, silent)
    assert len(fake_runs) == made + len(smad.settings)
    assert "learning_rate=0.016" in text
    assert "learning_rate=0.006" not in text


@pytest.fixture
def commands(monkeypatch):
    """Lets preparing commands end at once with a line; returns their words."""
    started = []

    def start(words, **options):
        started.append(words[1:])
        code = 3 if "--split" in words and "seed4" in " ".join(words) else 0
        return subprocess.CompletedProcess(words, code, "a\ndone", "no such split")

    monkeypatch.setattr(study.subprocess, "run", start)
    monkeypatch.setenv("DATA_ROOT", "some/data")
    return started


def test_web_data_of_a_seed_are_made_by_its_baseline_before_they_are_needed(
    omnidebias, fake_runs, commands, tmp_path
):
    lines = []

    def report(line):
        lines.append((line, len(fake_runs)))

    study.run(omnidebias, tmp_path, (1, 2), 1, report)
    web = "--data-root some/data --dataset embedded-web-seed{0}"
    assert [" ".join(words) for words in commands] == [
        line.format(seed)
        for seed in (1, 2)
        for line in (
            "-m data_prep.embedded --web --seed {0} --out some/data",
            f"-m data_prep.teacher_filter {web} --split raw --teacher "
            f"{tmp_path}/baseline/seed{{0}}",
            f"-m data_prep.omnidebias {web} --split positive --name web",
        )
    ]
    prepared = [made for line, made in lines if "python -m" in line]
    assert set(prepared) == {2}, "both baselines, and no other run yet"
    assert ("done", 2) in lines
    study.run(omnidebias, tmp_path, (1, 2), 1, report)
    assert len(commands) == 6, "nothing is prepared again when all runs are there"


def test_study_prints_from_records_alone(
    smad, omnidebias, fake_runs, commands, tmp_path
):
    records = tmp_path / "records.jsonl"

    def made_in(folder, chosen):
        return study.run(
            chosen, tmp_path / folder, (1, 2), 1, silent, kept.Records(records)
        )

    for name, chosen in (("a", smad), ("b", omnidebias)):
        first = made_in(name, chosen)
        before = len(fake_runs), len(commands)
        assert made_in("none", chosen) == first
        assert (len(fake_runs), len(commands)) == before


def test_only_draws_with_a_missing_run_are_prepared_and_records_stay(
    omnidebias, fake_runs, commands, tmp_path
):
    file = tmp_path / "records.jsonl"
    study.run(omnidebias, tmp_path / "a", (1, 2), 1, silent, kept.Records(file))
    lines = file.read_text().splitlines()
    del commands[:], fake_runs[:]
    study.run(omnidebias, tmp_path / "b", (1, 2, 3), 1, silent, kept.Records(file))
    assert len(commands) == 3 and all("seed3" in " ".join(w) for w in commands[1:])
    assert {job.folder.name for job in fake_runs} == {"seed3"}
    assert file.read_text().splitlines()[: len(lines)] == lines
    # of one run the record is lost: its teacher is made again, but not written down
    file.write_text("\n".join(lines[:-1]) + "\n")
    del commands[:], fake_runs[:]
    study.run(omnidebias, tmp_path / "c", (1, 2), 1, silent, kept.Records(file))
    assert len(fake_runs) == 2 and len(commands) == 3
    assert len(file.read_text().splitlines()) == len(lines)


def test_dependence_on_each_aspect_has_a_table(smad, fake_runs, tmp_path, monkeypatch):
    def measure(folder, name):
        assert name == "iid"
        seed = int(folder.name.removeprefix("seed"))
        return {
            f"scene/{key}": value + seed / 100
            for key, value in {
                "independence": 0.3,
                "separation": 0.4,
                "separation/control": 0.15,
                "sufficiency": 0.5,
                "probe": 0.8,
                "oracle": 0.2,
                "majority": 0.1,
            }.items()
        }

    monkeypatch.setattr(study.dependence, "measure", measure)
    records = kept.Records(tmp_path / "records.jsonl")
    text = study.run(smad, tmp_path, (1, 3), 1, silent, records).text
    title, part = text[text.index("Dependence on the scene, on iid") :].split("\n\n")[
        :2
    ]
    assert "in brackets the value by chance" in title
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in part.splitlines()]
    assert rows[2] == ["true actions", "0.220 ± 0.014", "", "", "12.0 ± 1.4"]
    assert rows[3][0] == "baseline"
    assert rows[3][1:] == [
        *("0.320 ± 0.014", "0.420 ± 0.014 (0.170)", "0.520 ± 0.014", "82.0 ± 1.4")
    ]
    assert len(rows) == 3 + len(smad.arms)


def test_command_that_fails_stops_the_study_with_its_message(
    omnidebias, fake_runs, commands, tmp_path
):
    with pytest.raises(errors.DataError, match="ended with 3:\nno such split"):
        study.run(omnidebias, tmp_path, (1, 4), 1, silent)
    assert {job.config for job in fake_runs} == {omnidebias.arms["baseline"]}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sets": ("iid", "moon")}, "no test set moon; known: iid, tail, rare"),
        ({"arms": {"baseline": "configs/slowonly_bas.py"}}, "slowonly_bas"),
        (
            {"arms": {"baseline": "configs/slowonly_baseline.py --config.nope=3"}},
            "nope",
        ),
    ],
)
def test_what_no_run_can_have_is_refused_before_any(
    change, named, smad, fake_runs, tmp_path
):
    wrong = dataclasses.replace(smad, pairs=(), **change)
    with pytest.raises(errors.ConfigError, match=named):
        study.run(wrong, tmp_path, SEEDS, 1, silent)
    assert not fake_runs


def test_cost_is_the_median_beside_the_baselines(smad, fake_runs, tmp_path):
    arms = {"baseline": smad.arms["baseline"], "DANN": "configs/slowonly_dann.py"}
    pair = dataclasses.replace(smad, arms=arms, pairs=(("DANN", "baseline"),))
    study.run(pair, tmp_path, SEEDS, 1, silent)
    for seed, seconds in zip(SEEDS, (10, 90, 30), strict=True):
        path = tmp_path / "dann" / f"seed{seed}" / "results.json"
        record = json.loads(path.read_text()) | {"processor_seconds": seconds}
        path.write_text(json.dumps(record))
    text = study.run(pair, tmp_path, SEEDS, 1, silent).text
    rows = {
        cells[0]: cells[1:]
        for line in text.splitlines()[-8:]
        if line.startswith("|")
        for cells in [[cell.strip() for cell in line.split("|")[1:-1]]]
    }
    assert rows["baseline"] == ["60", "1.00", "no"]
    assert rows["DANN"] == ["30", "0.50", "yes"]
