"""Elemental calcium a day from orders, statements and recorded diet, as a range with everything it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from ..fhir import DataUnavailable
from ..terminology import units
from ..terminology.products import Content
from . import dosing
from .clock import Clock
from .diet import DietaryCalcium
from .dose_range import ZERO, whole
from .medications import Entry
from .orders import Order


@dataclass(frozen=True, slots=True)
class Limits:
    """How far ahead an active order may start and still count, in days."""

    starts_later_days: int


class Contribution(Struct, frozen=True):
    """What one order or statement adds: mg elemental a day, and how its strength and schedule were read."""

    order: Order
    low: int
    high: int | None
    doses_low: Fraction
    doses_high: Fraction | None
    per_dose: dosing.DoseRange | None  # mg elemental
    reading: str  # code: "salt", "stated", "brand", "ambiguous", "table", …
    origin: str  # code: "ordered-now", "active-order", "reported"
    notes: tuple[str, ...]

    @property
    def label(self) -> str:
        """The product as recorded."""
        return self.order.label

    @property
    def amount(self) -> str:
        """mg elemental a day, as a range where it is one."""
        return _range(f"{self.low:,}", None if self.high is None else f"{self.high:,}")

    @property
    def strength(self) -> str:
        """mg of the salt where that is stated, and of elemental calcium, in one unit: "1,250 → 500 mg"."""
        return " + ".join(_strength(content) for content in self.order.product.calcium) or "–"

    @property
    def doses(self) -> str:
        """Doses a day and the mg elemental of each: "3 × 500 mg"."""
        times = _range(_short(self.doses_low), None if self.doses_high is None else _short(self.doses_high))
        if self.per_dose is None:
            return times
        low, high = self.per_dose.low, self.per_dose.high
        return f"{times} × {_range(f'{whole(low):,}', None if high is None else f'{whole(high):,}')} mg"


class Left(Struct, frozen=True):
    """An order that is listed beside the total: why it is not in it (``reason`` is a code)."""

    order: Order
    reason: str

    @property
    def label(self) -> str:
        """The product as recorded."""
        return self.order.label


class Remark(Struct, frozen=True):
    """Something to know of one product: a code to be worded."""

    order: Order
    code: str

    @property
    def label(self) -> str:
        """The product as recorded."""
        return self.order.label


class CalciumIntake(Struct, frozen=True):
    """The daily total in mg elemental: ``low`` is certain, ``high`` is possible from what could be computed.

    ``uncomputed`` are orders that count and could not be computed, so that the total is "at least";
    ``gaps`` are sources that could not be had.
    """

    low: int
    high: int
    binders_low: int
    contributions: tuple[Contribution, ...]
    excluded: tuple[Left, ...]
    uncomputed: tuple[Left, ...]
    diet: DietaryCalcium | None
    duplicates: tuple[Order, ...]
    gaps: tuple[DataUnavailable, ...] = ()

    @property
    def is_range(self) -> bool:
        """Whether low and high estimate differ."""
        return self.low != self.high

    @property
    def and_diet(self) -> str:
        """A code: whether the total holds food as well as orders."""
        return "and-diet" if self.diet else "orders-only"

    @property
    def notes(self) -> tuple[Remark, ...]:
        """What a reader should know of single products: how they were read, what may be counted twice."""
        remarks = [Remark(part.order, code) for part in self.contributions for code in part.notes]
        return (*remarks, *(Remark(order, "possible-duplicate") for order in self.duplicates))


def total(
    entries: Iterable[Entry],
    diet: DietaryCalcium | None,
    limits: Limits,
    clock: Clock,
    *,
    gaps: Sequence[DataUnavailable] = (),
) -> CalciumIntake:
    """Adds up the entries that count; ``gaps`` are sources the entries could not be taken from."""
    contributions: list[Contribution] = []
    excluded: list[Left] = []
    uncomputed: list[Left] = []
    low = high = binders = ZERO
    duplicates = []
    for entry in entries:
        order = entry.order
        if entry.counts == "no":
            excluded.append(Left(order, entry.reason))
            continue
        daily = dosing.daily(order.record, order.product, "calcium", clock.today, free_text=True)
        left_out = _left_out(daily, order, limits)
        if left_out:
            excluded.append(Left(order, left_out))
            continue
        if not daily.computable:
            uncomputed.append(Left(order, daily.reason))
            continue
        certain = daily.low if entry.counts == "yes" else ZERO
        low += certain
        # What nothing bounds from above adds to the high estimate what is certain of it.
        high += daily.low if daily.high is None else daily.high
        if "calcium-binder" in order.product.classes:
            binders += certain
        if entry.duplicate:
            duplicates.append(order)
        contributions.append(_contribution(entry, daily, certain))
    from_diet = diet.mg_per_day if diet else 0
    return CalciumIntake(
        low=whole(low) + from_diet,
        high=whole(high) + from_diet,
        binders_low=whole(binders),
        contributions=tuple(contributions),
        excluded=tuple(excluded),
        uncomputed=tuple(uncomputed),
        diet=diet,
        duplicates=tuple(duplicates),
        gaps=tuple(gaps),
    )


def _left_out(daily: dosing.DailyAmount, order: Order, limits: Limits) -> str:
    if daily.ended and not order.session:
        return "ended"
    if daily.one_off:
        return "single-dose"
    starts = daily.starts_in_days
    if starts is not None and starts > limits.starts_later_days and not order.session:
        return "starts-later"
    return ""


def _contribution(entry: Entry, daily: dosing.DailyAmount, certain: Fraction) -> Contribution:
    order = entry.order
    if order.session:
        origin = "ordered-now"
    else:
        origin = "reported" if order.record.type == "MedicationStatement" else "active-order"
    notes = (*daily.notes, *((entry.reason,) if entry.reason else ()))
    return Contribution(
        order=order,
        low=whole(certain),
        high=None if daily.high is None else whole(daily.high),
        doses_low=daily.doses_low,
        doses_high=daily.doses_high,
        per_dose=daily.per_dose,
        reading=next((c.basis for c in order.product.calcium if c.basis), "as-dosed"),
        origin=origin,
        notes=notes,
    )


def _short(number: Fraction) -> str:
    """A number of doses with at most two decimals."""
    return f"{float(number):.2f}".rstrip("0").rstrip(".")


def _strength(content: Content) -> str:
    if content.low is None or content.high is None:
        return "–"
    elemental = f"{_range(_number(content.low), _number(content.high))} mg" + ("/mL" if content.per == "mL" else "")
    return elemental if content.salt_mg is None else f"{_number(content.salt_mg)} → {elemental}"


def _number(value: Decimal) -> str:
    """At most one decimal, with thousands separated."""
    return f"{units.rounded(value, 1).normalize():,f}"


def _range(low: object, high: object | None) -> str:
    if high is None:
        return f"≥{low}"
    return str(low) if low == high else f"{low}–{high}"


class Reduction(Struct, frozen=True):
    """A draft given fewer times a day, and the total that would leave."""

    order: Order
    times_per_day: int
    total: int

    @property
    def label(self) -> str:
        """The product as recorded."""
        return self.order.label


def reductions(intake: CalciumIntake, orders: Sequence[Order], limit: int) -> tuple[Reduction, ...]:
    """For each draft the most daily doses that keep the certain total within the limit, where fewer would do.

    Only for a draft of one plain schedule, several whole doses a day of one certain amount.
    """
    found = []
    for part in intake.contributions:
        order = part.order
        plain = order.can_be_removed and order in orders and len(order.record.dosages) == 1
        if not plain or part.high != part.low or part.doses_high != part.doses_low or part.doses_low.denominator != 1:
            continue
        times = part.doses_low.numerator
        others = intake.low - part.low
        for fewer in range(times - 1, 0, -1):
            left = others + whole(Fraction(part.low * fewer, times))
            if left <= limit:
                found.append(Reduction(order, fewer, left))
                break
    return tuple(found)
