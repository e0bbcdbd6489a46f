"""Laboratory results: which observations count, as what number, and what was wrong with those that do not."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from ..fhir.elements import Moment, ObservationRecord, Quantity, ReferenceRange
from .clock import Clock

_COUNTING = frozenset({"final", "amended", "corrected"})
_IGNORED = frozenset({"registered", "preliminary", "cancelled", "entered-in-error", "unknown"})
_NUMBER_IN_TEXT = re.compile(r"\s*(<=|>=|<|>|≤|≥)?\s*(\d{1,7}(?:[.,]\d{1,6})?)\s*([^\d\s][^\d]*(?:/\S+)?)?\s*")
_COMPARATORS = {"≤": "<=", "≥": ">="}


class Result(Struct, frozen=True):
    """One usable result: a number in the unit the laboratory reported, and the day it was drawn."""

    source: str
    group: str  # the value set its code belongs to
    day: datetime.date
    moment: Moment
    value: Decimal
    comparator: str
    quantity: Quantity
    amended: bool
    reference_range: ReferenceRange | None

    @property
    def text(self) -> str:
        """Comparator and number as reported: "<4"."""
        return f"{self.comparator}{format(self.value, 'f')}"


class Unusable(Struct, frozen=True):
    """A result that should have counted and cannot: why (a code to be worded), what it said, and when."""

    source: str
    group: str
    reason: str
    said: str
    day: datetime.date | None

    @classmethod
    def of(cls, result: Result, reason: str = "") -> Unusable:
        """A result whose number cannot be used; unless a reason is given it is the unit, or a number of 0 or less."""
        unit = result.quantity.unit or result.quantity.code
        found = reason or ("result-unit" if result.value > 0 else "implausible")
        return cls(result.source, result.group, found, f"{result.text} {unit}".strip(), result.day)


class Results(Struct, frozen=True):
    """All results of one domain: usable and unusable, newest first; ``complete`` unless something was unreadable."""

    usable: tuple[Result, ...]
    unusable: tuple[Unusable, ...]
    complete: bool = True
    more: bool = False  # older ones exist that were not sent

    def of(self, *groups: str) -> tuple[Result, ...]:
        """The usable results of these value sets, newest first."""
        return tuple(r for r in self.usable if r.group in groups)


def sort_results(
    observations: Iterable[tuple[str, ObservationRecord]], clock: Clock, *, complete: bool = True, more: bool = False
) -> Results:
    """Sorts observations (each with the value set it belongs to) into usable and unusable results."""
    usable: list[Result] = []
    unusable: list[Unusable] = []
    for group, observation in observations:
        if observation.status in _IGNORED:
            continue
        outcome = _read(group, observation, clock)
        if isinstance(outcome, Result):
            usable.append(outcome)
        else:
            unusable.append(outcome)
    usable.sort(key=_newest, reverse=True)
    unusable.sort(key=lambda u: u.day or datetime.date.min, reverse=True)
    return Results(tuple(usable), tuple(unusable), complete, more)


def _newest(result: Result) -> tuple[datetime.date, float]:
    instant = result.moment.instant
    return result.day, instant.timestamp() if instant else 0.0


def _read(group: str, observation: ObservationRecord, clock: Clock) -> Result | Unusable:
    moment = observation.effective or observation.issued
    day = moment.date.earliest if moment else None

    def unusable(reason: str, said: str = "") -> Unusable:
        return Unusable(observation.source, group, reason, said, day)

    if observation.status not in _COUNTING:
        return unusable("no-status")
    if "modifier" in observation.unreadable:
        return unusable("modified")
    if "effective" in observation.unreadable or moment is None or day is None:
        return unusable("no-date")
    if clock.in_future(moment):
        return unusable("future-date")
    if "value" in observation.unreadable:
        return unusable("value-unreadable")
    quantity = observation.value or _quantity_in(observation.value_text)
    if quantity is None or quantity.value is None:
        return unusable("no-number", observation.value_text or observation.absent_reason)
    return Result(
        source=observation.source,
        group=group,
        day=day,
        moment=moment,
        value=quantity.value,
        comparator=quantity.comparator,
        quantity=quantity,
        amended=observation.status != "final",
        reference_range=observation.reference_range,
    )


def _quantity_in(text: str) -> Quantity | None:
    """A number written as text ("<30 nmol/L", "32,5"), with its comparator and unit; None for anything else."""
    match = _NUMBER_IN_TEXT.fullmatch(text)
    if match is None:
        return None
    comparator, number, unit = match.groups()
    comparator = comparator or ""
    return Quantity(
        value=Decimal(number.replace(",", ".")),
        unit=(unit or "").strip(),
        comparator=_COMPARATORS.get(comparator, comparator),
    )
