"""Bisphosphonate or denosumab ordered while the daily calcium is below its target, or nobody recorded it."""

from __future__ import annotations

from ...facts import Facts
from ...facts.requirements import (
    CONDITIONS,
    DIETARY_CALCIUM,
    MEDICATION_STATEMENTS,
    MEDICATIONS,
    PATIENT,
    SERUM_CALCIUM,
)
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

_ANTIRESORPTIVES = ("iv-bisphosphonate", "oral-bisphosphonate", "other-bisphosphonate", "denosumab")
# In these stages less calcium is advised than in osteoporosis.
_OWN_TARGET = frozenset({"g3", "g4", "g5", "dialysis"})


@rule(
    hooks=("order-select", "order-sign"),
    about=_ANTIRESORPTIVES,
    requires=(PATIENT, MEDICATIONS, MEDICATION_STATEMENTS, DIETARY_CALCIUM, SERUM_CALCIUM, CONDITIONS),
    outcomes={"gap": (), "intake-unknown": ()},
    values=("intake", "target", "above_age"),
    uses=("birth-date",),
)
def calcium_intake_target(facts: Facts, parameters: Parameters) -> Findings:
    """Speaks only where calcium from all sources is surely below the target, or nothing at all is known of it."""
    orders = facts.orders(*_ANTIRESORPTIVES)
    if not orders or facts.age is None or facts.age.youngest <= parameters.above_age:
        return
    intake, target = facts.calcium.intake, parameters.target_mg
    if intake.low >= target or intake.uncomputed:
        return
    if intake.gaps:
        yield from (Gap.of(gap) for gap in intake.gaps)
        return
    if intake.diet is None:
        outcome = "" if intake.contributions else "intake-unknown"
    else:
        outcome = "gap" if intake.high < target else ""
    if not outcome or facts.calcium.last_is_high or _has_own_target(facts):
        return
    values = {"intake": intake, "target": target, "above_age": parameters.above_age}
    yield Finding(outcome, about=orders, values=values)


def _has_own_target(facts: Facts) -> bool:
    disease = facts.kidneys.disease
    return disease is not None and disease.stage in _OWN_TARGET
