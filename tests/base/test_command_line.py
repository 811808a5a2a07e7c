import argparse
import dataclasses
import errno
import io
import os
import sys

import pytest

from smad_jax import errors
from smad_jax.base import command_line


def test_what_is_said_is_printed_and_the_code_is_zero(capsys):
    assert command_line.run(lambda: "a\nb") == 0
    assert capsys.readouterr() == ("a\nb\n", "")
    assert command_line.run(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("kind", "code"), [(errors.ConfigError, 2), (errors.DataError, 3)]
)
def test_error_of_the_users_is_one_line_with_its_code(kind, code, capsys):
    def act():
        raise kind("no list at there.txt")

    assert command_line.run(act) == code
    assert capsys.readouterr() == ("", "error: no list at there.txt\n")


@dataclasses.dataclass(frozen=True)
class Size:
    width: int = 1
    height: int = 2


def test_options_that_a_dataclass_names_come_as_one(capsys):
    def add_arguments(parser):
        parser.add_argument("--width", type=int)
        parser.add_argument("--name")

    def act(*, name: str, size: Size) -> str:
        return f"{name}: {size.width} x {size.height}"

    program = command_line.Program("python -m act", "a size", add_arguments, act)
    assert program(["--width", "5", "--name", "box"]) == 0
    assert capsys.readouterr().out == "box: 5 x 2\n"
    assert program(["--name", "box"]) == 2
    assert "width" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "No space left on device; make room and run"),
        (errno.EDQUOT, "make room and run the same command again"),
        (errno.EACCES, "Permission denied; give permission"),
        (errno.ENOTDIR, "Not a directory; a folder is needed there"),
    ],
)
def test_full_disk_and_missing_permission_are_one_line(number, advice, capsys):
    def act():
        raise OSError(number, os.strerror(number), "there/labels.csv")

    assert command_line.run(act) == 3
    printed = capsys.readouterr().err
    assert printed.startswith("error: there/labels.csv: ")
    assert advice in printed
    assert len(printed.splitlines()) == 1


def test_whole_numbers_have_a_least_value(capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=command_line.whole_number(1))
    assert parser.parse_args(["--jobs", "2"]).jobs == 2
    for text, printed in (("0", "at least 1, not 0"), ("x", "invalid whole number")):
        with pytest.raises(SystemExit):
            parser.parse_args(["--jobs", text])
        assert printed in capsys.readouterr().err


def test_program_gives_its_options_to_a_typed_function(capsys):
    def add_arguments(parser):
        parser.add_argument("--count", type=int, default=2, help="of words")
        parser.add_argument("--loud", action="store_true", help="capitals")

    def say(*, count: int, loud: bool) -> str:
        return ("WORD " if loud else "word ") * count

    program = command_line.Program("python -m say", "words", add_arguments, say)
    assert program([]) == 0
    assert program(["--count", "1", "--loud"]) == 0
    assert capsys.readouterr().out == "word word \nWORD \n"
    with pytest.raises(SystemExit):
        program(["--help"])
    printed = capsys.readouterr().out
    assert "usage: python -m say" in printed
    assert "of words (default: 2)" in printed
    assert "Words." in printed
    assert "False" not in printed


def test_other_errors_of_the_system_are_not_hidden():
    def act():
        raise FileNotFoundError(errno.ENOENT, "No such file", "ours.json")

    with pytest.raises(FileNotFoundError):
        command_line.run(act)


def test_ctrl_c_ends_with_130_and_a_line(capsys):
    def act():
        raise KeyboardInterrupt

    assert command_line.run(act, stopped="stopped; run it again") == 130
    assert capsys.readouterr() == ("", "\nstopped; run it again\n")


def test_mistake_of_ours_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        command_line.run(lambda: str(1 // 0))


def test_names_cannot_move_the_cursor_or_hide_text(capsys):
    name = "\x1b]0;title\x07a\x9b2J\u202egpj.exe\r\ud800ü"
    shown = "\\x1b]0;title\\x07a\\x9b2J\\u202egpj.exe\\r\\ud800ü"

    def act():
        raise errors.DataError(f"no video {name}\n\tin the list")

    assert command_line.run(act) == 3
    assert command_line.run(lambda: name) == 0
    found = capsys.readouterr()
    assert found.err == f"error: no video {shown}\n\tin the list\n"
    assert found.out == f"{shown}\n"


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_terminal_breaks_lines_between_words_and_leaves_commands_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    sentence = "a sentence of several words, too long for one line of a terminal"
    command = "  python -m smad_jax predict --run runs/a --videos clips/"
    for name in ("stdout", "stderr"):
        stream = _Terminal()
        monkeypatch.setattr(sys, name, stream)
        write = (
            command_line.show if name == "stdout" else command_line.on_standard_error
        )
        write(f"{sentence}\n{command}")
        first, second, *rest = stream.getvalue().splitlines()
        assert f"{first} {second}" == sentence
        assert max(len(first), len(second)) < 40
        assert rest == [command]
