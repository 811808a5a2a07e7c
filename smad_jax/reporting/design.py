"""The design of a study: arms, pairs to test, and trials for tuning.

A design is a Python file with `get_config`, like `configs/study.py`; the text after the
colon is its argument and the name of the study.
"""

import dataclasses
import shlex
from collections.abc import Mapping

from smad_jax import errors
from smad_jax.experiment import config_files

BASELINE = "baseline"


@dataclasses.dataclass(frozen=True)
class Design:
    """A study on the embedded benchmark.

    Attributes:
        name: Name of the study, and of the part of a document with its tables.
        source: The file and argument, as on the command line.
        arms: For each arm the arguments after `main.py --config`; the baseline first.
        pairs: Arms to compare, the second subtracted from the first.
        primary: Of these comparisons, each with a test set, those that are corrected
            together for their number, chosen before the runs; by default all.
        settings: For the tuned arms, the flags of every trial.
        sets: Names of the test sets.
        tuning_seed: The draw that `tune` uses.
        prepare: Commands `python -m ...` to run for each seed after its baseline, with
            `{seed}`, `{data_root}` and `{baseline}`, a folder.
    """

    name: str
    source: str
    arms: Mapping[str, str]
    pairs: tuple[tuple[str, str], ...]
    settings: Mapping[str, tuple[tuple[str, ...], ...]]
    sets: tuple[str, ...]
    tuning_seed: int
    prepare: tuple[str, ...]
    primary: tuple[tuple[str, str, str], ...] = ()

    def command(self, arm: str) -> tuple[str, tuple[str, ...]]:
        """Returns an arm's config and its further flags."""
        config, *flags = shlex.split(self.arms[arm])
        return config, tuple(flags)


def load(source: str) -> Design:
    """Returns the study in `FILE:NAME`.

    Raises:
        ConfigError: if the file is missing or broken, or its arms do not match.
    """
    given = config_files.evaluate(source)
    fields = {field.name for field in dataclasses.fields(Design)} - {"source"}
    if not isinstance(given, Mapping) or set(given) | {"primary"} != fields:
        found = sorted(map(str, given)) if isinstance(given, Mapping) else [repr(given)]
        raise errors.ConfigError(
            f"{source} must describe a study by {', '.join(sorted(fields))}, but it "
            f"has {', '.join(found)}"
        )
    design = Design(source=source, **given)
    _check(design)
    return design


def _check(design: Design) -> None:
    """Raises ConfigError for parts of the wrong kind, or arms tuned differently."""
    _check_kinds(design)
    if next(iter(design.arms), "") != BASELINE:
        raise errors.ConfigError(f"{design.source}: the first arm must be {BASELINE!r}")
    compared = {(*pair, name) for pair in design.pairs for name in design.sets}
    if unknown := [row for row in design.primary if tuple(row) not in compared]:
        raise errors.ConfigError(
            f"{design.source}: primary must be a pair of `pairs` with one of `sets`, "
            f"but it is {unknown[0]!r}"
        )
    named = {arm for pair in design.pairs for arm in pair} | set(design.settings)
    if unknown := sorted(named - set(design.arms)):
        raise errors.ConfigError(
            f"{design.source} has no arm {', '.join(unknown)}; known: "
            f"{', '.join(design.arms)}"
        )
    trials = {arm: len(settings) for arm, settings in design.settings.items()}
    if len(set(trials.values())) > 1:
        raise errors.ConfigError(
            f"{design.source}: all arms must have equally many trials, not {trials}"
        )


def _check_kinds(design: Design) -> None:
    """Raises ConfigError unless flags and names are tuples of text."""

    def texts(value: object, count: int = 0) -> bool:
        return (
            isinstance(value, tuple | list)
            and all(isinstance(part, str) for part in value)
            and len(value) == (count or len(value))
        )

    arms, trials = list(design.arms.values()), list(design.settings.values())
    kinds = (
        ("arms", "the text after `--config` for each arm", texts(arms)),
        ("pairs", "pairs of arms", all(texts(pair, 2) for pair in design.pairs)),
        ("sets", "names of test sets", texts(design.sets) and len(design.sets) > 0),
        (
            "settings",
            "for an arm its trials, each a tuple of flags",
            all(texts(trial) for each in trials for trial in each),
        ),
    )
    for name, what, right in kinds:
        if not right:
            raise errors.ConfigError(
                f"{design.source}: {name} must be {what}, but it is "
                f"{getattr(design, name)!r}"
            )
