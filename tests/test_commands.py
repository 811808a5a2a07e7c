"""Commands that messages print can be run as they stand."""

import argparse
import collections
import importlib
import re
import shlex

import pytest

from configs import common
from data_prep import build_records
from smad_jax import errors
from smad_jax.data import catalog, records

NAME = "my toys; (2)"


class Accepted(Exception):
    """Raised in place of what a command would do with arguments it accepts."""


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
        for command in re.findall(r"^.*?(python -m data_prep\..*)$", text, re.M):
            _, _, name, *arguments = shlex.split(command, comments=True)
            with pytest.raises(Accepted):
                importlib.import_module(name).main(arguments)
            names.append(name.removeprefix("data_prep."))
        return names

    return run


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
            ["build_records", "pseudo_label", "pseudo_label", "k200db"],
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
        ("embedded-seed4-x0.5", "train", (), []),
        (NAME, "k200db-val", (), ["pseudo_label", "k200db"]),
        (NAME, "train", ("the weather",), ["pseudo_label"]),
        (NAME, "train", ("attribute", "context"), []),
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
        assert step.startswith(("python -m data_prep.", "# "))


def test_command_for_a_missing_index_is_complete(root, check):
    (root / NAME / "videos-00000-of-00001.tfrecord.index").unlink()
    with pytest.raises(errors.DataError) as caught:
        catalog.open_split(root, NAME, "train")
    assert check(str(caught.value)) == ["build_records"]


def test_commands_after_a_build_are_complete(root, check):
    report = build_records.Report(
        root / NAME, 1, 1, {"train": 1}, 1, collections.Counter(), {}
    )
    text = build_records.summary(report)
    assert check(text) == ["pseudo_label"]
    [line] = re.findall(r"^.*main\.py.*$", text, re.M)
    setting, _, _, flag, config = shlex.split(line)
    assert (setting, flag) == (f"DATA_ROOT={root}", "--config")
    # as the flag is split: the file, then the config's argument
    assert common.parse(config.partition(":")[2]).train == NAME
