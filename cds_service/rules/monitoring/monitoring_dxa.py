"""Bone density that was not measured lately, or not at all, in a patient treated for osteoporosis."""

from __future__ import annotations

from collections.abc import Iterable

from ...facts import Facts, dosing
from ...facts.conditions import Condition
from ...facts.orders import Order
from ...facts.questions.basis import known
from ...facts.requirements import CONDITIONS, DXA, MEDICATION_STATEMENTS, MEDICATIONS, SERVICE_REQUESTS
from ...fhir import DataUnavailable, DataWithheld
from ...knowledge import Parameters
from ..rule import Finding, Findings, rule

_TREATMENT = ("iv-bisphosphonate", "oral-bisphosphonate", "other-bisphosphonate", "denosumab")
# Strengths that are given for cancer, where bone density is not what is followed.
_FOR_CANCER = frozenset({"denosumab-120", "zoledronic-acid-4mg"})


@rule(
    hooks=("order-select", "order-sign"),
    about=_TREATMENT,
    requires=(CONDITIONS, DXA, MEDICATIONS, MEDICATION_STATEMENTS, SERVICE_REQUESTS),
    outcomes={"due": ("glucocorticoid", "first-year"), "none-recorded": ()},
    values=("last", "age_days", "condition", "glucocorticoid", "plans_unknown"),
)
def monitoring_dxa(facts: Facts, parameters: Parameters) -> Findings:
    """Reminds after the usual interval; after the shorter one in the first year of treatment and on glucocorticoids.

    A query for results that failed is a gap, since nothing else reads them; that a site does not send them is none: it
    does without this reminder. Diagnoses and medications that could not be had are none either: without the diagnosis
    nothing is said, without the medications the longer interval holds.
    """
    orders = tuple(o for o in facts.orders(*_TREATMENT) if not o.product.classes & _FOR_CANCER)
    if not orders:
        return
    condition = _osteoporosis(facts)
    if condition is None:
        return
    try:
        last = facts.laboratory.last_densitometry
    except DataWithheld:
        return
    age = None if last is None else facts.clock.age_days(last)
    if age is not None and age <= parameters.interval_short_days:
        return
    glucocorticoid = None
    case = ""
    if age is not None and age <= parameters.interval_days:
        glucocorticoid = _glucocorticoid(facts, parameters)
        case = "glucocorticoid" if glucocorticoid else "first-year"
        if not glucocorticoid and not _in_first_year(facts, orders, parameters):
            return
    planned = known(lambda: facts.planned("dxa", parameters.interval_days))
    if planned:
        return
    values = {
        "last": last,
        "age_days": age,
        "condition": condition,
        "glucocorticoid": glucocorticoid,
        "plans_unknown": planned is None,
    }
    yield Finding("none-recorded" if last is None else "due", about=orders, case=case, values=values)


def _osteoporosis(facts: Facts) -> Condition | None:
    try:
        return facts.condition("osteoporosis")
    except DataUnavailable:
        return None


def _glucocorticoid(facts: Facts, parameters: Parameters) -> Order | Condition | None:
    """A glucocorticoid that is taken and not known to be a short course, or its long-term use on record."""
    for entry in facts.medicines.running("systemic-glucocorticoid").entries:
        span = dosing.course(entry.order.record, free_text=True, begun=facts.clock.today)
        length = (span.end - span.start).days if span.start and span.end else None
        if length is None or length >= parameters.glucocorticoid_min_days:
            return entry.order
    try:
        return facts.condition("long-term-glucocorticoid")
    except DataUnavailable:
        return None


def _in_first_year(facts: Facts, orders: Iterable[Order], parameters: Parameters) -> bool:
    """Whether treatment starts now or began less than a year ago; not when that cannot be told."""
    history = facts.medicines.on_record(*_TREATMENT)
    if history.gaps or any(order.record.prior_prescription for order in (*orders, *history.orders)):
        return False
    starts = [dosing.course(order.record, free_text=True).start for order in history.orders]
    return all(day is not None and facts.clock.age_days(day) < parameters.first_year_days for day in starts)
