import io
import itertools
import logging
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import monitoring
from jax.experimental.compilation_cache import compilation_cache

from smad_jax.training import compiling, log, progress
from tests.training.test_terminal import Screen


def pass_time(monkeypatch, seconds):
    """Makes every look at the clock take so many seconds."""
    ticks = itertools.count()
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(ticks) * seconds)


@pytest.fixture
def screen(monkeypatch):
    """A terminal of 60 columns, where the log's lines go."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    before = log.logger.handlers, log.logger.level, log.logger.propagate
    made = Screen()
    log.to_console(made)
    yield made
    log.logger.handlers, log.logger.level, log.logger.propagate = before


def drawn(screen):
    """What was drawn, one entry a drawing."""
    parts = re.split(r"\r|\n", "\n".join(screen.lines()))
    return [part.strip() for part in parts if part.strip()]


def test_bar_shows_the_share_and_the_time_that_is_left(screen):
    with progress.Bar("demo", 110) as bar:
        for step in range(101, 111):
            bar.update(step)
    last = drawn(screen)[-1]
    assert re.fullmatch(r"demo ━+ 110/110 +100% eta 0:00:00", last)
    # Cleared at the end: cursor up, or to the left, and the line erased.
    assert screen.getvalue().endswith("\x1b[2K")


def test_what_is_waited_for_is_shown_until_the_first_update(screen):
    with progress.Bar("demo", 9, "the step") as bar:
        waiting = drawn(screen)
        bar.update(1)
        assert "compiling" not in drawn(screen)[-1]
    assert re.fullmatch(r"demo compiling the step \d:\d\d:\d\d", waiting[-1])


def heard(seconds, cached):
    """Tells the listeners of a small program, and then of one that takes longer."""
    for duration, found in [(0.1, not cached), (seconds, cached)]:
        if found:
            monitoring.record_event_duration_secs(compiling._FROM_CACHE, duration)
        for part in compiling._PARTS:
            monitoring.record_event_duration_secs(part, duration)


@pytest.mark.parametrize("where", ["terminal", "pipe"])
@pytest.mark.parametrize(
    ("seconds", "cached", "expected"),
    [
        (4, False, "demo: the step was compiled in 12 s"),
        (0.4, True, "demo: the step was taken from the cache in 1.2 s"),
    ],
)
def test_log_keeps_how_long_compiling_took(screen, where, seconds, cached, expected):
    made = screen if where == "terminal" else io.StringIO()
    log.to_console(made)
    with progress.Bar("demo", 9, "the step") as bar:
        heard(seconds, cached)
        bar.update(1)
        heard(99.0, cached)  # of a test, say
        bar.update(2)
    lines = drawn(screen) if where == "terminal" else made.getvalue().splitlines()
    assert [line for line in lines if " was " in line] == [expected]


def test_program_that_is_compiled_again_is_known_to_come_from_the_cache(tmp_path):
    names = "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"
    before = [getattr(jax.config, name) for name in names]
    found = []
    try:
        for name, value in zip(names, (str(tmp_path), 0.0), strict=True):
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        for _ in range(2):
            jax.clear_caches()
            with compiling.Watch() as watch:
                jax.jit(lambda x: jnp.sort(x) @ x.T)(jnp.ones((7, 7)))
            found.append(watch.outcome())
    finally:
        for name, value in zip(names, before, strict=True):
            jax.config.update(name, value)
        compilation_cache.reset_cache()
    assert found[0].startswith("compiled in ")
    assert found[1].startswith("taken from the cache in ")
    with compiling.Watch() as watch:
        pass
    assert watch.outcome() == ""


def test_time_left_is_that_of_the_updates_and_not_of_the_wait(screen, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: clock[0])
    with progress.Bar("demo", 100) as bar:
        clock[0] = 1000.0  # of compiling
        for step in range(1, 51):
            clock[0] += 1.0
            bar.update(step)
    assert drawn(screen)[-1].endswith("50/100  50% eta 0:00:50")


def test_lines_of_the_log_stand_above_the_bar(screen):
    with progress.Bar("demo", 9) as bar:
        bar.update(1)
        log.logger.info("a line")
        bar.update(2)
    log.logger.info("after")
    lines = drawn(screen)
    assert lines[lines.index("a line") + 1].startswith("demo ━")  # again below it
    assert lines[-1] == "after"


@pytest.mark.parametrize("case", ["pipe", "quiet"])
def test_without_a_terminal_no_bar_is_drawn(screen, case):
    made = io.StringIO() if case == "pipe" else Screen()
    log.to_console(made)
    if case == "quiet":
        log.quieten()
    with progress.Bar("demo", 3, "the step") as bar:
        for step in (1, 2, 3):
            bar.update(step)
    assert made.getvalue() == ("demo: compiling the step\n" if case == "pipe" else "")


@pytest.mark.parametrize("columns", [8, 20, 30, 45, 200])
def test_narrow_terminals_are_not_overrun(screen, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    log.to_console(screen)
    with progress.Bar("a rather long name of a run", 2000) as bar:
        for step in range(1, 40):
            bar.update(step)
    assert 4 < max(map(len, drawn(screen))) <= columns


@pytest.fixture
def pipe(monkeypatch, caplog):
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


def test_test_on_a_terminal_has_a_bar(screen):
    assert len(list(progress.through(videos([4, 3]), "rare", 7))) == 2
    assert re.fullmatch(r"rare ━+ 7/7 100% eta .*", drawn(screen)[-1])
