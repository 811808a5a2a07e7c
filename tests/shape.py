"""Measures the shape of the code: `python -m tests.shape [--write FILE]`.

Prints one table: size, reading distance, functions, imports between rooms,
repetition, comments, documentation and types. Code is every Python file of
`smad_jax`, `data_prep`, `configs` and `main.py`. `tests/test_shape.py` holds the
numbers that must not get worse; `--write docs/architecture.md` updates the page.
"""

import argparse
import ast
import collections
import functools
import io
import itertools
import pathlib
import re
import statistics
import sys
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

from smad_jax.reporting import documents

ROOT = pathlib.Path(__file__).resolve().parents[1]
CODE = ("smad_jax", "data_prep", "configs", "main.py")
WHY = ("models", "methods", "training", "experiment")  # rooms full of decisions
SAME_LINES = 6  # so many equal lines in a row are a repetition
UPDATE = "run python -m tests.shape --write docs/architecture.md"

# What one opens, in this order, to follow a training step of SMAD from the command
# to the gradient, and what one meets beside that way. Not what a reader can take at its
# word, since no number of the step is decided there: how config files and sections are
# read and checked, the estimate of memory, the data set's files, decoding and failures,
# how a convolution is computed, the log, signals, checkpoints, the record, the test.
TOUR = (
    "main.py",
    "smad_jax/commands/train.py",
    "smad_jax/commands/runs.py",
    "configs/slowonly_smad.py",
    "configs/recipes.py",
    "configs/base.py",
    "smad_jax/experiment/run.py",
    "smad_jax/experiment/opening.py",
    "smad_jax/experiment/build.py",
    "smad_jax/data/loading.py",
    "smad_jax/data/pipeline.py",
    "smad_jax/models/__init__.py",
    "smad_jax/models/recognizer.py",
    "smad_jax/models/resnet.py",
    "smad_jax/models/layers.py",
    "smad_jax/models/saar.py",
    "smad_jax/models/adversarial.py",
    "smad_jax/methods/__init__.py",
    "smad_jax/methods/base.py",
    "smad_jax/methods/smad.py",
    "smad_jax/losses.py",
    "smad_jax/training/loop.py",
    "smad_jax/training/plan.py",
    "smad_jax/training/stepping.py",
    "smad_jax/training/optimizer.py",
)
BESIDE = (
    "configs/arguments.py",
    "configs/data.py",
    "configs/small.py",
    "configs/embedded.py",
    "smad_jax/experiment/settings.py",
    "smad_jax/experiment/keys.py",
    "smad_jax/experiment/splits.py",
    "smad_jax/experiment/streams.py",
    "smad_jax/data/order.py",
    "smad_jax/data/transforms.py",
    "smad_jax/training/joint.py",
    "smad_jax/training/schedules.py",
    "smad_jax/training/sharding.py",
    "smad_jax/training/train_state.py",
    "smad_jax/base/aspect_table.py",
)
# What the table printed for commit 555be8c, and what it should print.
BEFORE = {
    "files": "212",
    "lines": "33,103",
    "reading distance": "4,683 in 31 files",
    "reading distance, tour": "3,519 in 19 files",
    "function length, median, p90, max": "9, 27, 74",
    "rooms, imports between them": "23, 93",
    "imports upwards, rooms on a circle": "0, 0",
    "parameters typed Namespace": "52",
    "suppressions": "3",
    "repeated pairs of 6 lines": "191",
    "comments per 100 lines": "2.3",
    "comments per 100 lines, models": "3.2",
    "comments per 100 lines, methods": "1.6",
    "comments per 100 lines, training": "2.8",
    "comments per 100 lines, experiment": "1.2",
    "public names documented": "100.0%",
    "arguments typed": "98.9%",
}
GOALS = {
    "lines": "fewer",
    "reading distance": "3,300",
    "reading distance, tour": "2,600",
    "function length, median, p90, max": "9, 27, 60",
    "rooms, imports between them": "17, 58",
    "imports upwards, rooms on a circle": "0, 0",
    "parameters typed Namespace": "0",
    "suppressions": "0",
    "repeated pairs of 6 lines": "95",
    **{f"comments per 100 lines, {room}": "8" for room in WHY},
    "public names documented": "100%",
    "arguments typed": "100%",
}


class Source(NamedTuple):
    """One file of code."""

    name: str
    text: str
    tree: ast.Module


class Function(NamedTuple):
    """A function: where it is, its lines without the docstring, and its syntax."""

    where: str
    length: int
    node: ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def sources(root: pathlib.Path = ROOT) -> tuple[Source, ...]:
    """Returns the code of a checkout, in the order of its names."""
    files = [file for name in CODE for file in (root / name).rglob("*.py")]
    files.append(root / "main.py")
    texts = {str(f.relative_to(root)): f.read_text("utf-8") for f in sorted(files)}
    return tuple(Source(name, text, ast.parse(text)) for name, text in texts.items())


