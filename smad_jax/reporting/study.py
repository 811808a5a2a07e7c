"""The embedded studies: the arms of a design, over seeds.

Every seed draws its own data. `tune` chooses hyper-parameters on a draw that no table
uses, with the same number of trials for every arm.
"""

import dataclasses
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.data import preparation
from smad_jax.reporting import dependence, kept, runs, tables
from smad_jax.reporting.design import BASELINE, Design

Report = Callable[[str], None]

_CONTROL = " (in brackets the value by chance at the same accuracy)"


class Study(NamedTuple):
    """The results of a study, in Markdown.

    Attributes:
        means: The table of means over seeds alone.
        text: All tables, and how they were made.
    """

    means: str
    text: str


def seed_flags(seed: int) -> tuple[str, ...]:
    """Returns the flags that give a run a seed and a draw of data of its own."""
    return (f"--config.seed={seed}", f"--config.data.embedded_seed={seed}")


def run(
    design: Design,
    out: pathlib.Path,
    seeds: Sequence[int],
    at_once: int,
    report: Report,
    records: kept.Records | None = None,
) -> Study:
    """Makes the missing runs of arms x seeds under `out`; returns the tables.

    Args:
        design: The study.
        out: Folder of the runs.
        seeds: Of the draws.
        at_once: Number of runs side by side.
        report: Receives a line for every run and command that ends.
        records: Recorded runs, which are not repeated; new ones are added.

    Raises:
        DataError: if a run or a preparing command fails, or a folder has a run with
            other settings.
    """
    jobs = {
        (arm, seed): _job(design, arm, seed, out)
        for seed in seeds
        for arm in design.arms
    }
    records = records or kept.Records(None)
    _check_sets(design, jobs.values())
    missing = {key: job for key, job in jobs.items() if records.find(job) is None}
    report(f"{len(jobs) - len(missing)} of {len(jobs)} runs are on record")
    runs.check(list(missing.values()))
    unmade = [seed for (_, seed), job in missing.items() if not runs.find(job.folder)]
    if design.prepare and unmade:
        # the teacher is a baseline's network, which a record does not hold
        needed = [seed for seed in seeds if seed in unmade]
        teachers = [jobs[BASELINE, seed] for seed in needed]
        runs.finish(teachers, at_once=at_once, report=report)
        for seed, teacher in zip(needed, teachers, strict=True):
            _prepare(design, seed, teacher.folder, report)
    finished = _finish(jobs.values(), records, at_once, report, design.sets[0])
    by_job = dict(zip(jobs, finished, strict=True))
    done = {arm: [by_job[arm, seed] for seed in seeds] for arm in design.arms}
    scores = {
        arm: {
            name: [run.results[f"{name}/top1"] for run in each] for name in design.sets
        }
        for arm, each in done.items()
    }
    means, differences = tables.study(scores, design.pairs, design.primary)
    rows = (
        "the primary comparisons, which were named before the runs; the others, "
        "without a corrected value, are exploratory"
        if design.primary
        else "all rows"
    )
    costs, measured = _costs(done), _dependence(done, design.sets[0])
    listed = " ".join(map(str, seeds))
    command = f"study --config {design.source} --seeds {listed}"
    origin = _origin(finished, at_once, command)
    text = (
        f"Top-1 accuracy in per cent, mean ± standard deviation over seeds "
        f"{listed.replace(' ', ', ')}, each with its own draw of the data.\n\n"
        f"{means}\n\n"
        f"Paired differences in points, with a two-sided t-test; Holm's correction is "
        f"over {rows}.\n\n"
        f"{differences}\n\n{measured}"
        f"Median processor time of a run, and whether it sees unlabelled videos of a "
        f"test set.\n\n{costs}\n\n{origin}\n"
    )
    return Study(means, text)


