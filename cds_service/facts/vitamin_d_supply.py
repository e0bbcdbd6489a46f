"""Vitamin D that is taken or ordered, and why no more of it should be offered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from msgspec import Struct

from ..fhir import DataUnavailable
from . import dosing
from .clock import Clock
from .dose_range import ZERO, added, whole
from .medications import Entry, is_ordered
from .orders import Order
from .vitamin_d_regimen import Regimen, daily_iu


@dataclass(frozen=True, slots=True)
class Limits:
    """Up to which daily total, and from which age, vitamin D may be offered."""

    high_dose_iu_day: int
    offered_iu_day: int
    adult_age: int
    loading_dose_iu: int
    course_failed_days: int


class Part(Struct, frozen=True):
    """What one order or statement adds: the certain IU a day, and its regimen."""

    regimen: Regimen
    average: Fraction
    origin: str  # code: "ordered-now", "active-order", "reported"
    note: str  # code of what a reader should know of it, or ""

    @property
    def order(self) -> Order:
        """The order or statement."""
        return self.regimen.order

    @property
    def label(self) -> str:
        """The product as recorded."""
        return self.order.label

    @property
    def iu_day(self) -> int:
        """The certain IU a day, half up."""
        return whole(self.average)


class VitaminDIntake(Struct, frozen=True):
    """Nutritional vitamin D from everything ordered and taken, in IU a day: ``exact`` is certain, ``most`` possible
    (None where nothing bounds it). Single doses are no part of it. ``unknown`` are orders that count and whose amount
    nobody can tell; ``gaps`` are sources that could not be had.
    """

    exact: Fraction
    most: Fraction | None
    parts: tuple[Part, ...]
    unknown: tuple[Order, ...]
    gaps: tuple[DataUnavailable, ...]

    @property
    def low(self) -> int:
        """The certain total, half up."""
        return whole(self.exact)

    @property
    def remarks(self) -> tuple[Part, ...]:
        """The parts of which there is something to know."""
        return tuple(part for part in self.parts if part.note)

    def surely_below(self, iu_day: int) -> bool:
        """Whether it is less, whatever could not be computed. Raises DataUnavailable when a source is missing that
        could hold the rest.
        """
        if self.unknown or self.most is None or whole(self.most) >= iu_day:
            return False
        if self.gaps:
            raise self.gaps[0]
        return True


def intake(
    entries: Iterable[Entry],
    read: Callable[[Order], Regimen],
    starts_later_days: int,
    clock: Clock,
    *,
    gaps: Sequence[DataUnavailable] = (),
) -> VitaminDIntake:
    """Adds up the entries that count. What ended, or starts later than so many days ahead, is left out."""
    parts: list[Part] = []
    unknown: list[Order] = []
    most: list[Fraction] = []
    bounded = True
    for entry in entries:
        order = entry.order
        daily = daily_iu(order, clock)
        later = (daily.starts_in_days or 0) > starts_later_days and not order.session
        if entry.counts == "no" or daily.ended or daily.one_off or later:
            continue
        regimen = read(order)
        if regimen.average is None:
            unknown.append(order)
            continue
        certain = regimen.average if entry.counts == "yes" else ZERO
        if regimen.most is None:
            bounded = False
        else:
            most.append(regimen.most)
        note = "possible-duplicate" if entry.duplicate else entry.reason
        parts.append(Part(regimen, certain, _origin(order), note))
    return VitaminDIntake(
        exact=added([part.average for part in parts]),
        most=added(most) if bounded else None,
        parts=tuple(parts),
        unknown=tuple(unknown),
        gaps=tuple(gaps),
    )


def _origin(order: Order) -> str:
    if order.session:
        return "ordered-now"
    return "reported" if order.record.type == "MedicationStatement" else "active-order"


def dose_unknown(entries: Iterable[Entry], clock: Clock) -> bool:
    """Whether vitamin D is taken whose daily amount nobody can tell."""
    for entry in entries:
        if entry.counts != "no" and not entry.order.session:
            daily = daily_iu(entry.order, clock)
            if not daily.computable and not daily.one_off and not daily.ended:
                return True
    return False


def recently_loaded(orders: Iterable[Order], limits: Limits, clock: Clock) -> bool:
    """Whether a single high dose was given so recently that no level shows it yet."""
    for order in orders:
        if not is_ordered(order.record) or order.record.status not in ("active", "completed"):
            continue
        daily = daily_iu(order, clock)
        start = dosing.course(order.record, free_text=True).start
        high = daily.one_off and daily.single_dose_max is not None and daily.single_dose_max >= limits.loading_dose_iu
        if high and (start is None or clock.age_days(start) <= limits.course_failed_days):
            return True
    return False


@dataclass(frozen=True, slots=True)
class Obstacles:
    """Why no vitamin D order may be offered: codes to be worded; empty when it may."""

    reasons: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.reasons)


def obstacles(checks: Sequence[tuple[str, bool | None]]) -> Obstacles:
    """Collects the reasons that hold. A check that could not be made (None) is a reason: "not-checked"."""
    reasons = [code for code, holds in checks if holds]
    if any(holds is None for _, holds in checks):
        reasons.append("not-checked")
    return Obstacles(tuple(dict.fromkeys(reasons)))


def is_alone(order: Order) -> bool:
    """Whether vitamin D is what the product is for, not a part of a calcium or bisphosphonate tablet."""
    return not order.product.classes & {"calcium", "oral-bisphosphonate", "multivitamin"}
