"""Creatinine in blood: which results count, newest first, and whether it rose so fast that no estimate holds."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from ..terminology import units
from .clock import Clock
from .measured import Measured, Threshold, read
from .results import Result, Results, Unusable

CREATININE = "creatinine"
# A value known only from above may be lower, one known only from below higher.
_AT_MOST, _AT_LEAST = ("", "<", "<="), ("", ">", ">=")


@dataclass(frozen=True, slots=True)
class Limits:
    """Which values are believed, and what counts as a rise."""

    creatinine_plausible_low: Threshold
    creatinine_plausible_high: Threshold
    rise_ratio: Decimal
    rise_ratio_days: int
    rise_by: Threshold
    rise_by_hours: int

    @property
    def rise_days(self) -> int:
        """How many days before a value one may lie from which it rose too fast."""
        return max(self.rise_ratio_days, self.rise_by_hours // 24 + 2)

    def plausible(self, found: Measured) -> bool:
        """Whether a living patient can have it: beyond, a unit was mixed up."""
        low, high = self.creatinine_plausible_low, self.creatinine_plausible_high
        return low[found.family] <= found.native <= high[found.family]


class Creatinine(Struct, frozen=True):
    """One usable creatinine, as reported and exactly in both units; ``instant`` is None where only the day is known."""

    measured: Measured
    mg_dl: Fraction
    umol_l: Fraction
    instant: datetime.datetime | None
    amended: bool

    def __str__(self) -> str:
        return str(self.measured)

    @property
    def day(self) -> datetime.date:
        """The day it was drawn."""
        return self.measured.day

    @property
    def age_days(self) -> int:
        """Days since then."""
        return self.measured.age_days

    def value_in(self, family: str) -> Fraction:
        """The value in mg/dL ("mass") or µmol/L ("molar")."""
        return self.mg_dl if family == "mass" else self.umol_l


class Rise(Struct, frozen=True):
    """Creatinine that rose so fast that no estimate holds: from what, to what."""

    before: Creatinine
    after: Creatinine

    @property
    def days(self) -> int:
        """Calendar days between the two."""
        return (self.after.day - self.before.day).days


def read_creatinines(
    results: Results, limits: Limits, days: int, clock: Clock
) -> tuple[tuple[Creatinine, ...], tuple[Unusable, ...]]:
    """The usable values of so many days, newest first, and those that no patient can have or that have no unit.

    Of one moment an amended value comes first, else the highest: on it the clearance is lowest.
    """
    usable, unusable = [], []
    for result in results.within(days, clock, CREATININE)[0]:
        found = _read(result, clock)
        if found is None:
            unusable.append(Unusable.of(result))
        elif not limits.plausible(found.measured):
            unusable.append(Unusable.of(result, "implausible"))
        else:
            usable.append(found)
    return tuple(sorted(usable, key=_newest, reverse=True)), tuple(unusable)


def _read(result: Result, clock: Clock) -> Creatinine | None:
    found = read(result, clock)
    if found is None or not units.is_sane(found.native):
        return None
    mg_dl, umol_l = units.in_both_families(CREATININE, found.native, found.family)
    return Creatinine(found, mg_dl, umol_l, result.moment.instant, result.amended)


def _newest(found: Creatinine) -> tuple[datetime.date, float, bool, Fraction]:
    return found.day, found.instant.timestamp() if found.instant else 0.0, found.amended, found.mg_dl


def find_rise(creatinines: Sequence[Creatinine], limits: Limits) -> Rise | None:
    """Whether the newest creatinine lies so far above a recent one that renal function is not stable."""
    if not creatinines or creatinines[0].measured.comparator not in _AT_LEAST:
        return None
    newest, *others = creatinines
    return next((Rise(earlier, newest) for earlier in others if _rose(earlier, newest, limits)), None)


def _rose(earlier: Creatinine, newest: Creatinine, limits: Limits) -> bool:
    days = Rise(earlier, newest).days
    if earlier.measured.comparator not in _AT_MOST or (days == 0 and not _hours(earlier, newest)):
        return False  # the latter: of one day, and nothing says which was first
    family = newest.measured.family
    before, after = earlier.value_in(family), newest.value_in(family)
    by_ratio = days <= limits.rise_ratio_days and after >= before * Fraction(limits.rise_ratio)
    fast = _hours(earlier, newest) <= limits.rise_by_hours
    return by_ratio or (fast and after - before >= Fraction(limits.rise_by[family]))


def _hours(earlier: Creatinine, newest: Creatinine) -> float:
    """Hours between two values; where a time is not known, those between the same time of both days."""
    if newest.instant is not None and earlier.instant is not None:
        return (newest.instant - earlier.instant) / datetime.timedelta(hours=1)
    return float((newest.day - earlier.day).days * 24)
