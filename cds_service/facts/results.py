"""Laboratory results: which observations count, as what number, and what was wrong with those that do not."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby

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


class Reported(Struct):
    """One observation under a key. Beyond its value set and its time it is read when its turn comes, and once.

    ``day`` is None where it says no day that could be read; ``exact`` whether it says a day at all, or only a month or
    a year, of which ``day`` is the first.
    """

    group: str
    day: datetime.date | None
    seconds: float  # of its instant, since 1970; 0 where only the day is known
    exact: bool
    _held: Result | Unusable | Callable[[], Result | Unusable]

    @classmethod
    def later(cls, group: str, moment: Moment, read: Callable[[], Result | Unusable]) -> Reported:
        """One that is known by its value set and its time, and that ``read`` reads."""
        return cls(group, moment.date.earliest, _seconds(moment), moment.date.exact, read)

    @classmethod
    def known(cls, outcome: Result | Unusable, moment: Moment | None = None) -> Reported:
        """One that has been read; ``moment`` is its time where it has one."""
        exact = moment is None or moment.date.exact
        return cls(outcome.group, outcome.day, _seconds(moment) if moment else 0.0, exact, outcome)

    @property
    def outcome(self) -> Result | Unusable:
        """What it says, or why it cannot be used."""
        if not isinstance(self._held, (Result, Unusable)):
            self._held = self._held()
        return self._held


class Results:
    """All results of one domain, newest first; what says no day comes before all.

    ``complete`` unless something under the key was unreadable; ``more`` when older ones exist that were not sent.
    """

    __slots__ = ("_reported", "complete", "more")

    def __init__(self, reported: Iterable[Reported], *, complete: bool = True, more: bool = False) -> None:
        self._reported = sorted(reported, key=_newest, reverse=True)
        self.complete = complete
        self.more = more

    def newest_first(self, *groups: str) -> Iterator[Result | Unusable]:
        """The results of these value sets, or of all: whoever has found what he looks for need not read the others."""
        return (one.outcome for one in self._reported if not groups or one.group in groups)

    def by_day(self) -> Iterator[tuple[datetime.date | None, Sequence[Reported]]]:
        """All results, those of one day together."""
        for day, reported in groupby(self._reported, key=lambda one: one.day):
            yield day, list(reported)

    def within(self, days: int, clock: Clock, *groups: str) -> tuple[tuple[Result, ...], tuple[Unusable, ...]]:
        """The results of these value sets that are at most so many days old, and those that cannot be used: newest
        first, what says no day last.
        """
        usable: list[Result] = []
        unusable: list[Unusable] = []
        for one in self._reported:
            if one.group in groups and (one.day is None or clock.age_days(one.day) <= days):
                outcome = one.outcome
                if isinstance(outcome, Result):
                    usable.append(outcome)
                else:
                    unusable.append(outcome)
        unusable.sort(key=_by_day, reverse=True)
        return tuple(usable), tuple(unusable)

    @property
    def oldest(self) -> Result | None:
        """The oldest that can be used."""
        outcomes = (one.outcome for one in reversed(self._reported))
        return next((one for one in outcomes if isinstance(one, Result)), None)


def is_result(observation: ObservationRecord) -> bool:
    """Whether an observation counts: not where its status says that it is not, or not yet, a result."""
    return observation.status not in _IGNORED


def _newest(reported: Reported) -> tuple[datetime.date, float]:
    return reported.day or datetime.date.max, reported.seconds


def _by_day(unusable: Unusable) -> datetime.date:
    return unusable.day or datetime.date.min


def _seconds(moment: Moment) -> float:
    return moment.instant.timestamp() if moment.instant else 0.0


def read_result(group: str, observation: ObservationRecord, clock: Clock) -> Result | Unusable:
    """What an observation of this value set says, or why it cannot be used."""
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
