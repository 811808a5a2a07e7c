"""Commands that messages print can be run as they stand."""

import argparse
import collections
import importlib
import pathlib
import re
import shlex

import pytest

from configs import arguments
from configs import study as study_designs
from data_prep import build_records
from data_prep.records import build
from smad_jax import errors
from smad_jax.commands import front_door
from smad_jax.data import catalog, preparation, records
from smad_jax.experiment import run_folder
from smad_jax.reporting import runs

NAME = "my toys; (2)"


class Accepted(Exception):
    """Raised in place of what a command would do with arguments it accepts."""


def _program(name):
    module = importlib.import_module(name)
    return (
        importlib.import_module(f"{name}.__main__")
        if hasattr(module, "__path__")
        else module
    )


@pytest.fixture
def check(monkeypatch):
    """Feeds each printed command to the parser of its module; returns the modules."""
    parse = argparse.ArgumentParser.parse_args

    def stop(self, args=None, namespace=None):
        parse(self, args, namespace)
        raise Accepted

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)

    def run(text):
        names = []
        for command in re.findall(
            r"^.*?(python -m (?:data_prep\.|smad_jax ).*)$", text, re.M
        ):
            _, _, name, *arguments = shlex.split(command, comments=True)
            with pytest.raises(Accepted):
                if name == "smad_jax":
                    front_door.main(arguments)
                else:
                    _program(name).main(arguments)
            name = arguments[0] if name == "smad_jax" else name
            names.append(name.removeprefix("data_prep."))
        return names

    return run


def test_commands_may_go_through_the_front_door(check):
    text = (
        "    python -m smad_jax compare runs/a runs/b\nor python -m data_prep.k200db "
    )
    text += "--data-root R --dataset kinetics400"
    assert check(text) == ["compare", "k200db"]


@pytest.fixture
def root(tmp_path):
    """A folder with a blank in its name and one small data set."""
    root = tmp_path / "my data"
    with records.RecordWriter(root / NAME / "videos", 1) as writer:
        writer.write(records.VideoRecord("a", b"x", 0, 1))
    catalog.write_split(root / NAME, "train", ["a"], [0])
    catalog.write_dataset_file(root / NAME, name=NAME, classes=["x"], num_videos=1)
    return root


@pytest.mark.parametrize(
    ("dataset", "split", "aspects", "modules"),
    [
        (
            "kinetics400",
            "k200db-train",
            ("scene", "object", "event"),
            ["build_records", "pseudo_label", "pseudo_label", "hvu_tags", "k200db"],
        ),
        (
            "aras",
            "aras64",
            (),
            ["build_records", "pseudo_label", "k200db", "build_records", "aras"],
        ),
        ("aras", "aras104", (), ["build_records", "build_records", "aras"]),
        ("a 'new' one", "train", ("scene",), ["build_records", "pseudo_label"]),
        ("embedded-seed4", "train", (), ["embedded"]),
        ("embedded-seed4-x0.5", "train", ("scene",), ["embedded"]),
        (
            "embedded-web-seed4-x0.5",
            "web-unbias",
            ("object",),
            ["embedded", "teacher_filter", "omnidebias"],
        ),
        (
            "googleimage",
            "k200-mid",
            (),
            ["build_records", "pseudo_label", "teacher_filter", "omnidebias"],
        ),
        (
            "my own; (2)-videos",
            "web-all",
            (),
            ["build_records", "pseudo_label", "teacher_filter", "omnidebias"],
        ),
        (NAME, "k200db-val", (), ["pseudo_label", "k200db"]),
        (NAME, "train", ("the weather",), ["pseudo_label"]),
        (NAME, "train", ("attribute", "context"), ["hvu_tags"]),
        (NAME, "other", (), []),
    ],
)
def test_commands_for_missing_data_are_complete(
    root, check, dataset, split, aspects, modules
):
    with pytest.raises(catalog.MissingDataError) as caught:
        catalog.open_split(root, dataset, split, aspects=aspects)
    assert check(str(caught.value)) == modules
    for step in caught.value.steps:
        assert step.startswith(
            ("python -m data_prep.", "python main.py --config ", "# ")
        )