def tune(
    design: Design,
    out: pathlib.Path,
    at_once: int,
    report: Report,
    records: kept.Records | None = None,
) -> str:
    """Tries every arm's settings on the tuning draw; `records` as in `run`.

    The score of a setting is the mean of the accuracies on that draw's test sets.

    Raises:
        ConfigError: if the design tunes nothing.
        DataError: if a run fails, or its folder has one with other settings.
    """
    if not design.settings:
        raise errors.ConfigError(f"{design.source} has no settings to try")
    draw = design.tuning_seed
    jobs = {
        (arm, setting): runs.Job(
            design.command(arm)[0],
            (*design.command(arm)[1], *setting, *seed_flags(draw)),
            out / "tune" / _plain(arm) / f"{_plain(_named(setting))}-seed{draw}",
        )
        for arm, settings in design.settings.items()
        for setting in settings
    }
    records = records or kept.Records(None)
    _check_sets(design, jobs.values())
    finished = _finish(jobs.values(), records, at_once, report, design.sets[0])
    scores = {
        trial: 100 * np.array([run.results[f"{name}/top1"] for name in design.sets])
        for trial, run in zip(jobs, finished, strict=True)
    }
    rows = []
    for arm, settings in design.settings.items():
        means = [scores[arm, setting].mean() for setting in settings]
        best = settings[int(np.argmax(means))]
        for setting, mean in zip(settings, means, strict=True):
            values = (*scores[arm, setting], mean)
            cells = (f"{value:.1f}" for value in values)
            chosen = "chosen" if setting == best else ""
            rows.append((arm, _named(setting), *cells, chosen))
    table = tables.markdown(("arm", "setting", *design.sets, "mean", ""), rows)
    return (
        f"Top-1 accuracy in per cent on draw {draw}.\n\n{table}\n\n"
        f"{_origin(finished, at_once, f'tune --config {design.source}')}\n"
    )


def _finish(
    jobs: Iterable[runs.Job],
    records: kept.Records,
    at_once: int,
    report: Report,
    test: str,
) -> list[runs.Run]:
    """Returns all runs; makes and records those that are not on record."""
    jobs = list(jobs)
    known = {job: run for job in jobs if (run := records.find(job))}
    missing = [job for job in jobs if job not in known]
    for job, run in runs.make(missing, at_once=at_once, report=report):
        measured = dependence.measure(job.folder, test)
        known[job] = dataclasses.replace(run, dependence=measured)
        records.keep(job, known[job])
    return [known[job] for job in jobs]


def _check_sets(design: Design, jobs: Iterable[runs.Job]) -> None:
    """Checks the commands and their test sets, before any run.

    Raises:
        ConfigError: if a config, a flag or a test set does not exist.
    """
    for job in jobs:
        parts = (key.partition("evaluation.sets.") for key in runs.settings(job))
        known = [name for before, _, name in parts if name and not before]
        if unknown := sorted(set(design.sets) - set(known)):
            raise errors.ConfigError(
                f"{design.source}: {job.config} has no test set {', '.join(unknown)}; "
                f"known: {', '.join(known)}"
            )


def _job(design: Design, arm: str, seed: int, out: pathlib.Path) -> runs.Job:
    """Returns the run of an arm on a seed's draw.

    Its folder has the arm's name and flags, because an arm of the same name in another
    study may have other flags.
    """
    config, flags = design.command(arm)
    name = _plain("-".join(part for part in (arm, _named(flags)) if part))
    return runs.Job(config, (*flags, *seed_flags(seed)), out / name / f"seed{seed}")


