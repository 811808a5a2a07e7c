"""The one program: its list, its aliases, and that it answers at once."""

import ast
import importlib.util
import inspect
import os
import pathlib
import subprocess
import sys
import typing

import pytest

from smad_jax.base import command_line
from smad_jax.commands import front_door, measures, network, train
from smad_jax.evaluation import __main__ as evaluation
from smad_jax.reporting import __main__ as reporting
from smad_jax.torch_weights import __main__ as torch_weights

ROOT = pathlib.Path(__file__).resolve().parents[2]
OWN = [
    name
    for name in front_door.COMMANDS
    if name not in front_door.GROUPS["Prepare data"]
]
SECONDS = 1.5  # of processor time: other tests may keep the machine busy


def processor_seconds(*arguments):
    """Runs Python; returns the end and how long it had the processor."""
    before = os.times()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    after = os.times()
    spent = after.children_user + after.children_system
    return done, spent - before.children_user - before.children_system


def test_list_names_every_command_with_its_line(capsys):
    assert front_door.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, line in front_door.COMMANDS.items():
        assert f"  {name:<18}{line}" in lines
    assert max(map(len, lines)) <= 100
    assert len(front_door.COMMANDS) == 33


def test_every_file_of_a_command_is_in_the_list():
    listed = {front_door.module(name) for name in front_door.COMMANDS}
    for file in (ROOT / "smad_jax" / "commands").glob("*.py"):
        text = file.read_text("utf-8")
        is_command = "\ndef run(" in text or file.stem == "train"
        assert (f"smad_jax.commands.{file.stem}" in listed) == is_command
    for file in (ROOT / "data_prep").glob("*.py"):
        assert file.stem == "__init__" or f"data_prep.{file.stem}" in listed


@pytest.mark.parametrize("name", front_door.GROUPS["Prepare data"])
def test_line_of_the_list_is_that_of_the_module(name):
    spec = importlib.util.find_spec(front_door.module(name))
    assert spec is not None and spec.origin is not None
    tree = ast.parse(pathlib.Path(spec.origin).read_text("utf-8"))
    values = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert values["HELP"] == front_door.COMMANDS[name]


@pytest.mark.parametrize("name", OWN)
def test_options_of_a_command_are_the_parameters_of_its_function(name):
    if name == "train":
        return
    program = front_door.program_of(name, name)
    options = {action.dest for action in program.parser()._actions} - {"help"}
    parameters = dict(inspect.signature(program.run).parameters)
    if "chosen" in parameters:  # those that choose a network, as keywords
        assert typing.get_args(parameters.pop("chosen").annotation) == (
            network.Options,
        )
        options -= set(network.Options.__annotations__)
    assert options == set(parameters)
    assert all(p.annotation is not p.empty for p in parameters.values())


def test_defaults_of_evaluate_are_those_of_its_function():
    parser = front_door.program_of("evaluate", "evaluate").parser()
    chosen = vars(parser.parse_args(["--run", "a", "--split", "b/c"]))
    for name, parameter in inspect.signature(measures.evaluate).parameters.items():
        if parameter.default is not parameter.empty:
            assert chosen[name] == parameter.default, name


@pytest.mark.parametrize("name", front_door.COMMANDS)
def test_help_answers_at_once(name):
    done, seconds = processor_seconds("-m", "smad_jax", *name.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert seconds < SECONDS


@pytest.mark.parametrize(
    "flags",
    [
        ["--config", "configs/slowonly_smad.py", "--config.seeed=1"],
        ["--config", "configs/slowonly_smad.py", "--config.optimizr.name=sgd"],
        ["--config", "configs/slowonly_smat.py"],
        ["--config", "configs/slowonly_smad.py:sar=off"],
    ],
)
@pytest.mark.parametrize("program", [["main.py"], ["-m", "smad_jax", "train"]])
def test_mistake_in_a_config_is_reported_at_once(program, flags):
    done, seconds = processor_seconds(*program, *flags)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert seconds < SECONDS


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["evalute"], "evaluate"),
        (["weights", "exprt"], "weights export"),
        (["k200bd", "--split", "x"], "k200db"),
    ],
)
def test_unknown_command_names_the_nearest(arguments, near, capsys):
    assert front_door.main(arguments) == 2
    printed = capsys.readouterr()
    assert f"did you mean {near}" in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(("flags", "code"), [([], 2), (["-h"], 0), (["--help"], 0)])
def test_word_that_begins_commands_lists_them(flags, code, capsys):
    assert front_door.main(["weights", *flags]) == code
    printed = capsys.readouterr()
    listed = printed.err if code else printed.out
    assert [line.split()[0] for line in listed.splitlines()[2:]] == [
        *("import", "export", "verify"),
    ]


def test_version_is_that_of_the_package_or_none(capsys, monkeypatch):
    monkeypatch.setattr(command_line.metadata, "version", lambda name: f"{name} 7")
    assert front_door.main(["--version"]) == 0
    assert "smad_jax 7" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "near"),
    [
        (["--config", "configs/slowonly_smd.py"], "configs/slowonly_smad.py"),
        (["--confg", "configs/a.py:mine"], "--config configs/a.py:mine"),
        (["--confg=configs/a.py"], "--config configs/a.py"),
        (["configs/a.py"], "--config configs/a.py"),
    ],
)
def test_config_that_is_misspelt_or_without_its_flag_is_suggested(flags, near, capsys):
    with pytest.raises(SystemExit) as caught:
        train.main(flags)
    assert caught.value.code == 2
    assert f"did you mean {near}?" in capsys.readouterr().err


@pytest.mark.parametrize("old", [evaluation, reporting, torch_weights])
def test_old_programs_run_the_same_commands(old, capsys):
    for name, command in old.main.commands.items():
        with pytest.raises(SystemExit) as caught:
            old.main([name, "--help"])
        assert caught.value.code == 0
        before = capsys.readouterr().out
        with pytest.raises(SystemExit):
            front_door.main([*command.split(), "--help"])
        after = capsys.readouterr().out
        assert f"{old.main.program} {name}" in before
        assert before.split()[10:] and "options:" in after
    assert old.main([]) == 2
    assert old.main(["nonsense"]) == 2


def test_package_that_is_not_installed_is_named_with_the_command_to_type():
    script = """
import sys
for name in ("jax", "tensorboardX"):
    sys.modules[name] = None
from smad_jax.commands import front_door
sys.exit(front_door.main(["features", "--run", "a", "--split", "b/c"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "pip install '.[cpu]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [[], ["train", "--help"], ["evaluate", "--help"], ["weights", "--help"]]
)
def test_reader_that_closes_the_pipe_ends_the_list_quietly(words):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "smad_jax", *words]
    done = subprocess.run(
        command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
