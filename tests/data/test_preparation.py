import numpy as np
import pytest

from smad_jax.data import aspect_records, catalog, preparation, records

HINT = (
    "# without such a FILE: --labeller resnet50 --weights DIR instead of --from, or "
    "--labeller appearance"
)


@pytest.fixture
def root(tmp_path):
    """A folder with one data set and its split `train`."""
    folder = tmp_path / "toy"
    with records.RecordWriter(folder / "videos", 1) as writer:
        writer.write(records.VideoRecord("a", b"x", 0, 1))
    catalog.write_split(folder, "train", ["a"], [0])
    catalog.write_dataset_file(folder, name="toy", classes=["x"], num_videos=1)
    return tmp_path


def test_the_papers_data_is_prepared_in_order(root):
    steps = []
    for dataset, split, aspects in (
        ("kinetics400", "k200db-train", ("scene", "object")),
        ("kinetics400", "k200db-val", ()),
        ("kinetics400", "k200-val", ()),
        ("aras", "aras64", ()),
    ):
        steps += preparation.commands(root, dataset, split, aspects=aspects)
    place = f"--data-root {root} --dataset kinetics400"
    assert preparation.commands(root, "aras", "aras64") == [
        step for step in dict.fromkeys(steps) if "--aspect object" not in step
    ]
    assert list(dict.fromkeys(steps)) == [
        "python -m data_prep.build_records --videos kinetics400 --list train.csv "
        f"--val-list val.csv --name kinetics400 --out {root}",
        f"python -m data_prep.pseudo_label {place} --aspect scene --from FILE",
        f"python -m data_prep.pseudo_label {place} --aspect object --from FILE",
        HINT,
        f"python -m data_prep.k200db {place} --split train",
        "python -m data_prep.build_records --videos aras_clips --holdout 0 --name aras "
        f"--out {root}",
        f"python -m data_prep.aras --data-root {root} --dataset aras "
        "--list aras_test_balance.txt --names k400_actions.txt",
    ]


def test_the_split_by_two_aspects_needs_labels_of_both(root):
    steps = preparation.commands(
        root, "kinetics400", "k200both-train", aspects=("scene",)
    )
    assert [s.split("--aspect ")[1].split()[0] for s in steps if "--aspect " in s] == [
        *("scene", "object")
    ]
    assert steps[-1].endswith("--split train --second-aspect object --name k200both")


def test_further_lists_are_added_to_the_videos_that_are_there(root):
    [build, *labels, add] = preparation.commands(
        root, "kinetics400", "mini-train", aspects=("scene",)
    )
    assert "build_records --videos kinetics400 --list train.csv" in build
    assert any("--aspect scene" in line for line in labels)
    assert "add_splits" in add and "--list train_ytid_list.txt" in add
    assert add.endswith("--name mini")
    build, add = preparation.commands(root, "diving48", "v2-val")
    assert "--list Diving48_train.json" in build
    assert "--list Diving48_V2_train.json" in add


def test_tags_of_all_aspects_come_from_one_command(root):
    aspects = ("event", "scene", "attribute", "context")
    _, pseudo, hint, tags = preparation.commands(
        root, "kinetics400", "train", aspects=aspects
    )
    assert "--aspect scene" in pseudo and hint == HINT
    assert tags.startswith(
        f"python -m data_prep.hvu_tags --data-root {root} --dataset kinetics400 "
    )


def test_what_is_there_is_not_prepared_again(root):
    assert preparation.commands(root, "toy", "train") == []
    aspect_records.write(root / "toy", "scene", ["a"], np.full((1, 6), 0.25))
    steps = preparation.commands(root, "toy", "k200db-train", aspects=("scene",))
    assert [step.split()[2] for step in steps] == ["data_prep.k200db"]


def thirds(dataset, positive, target, name, config, source="all", run=""):
    """The three lines from the labels of the queries to the thirds."""
    place = f"--data-root datasets --dataset {dataset}"
    teacher, _, data = config.partition(":")
    run = run or f"runs/{teacher}-{data}".removesuffix("-")
    return [
        f"python main.py --config configs/{teacher}.py{':' * bool(data)}{data}",
        f"python -m data_prep.teacher_filter {place} --split {source} "
        f"--teacher {run} --name {positive}",
        f"python -m data_prep.omnidebias {place} --split {positive}{target} "
        f"--name {name}",
    ]