def lines(text: str) -> int:
    """Counts the lines that are neither blank nor a comment alone."""
    return sum(not re.match(r"\s*(#|$)", line) for line in text.splitlines())


def distance(names: tuple[str, ...], root: pathlib.Path = ROOT) -> dict[str, int]:
    """Returns how many lines one reads in each of the named files that exist."""
    texts = {source.name: source.text for source in sources(root)}
    return {name: lines(texts[name]) for name in names if name in texts}


def functions(code: tuple[Source, ...]) -> list[Function]:
    """Returns every function, methods and nested ones included."""
    return [
        Function(f"{source.name}:{node.lineno}", _length(node), node)
        for source in code
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Returns a function's lines from `def` to its end, without its docstring."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node, clean=False) is not None:
        first = node.body[0]
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


def _arguments(function: Function) -> list[ast.arg]:
    """Returns the arguments of a function but `self` and `cls`."""
    given = function.node.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    every += [argument for argument in (given.vararg, given.kwarg) if argument]
    return [argument for argument in every if argument.arg not in ("self", "cls")]


def namespaces(code: tuple[Source, ...]) -> list[str]:
    """Returns where a parameter is typed as an `argparse.Namespace`."""
    return [
        function.where
        for function in functions(code)
        for argument in _arguments(function)
        if argument.annotation and "Namespace" in ast.unparse(argument.annotation)
    ]


def typed(code: tuple[Source, ...]) -> float:
    """Returns the share of arguments that have a type."""
    every = [a for function in functions(code) for a in _arguments(function)]
    return statistics.mean(argument.annotation is not None for argument in every)


def undocumented(code: tuple[Source, ...]) -> list[str]:
    """Returns the public modules, classes and functions without a docstring."""
    return [
        f"{source.name}:{getattr(node, 'lineno', 1)}"
        for source in code
        for node in _public(source.tree)
        if ast.get_docstring(node) is None
    ]


def _public(
    node: ast.Module | ast.ClassDef | ast.FunctionDef,
) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef]:
    """Yields a module or class and what is public in it."""
    yield node
    for inner in [] if isinstance(node, ast.FunctionDef) else node.body:
        if isinstance(inner, ast.ClassDef | ast.FunctionDef) and inner.name[0] != "_":
            yield from _public(inner)


def suppressions(code: tuple[Source, ...]) -> list[str]:
    """Returns where a checker or the formatter is switched off."""
    off = re.compile(r"#\s*(type:\s*ignore|noqa|fmt:\s*(skip|off)|pyright:)")
    return [
        f"{source.name}:{number}"
        for source in code
        for number, line in enumerate(source.text.splitlines(), 1)
        if off.search(line)
    ]


def comments(code: tuple[Source, ...]) -> float:
    """Returns the lines with a comment per 100 lines of code, docstrings not code."""
    with_comment = of_code = 0
    for source in code:
        kinds = collections.defaultdict(set)
        for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
            for number in range(token.start[0], token.end[0] + 1):
                kinds[number].add(token.type)
        silent = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
        silent |= {tokenize.COMMENT, tokenize.ENDMARKER}
        docs = _docstring_lines(source.tree)
        with_comment += sum(tokenize.COMMENT in kind for kind in kinds.values())
        of_code += sum(bool(kinds[n] - silent) for n in kinds.keys() - docs)
    return 100 * with_comment / of_code


