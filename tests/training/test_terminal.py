import io
import logging
import re

import pytest

from smad_jax.training import log
from tests.training import test_log


class Screen(io.StringIO):
    def isatty(self):
        return True

    def lines(self):
        """What was written, without colours."""
        text = self.getvalue().replace("\x1b[2K\r", "")  # at the start of a line
        return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", text).splitlines()


@pytest.fixture
def screen(monkeypatch):
    """Opens a terminal of some width that the log goes to, with details or without."""
    before = log.logger.handlers, log.logger.level, log.logger.propagate
    monkeypatch.setenv("TERM", "xterm")

    def opened(columns, *, details=False):
        monkeypatch.setenv("COLUMNS", str(columns))
        made = Screen()
        log.to_console(made, details=details)
        return made

    yield opened
    log.logger.handlers, log.logger.level, log.logger.propagate = before


def report(step=1200, aspects=("scene", "object")):
    values = {"loss/action": 3.02}
    for name in aspects:
        values |= {f"accuracy/{name}": 0.089, f"loss/{name}": 0.39}
    row = test_log.row(values, dict.fromkeys(aspects, 0.063))._replace(step=step)
    log.report(row)


def test_steps_are_rows_below_a_header_with_the_chances(screen):
    made = screen(100)
    report(50)
    report(1200)
    assert made.lines() == [
        "",
        "run         step  epoch    loss  accuracy   scene  object  clips/s       eta",
        "          chance                    10.0%    6.3%    6.3%                   ",
        "train    50/5000    1/8   3.410     24.1%    8.9%    8.9%      412   0:19:38",
        "train  1200/5000    2/8   3.410     24.1%    8.9%    8.9%      412   0:19:38",
    ]


@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize("columns", [30, 60, 80, 100, 200])
def test_rows_fit_the_terminal_and_keep_what_matters_most(screen, columns, details):
    made = screen(columns, details=details)
    aspects = ("scene", "object", "event", "attribute", "context")
    report(aspects=aspects)
    _, title, *others = made.lines()
    assert len(title) < columns
    assert {len(line) for line in others} == {len(title)}
    kept = title.split()
    assert kept[kept.index("step") :][:1] == ["step"] and "loss" in kept
    if columns >= 80:
        assert {"accuracy", *aspects} <= set(kept)
    assert ("waiting" in kept) == (details and columns == 200)
    assert kept.count("action") == int(details and columns >= 100)  # its loss


def test_message_wraps_between_words_and_the_header_comes_again(screen):
    made = screen(60)
    report()
    words = [f"word{n}" for n in range(30)]
    log.logger.warning(" ".join(words))
    report()
    lines = made.lines()
    message = lines[4:-4]
    assert " ".join(message).split() == words
    assert max(map(len, message)) <= 60
    assert lines[-4:] == lines[:4]


def test_header_comes_again_when_it_has_scrolled_away(screen):
    made = screen(80)
    for step in range(1, 31):
        report(step)
    assert [n for n, line in enumerate(made.lines()) if "loss" in line] == [1, 29]


def test_line_for_programs_is_left_to_files_and_pipes(screen, tmp_path):
    made = screen(80)
    log.to_file(tmp_path / "train.log")
    log.logger.info("RESULT {}", extra={"for_programs": True})
    report()
    plain = (tmp_path / "train.log").read_text().splitlines()
    assert plain[0].endswith("RESULT {}")
    assert "| data 0.010s of step 0.310s | 412 clips/s | eta 0:19:38" in plain[1]
    assert "RESULT" not in made.getvalue()
    log.logger.info("in detail", extra={"for_file": True})
    assert (tmp_path / "train.log").read_text().endswith(" in detail\n")
    assert "in detail" not in made.getvalue()
    logging.getLogger("smad_jax").handlers[-1].close()


def test_message_covers_the_bar_of_another_run_in_the_terminal(screen):
    made = screen(80)
    made.write("other ━━━━ 3/9")
    log.logger.info("a line")
    assert made.getvalue() == "other ━━━━ 3/9\x1b[2K\ra line\n"


@pytest.mark.parametrize("case", ["pipe", "dumb"])
def test_pipe_gets_complete_plain_lines(screen, monkeypatch, case):
    screen(80)
    made = io.StringIO() if case == "pipe" else Screen()
    monkeypatch.setenv("TERM", "dumb" if case == "dumb" else "xterm")
    log.to_console(made)
    report()
    assert made.getvalue().startswith("train step 1200/5000 (epoch 2/8) | loss 3.410: ")
    log.logger.info("in detail", extra={"for_file": True})
    assert made.getvalue().count("\n") == 1 and "\x1b" not in made.getvalue()
