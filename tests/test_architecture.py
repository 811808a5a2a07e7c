"""Imports flow one way; the table below is the architecture."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# What each part may import of ours, besides itself.
MAY_IMPORT = {
    "smad_jax.errors": set(),
    "smad_jax.losses": set(),
    "smad_jax.base": {"errors"},
    "smad_jax.models": {"errors"},
    "smad_jax.training": {"errors"},
    "smad_jax.data": {"errors", "base"},
    "smad_jax.methods": {"errors", "base", "losses", "models"},
    "smad_jax.torch_weights": {"errors", "base", "models", "training"},
    "smad_jax.evaluation": {"errors", "base", "methods", "training"},
    "smad_jax.experiment": {
        "errors",
        "base",
        "models",
        "data",
        "methods",
        "training",
        "evaluation",
        "torch_weights",
    },
    "smad_jax.reporting": {"errors", "base", "data", "evaluation", "experiment"},
    # rooms import rooms above and never a command
    "data_prep.lists": {"errors", "base", "data"},
    "data_prep.records": {"errors", "base", "data", "data_prep.lists"},
    "data_prep.labels": {
        "errors",
        "base",
        "data",
        "models",
        "torch_weights",
        "data_prep.lists",
    },
    "data_prep.bias": {"errors", "base", "data", "evaluation", "data_prep.lists"},
    "data_prep.embedded": {"errors", "base", "data", "data_prep.bias"},
    # the commands
    "data_prep": {
        "errors",
        "base",
        "data",
        "training",  # its log
        "experiment",
        "data_prep.lists",
        "data_prep.records",
        "data_prep.labels",
        "data_prep.bias",
        "data_prep.embedded",
    },
    "configs": {"configs"},
    "smad_jax.commands.front_door": {"errors", "base"},
    "smad_jax.commands": {
        "errors",
        "base",
        "data",
        "torch_weights",
        "training",
        "evaluation",
        "experiment",
        "reporting",
        "configs",
        "data_prep.embedded",
    },
    "smad_jax": {  # late
        "commands",
        "data",
        "experiment",
        "reporting",
        "torch_weights",
        "data_prep.bias",
        "data_prep.records",
    },
    # programs, which stand above the parts that they are named after
    "smad_jax.__main__": {"commands.front_door"},
    "smad_jax.evaluation.__main__": {"commands.front_door"},
    "smad_jax.reporting.__main__": {"commands.front_door"},
    "smad_jax.torch_weights.__main__": {"commands.front_door"},
    "main": {"commands"},
}
# Parts that must run where there is no accelerator library.
WITHOUT_JAX = (
    *("configs", "smad_jax.base", "smad_jax.data", "smad_jax.errors"),
    *("smad_jax.evaluation", "smad_jax.experiment.run_folder"),
    *("smad_jax.experiment.run_labels", "smad_jax.reporting.audit.audits"),
)
RUNS_THE_NETWORK = ("smad_jax.evaluation.predict", "smad_jax.evaluation.watch")


def modules():
    files = [
        *(ROOT / "smad_jax").rglob("*.py"),
        *(ROOT / "data_prep").rglob("*.py"),
        *(ROOT / "configs").glob("*.py"),
        ROOT / "main.py",
    ]
    for file in sorted(files):
        parts = file.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), file


def part_of(module: str) -> str:
    if module in MAY_IMPORT:
        return module
    parts = module.split(".")
    pair = ".".join(parts[:2])
    return pair if parts[0] == "smad_jax" or pair in MAY_IMPORT else parts[0]


def imports(file: pathlib.Path):
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {file}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    ("module", "file"), [pytest.param(*m, id=m[0]) for m in modules()]
)
def test_module_imports_only_what_stands_below_it(module, file):
    part = part_of(module)
    for name in imports(file):
        if name.split(".")[0] not in ("smad_jax", "data_prep", "configs"):
            continue
        target = part_of(name)
        allowed = {f"smad_jax.{p}" for p in MAY_IMPORT[part]} | MAY_IMPORT[part]
        assert target == part or target in allowed, f"{module} imports {name}"


@pytest.mark.parametrize(
    ("module", "file"),
    [
        pytest.param(*m, id=m[0])
        for m in modules()
        if {m[0], part_of(m[0])} & set(WITHOUT_JAX) and m[0] not in RUNS_THE_NETWORK
    ],
)
def test_module_does_without_jax(module, file):
    heavy = {"jax", "flax", "optax", "orbax", "tensorflow"}
    assert not {name.split(".")[0] for name in imports(file)} & heavy
