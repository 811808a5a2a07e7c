"""The page of an audit: one HTML file without external resources."""

import base64
import datetime
import hashlib
import pathlib
from collections.abc import Mapping

import jinja2

from smad_jax.base import command_line
from smad_jax.evaluation import groups
from smad_jax.reporting.audit import (
    advice,
    analysis,
    concern,
    conclusions,
    naming,
    words,
)

EXAMPLES = 4  # videos shown for each group

_FOLDER = pathlib.Path(__file__).parent
_AXES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)  # ends of axes


def render(audit: analysis.Audit, pictures: Mapping[str, str], seed: int) -> str:
    """Returns the page.

    Every name passes through autoescaping and `naming.plain`, so no class, scene or id
    can bring markup or turn the direction of the text around it. The page allows one
    script, by its hash: the one that sorts tables.

    Args:
        audit: The results.
        pictures: Data URIs by id, for the videos that are available.
        seed: Of the bootstrap draws, named in the small print.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
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
        "axis_end": _axis_end,
    }
    script = (_FOLDER / "page.js").read_text("utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    audited = next(iter(audit.accuracy))
    template = environment.get_template("page.html.jinja")
    return template.render(
        audit=audit,
        material=audit.material,
        title="the model" if audited == naming.UNNAMED else audited,
        models=list(audit.accuracy),
        aspects=conclusions.by_concern(audit),
        words=words,
        conclusions=conclusions,
        steps=advice.steps(audit, pictures=bool(pictures)),
        concern=concern,
        thirds=groups.THIRDS,
        min_videos=groups.MIN_VIDEOS,
        pictures=pictures,
        num_examples=EXAMPLES,
        seed=seed,
        date=datetime.date.today(),
        version=command_line.version(),
        style=(_FOLDER / "page.css").read_text("utf-8"),
        script=script,
        script_hash=base64.b64encode(digest).decode(),
    )


def examples(audit: analysis.Audit) -> list[str]:
    """Returns the ids of the videos that the page shows as examples."""
    material = audit.material
    predicted = next(iter(material.models.values()))
    shown = [confusion.rows for confusion in audit.confusions]
    for aspect in material.aspects:
        verdict = audit.of(aspect.name)
        answers = material.labels, predicted, aspect.values
        shown += [lean.rows(*answers) for lean in verdict.leans]
        shown += [group.wrong for group in verdict.groups]
    rows = [row for several in shown for row in several[:EXAMPLES].tolist()]
    return list(dict.fromkeys(str(material.ids[row]) for row in rows))


def _axis_end(share: float) -> float:
    """A round end for an axis that must hold a share."""
    return next((end for end in _AXES if share <= end), 1.0)
