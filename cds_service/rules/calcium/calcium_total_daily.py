"""Calcium order that brings elemental calcium from all sources above the daily limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ...facts import Facts
from ...facts.calcium_intake import CalciumIntake, reductions
from ...facts.conditions import Condition
from ...facts.orders import Order
from ...facts.requirements import (
    CONDITIONS,
    DIETARY_CALCIUM,
    MEDICATION_STATEMENTS,
    MEDICATIONS,
    PATIENT,
    SERUM_CALCIUM,
)
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

Answer = TypeVar("Answer")

_CKD = ("ckd", "dialysis")


@rule(
    hooks=("order-select", "order-sign", "patient-view"),
    about=("calcium",),
    requires=(MEDICATIONS, MEDICATION_STATEMENTS, DIETARY_CALCIUM, PATIENT, CONDITIONS, SERUM_CALCIUM),
    outcomes={
        "over-limit": ("serum-calcium-high", "extreme", "pregnancy"),
        "intended-high-dose": (),
        "possible-over": (),
        "binder-over-1500": (),
        "approaching": ("diet-recorded",),
        "cannot-compute": (),
    },
    values=(
        "intake",
        "limit",
        "upper_level",
        "calcium",
        "condition",
        "ckd",
        "diet",
        "binder_limit",
        "reductions",
        "nutrition",
        "child",
    ),
    uses=("birth-date",),
)
def calcium_total_daily(facts: Facts, parameters: Parameters) -> Findings:
    """Adds up every calcium that counts once a calcium order is judged; silent below the limit and far from it."""
    orders = facts.orders("calcium")
    if not orders:
        return
    intake = facts.calcium.intake
    judged = _judged(orders, intake)
    uncomputed = tuple(u for u in intake.uncomputed if not (facts.hook == "order-select" and u.order.session))
    if not judged and not any(left.order in orders for left in uncomputed):
        return
    limit, limit_gap = _limit(facts, parameters)
    known_age = limit_gap is None or limit_gap.key != PATIENT.key
    adult = not known_age or _is_adult(facts, parameters)
    for gap in (*intake.gaps, *([limit_gap] if limit_gap else [])):
        yield Gap.of(gap)
    total = _Total(facts, parameters, intake, limit, adult=adult)
    values = {
        "intake": intake,
        "limit": limit,
        "upper_level": _upper_level(facts, parameters) if known_age else None,
        "binder_limit": parameters.binder_limit_mg,
        "diet": intake.diet,
        "child": not adult,
        "nutrition": facts.session.nutrition_ordered,
    }
    if judged:
        yield from total.findings(orders, values)
    for left in uncomputed:
        yield Finding("cannot-compute", about=(left.order,), values=values)


def _judged(orders: Sequence[Order], intake: CalciumIntake) -> bool:
    """Whether any of the orders adds to the total: an unfinished draft or a single dose is no reason to speak."""
    sources = {contribution.order.source for contribution in intake.contributions}
    return any(order.source in sources for order in orders)


def _limit(facts: Facts, parameters: Parameters) -> tuple[int, DataUnavailable | None]:
    """The daily limit at this age; without a birth date the adult one, and the gap when the patient was not there."""
    try:
        age = facts.age
    except DataUnavailable as gap:
        return parameters.limit_mg, gap
    if age is None:
        return parameters.limit_mg, None
    for row in parameters.limit_child:
        if age.youngest_months < row["below_months"]:
            return _child_limit(facts, parameters, row["mg"])
    if parameters.limit_choice == "by-age" and age.youngest < parameters.upper_level_below_age:
        return parameters.upper_level_mg, None
    return parameters.limit_mg, None


def _child_limit(facts: Facts, parameters: Parameters, limit: int) -> tuple[int, DataUnavailable | None]:
    """The limit for a child, lower in kidney disease; the gap when the problem list was not there to tell."""
    ckd_limit: int = parameters.limit_child_ckd_mg
    try:
        return (ckd_limit if limit > ckd_limit and _ckd(facts) is not None else limit), None
    except DataUnavailable as gap:
        return limit, gap


def _is_adult(facts: Facts, parameters: Parameters) -> bool:
    """Whether no limit for children holds; without a birth date the patient counts as an adult."""
    age = facts.age
    return age is None or bool(age.youngest_months >= parameters.limit_child[-1]["below_months"])


def _upper_level(facts: Facts, parameters: Parameters) -> int | None:
    """The higher upper level that holds at this age, where the limit used is the stricter one."""
    age = facts.age
    if age is None or not _is_adult(facts, parameters) or age.youngest >= parameters.upper_level_below_age:
        return None
    level: int = parameters.upper_level_mg
    return level


def _ckd(facts: Facts) -> Condition | None:
    return facts.condition(*_CKD)


class _Total:
    """One total held against its limit; looks at the problem list and serum calcium only where they can matter."""

    def __init__(self, facts: Facts, parameters: Parameters, intake: CalciumIntake, limit: int, *, adult: bool) -> None:
        self._facts = facts
        self._parameters = parameters
        self._intake = intake
        self._limit = limit
        self._adult = adult

    def findings(self, orders: tuple[Order, ...], values: Mapping[str, Any]) -> Findings:
        intake, limit, parameters = self._intake, self._limit, self._parameters
        if intake.low > limit:
            yield from self._over(orders, values)
            return
        gaps: list[DataUnavailable] = []
        over = intake.binders_low > parameters.binder_limit_mg
        ckd = self._ask(lambda: _ckd(self._facts), gaps) if over else None
        yield from (Gap.of(gap) for gap in gaps)
        if ckd is not None:
            yield Finding("binder-over-1500", about=orders, values={**values, "ckd": ckd})
        elif intake.high > limit:
            yield Finding("possible-over", about=orders, values=values)
        elif self._approaching():
            case = "diet-recorded" if intake.diet else ""
            yield Finding("approaching", about=orders, case=case, values=values)

    def _over(self, orders: tuple[Order, ...], values: Mapping[str, Any]) -> Findings:
        gaps: list[DataUnavailable] = []
        ckd = self._ask(lambda: _ckd(self._facts), gaps)
        calcium = self._ask(lambda: self._facts.calcium.serum, gaps)
        high = calcium is not None and (calcium.high_for_ckd if ckd else calcium.high)
        known = {**values, "ckd": ckd, "calcium": calcium if high else None}
        intended = self._ask(lambda: self._facts.condition("hypoparathyroid"), gaps)
        extreme = self._intake.low >= self._parameters.extreme_mg
        if intended and not high and not gaps and not extreme:
            yield Finding("intended-high-dose", about=orders, values={**known, "condition": intended})
            return
        pregnant = None
        if not high and self._intake.low <= self._parameters.limit_pregnancy_mg:
            pregnant = self._ask(lambda: self._facts.condition("pregnancy"), gaps)
        for gap in gaps:
            yield Gap.of(gap)
        case = self._case(high=high, pregnant=pregnant is not None)
        # Where calcium is high, or anything that bears on it is not known, no dose of calcium is on offer.
        smaller = () if high or gaps else reductions(self._intake, orders, self._limit)
        yield Finding(
            "over-limit", about=orders, case=case, values={**known, "condition": pregnant, "reductions": smaller}
        )

    def _case(self, *, high: bool, pregnant: bool) -> str:
        if high:
            return "serum-calcium-high"
        if self._intake.low >= self._parameters.extreme_mg:
            return "extreme"
        return "pregnancy" if pregnant else ""

    def _approaching(self) -> bool:
        intake, parameters = self._intake, self._parameters
        if not self._adult:
            return False
        if intake.diet:
            return bool(intake.low >= parameters.approaching_fraction * self._limit)
        return bool(intake.low + parameters.assumed_diet_mg > self._limit)

    @staticmethod
    def _ask(question: Callable[[], Answer | None], gaps: list[DataUnavailable]) -> Answer | None:
        """An answer that only changes how loudly we speak: when it cannot be had, that is said beside it."""
        try:
            return question()
        except DataUnavailable as gap:
            gaps.append(gap)
            return None
