"""Vitamin D that is taken or ordered, and why no more of it should be offered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from . import dosing
from .clock import Clock
from .medications import Entry, is_ordered
from .orders import Order


@dataclass(frozen=True, slots=True)
class Limits:
    """Up to which daily total, and from which age, vitamin D may be offered."""

    high_dose_iu_day: int
    offered_iu_day: int
    adult_age: int
    loading_dose_iu: int
    course_failed_days: int


def daily_iu(order: Order, clock: Clock) -> dosing.DailyAmount:
    """The vitamin D of one order or statement, in IU a day; plain sigs are read."""
    return dosing.daily(order.record, order.product, "vitamin-d", clock.today, free_text=True)


@dataclass(frozen=True, slots=True)
class Regimen:
    """What one vitamin D order amounts to. ``iu_day`` is the certain average a day, None where it cannot be computed
    or a single dose is all; ``single_dose_iu`` the largest dose taken at once; ``interval_days`` the days between
    doses; ``days`` the length from first to last day, None where nothing ends it.
    """

    order: Order
    iu_day: int | None
    single_dose_iu: int | None
    interval_days: Fraction | None
    days: int | None
    one_off: bool
    reason: str


def regimen(order: Order, clock: Clock) -> Regimen:
    """The regimen of an order; plain sigs are read."""
    daily = daily_iu(order, clock)
    span = dosing.course(order.record, free_text=True, begun=clock.today)
    often = daily.doses_per_day
    usable = daily.computable and not daily.one_off
    return Regimen(
        order=order,
        iu_day=_whole(daily.low) if usable else None,
        single_dose_iu=None if daily.single_dose_max is None else _whole(daily.single_dose_max),
        interval_days=1 / often.low if often is not None and often.low > 0 else None,
        days=(span.end - span.start).days if span.start and span.end else None,
        one_off=daily.one_off,
        reason=daily.reason,
    )


def _whole(amount: Fraction) -> int:
    """Half up, to whole units: what is shown is what is compared."""
    return int(amount + Fraction(1, 2))


def recorded_iu_day(entries: Iterable[Entry], clock: Clock) -> Fraction:
    """Nutritional vitamin D a day that is certainly taken or ordered, in IU; what cannot be computed adds nothing."""
    total = Fraction(0)
    for entry in entries:
        if entry.counts == "yes":
            daily = daily_iu(entry.order, clock)
            if daily.computable and not daily.one_off and not daily.ended:
                total += daily.low
    return total


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


def is_alone(entry: Entry) -> bool:
    """Whether vitamin D is what the product is for, not a part of a calcium or bisphosphonate tablet."""
    return not entry.order.product.classes & {"calcium", "oral-bisphosphonate", "multivitamin"}
