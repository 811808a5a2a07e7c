"""Published numbers, each against its line of the paper in `paper_tables.txt`.

The file holds the rows of every table as the paper's text has them, under a line with
the names of the columns; where that text is at hand, the file is compared with it.
"""

import pathlib
import re

import pytest

from smad_jax.reporting import paper

HEADERS = {  # where the paper's differ from our names
    2: "Component SMAD OmniDebias Combination Model Train / Test"
    + 3 * " ARAS-64 K200db-val K200-val",
    4: "Independence I(Y \u2032, S) Separation I(Y \u2032, S|Y ) "
    "Sufficiency I(Y, S|Y \u2032)",
}
NUMBERS = pytest.mark.parametrize("number", range(1, 16))


def read_tables():
    """Header and rows by number of the table."""
    content = pathlib.Path(__file__).with_name("paper_tables.txt").read_text("utf-8")
    for block in content.strip().split("\n\n"):
        title, header, *rows = block.splitlines()
        yield int(title.removeprefix("Table ")), (header, rows)


LINES = dict(read_tables())


@pytest.fixture(scope="module")
def text(real_data):
    """Lines of the paper, without references and check marks."""
    files = sorted((real_data.parent / "paper").glob("*.txt"))
    if not files:
        pytest.skip(f"no text of the paper in {real_data.parent / 'paper'}")
    plain = re.sub(r" \[\d+\]| [✗✓]", "", files[0].read_text("utf-8"))
    return [" ".join(line.split()) for line in plain.splitlines()]


def printed(number, row):
    """The row as a line of the paper."""
    name = row.name.rpartition(": ")[2]
    return " ".join([name, *(cell(number, c) for c in row.cells)])


def cell(number, found):
    if found is None:
        return "-"
    digits = paper.TABLES[number].digits
    value = f"{found.value:.{digits}f}"
    if number == 11:
        million = found.value >= 1e6
        value = f"{found.value / (1e6 if million else 1e3):g}{'M' if million else 'K'}"
    if found.change is None:
        return value
    return f"{value} {'↑' if found.change > 0 else '↓'} {abs(found.change):.{digits}f}"


def around(text, number):
    """The lines near a table's caption."""
    [caption] = [
        n for n, line in enumerate(text) if line.startswith(f"Table {number}:")
    ]
    return text[max(0, caption - 45) : caption + 25]


def test_every_table_has_lines():
    assert list(paper.TABLES) == list(LINES) == list(range(1, 16))


@NUMBERS
def test_every_number_of_a_table_is_that_of_its_line(number):
    assert [printed(number, row) for row in paper.TABLES[number].rows] == LINES[number][
        1
    ]


@NUMBERS
def test_columns_are_named_as_in_the_paper(number):
    table = paper.TABLES[number]
    assert LINES[number][0] == HEADERS.get(number, " ".join(table.columns))
    assert {len(row.cells) for row in table.rows} == {len(table.columns)}


@NUMBERS
def test_lines_of_a_table_are_those_of_the_paper(text, number):
    header, rows = LINES[number]
    lines = around(text, number)
    assert header in " ".join(filter(None, lines))
    places, start = [], 0
    for line in rows:
        assert line in lines[start:], f"{line!r} is not in the paper, or out of order"
        start = lines.index(line, start) + 1
        places.append(start - 1)
    between = lines[places[0] : places[-1] + 1]
    numbers = [line for line in between if re.search(r"\d\.\d|\dK\b", line)]
    assert numbers == rows, "the paper has a row that we lack"


def test_nmi_of_the_true_labels_is_in_the_title():
    assert "0.487" in paper.TABLES[4].title


def test_nmi_of_the_true_labels_is_the_papers(text):
    assert any("I(Y, S) = 0.487" in line for line in text)
