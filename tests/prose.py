"""Refuses quaint or vague words in our own prose: `python -m tests.prose [PATH ...]`.

Reads the pages, and in code the docstrings, comments and string literals. Code in
pages (fenced, indented or between backticks) and generated tables are left out.
Prints `file:line: word: suggestion` and exits with 1 if it finds any.
"""

import ast
import io
import pathlib
import re
import sys
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ("smad_jax", "data_prep", "configs", "docs")
FILES = (
    "*.md",
    "main.py",
    "Makefile",
    "requirements*.txt",
    "pyproject.toml",
    ".ci/run",
)
SUFFIXES = (".py", ".md", ".jinja")

# Pattern, and what to write instead. Matched without regard to case, and across lines.
RULES = tuple(
    (re.compile(rf"\b(?:{pattern})\b".replace(" ", r"\s+"), re.IGNORECASE), suggestion)
    for pattern, suggestion in (
        ("shall", "must, should, or the present tense"),
        ("likewise", "also, the same way, or the verb again"),
        ("anew", "again, or re- as in re-encode"),
        ("dealt", "permuted, distributed or assigned"),
        ("mend(?:s|ed|ing)?", "repair, fix or correct"),
        ("(?:told|tells)(?! apart)", "reports, prints or states"),
        ("said|says", "reports, prints, states, explains or predicts"),
        ("asked", "requested, needed or expected"),
        ("of which|of whom", "two sentences, or whose"),
        ("what there is", "the available ..., the contents, or a noun"),
        (
            "whose (?:[a-z]+ ){0,4}(?:they|it|she|he) (?:is|are|was|were)",
            "a plain clause",
        ),
        ("lies? about|lying about", "loose, or on disk"),
        ("things?", "the noun itself"),
        ("(?:go|goes|gone|going|went) on(?! (?:the|a|an|top))", "resume or continue"),
        (r"(?<!who\s)(?<!user\s)(?<!ever\s)wants", "needs or expects"),
        (
            "thereof|therein|whereof|whereby|wherein|thence|hither|hereby",
            "a plain word",
        ),
        ("whilst|amongst|albeit|lest|nought|naught|aforesaid|betwixt", "a plain word"),
    )
)

# (end of the file's path, matched words): why they may stand.
ALLOWED: dict[tuple[str, str], str] = {}


class Passage(NamedTuple):
    """A stretch of prose and the number of its first line."""

    line: int
    text: str


class Finding(NamedTuple):
    """A refused word: its line, the word and what to write instead."""

    line: int
    word: str
    suggestion: str


def passages(path: pathlib.Path) -> Iterator[Passage]:
    """Yields the prose of one file, by its suffix."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        yield from _python(text)
    elif path.suffix == ".md":
        yield Passage(1, _markdown(text))
    elif path.suffix == ".jinja":
        yield Passage(
            1, _blank(r"\{%.*?%\}|\{\{.*?\}\}|<style.*?</style>|<[^>]*>", text)
        )
    else:  # of any other file the comments
        for number, line in enumerate(text.splitlines(), 1):
            if comment := re.search(r"(?:^|\s)#.*", line):
                yield Passage(number, comment.group())


def _python(text: str) -> Iterator[Passage]:
    """Yields docstrings, other string literals and comments; adjacent ones joined."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Passage(node.lineno, _blank("`[^`]*`", node.value))
    block, first, last = [], 0, 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        if block and token.start[0] != last + 1:
            yield Passage(first, "\n".join(block))
            block = []
        first = token.start[0] if not block else first
        last = token.start[0]
        block.append(_blank("`[^`]*`", token.string.lstrip("# ")))
    if block:
        yield Passage(first, "\n".join(block))


def _markdown(text: str) -> str:
    """Blanks out code and what commands generate; keeps the lines' numbers."""
    indented = r"(?<=\n\n) {4}[^\n]*(?:\n {4}[^\n]*)*"
    code = rf"^```.*?^```|{indented}|`[^`]*`"
    generated = r"<!-- ([\w-]+) -->.*?<!-- end \1 -->"
    return _blank(code, _blank(generated, text))


def _blank(pattern: str, text: str) -> str:
    """Replaces every match by a stand-in with as many line ends."""
    return re.sub(
        pattern,
        lambda match: "_" + "\n" * match.group().count("\n"),
        text,
        flags=re.DOTALL | re.MULTILINE,
    )


def findings(path: pathlib.Path) -> list[Finding]:
    """Returns the refused words of one file, by line."""
    allowed = {word for (end, word) in ALLOWED if path.as_posix().endswith(end)}
    lines = path.read_text("utf-8").splitlines()
    found = []
    for first, text in passages(path):
        for pattern, suggestion in RULES:
            for match in pattern.finditer(text):
                word = " ".join(match.group().split())
                if word.lower() not in allowed:
                    line = first + text.count("\n", 0, match.start())
                    found.append(
                        Finding(_line_with(word, lines, line), word, suggestion)
                    )
    return sorted(found)


def _line_with(word: str, lines: list[str], start: int) -> int:
    """Returns the number of the first line from `start` on that holds the word."""
    # Literals that stand in several pieces are one passage without line ends.
    begins = word.split()[0]
    for number in range(start, min(start + 30, len(lines)) + 1):
        if begins in lines[number - 1]:
            return number
    return start


def our_files() -> list[pathlib.Path]:
    """Returns the files whose prose is ours."""
    inside = [file for name in FOLDERS for file in (ROOT / name).rglob("*")]
    files = [file for file in inside if file.suffix in SUFFIXES]
    return sorted(files) + [file for name in FILES for file in sorted(ROOT.glob(name))]


def main(argv: list[str]) -> int:
    """Prints the findings of the given files, or of all; returns the exit code."""
    count = 0
    for path in [pathlib.Path(name) for name in argv] or our_files():
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        for line, word, suggestion in findings(path):
            print(f"{shown}:{line}: {word!r}: write {suggestion}")
            count += 1
    if count:
        print(f"{count} places; tests/prose.py holds the words and an allow-list")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