def _prepare(design: Design, seed: int, baseline: pathlib.Path, report: Report) -> None:
    """Runs the design's commands for one seed."""
    for command in design.prepare:
        places = {
            "seed": str(seed),
            "data_root": preparation.default_root(),
            "baseline": str(baseline),
        }
        words = [word.format(**places) for word in command.split()]
        report(f"seed {seed}: python -m {' '.join(words)}")
        ended = subprocess.run(
            [sys.executable, "-m", *words], capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise errors.DataError(
                f"python -m {' '.join(words)} ended with {ended.returncode}:\n"
                f"{ended.stderr.strip() or ended.stdout.strip()}"
            )
        report(ended.stdout.strip().rpartition("\n")[2])


def _dependence(done: dict[str, list[runs.Run]], test: str) -> str:
    """Returns a table for each aspect of the dependence of predictions and features.

    An aspect that is unmeasured for any run, without predictions or labels, has none.
    """
    known = {arm: [run.dependence or {} for run in each] for arm, each in done.items()}
    everything = [measures for each in known.values() for measures in each]
    aspects = {key.partition("/")[0] for key in everything[0]}
    text = ""
    for aspect in sorted(aspects, reverse=True):
        keys = [f"{aspect}/{name}" for name in dependence.MEASURES]
        of_truth = [f"{aspect}/oracle", "", "", f"{aspect}/majority"]
        if not all(set(keys) <= set(measures) for measures in everything):
            continue
        rows = [("true actions", *_spreads(known[BASELINE], of_truth))]
        rows += [(arm, *_spreads(known[arm], keys)) for arm in known]
        key = f"{aspect}/separation/control"
        controlled = all(key in measures for measures in everything)
        text += (
            f"Dependence on the {aspect}, on {test}: NMI of prediction and {aspect}, "
            f"the same within an action and within a prediction"
            f"{_CONTROL * controlled}, and the accuracy in per cent of a fresh linear "
            f"probe of the {aspect} on the features; in the first row that of always "
            f"predicting the most frequent one.\n\n"
            f"{tables.markdown(('arm', *dependence.MEASURES), rows)}\n\n"
        )
    return text


def _spreads(measured: list[dict[str, float]], keys: Sequence[str]) -> list[str]:
    """Cells of mean and standard deviation over runs; an empty one for an empty key.

    The mean of the controls follows in brackets if all runs have one.
    """
    cells = []
    for key, measure in zip(keys, dependence.MEASURES, strict=True):
        scale, digits = (100, 1) if measure == "probe" else (1, 3)
        values = scale * np.array([found[key] for found in measured if key])
        spread = (values.mean(), values.std(ddof=1)) if key else ()
        cell = " ± ".join(f"{value:.{digits}f}" for value in spread)
        if key and all(f"{key}/control" in found for found in measured):
            control = np.mean([found[f"{key}/control"] for found in measured])
            cell += f" ({control:.{digits}f})"
        cells.append(cell)
    return cells


def _costs(done: dict[str, list[runs.Run]]) -> str:
    """Returns the table of each arm's processor time and use of target data."""
    seconds = {arm: _median_seconds(arms_runs) for arm, arms_runs in done.items()}
    rows = [
        (
            arm,
            _whole(seconds[arm]),
            _ratio(seconds[arm], seconds[BASELINE]),
            "yes" if any(run.sees_target_data for run in done[arm]) else "no",
        )
        for arm in done
    ]
    return tables.markdown(("arm", "seconds", "of the baseline's", "sees target"), rows)


def _median_seconds(finished: Sequence[runs.Run]) -> float | None:
    """The median of the known processor times; None if none is known."""
    known = [run.processor_seconds for run in finished if run.processor_seconds]
    return float(np.median(known)) if known else None


def _whole(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.0f}"


def _ratio(seconds: float | None, base: float | None) -> str:
    return "?" if seconds is None or base is None else f"{seconds / base:.2f}"


def _origin(finished: Sequence[runs.Run], at_once: int, command: str) -> str:
    """Returns the line on commit, processor time and command."""
    commits = ", ".join(sorted({run.commit for run in finished}))
    seconds = _whole(_median_seconds(finished))
    return (
        f"Commit {commits}; {seconds} s of processor time a run, {at_once} at "
        f"once; `python -m smad_jax.reporting {command}`."
    )


def _named(setting: tuple[str, ...]) -> str:
    """Returns a setting's flags without the sections of their keys."""
    pairs = (flag.partition("=") for flag in setting)
    return " ".join(f"{key.rpartition('.')[2]}={value}" for key, _, value in pairs)


def _plain(name: str) -> str:
    """Returns a name as a folder name."""
    return re.sub("[ ,=]+", "-", name.lower())
