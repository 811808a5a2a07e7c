"""Our pages: their links lead somewhere, their numbers agree, the README is short."""

import argparse
import importlib
import re
import shlex

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
    part = "<!-- study-lasting-means -->\n(.*)\n<!-- end study-lasting-means -->"
    table = re.search(part, text, re.S)[1]
    assert table in (ROOT / "docs" / "results" / "lasting.md").read_text("utf-8")


# Which older program has a command of the front door; any other is of data_prep.
OLDER = {
    **dict.fromkeys(
        ("evaluate", "predict", "features", "few_shot", "svm", "probe"),
        "evaluation",
    ),
    **dict.fromkeys(
        ("audit", "compare", "picture", "table", "cam", "overlap", "study", "tune"),
        "reporting",
    ),
    **dict.fromkeys(("import", "export", "verify"), "torch_weights"),
}


class Accepted(Exception):
    """Raised in place of what a command would do with arguments it accepts."""


def commands(page):
    """Yields the words of every command in a page's blocks of code."""
    text = re.sub(r"\\\n\s+", "", page.read_text("utf-8"))
    for line in re.findall(r"^(?: {4})?((?:python|make|pip) .*)$", text, re.M):
        yield shlex.split(line, comments=True)


def older(program, words):
    """Returns the older program that has a command, and its arguments."""
    if (program, words[0]) == ("smad_jax", "export"):  # no older program has it
        return "smad_jax.commands.front_door", words
    package, _, name = program.partition(".")
    if package == "smad_jax" and not name:
        name, *words = words
        if name == "weights":
            name, *words = words
        package, name, words = (
            ("smad_jax", OLDER[name], [name, *words])
            if name in OLDER
            else ("data_prep", name, words)
        )
    is_package = (ROOT / package / name).is_dir()
    return f"{package}.{name}.__main__" if is_package else f"{package}.{name}", words


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_of_a_page_are_accepted(page, monkeypatch):
    parse = argparse.ArgumentParser.parse_args

    def stop(self, args=None, namespace=None):
        parse(self, args, namespace)
        raise Accepted

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    for words in commands(page):
        if words[:2] == ["python", "-m"] and re.match("smad_jax|data_prep", words[2]):
            module, arguments = older(words[2], words[3:])
            with pytest.raises(Accepted):
                importlib.import_module(module).main(arguments)
        elif words[:3] == ["python", "main.py", "--config"] and "NAME" not in words[3]:
            file, _, argument = words[3].partition(":")
            module = file.removesuffix(".py").replace("/", ".")
            importlib.import_module(module).get_config(argument)
