import subprocess
import sys

from tests.helpers import forked

COMMANDS = (
    *("build_records", "add_splits", "check_data", "hvu_tags", "pseudo_label"),
    *("k200db", "aras", "teacher_filter", "omnidebias", "nmi_report"),
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
