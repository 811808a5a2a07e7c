"""Our pages: their links lead somewhere, their numbers agree, the README is short."""

import re
import subprocess
import sys

import pytest

from tests import prose

ROOT = prose.ROOT
PAGES = [
    *(ROOT.glob("*.md")),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / name / "README.md" for name in ("configs", "data_prep")),
]
LATER = {"docs/api.md"}  # written on another branch


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_pictures_of_a_page_exist(page):
    text = page.read_text("utf-8")
    targets = re.findall(r'\]\(([^)#\s]+)|src="([^"]+)"', text)
    places = [page.parent / (link or source) for link, source in targets]
    missing = {name(p.resolve()) for p in places if not p.exists()} - LATER
    assert not missing


def test_files_of_docs_that_code_and_pages_name_exist():
    for path in [*prose.our_files(), *(ROOT / "tests").rglob("*.py")]:
        if path.suffix not in (".py", ".md"):
            continue
        found = re.findall(r"\bdocs/[\w/.-]*\.\w+", path.read_text("utf-8"))
        missing = {place for place in found if not (ROOT / place).exists()} - LATER
        assert not missing, name(path)


def test_every_page_of_docs_stands_in_its_index():
    for folder in (ROOT / "docs", ROOT / "docs" / "results"):
        index = (folder / "README.md").read_text("utf-8")
        pages = {page.name for page in folder.glob("*.md")} - {"README.md"}
        assert {page for page in pages if f"({page})" not in index} == set()


def test_the_readme_takes_a_minute_and_names_every_method():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 120
    configs = {path.name for path in (ROOT / "configs").glob("slowonly_*.py")}
    assert configs - set(re.findall(r"slowonly_\w+\.py", text)) == set()


def test_files_that_the_readme_reads_in_order_exist():
    text = (ROOT / "README.md").read_text("utf-8")
    files = re.findall(r"^\d\. `([\w/]+\.py)`", text, re.M)
    assert len(files) == 8
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_the_table_of_the_readme_is_that_of_its_study():
    text = (ROOT / "README.md").read_text("utf-8")
    part = "<!-- study-smad-means -->\n(.*)\n<!-- end study-smad-means -->"
    table = re.search(part, text, re.S)[1]
    assert table in (ROOT / "docs" / "results" / "smad.md").read_text("utf-8")


def test_commands_that_pages_name_exist():
    if not (ROOT / "smad_jax/__main__.py").is_file():  # comes with another branch
        return
    command = [sys.executable, "-m", "smad_jax"]
    listed = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    )
    commands = re.findall(r"^  ([a-z_]+(?: [a-z]+)?)(?=  |$)", listed.stdout, re.M)
    assert "train" in commands
    words = {command.split()[0] for command in commands}
    for page in PAGES:
        text = page.read_text("utf-8")
        named = set(re.findall(r"python -m smad_jax ([a-z_]+)", text))
        assert named - words == set(), name(page)
