"""The first screen of the page as text for a terminal of 80 columns."""

import textwrap
from collections.abc import Sequence

from smad_jax.evaluation import groups, rates
from smad_jax.reporting.audit import advice, analysis, conclusions, naming, words

_COLUMNS = 80  # of a terminal


def summary(audit: analysis.Audit, *, pictures: bool = True) -> str:
    """Returns the page's first screen for a terminal; arguments as `advice.steps`."""
    rows: list[tuple[str, ...]] = [
        ("accuracy", *groups.THIRDS, "gap, points", "concern")
    ]
    for aspect in audit.material.aspects:
        verdict = audit.of(aspect.name)
        rows.append(
            (
                naming.plain(aspect.name),
                *map(_of, verdict.thirds),
                words.gap(verdict),
                conclusions.level_name(audit, aspect),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    rate = next(iter(audit.accuracy.values()))
    parts = [
        textwrap.fill(conclusions.headline(audit), _COLUMNS),
        "\n".join([*lines, f"all videos: {_of(rate)} correct"]),
        "\n".join(_steps(advice.steps(audit, pictures=pictures))),
    ]
    text = "\n\n".join(parts).replace("\u00a0", " ")
    return "\n".join(map(naming.plain_text, text.split("\n")))


def _steps(steps: Sequence[advice.Step]) -> list[str]:
    """The steps by number, and their condition before the first that has it."""
    found, stated = [], ""
    for n, step in enumerate(steps, 1):
        if step.condition != stated:
            found.append(stated := step.condition)
        found.append(
            textwrap.fill(
                step.lead, _COLUMNS, initial_indent=f"{n}. ", subsequent_indent="   "
            )
        )
    return found


def _of(rate: rates.Rate) -> str:
    return f"{words.percent(rate.share)} of {rate.num_videos:,}"
