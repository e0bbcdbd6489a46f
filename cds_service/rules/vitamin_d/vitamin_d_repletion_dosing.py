"""Vitamin D order whose dose or duration does not fit the level."""

from __future__ import annotations

from ...facts import Facts
from ...facts.orders import Order
from ...facts.requirements import CONDITIONS, MEDICATION_STATEMENTS, MEDICATIONS, PATIENT, VITAMIN_D
from ...facts.vitamin_d_regimen import Regimen
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

# Where high doses are meant to go on: osteomalacia has a rule of its own, in the others less than usual gets through.
_HIGH_NEED = ("osteomalacia-rickets", "malabsorption", "bariatric-surgery", "hypoparathyroid")


@rule(
    hooks=("order-select", "order-sign"),
    about=("vitamin-d-nutritional",),
    requires=(VITAMIN_D, MEDICATIONS, MEDICATION_STATEMENTS, CONDITIONS, PATIENT),
    outcomes={"under-dosed": (), "no-duration": (), "too-long": (), "not-needed": (), "d2-long-interval": ()},
    values=("regimen", "level", "intake", "minimum", "longest", "unusable"),
    uses=("birth-date",),
)
def vitamin_d_repletion_dosing(facts: Facts, parameters: Parameters) -> Findings:
    """Judges each order for vitamin D itself; silent for the usual course and while dose or timing is missing."""
    for order in facts.vitamin_d.judged_alone():
        regimen = facts.vitamin_d.regimen(order)
        if regimen.average is None and not regimen.one_off:
            continue
        for check in (_under_dosed, _repletion):
            try:
                yield from check(facts, order, regimen)
            except DataUnavailable as gap:
                yield Gap.of(gap)
        seldom = regimen.interval_days is not None and regimen.interval_days >= parameters.d2_interval_days
        if seldom and "ergocalciferol" in order.product.ingredients:
            yield Finding("d2-long-interval", about=(order,), values={"regimen": regimen})


def _under_dosed(facts: Facts, order: Order, regimen: Regimen) -> Findings:
    """Less than treatment for an adult's low level, counting everything ordered and taken."""
    usual = facts.settings.vitamin_d.course_min_iu_day_deficient
    if regimen.loading or regimen.average is None or regimen.average >= usual:
        return
    state = facts.vitamin_d.state
    level = state.level
    if state.name not in ("deficient", "insufficient") or level is None:
        return
    minimum = facts.vitamin_d.course_minimum(level)
    intake = facts.vitamin_d.intake
    if not intake.surely_below(minimum) or _loaded(facts):
        return
    age = facts.age
    if age is not None and age.youngest < facts.settings.supply.adult_age:
        return
    if facts.condition("osteomalacia-rickets") is not None:
        return
    values = {"regimen": regimen, "level": level, "intake": intake, "minimum": minimum, "unusable": state.unusable}
    yield Finding("under-dosed", about=(order,), values=values)


def _loaded(facts: Facts) -> bool:
    """Whether a single high dose is ordered beside it, or was given lately."""
    others = (e.order for e in facts.medications("vitamin-d-nutritional").entries if e.order.session)
    return facts.vitamin_d.recently_loaded or any(facts.vitamin_d.regimen(order).loading for order in others)


def _repletion(facts: Facts, order: Order, regimen: Regimen) -> Findings:
    """A dose meant to fill stores that are full, or for which no end, or a late one, is stated."""
    if not regimen.repletion:
        return
    longest = facts.settings.vitamin_d.course_most_days
    outcome = ""
    if regimen.course and regimen.days is not None and regimen.days > longest:
        outcome = "too-long"
    elif regimen.course and regimen.days is None and not regimen.end_unclear:
        outcome = "no-duration"
    level = None
    try:
        state = facts.vitamin_d.state
        if state.name in ("high", "toxic"):
            return
        if state.name in ("sufficient", "ageing"):
            outcome, level = "not-needed", state.level
    except DataUnavailable as gap:
        yield Gap.of(gap)
    if outcome and facts.condition(*_HIGH_NEED) is None:
        yield Finding(outcome, about=(order,), values={"regimen": regimen, "level": level, "longest": longest})
