import io
import itertools
import logging
import re
import sys

import numpy as np
import pytest
import tqdm.std

from smad_jax.training import log, progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def pass_time(monkeypatch, seconds):
    """Makes every look at the clock take so many seconds."""
    ticks, drawn = itertools.count(), itertools.count()
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(ticks) * seconds)
    monkeypatch.setattr(tqdm.std, "time", lambda: next(drawn) * seconds)


@pytest.fixture
def clock(monkeypatch):
    """Time that passes by half a second a look, on a terminal of 60 columns."""
    pass_time(monkeypatch, 0.5)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "20")
    before = log.logger.level
    log.logger.setLevel(logging.INFO)
    yield
    log.logger.setLevel(before)


def lines(text):
    """What was drawn, one entry a drawing."""
    return [part.strip() for part in re.split(r"[\r\n]", text) if part.strip()]


def test_bar_shows_the_share_and_the_time_that_is_left(clock):
    screen = Terminal()
    with progress.Bar("demo", 110, screen) as bar:
        for step in range(101, 111):
            bar.update(step)
    drawn = lines(screen.getvalue())
    assert len(drawn) == 10
    assert re.fullmatch(r"demo \[#+\.+\] 101/110  92% eta \?", drawn[0])
    shares = [re.search(r" (\d+)/110 +(\d+)% eta 00:\d\d$", line) for line in drawn[1:]]
    assert [int(found[1]) for found in shares] == list(range(102, 111))
    assert drawn[9].endswith(" 110/110 100% eta 00:00")
    assert all(len(line) <= 59 for line in drawn)
    assert re.fullmatch(r"demo \[#+\] .*", drawn[9])
    assert screen.getvalue().endswith("\r")  # nothing is left of it
    assert not screen.getvalue().rpartition("100%")[2].strip("\r eta0:")


def test_bar_is_drawn_a_few_times_a_second_only(clock, monkeypatch):
    pass_time(monkeypatch, 0.01)
    screen = Terminal()
    with progress.Bar("demo", 500, screen) as bar:
        for step in range(1, 500):
            bar.update(step)
    assert 20 < len(lines(screen.getvalue())) < 60


def test_lines_of_the_log_stand_above_the_bar(clock, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    handler = logging.StreamHandler(screen)
    monkeypatch.setattr(log.logger, "handlers", [handler])
    with progress.Bar("demo", 9) as bar:
        bar.update(1)
        log.logger.info("a line")
        bar.update(2)
    log.logger.info("after")
    drawn = lines(screen.getvalue())
    assert drawn[1] == "a line"
    assert drawn[2].startswith("demo [")  # drawn again below it
    assert drawn[-1] == "after"
    assert log.logger.handlers == [handler]


@pytest.mark.parametrize("case", ["pipe", "dumb", "quiet"])
def test_pipe_gets_nothing(clock, monkeypatch, case):
    screen = io.StringIO() if case == "pipe" else Terminal()
    if case == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    if case == "quiet":
        log.quieten()
    with progress.Bar("demo", 3, screen) as bar:
        for step in (1, 2, 3):
            bar.update(step)
    assert screen.getvalue() == ""


@pytest.mark.parametrize("columns", [8, 20, 30, 45, 200])
def test_narrow_terminals_are_not_overrun(clock, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    screen = Terminal()
    with progress.Bar("a rather long name of a run", 2000, screen) as bar:
        for step in range(1, 40):
            bar.update(step)
    assert max(map(len, lines(screen.getvalue()))) < columns


@pytest.fixture
def pipe(clock, monkeypatch, caplog):
    """Sets how many seconds pass a look, where the log's lines go to no terminal."""
    caplog.set_level(logging.INFO, "smad_jax")
    monkeypatch.setattr(log.logger, "propagate", True)
    monkeypatch.setattr(log.logger, "handlers", [logging.StreamHandler(io.StringIO())])

    return lambda *, seconds: pass_time(monkeypatch, seconds)


def videos(counts):
    """Batches of so many videos, the last row of each being padding."""
    for count in counts:
        yield {"mask": np.arange(count + 1) < count}


def test_test_in_a_pipe_logs_its_progress_once_a_minute(pipe, caplog):
    pipe(seconds=20)
    given = list(videos([30] * 7))
    assert list(progress.through(given, "rare", 210)) == given
    assert [record.getMessage() for record in caplog.records] == [
        "rare: 90 of 210 videos, 1.5 videos/s, eta 0:01:20",
        "rare: 180 of 210 videos, 1.5 videos/s, eta 0:00:20",
    ]


def test_padding_alone_is_no_rate(pipe, caplog):
    pipe(seconds=50)
    assert len(list(progress.through(videos([0, 0, 0]), "rare", 0))) == 3
    assert not caplog.records


def test_test_on_a_terminal_has_a_bar(clock, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(log.logger, "handlers", [logging.StreamHandler(screen)])
    assert len(list(progress.through(videos([4, 3]), "rare", 7))) == 2
    drawn = [line.split("]")[1] for line in lines(screen.getvalue())]
    assert drawn == [" 4/7  57% eta ?", " 7/7 100% eta 00:00"]
