"""What `pip install` reads agrees with the requirements; .ci/package installs it."""

import pathlib
import re
import shutil
import subprocess
import tomllib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def versions(lines):
    """The version that each line asks for, by package."""
    found = {}
    for line in lines:
        if line := line.partition("#")[0].strip():
            name, version = re.fullmatch(r"([\w.-]+)(?:\[\w+\])?(.*)", line).groups()
            found[name] = version.strip()
    return found


def read(name):
    return versions((ROOT / name).read_text("utf-8").splitlines())


@pytest.mark.parametrize(
    "part",
    [
        versions(PROJECT["project"]["dependencies"]),
        read("requirements-audit.txt"),
    ],
)
def test_versions_are_those_of_the_requirements(part):
    whole = read("requirements.txt")
    assert part and part.items() <= whole.items()


def test_audit_needs_no_jax():
    needed = read("requirements-audit.txt") | versions(
        PROJECT["project"]["dependencies"]
    )
    assert not {"jax", "flax", "optax", "orbax-checkpoint", "grain"} & set(needed)


@pytest.mark.parametrize("kind", ["cuda12", "tpu"])
def test_jax_for_a_device_has_the_version_of_the_requirements(kind):
    assert read(f"requirements-{kind}.txt") == {"jax": ""}
    extras = PROJECT["tool"]["setuptools"]["dynamic"]["optional-dependencies"]
    assert extras[kind]["file"] == ["requirements.txt", f"requirements-{kind}.txt"]
    assert extras["cpu"]["file"] == ["requirements.txt"]


def test_every_file_that_is_no_python_is_packaged():
    listed = PROJECT["tool"]["setuptools"]["package-data"]
    packaged = {
        f"{package.replace('.', '/')}/{name}"
        for package, names in listed.items()
        for name in names
    }
    there = {
        str(path.relative_to(ROOT))
        for folder in ("smad_jax", "data_prep", "configs")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc", ".md")
    }
    assert there == packaged


def test_the_image_copies_all_that_its_first_target_needs(tmp_path):
    text = (ROOT / "Dockerfile").read_text("utf-8")
    copied, target = re.search(r"^COPY (.+) \./\nRUN make (\S+)$", text, re.M).groups()
    for name in copied.split():
        shutil.copy(ROOT / name, tmp_path)
    command = ["make", "--dry-run", target]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--requirement requirements.txt" in done.stdout
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert target.partition("/")[0] in ignored  # or the later COPY would replace it
