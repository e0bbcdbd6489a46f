"""Bisphosphonate ordered in chronic kidney disease that may have changed the bone."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...facts import Facts
from ...facts.requirements import CONDITIONS, PHOSPHATE, PTH, RENAL, SERUM_CALCIUM, VITAMIN_D
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

ADVANCED, ABNORMAL = "advanced", "g3-abnormal"
_INFUSIONS = "iv-bisphosphonate"
# Every one of E21 and N25.81: secondary and primary first, so that the more telling diagnosis is named.
_HYPERPARATHYROIDISM = ("secondary-hpt", "primary-hpt", "hyperparathyroidism")


@dataclass(frozen=True, slots=True)
class Listed:
    """One of the results to be reviewed: the code of its name, and the value with its day where there is one."""

    name: str
    value: object = None
    day: datetime.date | None = None


@rule(
    hooks=("order-select", "order-sign"),
    about=(_INFUSIONS, "oral-bisphosphonate", "other-bisphosphonate"),
    requires=(CONDITIONS, RENAL, PTH, PHOSPHATE, SERUM_CALCIUM, VITAMIN_D),
    outcomes={ADVANCED: ("filtration", "infusion", "infusion-filtration"), ABNORMAL: ("diagnosis",)},
    values=(
        "disease",
        "estimate",
        "limit",
        "hyperparathyroidism",
        "pth",
        "pth_limit",
        "found",
        "absent",
        "failed",
        "pth_absent",
        "minerals_absent",
        "vitamin_d_absent",
    ),
)
def bisphosphonate_ckd_mbd(facts: Facts, parameters: Parameters) -> Findings:
    """Asks for a look at the mineral metabolism before a bisphosphonate in stage 4 and 5, and in stage 3 that is not
    quiet.
    """
    orders = facts.orders(_INFUSIONS, "oral-bisphosphonate", "other-bisphosphonate")
    if not orders:
        return
    outcome, case, values, gaps = _judged(facts, parameters)
    for gap in gaps:
        yield Gap.of(gap)
    if not outcome:
        return
    listed, missing = _results(facts)
    for gap in missing:
        yield Gap.of(gap)
    for order in orders:
        infusion = outcome == ADVANCED and _INFUSIONS in order.product.classes
        told = "-".join(part for part in ("infusion" if infusion else "", case) if part)
        yield Finding(outcome, (order,), {**values, **listed}, told)


def _judged(facts: Facts, parameters: Parameters) -> tuple[str, str, dict[str, Any], Sequence[DataUnavailable]]:
    """Outcome and case, what they rest on, and what could not be had where it might have changed them."""
    gaps: list[DataUnavailable] = []
    disease = _known(lambda: facts.kidneys.disease, gaps)
    if disease is not None and disease.advanced:
        return ADVANCED, "", {"disease": disease}, ()
    filtration = _known(lambda: facts.kidneys.filtration, gaps)
    if filtration is not None and filtration.below(parameters.advanced_below):
        values = {"disease": disease, "estimate": filtration, "limit": parameters.advanced_below}
        return ADVANCED, "filtration", values, ()
    if disease is None or disease.stage != "g3":
        return "", "", {}, gaps
    diagnosis = _known(lambda: facts.condition(*_HYPERPARATHYROIDISM), gaps)
    if diagnosis is not None:
        return ABNORMAL, "diagnosis", {"disease": disease, "hyperparathyroidism": diagnosis}, gaps
    pth = _known(lambda: facts.laboratory.pth, gaps)
    if pth is not None and pth.above(pth.high_limit or parameters.pth_high):
        limit = pth.high_limit or parameters.pth_high[pth.family]
        return ABNORMAL, "", {"disease": disease, "pth": pth, "pth_limit": limit}, gaps
    return "", "", {}, gaps


def _known(question: Callable[[], Any], gaps: list[DataUnavailable]) -> Any:
    """The answer; None where it could not be had, which is noted."""
    try:
        return question()
    except DataUnavailable as gap:
        gaps.append(gap)
        return None


def _results(facts: Facts) -> tuple[dict[str, Any], Sequence[DataUnavailable]]:
    """The results to be reviewed, those of which there is none, and those that could not be had."""
    laboratory = facts.laboratory
    questions: dict[str, Callable[[], Any]] = {
        "calcium": lambda: facts.calcium.serum,
        "phosphate": lambda: laboratory.phosphate,
        "pth": lambda: laboratory.pth,
        "alkaline-phosphatase": lambda: laboratory.alkaline_phosphatase,
        "25-hydroxyvitamin-d": lambda: facts.vitamin_d.last_level,
    }
    found, absent, failed, gaps = [], [], [], list[DataUnavailable]()
    for name, question in questions.items():
        before = len(gaps)
        result = _known(question, gaps)
        if len(gaps) > before:
            failed.append(Listed(name))
        elif result is None:
            absent.append(Listed(name))
        else:
            kind = getattr(result, "kind", "")
            found.append(Listed(f"{name}-{kind}" if kind else name, result, result.day))
    names = {one.name for one in absent}
    return {
        "found": found,
        "absent": absent,
        "failed": failed,
        "pth_absent": "pth" in names,
        "minerals_absent": bool(names & {"calcium", "phosphate"}),
        "vitamin_d_absent": "25-hydroxyvitamin-d" in names,
    }, gaps
