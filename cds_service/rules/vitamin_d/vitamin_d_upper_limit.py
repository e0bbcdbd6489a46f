"""Vitamin D order that brings the average a day above the upper level for the age, or far beyond it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeVar

from ...facts import Facts
from ...facts.dose_range import whole
from ...facts.orders import Order
from ...facts.requirements import CONDITIONS, MEDICATION_STATEMENTS, MEDICATIONS, PATIENT, VITAMIN_D
from ...facts.vitamin_d_supply import VitaminDIntake, is_alone
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

Answer = TypeVar("Answer")

# Where high doses are meant: vitamin D does not get through, or does not act.
_HIGH_NEED = ("malabsorption", "bariatric-surgery", "hypoparathyroid")


@rule(
    hooks=("order-select", "order-sign"),
    about=("vitamin-d-nutritional",),
    requires=(MEDICATIONS, MEDICATION_STATEMENTS, PATIENT, CONDITIONS, VITAMIN_D),
    outcomes={
        "frequency-error": ("high-need",),
        "above-10000": ("high-need",),
        "above-ul": ("child",),
        "cannot-compute": (),
    },
    values=("intake", "high", "upper_level", "condition", "reason"),
    uses=("birth-date",),
)
def vitamin_d_upper_limit(facts: Facts, parameters: Parameters) -> Findings:
    """Adds up all nutritional vitamin D once an order of it is judged; silent up to the upper level."""
    orders = facts.orders("vitamin-d-nutritional")
    if not orders:
        return
    intake = facts.vitamin_d.intake
    adding = {part.order.source for part in intake.parts if part.average > 0}
    judged = tuple(order for order in orders if order.source in adding)
    lowest: int = parameters.upper_level_child[0]["iu"]
    unread = () if facts.hook == "order-select" else intake.unknown
    left = tuple(o for o in unread if o in orders and is_alone(o) and not _is_weak(o, lowest))
    if not judged and not left:
        return
    yield from (Gap.of(gap) for gap in intake.gaps)
    if judged:
        yield from _Total(facts, parameters, intake).findings(judged)
    for order in left:
        values = {"intake": intake, "reason": facts.vitamin_d.regimen(order).reason}
        yield Finding("cannot-compute", about=(order,), values=values)


class _Total:
    """One total held against its limits; looks at the patient and the level only where they can matter."""

    def __init__(self, facts: Facts, parameters: Parameters, intake: VitaminDIntake) -> None:
        self._facts = facts
        self._parameters = parameters
        self._intake = intake
        self._high: int = facts.settings.supply.high_dose_iu_day
        self._gaps: list[DataUnavailable] = []

    def findings(self, orders: tuple[Order, ...]) -> Findings:
        total, parameters = self._intake.low, self._parameters
        if total <= parameters.upper_level_child[0]["iu"]:  # the lowest of all
            return
        months = self._ask(self._months)
        upper_level = _by_age(months, parameters.upper_level_child, parameters.upper_level_iu)
        found = self._found(total, months, upper_level) if total > upper_level else None
        yield from (Gap.of(gap) for gap in self._gaps)
        if found is not None:
            outcome, case, more = found
            values = {"intake": self._intake, "high": self._high, "upper_level": upper_level, **more}
            yield Finding(outcome, about=orders, case=case, values=values)

    def _found(self, total: int, months: int | None, upper_level: int) -> tuple[str, str, Mapping[str, Any]] | None:
        parameters = self._parameters
        child = months is not None and months < parameters.treated_child[-1]["below_months"]
        need = None if child else self._ask(lambda: self._facts.condition(*_HIGH_NEED))
        if total > self._high:
            outcome = "frequency-error" if total >= parameters.frequency_error_iu_day else "above-10000"
            return outcome, "high-need" if need else "", {"condition": need}
        if need is not None or self._is_treatment(total, months, upper_level):
            return None
        loud = child and total > parameters.child_factor * upper_level
        # What may be treatment is no note; a child's dose far above the upper level is told all the same.
        unclear = any(gap.key != PATIENT.key for gap in self._gaps)
        return None if unclear and not loud else ("above-ul", "child" if loud else "", {})

    def _is_treatment(self, total: int, months: int | None, upper_level: int) -> bool:
        """Whether it treats osteomalacia, or a low level for a limited time, in a dose usual at this age."""
        if total > _by_age(months, self._parameters.treated_child, self._high):
            return False
        if self._ask(lambda: self._facts.condition("osteomalacia-rickets")):
            return True
        longest = self._facts.settings.vitamin_d.course_most_days
        lasting = (p.average for p in self._intake.parts if p.regimen.days is None or p.regimen.days > longest)
        return whole(sum(lasting, Fraction(0))) <= upper_level and bool(self._ask(self._low))

    def _low(self) -> bool:
        level = self._facts.vitamin_d.state.recent_level
        return level is not None and level.low

    def _months(self) -> int | None:
        age = self._facts.age
        return None if age is None else age.youngest_months

    def _ask(self, question: Callable[[], Answer | None]) -> Answer | None:
        """An answer that changes how loudly we speak: when it cannot be had, that is said beside it."""
        try:
            return question()
        except DataUnavailable as gap:
            self._gaps.append(gap)
            return None


def _is_weak(order: Order, lowest: int) -> bool:
    """Whether a tablet or drop of it holds so little that directions nobody could read are no reason to speak."""
    contents = order.product.vitamin_d
    return bool(contents) and all(c.high is not None and c.high <= lowest for c in contents)


def _by_age(months: int | None, rows: Any, otherwise: int) -> int:
    """The amount of the first row that holds at this age, in completed months."""
    return next((row["iu"] for row in rows if months is not None and months < row["below_months"]), otherwise)
