"""All numbers of an audit; `words` and the page present them."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from smad_jax.evaluation import fairness, groups, information, rates
from smad_jax.reporting.audit import concern, joining, leaning, naming

MAX_LEANS = 12
MAX_GROUPS = 8
MAX_POOLS = 20  # lines of a table, without pictures
MAX_CONFUSIONS = 6
_PERMUTATIONS = 99_999


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Results of one model on one aspect.

    Attributes:
        measures: Table 4 of the model.
        thirds: Accuracy in each of `groups.THIRDS`.
        gap: The first of them minus the last; NaN if one of them has no video.
        gap_interval: Both ends of its 95 % interval.
        p_gap: Of the two-sided exact test of these two.
        controlled: The gap with the other aspects held fixed; None without others.
        concern: What follows from these.
        extra_errors: Mistakes beyond those that there would be if all thirds were as
            accurate as the usual one; NaN without it.
        reveals_more: Whether predictions share more information with the label than the
            true actions do, in nats. NMI alone can be higher because fewer actions are
            predicted.
        leans: See `leaning.leans`; at most `MAX_LEANS`.
        num_leans: How many there are before that limit.
        num_tested: See `leaning.num_tested`.
        groups: See `leaning.worst_groups`; those that are less accurate beyond chance,
            at most `MAX_GROUPS`.
        by_third: Pairs of class and third of rarity (`value`) that are less accurate
            than the rest of the class beyond chance; at most `MAX_POOLS`.
        pools: See `leaning.hard_values`; at most `MAX_POOLS`.
        listed: [V] bool, the mistakes in any of these that exceeds chance.
    """

    measures: fairness.Measures
    thirds: tuple[rates.Rate, ...]
    gap: float
    gap_interval: tuple[float, float]
    p_gap: float
    controlled: concern.Controlled | None
    concern: concern.Concern
    extra_errors: float
    reveals_more: bool
    leans: list[leaning.Lean]
    num_leans: int
    num_tested: tuple[int, int]
    groups: list[leaning.Group]
    by_third: list[leaning.Group]
    pools: list[leaning.Pool]
    listed: np.ndarray

    @property
    def too_few(self) -> bool:
        """Whether there are too few videos for any finding."""
        return self.concern.reason == "few" and not self.listed.any()


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two models in the thirds of one aspect.

    Attributes:
        thirds: The change in each third.
        adjusted: Their p-values by Holm's rule.
        gap: By how much the gap between usual and rare changes, second minus first.
        p_gap: Of the two-sided paired permutation test of that.
    """

    thirds: tuple[rates.Change, ...]
    adjusted: tuple[float, ...]
    gap: float
    p_gap: float


@dataclasses.dataclass(frozen=True)
class ClassRow:
    """One class in the table of all classes, for the audited model.

    Attributes:
        label: The class.
        rate: Its accuracy.
        commonest: Its most frequent label of the aspect.
        share: Share of its videos with that label, 0 to 1.
        there: Its accuracy on these.
        elsewhere: Its accuracy on the others.
    """

    label: int
    rate: rates.Rate
    commonest: int
    share: float
    there: rates.Rate
    elsewhere: rates.Rate


class Confusion(NamedTuple):
    """Videos of one class that are classified as one other.

    Attributes:
        label: Their class.
        answer: The other.
        rate: Their share of the class.
        rows: [n] of the videos.
    """

    label: int
    answer: int
    rate: rates.Rate
    rows: np.ndarray


@dataclasses.dataclass(frozen=True)
class Audit:
    """The results of an audit.

    Attributes:
        material: Its input.
        accuracy: By model.
        verdicts: By aspect, by model.
        change: Of accuracy between two models; None for one model.
        comparisons: By aspect; empty for one model.
        class_rows: For each aspect, of the audited model, the worst class first.
        confusions: Of the audited model, the most frequent first; at most
            `MAX_CONFUSIONS`.
        explained: How many mistakes of the audited model fall in a group or pair that
            exceeds chance, of any aspect; out of all mistakes.
        num_bootstrap: Draws behind the intervals of the measures.
    """

    material: joining.Material
    accuracy: Mapping[str, rates.Rate]
    verdicts: Mapping[str, Mapping[str, Verdict]]
    change: rates.Change | None
    comparisons: Mapping[str, Comparison]
    class_rows: Mapping[str, list[ClassRow]]
    confusions: list[Confusion]
    explained: rates.Rate
    num_bootstrap: int

    def of(self, aspect: str) -> Verdict:
        """Returns the verdict on the audited model."""
        return next(iter(self.verdicts[aspect].values()))


def analyse(
    material: joining.Material,
    *,
    num_bootstrap: int,
    seed: int,
    report: Callable[[str], None],
) -> Audit:
    """Returns all numbers of an audit.

    Args:
        material: One model, or two to be compared.
        num_bootstrap: Draws behind the intervals of NMI.
        seed: Random seed.
        report: Receives a line before each slow step.
    """
    right = {
        name: predicted == material.labels
        for name, predicted in material.models.items()
    }
    thirds = {
        aspect.name: groups.equal_thirds(
            material.labels, aspect.values, usual=aspect.usual, ids=material.ids
        )
        for aspect in material.aspects
    }
    verdicts = _verdicts(material, thirds, num_bootstrap, seed, report)
    audited = next(iter(material.models.values()))
    change, comparisons = None, {}
    if len(right) == 2:
        first, second = right.values()
        change = rates.mcnemar(first, second)
        comparisons = {
            name: _compare(first, second, third, np.random.default_rng(seed))
            for name, third in thirds.items()
        }
    wrong = audited != material.labels
    listed = np.any([next(iter(v.values())).listed for v in verdicts.values()], axis=0)
    return Audit(
        material=material,
        accuracy={name: rates.rate(hit) for name, hit in right.items()},
        verdicts=verdicts,
        change=change,
        comparisons=comparisons,
        class_rows={
            aspect.name: _class_rows(_count(material, aspect, audited))
            for aspect in material.aspects
        },
        confusions=_confusions(material.labels, audited, len(material.classes)),
        explained=rates.rate(listed[wrong]),
        num_bootstrap=num_bootstrap,
    )


def _verdicts(
    material: joining.Material,
    thirds: Mapping[str, np.ndarray],
    num_bootstrap: int,
    seed: int,
    report: Callable[[str], None],
) -> dict[str, dict[str, Verdict]]:
    """The verdicts by aspect and model; other arguments are those of `analyse`."""
    fixed = {
        one.name: concern.whole_labels(
            material.labels,
            groups.frequency(material.labels, one.values, usual=one.usual),
            thirds[one.name],
        )
        for one in material.aspects
    }
    verdicts: dict[str, dict[str, Verdict]] = {a.name: {} for a in material.aspects}
    for aspect in material.aspects:
        for name, predicted in material.models.items():
            called = naming.plain_text(naming.model(name))
            report(f"measuring how {called} depends on the {aspect.name}")
            measured = fairness.measures(
                material.labels,
                predicted,
                aspect.values,
                num_bootstrap=num_bootstrap,
                seed=seed,
            )
            verdicts[aspect.name][name] = _verdict(
                material, aspect, predicted, measured, thirds, fixed
            )
    return _settled(verdicts)


def _settled(
    verdicts: Mapping[str, Mapping[str, Verdict]],
) -> dict[str, dict[str, Verdict]]:
    """The same verdicts, judged again now that it is known which gaps are proven."""

    def settled(aspect: str, model: str, verdict: Verdict) -> Verdict:
        others = [one[model] for name, one in verdicts.items() if name != aspect]
        usual, _, rare = verdict.thirds
        found = concern.judge(
            usual,
            rare,
            verdict.controlled,
            verdict.num_leans,
            owned=any(other.concern.proven for other in others),
        )
        return dataclasses.replace(verdict, concern=found)

    return {
        aspect: {model: settled(aspect, model, one) for model, one in models.items()}
        for aspect, models in verdicts.items()
    }


def _count(
    material: joining.Material,
    aspect: joining.Aspect,
    predicted: np.ndarray,
) -> leaning.Counts:
    return leaning.count(
        material.labels,
        predicted,
        aspect.values,
        len(material.classes),
        len(aspect.names),
        [other.values for other in material.aspects if other is not aspect],
        usual=aspect.usual,
    )


def _verdict(
    material: joining.Material,
    aspect: joining.Aspect,
    predicted: np.ndarray,
    measured: fairness.Measures,
    thirds: Mapping[str, np.ndarray],
    fixed: Mapping[str, np.ndarray],
) -> Verdict:
    counts = _count(material, aspect, predicted)
    answers = material.labels, predicted, aspect.values
    right, third = predicted == material.labels, thirds[aspect.name]
    parts = tuple(rates.rate(right[third == n]) for n in range(3))
    leans, num_leans = leaning.leans(counts, MAX_LEANS)
    controlled = concern.control(aspect.name, material.labels, right, thirds, fixed)
    worst = leaning.worst_groups(*answers, limit=MAX_GROUPS)
    by_third = leaning.worst_groups(material.labels, predicted, third, limit=MAX_POOLS)
    pools = leaning.hard_values(counts, *answers)[:MAX_POOLS]
    known = (aspect.values >= 0) & (predicted >= 0)
    predictions, true = (
        information.mutual_information(of[known], aspect.values[known])
        for of in (predicted, material.labels)
    )
    return Verdict(
        measures=measured,
        thirds=parts,
        gap=parts[0].share - parts[2].share,
        gap_interval=rates.difference_interval(parts[0], parts[2]),
        p_gap=rates.differ(parts[0], parts[2]),
        controlled=controlled,
        concern=concern.judge(parts[0], parts[2], controlled, num_leans),
        extra_errors=sum(parts[0].share * p.num_videos - p.hits for p in parts),
        reveals_more=predictions > true,
        leans=leans,
        num_leans=num_leans,
        num_tested=leaning.num_tested(counts),
        groups=worst,
        by_third=by_third,
        pools=pools,
        listed=_listed(answers, leans, [*worst, *by_third], pools),
    )


def _listed(
    answers: tuple[np.ndarray, np.ndarray, np.ndarray],
    leans: Sequence[leaning.Lean],
    found: Sequence[leaning.Group],
    pools: Sequence[leaning.Pool],
) -> np.ndarray:
    """[V] bool: the mistakes in any group or pair that exceeds chance."""
    listed = np.zeros(len(answers[0]), bool)
    for rows in (
        *(lean.rows(*answers) for lean in leans),
        *(group.wrong for group in found),
        *(pool.wrong for pool in pools),
    ):
        listed[rows] = True
    return listed


def _compare(
    first: np.ndarray, second: np.ndarray, third: np.ndarray, rng: np.random.Generator
) -> Comparison:
    """McNemar's test in each third, and a permutation test of the gap between them.

    Under the null hypothesis the two predictions for a video may be swapped. A swap
    matters only where exactly one is correct, so under random swaps the change of a
    third is a binomial draw of such videos.
    """
    changes = tuple(
        rates.mcnemar(first[third == n], second[third == n]) for n in (0, 1, 2)
    )
    usual, rare = changes[0], changes[2]
    gap = usual.difference - rare.difference

    def swapped(change: rates.Change) -> np.ndarray:
        differ = change.first_only + change.second_only
        ahead = rng.binomial(differ, 0.5, _PERMUTATIONS)
        return (2 * ahead - differ) / max(1, change.num_videos)

    drawn = swapped(usual) - swapped(rare)
    extreme = int((np.abs(drawn) >= abs(gap) - 1e-12).sum())
    return Comparison(
        thirds=changes,
        adjusted=tuple(rates.holm([change.p for change in changes])),
        gap=gap,
        p_gap=(extreme + 1) / (_PERMUTATIONS + 1),
    )


def _confusions(
    labels: np.ndarray, predicted: np.ndarray, num_classes: int
) -> list[Confusion]:
    """The classes that are most often taken for one other, twice at least."""
    wrong = np.flatnonzero((labels != predicted) & (predicted >= 0))
    cells = labels[wrong] * num_classes + predicted[wrong]
    found, sizes = np.unique(cells, return_counts=True)
    order = np.argsort(-sizes, kind="stable")[:MAX_CONFUSIONS]
    videos = np.bincount(labels, minlength=num_classes)
    return [
        Confusion(
            label=int(cell // num_classes),
            answer=int(cell % num_classes),
            rate=rates.of(size, videos[cell // num_classes]),
            rows=wrong[cells == cell],
        )
        for cell, size in zip(found[order], sizes[order], strict=True)
        if size > 1
    ]


def _class_rows(counts: leaning.Counts) -> list[ClassRow]:
    """A row for every class that occurs, the least accurate first."""
    found = []
    for label in np.flatnonzero(counts.shown.any(axis=1)).tolist():
        shown, right = counts.shown[label], counts.right[label]
        top = int(shown.argmax())
        found.append(
            ClassRow(
                label=label,
                rate=rates.of(right.sum(), shown.sum()),
                commonest=top,
                share=float(shown[top] / shown.sum()),
                there=rates.of(right[top], shown[top]),
                elsewhere=rates.of(right.sum() - right[top], shown.sum() - shown[top]),
            )
        )
    return sorted(found, key=lambda row: row.rate.share)
