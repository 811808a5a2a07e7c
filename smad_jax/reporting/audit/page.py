"""The page of an audit: one HTML file without external resources."""

import pathlib
from collections.abc import Mapping

import jinja2

from smad_jax.evaluation import groups
from smad_jax.reporting.audit import analysis, naming, words

EXAMPLES = 4  # videos shown for each group


def render(audit: analysis.Audit, pictures: Mapping[str, str], seed: int) -> str:
    """Returns the page.

    Every name passes through autoescaping and `naming.plain`, so no class, scene or id
    can bring markup or turn the direction of the text around it.

    Args:
        audit: The results.
        pictures: Data URIs by id, for the videos that are available.
        seed: Of the bootstrap draws, named in the small print.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": naming.plain,
        "percent": words.percent,
        "points": words.points,
        "number": words.number,
        "number_of_points": words.number_of_points,
        "p_value": words.p_value,
        "interval": words.interval,
    }
    template = environment.get_template("page.html.jinja")
    return template.render(
        audit=audit,
        material=audit.material,
        models=list(audit.accuracy),
        findings=words.findings(audit),
        advice=words.advice(audit),
        thirds=groups.THIRDS,
        min_videos=groups.MIN_VIDEOS,
        pictures=pictures,
        num_examples=EXAMPLES,
        seed=seed,
    )


def examples(audit: analysis.Audit) -> list[str]:
    """Returns the ids of the videos that the page shows as examples."""
    model = next(iter(audit.accuracy))
    rows = [
        row
        for verdicts in audit.verdicts.values()
        for group in verdicts[model].groups
        for row in group.wrong[:EXAMPLES].tolist()
    ]
    return list(dict.fromkeys(str(audit.material.ids[row]) for row in rows))
