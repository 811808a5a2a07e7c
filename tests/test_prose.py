"""The check of our prose finds what it should, and nothing else."""

import pytest

from tests import prose


def lines_and_words(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return [(found.line, found.word) for found in prose.findings(path)]


@pytest.mark.parametrize(
    ("sentence", "word"),
    [
        ("A clip shall reveal nothing.", "shall"),
        ("Likewise for images.", "Likewise"),
        ("Labels are dealt anew.", "dealt"),
        ("The file is mended.", "mended"),
        ("The count is told.", "told"),
        ("It keeps what it said.", "said"),
        ("Nothing is asked of labels.", "asked"),
        ("Tags, of\n    which there are many.", "of which"),
        ("Prints what there is.", "what there is"),
        ("Names whose videos they are.", "whose videos they are"),
        ("Files as they lie about.", "lie about"),
        ("Three things differ.", "things"),
        ("A stopped command goes on.", "goes on"),
        ("The method wants clips.", "wants"),
    ],
)
def test_a_refused_word_is_found_in_each_kind_of_prose(tmp_path, sentence, word):
    assert (3, word) in lines_and_words(tmp_path, "a.md", f"# A\n\n{sentence}\n")
    docstring = f'"""A module.\n\n{sentence}\n"""\n'
    assert (3, word) in lines_and_words(tmp_path, "a.py", docstring)
    page = f"<style>b {{}}</style>\n<p>\n{sentence}{{{{ value }}}}</p>"
    assert (3, word) in lines_and_words(tmp_path, "a.jinja", page)


def test_comments_and_messages_are_read_and_their_lines_named(tmp_path):
    text = (
        "def run(path):\n"
        "    # the file, of\n"
        "    # which one is kept\n"
        "    raise ValueError(\n"
        '        f"{path} is damaged and "\n'
        '        f"can be mended"\n'
        "    )\n"
    )
    found = lines_and_words(tmp_path, "a.py", text)
    assert found == [(2, "of which"), (6, "mended")]


@pytest.mark.parametrize(
    "text",
    [
        "Two arms cannot be told apart. Nothing and something differ.",
        "A user who wants more. Draw it on the left; it goes on the left.",
        "Run\n\n    python anew.py\n    told\n\nUse `--shall` or\n\n```\ntold\n```\n",
        "<!-- study -->\nsaid\n<!-- end study -->\n",
        "A marshall essays commendable amendments.",
    ],
)
def test_good_words_code_and_generated_tables_are_left_alone(tmp_path, text):
    assert lines_and_words(tmp_path, "a.md", text) == []


def test_names_in_code_are_left_alone(tmp_path):
    text = 'told = said(of="which")  # `told` counts\n'
    assert lines_and_words(tmp_path, "a.py", text) == []


def test_an_allowed_word_may_stand_in_its_file_only(tmp_path, monkeypatch):
    monkeypatch.setitem(prose.ALLOWED, ("a.md", "shall"), "a quoted title")
    assert lines_and_words(tmp_path, "a.md", "We shall overcome.") == []
    assert lines_and_words(tmp_path, "b.md", "We shall overcome.") != []


def test_the_exit_code_says_whether_a_word_was_found(tmp_path, capsys):
    (tmp_path / "a.md").write_text("shall")
    (tmp_path / "b.md").write_text("must")
    assert prose.main([str(tmp_path / "a.md"), str(tmp_path / "b.md")]) == 1
    assert "a.md:1: 'shall'" in capsys.readouterr().out
    assert prose.main([str(tmp_path / "b.md")]) == 0


def test_files_read_include_the_pages_the_package_and_the_commands():
    names = {path.relative_to(prose.ROOT).as_posix() for path in prose.our_files()}
    assert names >= {"README.md", "main.py", "smad_jax/losses.py", "configs/study.py"}
    assert "smad_jax/reporting/audit/page.html.jinja" in names