@pytest.mark.parametrize(
    ("dataset", "name", "folder", "config", "target"),
    [
        (
            "googleimage",
            "k200",
            "googleimage_200 --list googleimage_200.txt --classes k200_actions.txt "
            "--holdout 0",
            "tsn_baseline:k200db",
            "kinetics400/k200db-train",
        ),
        (
            "insvideo",
            "k400",
            "insvideo --holdout 0",
            "slowonly_baseline:k400",
            "kinetics400/train",
        ),
        (
            "mine-images",
            "web",
            "DIR --images --holdout 0",
            "tsn_baseline:mine",
            "mine/train",
        ),
        (
            "mine-videos",
            "web",
            "DIR --holdout 0",
            "slowonly_baseline:mine",
            "mine/train",
        ),
    ],
)
def test_thirds_of_web_data_come_from_records_labels_and_the_mediums_teacher(
    monkeypatch, tmp_path, dataset, name, folder, config, target
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATA_ROOT", raising=False)
    positive = "positive" if name == "web" else f"positive-{name}"
    assert preparation.commands("datasets", dataset, f"{name}-unbias") == [
        f"python -m data_prep.build_records --videos {folder} --name {dataset} "
        "--out datasets",
        f"python -m data_prep.pseudo_label --data-root datasets --dataset {dataset} "
        "--aspect scene --from FILE",
        HINT,
        *thirds(dataset, positive, f" --target {target}", name, config),
    ]


def test_thirds_of_the_embedded_web_data_need_no_labeller(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATA_ROOT", raising=False)
    dataset = "embedded-web-seed0"
    lists = thirds(dataset, "positive", "", "web", "slowonly_baseline", source="raw")
    for aspects in ((), ("scene", "object")):
        assert preparation.commands(
            "datasets", dataset, "web-rand", aspects=aspects
        ) == ["python -m data_prep.embedded --seed 0 --web --out datasets", *lists]


def test_teacher_of_another_draw_has_flags_and_a_folder_of_its_own(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("DATA_ROOT", "elsewhere")
    made, teacher, kept, _ = preparation.commands(
        tmp_path, "embedded-web-seed3-x0.05", "web-unbias"
    )
    assert (
        made
        == f"python -m data_prep.embedded --seed 3 --scale 0.05 --web --out {tmp_path}"
    )
    run = "runs/slowonly_baseline-seed3-x0.05"
    assert teacher == (
        "python main.py --config configs/slowonly_baseline.py "
        f"--config.data.root={tmp_path} --config.data.embedded_seed=3 "
        f"--config.data.embedded_scale=0.05 --workdir {run}"
    )
    assert f"--teacher {run}" in kept
    assert preparation.default_root() == "elsewhere"


def test_each_edition_filters_the_web_data_by_a_teacher_of_its_own(
    monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATA_ROOT", raising=False)
    [build] = preparation.commands("datasets", "embedded-lasting-seed0", "oracle")
    assert build.endswith(" --seed 0 --name embedded-lasting --out datasets")
    _, teacher, kept, _ = preparation.commands(
        "datasets", "embedded-web-seed0", "lasting-unbias"
    )
    config = "slowonly_baseline.py:embedded-lasting"
    assert teacher == f"python main.py --config configs/{config}"
    assert "--teacher runs/slowonly_baseline-embedded-lasting " in f"{kept} "
    assert "--name positive-lasting" in kept


def test_media_that_were_filtered_already_need_no_teacher(root):
    catalog.write_split(root / "toy", "positive", ["a"], [0])
    (root / "toy").rename(root / "toy-images")
    aspect_records.write(root / "toy-images", "scene", ["a"], np.ones((1, 6)))
    steps = preparation.commands(root, "toy-images", "web-mid")
    assert [step.split()[2] for step in steps] == ["data_prep.omnidebias"]


def test_splits_of_the_embedded_benchmark_come_with_it(tmp_path):
    [line] = preparation.commands(tmp_path, "embedded-seed3", "tail")
    assert line.startswith("python -m data_prep.embedded --seed 3 ")


@pytest.mark.parametrize(
    ("dataset", "split"),
    [
        ("googleimage", "k600-unbias"),
        ("kinetics400", "k200-all"),
        ("embedded-seed0", "web-unbias"),
        ("mine-images", "web-other"),
    ],
)
def test_split_that_no_command_makes_is_to_be_written_by_hand(tmp_path, dataset, split):
    *_, last = preparation.commands(tmp_path, dataset, split)
    assert last.startswith("# write the split's `id label` lines to")
