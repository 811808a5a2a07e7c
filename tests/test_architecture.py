"""Imports flow one way; the table below is the architecture."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# What each part may import of ours, besides itself.
MAY_IMPORT = {
    "smad_jax.errors": set(),
    "smad_jax.file_io": {"errors"},
    "smad_jax.aspect_table": {"errors"},
    "smad_jax.losses": set(),
    "smad_jax.sections": {"errors"},
    "smad_jax.commands.command_line": {"errors"},
    "smad_jax.models": {"errors"},
    "smad_jax.data": {"errors", "sections", "file_io", "aspect_table"},
    "smad_jax.torch_weights": {
        "errors",
        "file_io",
        "commands.command_line",
        "models",
        "training",
    },
    "smad_jax.methods": {"errors", "sections", "aspect_table", "losses", "models"},
    "smad_jax.training": {"errors"},
    "smad_jax.evaluation": {"errors", "file_io", "methods", "training"},
    "smad_jax.experiment": {
        "errors",
        "sections",
        "file_io",
        "aspect_table",
        "losses",
        "models",
        "data",
        "methods",
        "training",
        "evaluation",
        "torch_weights",
    },
    "smad_jax.commands": {
        "errors",
        "file_io",
        "commands.command_line",
        "data",
        "evaluation",
        "experiment",
        "reporting",
    },
    # the program of that name, which stands above what it is called after
    "smad_jax.evaluation.__main__": {"commands", "commands.command_line", "training"},
    "smad_jax.reporting": {
        "errors",
        "file_io",
        "commands.command_line",
        "data",
        "evaluation",
        "experiment",
    },
    "data_prep": {
        "errors",
        "file_io",
        "commands.command_line",
        "aspect_table",
        "data",
        "models",
        "training",  # its log
        "evaluation",
        "torch_weights",
        "experiment",
        "data_prep",
    },
    "configs": {"configs"},
    "main": {"errors", "training", "experiment", "configs", "data_prep"},
}
# Parts that must run where there is no accelerator library.
WITHOUT_JAX = ("smad_jax.data", "configs", "smad_jax.aspect_table", "smad_jax.errors")


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
