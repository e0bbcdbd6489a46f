"""The newest usable result of one analyte: its value as reported and in the unit in which it is compared."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from ..fhir import DataUnreadable
from ..fhir.elements import Quantity
from ..terminology import units
from .clock import Clock
from .results import Result, Results

# A sample that gave no number, or one dated ahead, does not put an earlier value in doubt.
SAYS_NOTHING = frozenset({"no-number", "future-date"})

Threshold = Mapping[str, Decimal]  # the same limit in both unit families: {"mass": …, "molar": …}


class Measured(Struct, frozen=True):
    """One result. ``native`` is the value in ``native_unit``, that of its ``family`` ("mass" or "molar");
    ``low_limit`` and ``high_limit`` are the laboratory's own reference range in that unit, None where it gave none.
    ``newer_empty`` is the day of a newer sample that gave no number, None where there is none.
    """

    value: Decimal
    comparator: str
    unit: str
    native: Decimal
    family: str
    day: datetime.date
    age_days: int
    source: str
    low_limit: Decimal | None = None
    high_limit: Decimal | None = None
    newer_empty: datetime.date | None = None
    native_unit: str = ""

    def __str__(self) -> str:
        return f"{self.comparator}{format(self.value, 'f')} {self.unit}"

    def below(self, limit: Threshold | Decimal) -> bool:
        """Whether the value certainly lies below a limit, given in both families or in that of the value."""
        bound = limit[self.family] if isinstance(limit, Mapping) else limit
        if self.comparator in ("<", "<="):
            return self.native < bound or (self.comparator == "<" and self.native == bound)
        return not self.comparator and self.native < bound

    def above(self, limit: Threshold | Decimal) -> bool:
        """Whether the value certainly lies above a limit, given in both families or in that of the value."""
        bound = limit[self.family] if isinstance(limit, Mapping) else limit
        if self.comparator in (">", ">="):
            return self.native > bound or (self.comparator == ">" and self.native == bound)
        return not self.comparator and self.native > bound


def latest(results: Results, group: str, key: str, within_days: int, clock: Clock) -> Measured | None:
    """The newest usable result of a value set that is not too old; of one day, the one drawn last.

    Raises DataUnreadable when a newer one within that time could not be used, or when not everything was readable.
    """
    found = None
    unusable: list[datetime.date | None] = []
    empty: list[datetime.date] = []
    for one in results.newest_first(group):
        if isinstance(one, Result):
            found = read(one, clock)
            if found is not None:
                break
        if isinstance(one, Result) or one.reason not in SAYS_NOTHING:
            unusable.append(one.day)
        elif one.reason == "no-number" and one.day:
            empty.append(one.day)
    newer = [day for day in unusable if day is None or clock.age_days(day) <= within_days]
    if any(day is None or found is None or day > found.day for day in newer):
        raise DataUnreadable(key, "a result could not be read")
    recent = found is not None and found.age_days <= within_days
    if not results.complete or (not recent and results.more and _oldest_sent(results, clock) <= within_days):
        raise DataUnreadable(key, "not every result could be read")
    if found is None or not recent:
        return None
    return replace(found, newer_empty=max((day for day in empty if day > found.day), default=None))


def _oldest_sent(results: Results, clock: Clock) -> int:
    """How far back, in days, the results reach that were sent."""
    return clock.age_days(results.oldest.day) if results.oldest else 0


def read(result: Result, clock: Clock, *, only_unit: str = "") -> Measured | None:
    """One result in its native unit; None when its unit is not one for the analyte, or the number not positive.

    ``only_unit`` is assumed where none is given, for an analyte that has but one.
    """
    quantity = result.quantity
    unit = units.laboratory_unit(quantity.code, quantity.unit)
    if unit is None and only_unit and not quantity.code and not quantity.unit:
        unit = only_unit
    native = units.to_native(result.group, result.value, unit or "")
    if native is None or native[1] <= 0:
        return None
    family, value = native
    own = result.reference_range
    return Measured(
        value=result.value,
        comparator=result.comparator,
        unit=_shown_unit(quantity, unit or ""),
        native=value,
        family=family,
        day=result.day,
        age_days=clock.age_days(result.day),
        source=result.source,
        low_limit=_bound(own.low if own else None, result.group, family),
        high_limit=_bound(own.high if own else None, result.group, family),
        native_unit=units.native_unit(result.group, family),
    )


def _shown_unit(quantity: Quantity, counted: str) -> str:
    """The unit as reported where it is the one that counted; the UCUM code where the text says another."""
    if units.laboratory_unit("", quantity.unit) == counted:
        return quantity.unit or quantity.code
    return counted


def _bound(quantity: Quantity | None, group: str, family: str) -> Decimal | None:
    """A bound of the laboratory's own range, where it is in the value's unit; 0 is a filler, not a bound."""
    if quantity is None or quantity.value is None:
        return None
    unit = units.laboratory_unit(quantity.code, quantity.unit)
    native = units.to_native(group, quantity.value, unit or "")
    return native[1] if native is not None and native[0] == family and native[1] > 0 else None


def lowest(results: Results, group: str, key: str) -> Decimal | None:
    """The lowest number of a value set, for scores without a unit; None when there is none. Raises DataUnreadable when
    there is none and an entry could not be read.
    """
    numbers = [r.value for r in results.newest_first(group) if isinstance(r, Result) and not r.comparator]
    if not numbers and not results.complete:
        raise DataUnreadable(key, "an entry could not be read")
    return min(numbers, default=None)


def last_day(results: Results, key: str, clock: Clock) -> datetime.date | None:
    """The day of the newest result, whatever it says; None when there is none.

    Raises DataUnreadable when an entry could not be read or has no date: it may be newer than all others.
    """
    newest = next((r for r in results.newest_first() if isinstance(r, Result) or r.reason != "future-date"), None)
    if not results.complete or (results.more if newest is None else newest.day is None):
        raise DataUnreadable(key, "an entry could not be read")
    return newest.day if newest else None