def _docstring_lines(tree: ast.Module) -> set[int]:
    """Returns the numbers of the lines of strings that stand as statements."""
    return {
        number
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def edges(root: pathlib.Path = ROOT) -> set[tuple[str, str]]:
    """Returns which room imports which other one.

    Rooms are the packages and modules directly under `smad_jax`, its `__init__.py` and
    `__main__.py` too, and data_prep, configs and main.py as one each. A `__main__.py`
    deeper down is a program above all rooms and does not count.
    """
    code = sources(root)
    rooms = {_room(source.name) for source in code}
    found = set()
    for source in code:
        if source.name.count("/") == 1 or not source.name.endswith("/__main__.py"):
            for name in imports(source):
                other = name.removeprefix("smad_jax.").split(".")[0]
                # a name of `smad_jax/__init__.py` is no room
                found.add((_room(source.name), other if other in rooms else "smad_jax"))
    return {(room, other) for room, other in found if room != other}


def _room(name: str) -> str:
    """Returns the room of a file."""
    first, _, rest = name.removesuffix(".py").partition("/")
    inner = rest.split("/")[0]
    return inner if first == "smad_jax" and inner != "__init__" else first


def imports(source: Source) -> Iterator[str]:
    """Yields the modules of ours that a file imports, and names in them."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in CODE)


def reachable(starts: tuple[str, ...], root: pathlib.Path = ROOT) -> set[str]:
    """Returns the files that the named ones import, directly or not, themselves too."""
    by_name = {source.name: source for source in sources(root)}
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in found:
            found.add(name)
            for module in imports(by_name[name]):
                # a name in a module, the module, or a package on the way to it
                for path in itertools.accumulate(module.split("."), "{}/{}".format):
                    waiting += [f"{path}.py", f"{path}/__init__.py"]
    return found


def upwards(root: pathlib.Path = ROOT) -> list[tuple[str, str]]:
    """Returns the edges that the table of tests/test_architecture.py does not allow."""
    text = (root / "tests" / "test_architecture.py").read_text("utf-8")
    [value] = [
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MAY_IMPORT"
    ]
    allowed = {
        tuple(
            part.removeprefix("smad_jax.").split(".")[0] for part in (importer, other)
        )
        for importer, others in ast.literal_eval(value).items()
        for other in others
    }
    return sorted(edges(root) - allowed)


def circles(found: set[tuple[str, str]]) -> set[str]:
    """Returns the rooms that lie on a circle of imports, or between two circles."""
    while True:
        left = {(a, b) for a, b in found if any(b == c for c, _ in found)}
        left = {(a, b) for a, b in left if any(a == d for _, d in left)}
        if left == found:
            return {part for edge in found for part in edge}
        found = left


def repetitions(code: tuple[Source, ...]) -> int:
    """Counts pairs of places that share at least `SAME_LINES` lines in a row.

    Blank lines, comments, docstrings and imports do not count, and neither does
    indentation. A longer match of two places counts once.
    """
    numbered: list[tuple[str, str]] = []
    for source in code:
        numbered += [(source.name, line) for line in _plain_lines(source)]
        numbered.append((source.name, f"end of {source.name}"))
    texts = [line for _, line in numbered]
    windows = collections.defaultdict(list)
    for start in range(len(texts) - SAME_LINES + 1):
        windows[tuple(texts[start : start + SAME_LINES])].append(start)
    return sum(
        texts[one - 1] != texts[two - 1] or one == 0
        for places in windows.values()
        for one, two in itertools.combinations(places, 2)
        if two - one >= SAME_LINES
    )


def _plain_lines(source: Source) -> list[str]:
    """Returns a file's lines without comments, docstrings, imports and indentation."""
    skipped = _docstring_lines(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            skipped |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return [
        line.strip()
        for number, line in enumerate(source.text.splitlines(), 1)
        if number not in skipped and not re.match(r"\s*(#|$)", line)
    ]


def table(root: pathlib.Path = ROOT) -> dict[str, str]:
    """Returns every measure by its name, as it is printed."""
    code = sources(root)
    lengths = sorted(function.length for function in functions(code))
    every, tour = distance((*TOUR, *BESIDE), root), distance(TOUR, root)
    public = [node for source in code for node in _public(source.tree)]
    documented = 1 - len(undocumented(code)) / len(public)
    found = edges(root)
    measures = {
        "files": f"{len(code)}",
        "lines": f"{sum(source.text.count(chr(10)) for source in code):,}",
        "reading distance": f"{sum(every.values()):,} in {len(every)} files",
        "reading distance, tour": f"{sum(tour.values()):,} in {len(tour)} files",
        "function length, median, p90, max": (
            f"{lengths[len(lengths) // 2]}, {lengths[len(lengths) * 9 // 10]}, "
            f"{lengths[-1]}"
        ),
        "rooms, imports between them": (
            f"{len({part for edge in found for part in edge})}, {len(found)}"
        ),
        "imports upwards, rooms on a circle": (
            f"{len(upwards(root))}, {len(circles(found))}"
        ),
        "parameters typed Namespace": f"{len(namespaces(code))}",
        "suppressions": f"{len(suppressions(code))}",
        f"repeated pairs of {SAME_LINES} lines": f"{repetitions(code)}",
        "comments per 100 lines": f"{comments(code):.1f}",
    }
    for room in WHY:
        inside = tuple(s for s in code if s.name.startswith(f"smad_jax/{room}"))
        measures[f"comments per 100 lines, {room}"] = f"{comments(inside):.1f}"
    return measures | {
        "public names documented": f"{documented:.1%}",
        "arguments typed": f"{typed(code):.1%}",
    }


def markdown(measures: dict[str, str]) -> str:
    """Returns the table with the numbers before and the goals, for a page."""
    rows = [
        f"| {name} | {BEFORE[name]} | {value} | {GOALS.get(name, '')} |"
        for name, value in measures.items()
    ]
    return "\n".join(["| measure | before | now | goal |", "| --- " * 4 + "|", *rows])


def main(argv: list[str]) -> int:
    """Prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(description="measures the shape of the code")
    add = functools.partial(parser.add_argument, type=pathlib.Path)
    add("--root", default=ROOT, help="checkout to measure (default: this one)")
    add("--write", metavar="FILE", help="Markdown file whose part `shape` to replace")
    chosen = parser.parse_args(argv)
    root = chosen.root.resolve()
    measures = table(root)
    for name, value in measures.items():
        print(f"{name:<38}{value:>20}")
    print("\nlines to read, by file; the tour first")
    for name, count in distance((*TOUR, *BESIDE), root).items():
        print(f"{count:>6}  {name}")
    if chosen.write:
        documents.replace(chosen.write, "shape", markdown(measures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
