import collections
import json
import re
import shlex

import numpy as np
import pytest
from sklearn import metrics

from smad_jax import errors
from smad_jax.data import aspect_records, catalog, records
from smad_jax.evaluation import __main__ as evaluation
from smad_jax.evaluation import features, predictions, reports
from smad_jax.reporting import __main__ as command
from smad_jax.reporting import paper, reproduction, sources

DIGITS = tuple("0123456789")


def put(folder, **results):
    record = {
        "results": results,
        "n_seen": {},
        "seconds": 1.0,
        "processor_seconds": 1.0,
        "commit": "abc",
        "sees_target_data": False,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(record))


def row(text, *names):
    [line] = [
        line
        for line in text.splitlines()
        if all(f" {name} |" in line for name in names)
    ]
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_runs_fill_their_cells_and_the_others_name_a_command(tmp_path):
    put(tmp_path / "slowonly_baseline-k200db", **{"aras64/top1": 0.4321})
    for seed, value in enumerate((0.50, 0.53)):
        folder = tmp_path / "tsn_baseline-k200db" / f"seed{seed}"
        put(folder, **{"aras64/top1": value, "k200-val/top1": value + 0.2})
    text = reproduction.table(1, tmp_path, tmp_path)
    assert row(text, "SlowOnly: ARAS-64")[2:] == ["51.0 (-24.1)", "43.2", "-7.8"]
    assert row(text, "TSN: ARAS-64")[2:] == ["55.8 (-20.4)", "51.5 (mean of 2)", "-4.3"]
    assert row(text, "TSN: K200-unbias")[3:] == ["", ""]
    assert "- 2: `python main.py --config configs/tsn_baseline.py:k200db`" in text
    assert (
        "- 4-5: `python main.py --config configs/slowonly_baseline.py:k200db`" in text
    )


def test_nmi_is_no_percentage(tmp_path):
    put(tmp_path / "slowonly_smad-k200db", **{"k200-val/separation": 0.3})
    found = row(reproduction.table(4, tmp_path, tmp_path), "SMAD", "Separation")
    assert found[2:] == ["0.373", "0.300", "-0.073"]


def test_dependence_is_computed_from_predictions_where_the_labels_are(tmp_path):
    label = np.array([0, 0, 0, 0, 1, 1, 1, 1])  # the worked example of Table 4
    scene = np.array([0, 0, 1, 1, 0, 1, 2, 2])
    predicted = np.array([0, 0, 1, 1, 1, 1, 0, 1])
    ids = [f"v{n}" for n in range(8)]
    aspect_records.write(tmp_path / "kinetics400", "scene", ids, np.eye(3)[scene])
    folder = tmp_path / "slowonly_baseline-k200db"
    put(folder)
    (folder / "config.json").write_text(
        json.dumps(
            {
                "data": {"root": str(tmp_path)},
                "evaluation": {"sets": {"k200-val": "kinetics400/k200-val"}},
            }
        )
    )
    predictions.Predictions(
        np.array(ids), label, np.eye(2)[predicted], np.zeros((8, 3))
    ).save(folder / "predictions" / "k200-val.npz")
    text = reproduction.table(4, tmp_path, tmp_path)
    for measure, value in (
        ("Independence", "0.286"),
        ("Separation", "0.635"),
        ("Sufficiency", "0.599"),
    ):
        assert row(text, "Baseline", measure)[3] == value


def test_fine_tuning_is_the_mean_over_three_splits(tmp_path):
    for seed, value in enumerate((0.9, 0.8)):
        folder = tmp_path / "finetune-ucf101" / f"seed{seed}"
        put(folder, **{"ucf101-val1/top1": value})
    put(tmp_path / "finetune-ucf101-split-3", **{"ucf101-val3/top1": 0.55})
    text = reproduction.table(6, tmp_path, tmp_path)
    assert row(text, "+ SMAD K200db-train", "UCF101")[3] == ""
    assert "finetune.py:ucf101`, and the same with split=2 and split=3" in text
    put(tmp_path / "finetune-ucf101-split-2", **{"ucf101-val2/top1": 0.7})
    put(tmp_path / "finetune-diving48", **{"diving48-v2-val/top1": 0.5})
    text = reproduction.table(6, tmp_path, tmp_path)
    found = row(text, "+ SMAD K200db-train", "UCF101")
    assert found[2:] == ["90.4", "70.0 (mean of 4)", "-20.4"]
    assert row(text, "+ SMAD K200db-train", "Diving48")[3] == "50.0"
    assert row(text, "+ SMAD K200db-train", "Diving48*")[3] == ""