@pytest.mark.parametrize(
    ("dataset", "split"),
    [
        ("embedded-web-seed0", "web-unbias"),
        ("embedded-web-seed0-x0.2", "web-unbias"),
        ("embedded-web-seed3", "web-unbias"),
        ("googleimage", "k200-unbias"),
        ("insvideo", "k400-rand"),
        ("my own-images", "web-all"),
    ],
)
def test_teacher_is_looked_for_where_its_run_is_made(tmp_path, dataset, split):
    lines = map(shlex.split, preparation.commands(tmp_path, dataset, split))
    lines = [line for line in lines if line[0] == "python"]
    [run] = [line for line in lines if line[1] == "main.py"]
    [kept] = [line for line in lines if line[2] == "data_prep.teacher_filter"]
    file, _, argument = run[run.index("--config") + 1].partition(":")
    if "--workdir" in run:
        folder = run[run.index("--workdir") + 1]
    else:  # as main.py names it
        folder = f"runs/{run_folder.run_name(file, argument)}"
    assert kept[kept.index("--teacher") + 1] == folder
    assert lines.index(run) < lines.index(kept)
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    assert module.get_config(argument).data.train.startswith(
        argument if argument.startswith("my") else ("embedded", "kinetics400")
    )


def test_command_for_a_missing_index_is_complete(root, check):
    (root / NAME / "videos-00000-of-00001.tfrecord.index").unlink()
    with pytest.raises(errors.DataError) as caught:
        catalog.open_split(root, NAME, "train")
    assert check(str(caught.value)) == ["build_records"]


def test_commands_after_a_build_are_complete(root, check):
    report = build.Report(
        root / NAME, 4, 4, {"train": 2, "val": 2}, 2, collections.Counter(), {}
    )
    text = build_records.summary(report)
    assert check(text) == ["pseudo_label"]
    [line] = re.findall(r"^.*main\.py.*$", text, re.M)
    setting, _, _, flag, config = shlex.split(line)
    assert (setting, flag) == (f"DATA_ROOT={root}", "--config")
    # as the flag is split: the file, then the config's argument
    assert arguments.parse(config.partition(":")[2]).train == NAME


def test_commands_of_the_preparation_guide_are_complete(check):
    text = (
        pathlib.Path(build_records.__file__).with_name("README.md").read_text("utf-8")
    )
    lines = re.sub(r"\\\n\s+", "", text).splitlines()
    commands = [line for line in lines if line.startswith("    python ")]
    names = check("\n".join(commands))
    assert set(names) >= {
        *("check_data", "build_records", "hvu_tags", "k200db", "aras"),
        *("teacher_filter", "omnidebias", "pseudo_label", "nmi_report"),
    }
    configs = [line.split()[3] for line in commands if "main.py" in line]
    for file, _, argument in (config.partition(":") for config in configs):
        module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
        module.get_config(argument)


@pytest.mark.parametrize("name", study_designs.STUDIES)
def test_commands_that_a_study_runs_first_are_complete(check, name):
    prepare = study_designs.get_config(name)["prepare"]
    places = {"seed": 3, "data_root": "datasets", "baseline": "study/baseline/seed3"}
    lines = [line.format(**places) for line in prepare]
    trainings = [line for line in lines if line.startswith("smad_jax train ")]
    for line in trainings:  # which reads its flags only when it starts
        _, _, _, config, *flags = line.split()
        folder = pathlib.Path(flags[flags.index("--workdir") + 1])
        settings = runs.settings(runs.Job(config, tuple(flags), folder))
        assert settings["data.embedded_seed"] == settings["seed"] == 3
        assert folder.name == "seed3-frames"
    others = [line for line in lines if line not in trainings]
    assert len(check("\n".join(f"python -m {line}" for line in others))) == len(others)
