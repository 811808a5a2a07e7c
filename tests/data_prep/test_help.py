import importlib
import pathlib
import re
import subprocess
import sys

import pytest

from tests.helpers import forked

COMMANDS = (
    *("build_records", "add_splits", "check_data", "hvu_tags", "pseudo_label"),
    *("k200db", "aras", "teacher_filter", "still_bank", "omnidebias", "nmi_report"),
    *("background_swap", "tfds_files", "embedded.make"),
)
PROGRAM = f"""
import importlib, sys
for name in {COMMANDS}:
    importlib.import_module("data_prep." + name).main.parser().format_help()
heavy = {{"jax", "flax", "tensorflow", "apache_beam"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


def test_help_of_every_command_needs_no_accelerator_library():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, cwd=forked.ROOT)


def test_every_command_is_listed():
    files = {path.stem for path in (forked.ROOT / "data_prep").glob("*.py")}
    assert files - {"__init__"} == set(COMMANDS) - {"embedded.make"}


@pytest.mark.parametrize("name", sorted({*COMMANDS} - {"check_data", "nmi_report"}))
def test_folder_of_the_data_sets_has_the_default_of_training(monkeypatch, name):
    monkeypatch.setenv("DATA_ROOT", "/sets")
    parser = importlib.import_module(f"data_prep.{name}").main.parser()
    folder = {"build_records": "out", "embedded.make": "out"}.get(name, "data_root")
    assert parser.get_default(folder) == pathlib.Path("/sets")


def test_options_name_their_values_in_one_style():
    for name in COMMANDS:
        text = importlib.import_module(f"data_prep.{name}").main.parser().format_help()
        assert not re.findall(r"--[a-z-]+ [A-Z0-9]+-[A-Z0-9]+", text), name
