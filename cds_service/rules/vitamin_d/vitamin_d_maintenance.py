"""Antiresorptive drug for a patient over 50 whose vitamin D is sufficient, but hardly kept up by what is recorded."""

from __future__ import annotations

from ...facts import Facts
from ...facts.requirements import (
    CONDITIONS,
    MEDICATION_STATEMENTS,
    MEDICATIONS,
    PATIENT,
    SERUM_CALCIUM,
    VITAMIN_D,
)
from ...knowledge import Parameters
from ..rule import Finding, Findings, rule

# Where vitamin D may raise serum calcium, nobody is advised to take it.
_FEARED = ("granulomatous", "lymphoma", "primary-hpt")


@rule(
    hooks=("order-select", "order-sign"),
    about=("iv-bisphosphonate", "oral-bisphosphonate", "denosumab"),
    requires=(PATIENT, VITAMIN_D, MEDICATIONS, MEDICATION_STATEMENTS, SERUM_CALCIUM, CONDITIONS),
    outcomes={"gap": ()},
    values=("level", "intake", "minimum", "age_over"),
    uses=("birth-date",),
)
def vitamin_d_maintenance(facts: Facts, parameters: Parameters) -> Findings:
    """Speaks for each order while the level is sufficient and too little vitamin D is recorded to keep it so."""
    orders = facts.orders("iv-bisphosphonate", "oral-bisphosphonate", "denosumab")
    if not orders:
        return
    age = facts.age
    if age is None or age.youngest <= parameters.age_over:
        return
    state = facts.vitamin_d.state
    minimum = facts.settings.vitamin_d.maintenance_iu_day
    if state.name not in ("sufficient", "ageing"):
        return
    if not facts.vitamin_d.intake.surely_below(minimum) or facts.vitamin_d.recently_loaded:
        return
    if facts.calcium.last_is_high or facts.condition(*_FEARED) is not None:
        return
    values = {
        "level": state.level,
        "intake": facts.vitamin_d.intake,
        "minimum": minimum,
        "age_over": parameters.age_over,
    }
    for order in orders:
        yield Finding("gap", about=(order,), values=values)
