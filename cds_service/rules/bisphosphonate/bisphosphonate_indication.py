"""Bisphosphonate ordered without a reason for it on record."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from ...facts import Facts
from ...facts.requirements import (
    CONDITIONS,
    DXA,
    MEDICATION_STATEMENTS,
    MEDICATIONS,
    SERUM_CALCIUM,
)
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

_CLASSES = ("iv-bisphosphonate", "oral-bisphosphonate")
_REASONS = (
    "osteoporosis",
    "osteoporosis-fracture-history",
    "paget",
    "bone-cancer",
    "osteogenesis-imperfecta",
    "hypercalcaemia",
    "long-term-glucocorticoid",
)


@rule(
    hooks=("order-select", "order-sign"),
    about=_CLASSES,
    requires=(CONDITIONS, DXA, MEDICATIONS, MEDICATION_STATEMENTS, SERUM_CALCIUM),
    outcomes={"none-recorded": ()},
    values=("t_score", "t_score_limit", "glucocorticoid_days"),
)
def bisphosphonate_indication(facts: Facts, parameters: Parameters) -> Findings:
    """Speaks for an order that states no reason when the record holds none either; one reason is enough for silence."""
    orders = tuple(order for order in facts.orders(*_CLASSES) if not order.record.reasons)
    if not orders:
        return
    gaps: list[DataUnavailable] = []
    questions: tuple[Callable[[], bool], ...] = (
        lambda: facts.condition(*_REASONS) is not None,
        lambda: _low_t_score(facts, parameters),
        lambda: _long_term_glucocorticoid(facts, parameters),
        lambda: facts.calcium.emergency is not None,
    )
    if any(_ask(question, gaps) for question in questions):
        return
    if gaps:
        yield from (Gap.of(gap) for gap in gaps)
        return
    lowest = facts.laboratory.lowest_t_score
    values = {
        "t_score": None if lowest is None else str(lowest),
        "t_score_limit": parameters.t_score_limit,
        "glucocorticoid_days": parameters.glucocorticoid_days,
    }
    for order in orders:
        yield Finding("none-recorded", about=(order,), values=values)


def _low_t_score(facts: Facts, parameters: Parameters) -> bool:
    lowest: Decimal | None = facts.laboratory.lowest_t_score
    return lowest is not None and lowest <= parameters.t_score_limit


def _long_term_glucocorticoid(facts: Facts, parameters: Parameters) -> bool:
    """Whether a systemic glucocorticoid has been running long enough, or for nobody knows how long."""
    running = facts.medicines.running("systemic-glucocorticoid")
    for entry in running.entries:
        begun = facts.medicines.begun(entry.order)
        if begun is None or facts.clock.age_days(begun) >= parameters.glucocorticoid_days:
            return True
    for gap in running.gaps:
        raise gap
    return False


def _ask(question: Callable[[], bool], gaps: list[DataUnavailable]) -> bool:
    try:
        return question()
    except DataUnavailable as gap:
        gaps.append(gap)
        return False