def test_frozen_features_are_judged_by_what_the_commands_leave_beside_them(
    tmp_path, monkeypatch, capsys
):
    run = tmp_path / "runs" / "slowonly_smad-k200db"
    put(run)
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(6), 10)
    ids = [f"v{n}" for n in range(60)]
    places = {"gym99": "val", "hmdb51": "all"}
    for dataset, split in places.items():
        content = rng.normal(size=(60, 20)) + 0.4 * rng.normal(size=(6, 20))[labels]
        features.Features(
            *(np.array(ids), labels, np.array(list("abcdef"))),
            features=content.astype(np.float32),
            num_views=10,
        ).save(run / "features" / f"{dataset}-{split}.npz")
    folder = tmp_path / "datasets" / "hmdb51"
    with records.RecordWriter(folder / "videos") as writer:
        for id, label in zip(ids, labels.tolist(), strict=True):
            writer.write(records.VideoRecord(id, b"x", label, 1))
    catalog.write_dataset_file(
        folder, name="hmdb51", classes=list("abcdef"), num_videos=60
    )
    for number in (1, 2, 3):
        for name, odd in (("train", 0), ("val", 1)):
            rows = [n for n in range(60) if (n % (number + 1) == 0) is bool(odd)]
            catalog.write_split(
                folder, f"{name}{number}", [ids[n] for n in rows], labels[rows]
            )
    monkeypatch.chdir(tmp_path)
    for column in ("GYM-1shot", "HMDB51"):
        *_, line = sources.source(5, "+ SMAD", column).commands
        assert evaluation.main(shlex.split(line)[3:]) == 0
    printed = capsys.readouterr().out
    text = reproduction.table(5, tmp_path / "runs", tmp_path)
    for column, pattern in (
        ("GYM-1shot", r"1-shot, 5-way: ([\d.]+)%"),
        ("GYM-5shot", r"5-shot, 5-way: ([\d.]+)%"),
        ("HMDB51", r"mean of 3 splits: ([\d.]+)%"),
    ):
        assert row(text, "+ SMAD", column)[3] == re.search(pattern, printed)[1]
    assert row(text, "+ SMAD", "UCF101")[3] == ""
    assert (
        "few_shot --features runs/slowonly_smad-k200db/features/gym99-val" not in text
    )
    assert "svm --train ucf101/train1 ucf101/train2 ucf101/train3 --test" in text


def test_figures_about_data_come_from_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where `datasets` may lie, which commands name
    (tmp_path / "datasets").symlink_to(tmp_path)
    folder = tmp_path / "googleimage"
    ids, labels = ["a", "b", "c", "d"], [0, 0, 1, 1]
    with records.RecordWriter(folder / "videos") as writer:
        for id, label in zip(ids, labels, strict=True):
            writer.write(records.VideoRecord(id, b"x", label, 1))
    catalog.write_dataset_file(
        folder, name="googleimage", classes=["x", "y"], num_videos=4
    )
    for name in ("all", "positive-k200", "k200-bias"):
        catalog.write_split(folder, name, ids, labels)
    scene = np.eye(2)[[0, 0, 1, 0]]
    aspect_records.write(folder, "scene", ids, scene)
    text = reproduction.table(12, tmp_path, tmp_path)
    expected = metrics.normalized_mutual_info_score(labels, scene.argmax(axis=1))
    assert row(text, "bias", "GG-200")[3] == f"{expected:.3f}"
    assert row(text, "mid", "GG-200")[3] == ""
    (folder / "splits" / "k200-bias.txt").write_text("")
    text = reproduction.table(12, tmp_path, tmp_path)
    assert row(text, "bias", "GG-200")[3] == ""
    text = reproduction.table(11, tmp_path, tmp_path)
    assert row(text, "Raw", "GoogleImage")[3] == "4"
    assert row(text, "Positive-400", "GoogleImage")[3] == ""


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15])
def test_runs_that_a_table_names_fill_all_of_it(number, tmp_path):
    results, published = collections.defaultdict(dict), paper.TABLES[number]
    cells = [
        (row.name, column, cell.value)
        for row in published.rows
        for column, cell in zip(published.columns, row.cells, strict=True)
        if cell is not None
    ]
    scale = 1 if number == 4 else 100
    for name, column, value in cells:
        found = sources.source(number, name, column)
        for split, folder in enumerate(found.folders, 1):
            metric = found.metric.replace("*", str(split))
            results[folder][metric] = value / scale
        if found.report and column.startswith("GYM"):
            part = {"accuracy": value / scale, **reports.FEW_SHOT}
            shots = column.removeprefix("GYM-").removesuffix("shot")
            put_report(
                tmp_path / found.folders[0] / found.report, f"{shots}-shot", part
            )
        elif found.report:
            words = found.commands[-1].split()
            train = words[words.index("--train") + 1 : words.index("--test")]
            test = words[words.index("--test") + 1 : words.index("--features")]
            lists = zip(train, test, strict=True)
            splits = [{"train": a, "test": b, "c": reports.SVM["c"]} for a, b in lists]
            report = {"views": reports.SVM["views"], "splits": splits}
            for key, part in {**report, "mean": value / scale}.items():
                put_report(tmp_path / found.folders[0] / found.report, key, part)
    for folder, found in results.items():
        put(tmp_path / folder, **found)
    text = reproduction.table(number, tmp_path, tmp_path)
    assert "Empty cells" not in text
    lines = [line.split("|")[1:-1] for line in text.splitlines() if line[2:3] in DIGITS]
    assert len(lines) == len(cells)
    for (_, _, _, shown, ours, difference), (*_, value) in zip(
        lines, cells, strict=True
    ):
        assert shown.split()[0] == ours.split()[0]
        assert float(difference) == 0, value


def put_report(path, key, part):
    found = json.loads(path.read_text()) if path.is_file() else {"features": {}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**found, key: part}))


def test_all_tables_are_printed_by_one_command(tmp_path, capsys):
    assert (
        command.main(["table", "--runs", str(tmp_path), "--data-root", str(tmp_path)])
        == 0
    )
    text = capsys.readouterr().out
    assert re.findall(r"^Table (\d+)\. ", text, re.M) == [str(n) for n in range(1, 16)]
    assert command.main(["table", "16"]) == 2
    assert "tables are 1 to 15, not 16" in capsys.readouterr().err


def test_unknown_table_is_refused(tmp_path):
    with pytest.raises(errors.ConfigError, match="1 to 15, not 0"):
        reproduction.table(0, tmp_path, tmp_path)
