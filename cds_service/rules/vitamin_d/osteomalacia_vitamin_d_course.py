"""Vitamin D order for osteomalacia or rickets: long enough, and enough calcium with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...facts import Facts
from ...facts.orders import Order
from ...facts.requirements import CONDITIONS, DIETARY_CALCIUM, MEDICATION_STATEMENTS, MEDICATIONS, PATIENT
from ...facts.vitamin_d_regimen import Regimen
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule


@rule(
    hooks=("order-select", "order-sign"),
    about=("vitamin-d-nutritional",),
    requires=(CONDITIONS, MEDICATIONS, MEDICATION_STATEMENTS, DIETARY_CALCIUM, PATIENT),
    outcomes={"too-short": (), "duration-not-stated": (), "no-calcium": ("diet-recorded",), "dose-low": ()},
    values=("condition", "regimen", "weeks", "calcium", "calcium_minimum", "diet", "intake", "dose_minimum"),
    uses=("birth-date",),
)
def osteomalacia_vitamin_d_course(facts: Facts, parameters: Parameters) -> Findings:
    """Judges each order for vitamin D itself while osteomalacia is active; silent while dose or timing is missing."""
    orders = facts.vitamin_d.judged_alone()
    regimens = {order: facts.vitamin_d.regimen(order) for order in orders}
    judged = tuple(order for order in orders if regimens[order].average is not None or regimens[order].one_off)
    if not judged:
        return
    condition = facts.condition("osteomalacia-rickets")
    if condition is None:
        return
    values = {"condition": condition, "weeks": parameters.minimum_weeks}
    for order in judged:
        outcome = _duration(facts, order, regimens[order], parameters)
        if outcome:
            yield Finding(outcome, about=(order,), values={**values, "regimen": regimens[order]})
        if outcome == "too-short":  # an order that would make it long enough may be among what is missing
            yield from (Gap.of(gap) for gap in facts.vitamin_d.intake.gaps)
    # A single high dose says nothing by its average a day.
    checks = (_calcium,) if any(regimens[order].loading for order in judged) else (_calcium, _dose)
    for check in checks:
        try:
            for outcome, case, more in check(facts, parameters):
                yield Finding(outcome, about=judged, case=case, values={**values, **more})
        except DataUnavailable as gap:
            yield Gap.of(gap)


def _duration(facts: Facts, order: Order, regimen: Regimen, parameters: Parameters) -> str:
    """The outcome for how long the order runs, "" where it runs long enough. A single dose has no length."""
    shortest: int = parameters.minimum_weeks * 7
    if regimen.one_off:
        return ""
    if regimen.whole_days is None:
        return "" if regimen.end_unclear or regimen.days is not None else "duration-not-stated"
    if regimen.whole_days >= shortest or _goes_on(facts, order, shortest):
        return ""
    return "" if _carries_on(facts, regimen.whole_days, shortest, parameters) else "too-short"


def _goes_on(facts: Facts, order: Order, shortest: int) -> bool:
    """Whether another order that fills stores runs for as long as is needed, or without an end."""
    others = (part.regimen for part in facts.vitamin_d.intake.parts if part.order is not order)
    return any(r.course and (r.days is None or r.days >= shortest) for r in others)


def _carries_on(facts: Facts, days: int, shortest: int, parameters: Parameters) -> bool:
    """Whether it follows a course on record, so that both together are long enough."""
    usual = facts.settings.vitamin_d.course_min_iu_day_deficient
    courses, _ = facts.vitamin_d.courses
    return any(
        course.iu_per_day >= usual
        and (course.ongoing or (course.end and facts.clock.age_days(course.end) <= parameters.carries_on_days))
        and course.elapsed_days + days >= shortest
        for course in courses
    )


Said = Iterator[tuple[str, str, Mapping[str, Any]]]


def _calcium(facts: Facts, parameters: Parameters) -> Said:
    """Little calcium from orders and recorded diet together."""
    intake = facts.calcium.intake
    if intake.uncomputed or intake.high >= parameters.calcium_minimum_mg:
        return
    if intake.gaps:
        raise intake.gaps[0]
    values = {"calcium": intake, "calcium_minimum": parameters.calcium_minimum_mg, "diet": intake.diet}
    yield "no-calcium", "diet-recorded" if intake.diet else "", values


def _dose(facts: Facts, parameters: Parameters) -> Said:
    """Less vitamin D than any child with rickets is given."""
    intake = facts.vitamin_d.intake
    if intake.low >= parameters.dose_minimum_iu_day:
        return
    age = facts.age
    if age is None or age.youngest >= facts.settings.supply.adult_age:
        return
    if intake.surely_below(parameters.dose_minimum_iu_day):
        yield "dose-low", "", {"intake": intake, "dose_minimum": parameters.dose_minimum_iu_day}
