"""Bisphosphonate or denosumab ordered in pregnancy, or for a child."""

from __future__ import annotations

from ...facts import Facts
from ...facts.antiresorptives import BISPHOSPHONATES
from ...facts.conditions import Condition
from ...facts.orders import Order
from ...facts.requirements import CONDITIONS, PATIENT
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

_DENOSUMAB = "denosumab"


@rule(
    hooks=("order-select", "order-sign"),
    about=(*BISPHOSPHONATES, _DENOSUMAB),
    requires=(PATIENT, CONDITIONS),
    outcomes={"pregnancy": (_DENOSUMAB,), "paediatric": (_DENOSUMAB,)},
    values=("condition", "age"),
    uses=("birth-date",),
)
def bisphosphonate_pregnancy_paediatric(facts: Facts, parameters: Parameters) -> Findings:
    """Speaks for each order in a pregnancy on record, and below the age for which the adult doses are meant."""
    orders = facts.orders(*BISPHOSPHONATES, _DENOSUMAB)
    if not orders:
        return
    age = None
    try:
        age = facts.age
    except DataUnavailable as gap:
        yield Gap.of(gap)
    if age is not None and age.youngest < parameters.adult_age:
        for order in orders:
            yield Finding("paediatric", about=(order,), case=_case(order), values={"age": age})
    if age is None or age.youngest <= parameters.pregnancy_up_to_age:
        pregnancy: Condition | None = facts.condition("pregnancy")
        for order in orders if pregnancy is not None else ():
            yield Finding("pregnancy", about=(order,), case=_case(order), values={"condition": pregnancy})


def _case(order: Order) -> str:
    return _DENOSUMAB if _DENOSUMAB in order.product.classes else ""
