"""Imports flow one way; the table below is the architecture."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# What each part may import of ours, besides itself.
MAY_IMPORT = {
    "smad_jax.errors": set(),
    "smad_jax.writing": {"errors"},
    "smad_jax.reading": {"errors"},
    "smad_jax.aspects": {"errors"},
    "smad_jax.losses": set(),
    "smad_jax.command_line": {"errors"},
    "smad_jax.models": {"errors"},
    "smad_jax.data": {"errors", "reading", "writing", "aspects"},
    "smad_jax.torch_weights": {
        "errors",
        "writing",
        "command_line",
        "models",
        "training",
    },
    "smad_jax.methods": {"errors", "aspects", "losses", "models"},
    "smad_jax.training": {"errors"},
    "smad_jax.evaluation": {"errors", "reading", "writing", "training"},
    "smad_jax.workdir": {"errors", "writing", "aspects", "training"},
    "smad_jax.splits": {"errors", "data"},
    "smad_jax.streams": {"splits", "data", "methods", "training"},
    "smad_jax.checks": {"errors", "aspects", "methods", "streams"},
    "smad_jax.experiment": {
        "errors",
        "checks",
        "streams",
        "splits",
        "aspects",
        "losses",
        "models",
        "data",
        "methods",
        "training",
        "evaluation",
        "workdir",
        "torch_weights",
    },
    "smad_jax.teacher": {
        "errors",
        "torch_weights",
        "experiment",
        "splits",
        "workdir",
        "data",
        "evaluation",
        "training",
    },
    "smad_jax.commands": {
        "errors",
        "writing",
        "command_line",
        "data",
        "evaluation",
        "experiment",
        "reporting",
        "splits",
        "teacher",
    },
    # the program of that name, which stands above what it is called after
    "smad_jax.evaluation.__main__": {"command_line", "commands", "training"},
    "smad_jax.reporting": {
        "errors",
        "reading",
        "writing",
        "command_line",
        "data",
        "evaluation",
        "splits",
        "teacher",
        "workdir",
    },
    "data_prep": {
        "errors",
        "reading",
        "writing",
        "command_line",
        "aspects",
        "data",
        "models",
        "training",  # its log
        "evaluation",
        "torch_weights",
        "teacher",
        "data_prep",
    },
    "configs": {"configs"},
    "main": {
        "errors",
        "checks",
        "splits",
        "training",
        "experiment",
        "workdir",
        "configs",
        "data_prep",
    },
}
# Parts that must run where there is no accelerator library.
WITHOUT_JAX = ("smad_jax.data", "configs", "smad_jax.aspects", "smad_jax.errors")


def modules():
    files = [
        *(ROOT / "smad_jax").rglob("*.py"),
        *(ROOT / "data_prep").glob("*.py"),
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
    return ".".join(parts[:2]) if parts[0] == "smad_jax" else parts[0]


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
    if part == "smad_jax":  # the package's own docstring
        assert not list(imports(file))
        return
    for name in imports(file):
        if name.split(".")[0] not in ("smad_jax", "data_prep", "configs"):
            continue
        target = part_of(name)
        allowed = {f"smad_jax.{p}" for p in MAY_IMPORT[part]} | MAY_IMPORT[part]
        assert target == part or target in allowed, f"{module} imports {name}"


@pytest.mark.parametrize(
    ("module", "file"),
    [pytest.param(*m, id=m[0]) for m in modules() if part_of(m[0]) in WITHOUT_JAX],
)
def test_module_does_without_jax(module, file):
    heavy = {"jax", "flax", "optax", "orbax", "tensorflow"}
    assert not {name.split(".")[0] for name in imports(file)} & heavy
