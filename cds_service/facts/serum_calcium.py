"""Serum calcium: the value that counts, corrected for albumin where that is needed, and how high it is."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..fhir.elements import Quantity
from ..terminology import units
from .clock import Clock
from .measured import SAYS_NOTHING, Threshold
from .results import Result, Results, Unusable

IONISED, REPORTED, COMPUTED, UNCORRECTED = "ionised", "reported-corrected", "computed-corrected", "uncorrected"
_GROUPS = {"calcium-ionised": IONISED, "calcium-corrected": REPORTED, "calcium-total": UNCORRECTED}
# On one day the value nearest to what acts in the body counts.
_PREFERENCE = (IONISED, REPORTED, COMPUTED, UNCORRECTED)
_DECIMALS = {"mass": 1, "molar": 2}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of serum calcium, each in mg/dL and mmol/L; ionised calcium has its own."""

    lookback_days: int
    low: Threshold
    severely_low: Threshold
    ionised_low: Threshold
    high: Threshold
    ckd_high: Threshold
    ionised_high: Threshold
    albumin_within_days: int
    albumin_normal: Mapping[str, Decimal]  # g/dL under "mass", g/L under "molar"
    albumin_factor: Mapping[str, Decimal]
    emergency: Threshold
    emergency_days: int
    plausible_low: Threshold
    plausible_high: Threshold
    ionised_share: Decimal
    albumin_plausible_low: Mapping[str, Decimal]
    albumin_plausible_high: Mapping[str, Decimal]

    def plausible(self, value: Decimal, family: str, kind: str) -> bool:
        """Whether a living patient can have it: beyond, a unit was mixed up."""
        share = self.ionised_share if kind == IONISED else Decimal(1)
        return self.plausible_low[family] * share <= value <= self.plausible_high[family] * share


class SerumCalcium(Struct, frozen=True):
    """The calcium that counts. ``kind`` says how it was had; ``total`` and ``albumin`` show the correction.

    ``own_low`` and ``own_high`` say whether the limit is the laboratory's own; ``newer_unusable`` is a newer result
    that could not be used.
    """

    value: Decimal
    family: str
    comparator: str
    kind: str
    day: datetime.date
    age_days: int
    sources: tuple[str, ...]
    total: str = ""
    albumin: str = ""
    albumin_day: datetime.date | None = None
    albumin_factor: Decimal = Decimal(0)
    albumin_normal: Decimal = Decimal(0)
    low_limit: Decimal = Decimal(0)
    severe_limit: Decimal = Decimal(0)
    emergency_limit: Decimal | None = None
    high_limit: Decimal = Decimal(0)
    ckd_limit: Decimal = Decimal(0)
    own_low: bool = False
    own_high: bool = False
    newer_unusable: Unusable | None = None

    def __str__(self) -> str:
        return f"{self.comparator}{format(self.value, 'f')} {self.unit}"

    @property
    def unit(self) -> str:
        """The unit in which it is compared and shown: mg/dL or mmol/L."""
        return units.CALCIUM_UNIT[self.family]

    @property
    def albumin_unit(self) -> str:
        """The unit in which albumin enters the correction."""
        return units.native_unit("albumin", self.family)

    @property
    def both(self) -> str:
        """The value in both units: "7.9 mg/dL (1.97 mmol/L)"."""
        return f"{self} ({self.comparator}{units.converted('calcium', self.value, self.family)})"

    @property
    def corrected(self) -> bool:
        """Whether it tells the calcium that acts in the body: ionised, or corrected for albumin."""
        return self.kind != UNCORRECTED

    @property
    def low(self) -> bool:
        """Below the lower limit."""
        return self._below(self.low_limit)

    @property
    def severely_low(self) -> bool:
        """So low that it is treated at once; not told of ionised calcium, for which no such limit is set."""
        return self.kind != IONISED and self._below(self.severe_limit)

    @property
    def very_high(self) -> bool:
        """At or above the limit of an emergency; not told of ionised calcium, for which no such limit is set."""
        limit = self.emergency_limit
        return limit is not None and self.comparator not in ("<", "<=") and self.value >= limit

    @property
    def high(self) -> bool:
        """Above the upper limit."""
        return self._above(self.high_limit)

    @property
    def high_for_ckd(self) -> bool:
        """Above the value at which calcium is stopped in chronic kidney disease, or above the upper limit."""
        return self.high or self._above(self.ckd_limit)

    @property
    def undecided(self) -> bool:
        """Whether it is only a bound, and one that leaves open whether it is low or high ("<9")."""
        return bool(self.comparator) and not self.low and not self.high

    def _below(self, limit: Decimal) -> bool:
        if self.comparator in (">", ">="):
            return False
        return self.value < limit or (self.comparator == "<" and self.value == limit)

    def _above(self, limit: Decimal) -> bool:
        if self.comparator in ("<", "<="):
            return False
        return self.value > limit or (self.comparator == ">" and self.value == limit)


class CalciumReading(Struct, frozen=True):
    """The last calcium, however old; a newer result within the look-back that could not be used, and whether all was
    read.
    """

    calcium: SerumCalcium | None
    newer_unusable: Unusable | None
    complete: bool
    emergency: SerumCalcium | None = None  # a value of that day which alone is an emergency


def read_calcium(results: Results, limits: Limits, clock: Clock) -> CalciumReading:
    """The value of the newest day, of the best kind on that day."""
    unusable: list[Unusable] = []
    candidates = list(_candidates(results, limits, clock, unusable))
    recent = [u for u in unusable if u.day is None or clock.age_days(u.day) <= limits.lookback_days]
    recent.sort(key=lambda u: u.day or datetime.date.max, reverse=True)
    if not candidates:
        return CalciumReading(None, next(iter(recent), None), results.complete and not results.more)
    best = min(candidates, key=lambda c: _PREFERENCE.index(c.kind))
    newer = next((u for u in recent if u.day is None or u.day > best.day), None)
    alarming = (c for c in candidates if is_emergency(c, limits))
    return CalciumReading(replace(best, newer_unusable=newer), newer, results.complete, next(alarming, None))


def _candidates(results: Results, limits: Limits, clock: Clock, unusable: list[Unusable]) -> Iterable[SerumCalcium]:
    """The values of the newest day that has any; what is newer and cannot be used is added to ``unusable``."""
    newest: datetime.date | None = None
    for result in results.newest_first(*_GROUPS):
        if newest is not None and result.day is not None and result.day < newest:
            return
        if isinstance(result, Unusable):
            if result.reason not in SAYS_NOTHING:
                unusable.append(result)
            continue
        calcium = _read(result, limits, clock)
        if isinstance(calcium, Unusable):
            unusable.append(calcium)
            continue
        counted = (_corrected(calcium, results, limits) if calcium.kind == UNCORRECTED else None) or calcium
        if counted.undecided:
            unusable.append(_unusable(result, "only-a-bound"))
        else:
            newest = result.day
            yield counted


def _read(result: Result, limits: Limits, clock: Clock) -> SerumCalcium | Unusable:
    """One result as it was reported, or why it cannot be used."""
    kind = _GROUPS[result.group]
    native = units.calcium(result.value, result.quantity.code, result.quantity.unit)
    if native is None:
        named = result.quantity.unit or result.quantity.code
        return _unusable(result, "not-a-unit-of-calcium" if named else "no-unit")
    family, value = native
    if not limits.plausible(value, family, kind):
        return _unusable(result, "implausible")
    return SerumCalcium(
        value=value,
        family=family,
        comparator=result.comparator,
        kind=kind,
        day=result.day,
        age_days=clock.age_days(result.day),
        sources=(result.source,),
        **_limits(result, family, kind, limits),
    )


def _unusable(result: Result, reason: str) -> Unusable:
    said = f"{result.text} {result.quantity.unit or result.quantity.code}".strip()
    return Unusable(result.source, result.group, reason, said, result.day)


def _limits(result: Result, family: str, kind: str, limits: Limits) -> dict[str, Any]:
    """The limits a value is held against: the laboratory's own range where it gave one in the same unit."""
    ionised = kind == IONISED
    own = result.reference_range
    own_low = _bound(own.low if own else None, family, kind, limits)
    own_high = _bound(own.high if own else None, family, kind, limits)
    high = own_high or (limits.ionised_high if ionised else limits.high)[family]
    return {
        "low_limit": own_low or (limits.ionised_low if ionised else limits.low)[family],
        "severe_limit": limits.severely_low[family],
        "emergency_limit": None if ionised else limits.emergency[family],
        "high_limit": high,
        "ckd_limit": high if ionised else limits.ckd_high[family],
        "own_low": own_low is not None,
        "own_high": own_high is not None,
    }


def _bound(quantity: Quantity | None, family: str, kind: str, limits: Limits) -> Decimal | None:
    """A bound of the laboratory's own range; one that no calcium can have (0, 99) is a filler, not a bound."""
    if quantity is None or quantity.value is None:
        return None
    native = units.calcium(quantity.value, quantity.code, quantity.unit)
    return native[1] if native and native[0] == family and limits.plausible(native[1], family, kind) else None


def _corrected(total: SerumCalcium, results: Results, limits: Limits) -> SerumCalcium | None:
    """Calcium corrected with the albumin nearest in time, rounded as it is shown, so that what is shown is compared."""
    for albumin in _albumins_near(total.day, results, limits.albumin_within_days):
        grams = units.albumin(albumin.value, albumin.quantity.code, albumin.quantity.unit, total.family)
        if grams is None or not (
            limits.albumin_plausible_low[total.family] <= grams <= limits.albumin_plausible_high[total.family]
        ):
            continue
        value = total.value + limits.albumin_factor[total.family] * (limits.albumin_normal[total.family] - grams)
        return replace(
            total,
            value=units.rounded(value, _DECIMALS[total.family]),
            kind=COMPUTED,
            sources=(*total.sources, albumin.source),
            total=str(total),
            albumin=f"{albumin.text} {albumin.quantity.unit or albumin.quantity.code}",
            albumin_day=albumin.day,
            albumin_factor=limits.albumin_factor[total.family],
            albumin_normal=limits.albumin_normal[total.family],
        )
    return None


def _albumins_near(day: datetime.date, results: Results, within_days: int) -> Sequence[Result]:
    """The albumins drawn within so many days of a day, the nearest first."""
    near = []
    for one in results.newest_first("albumin"):
        if one.day is not None and (day - one.day).days > within_days:
            break
        if isinstance(one, Result) and (one.day - day).days <= within_days and not one.comparator:
            near.append(one)
    return sorted(near, key=lambda albumin: abs((albumin.day - day).days))


def is_emergency(calcium: SerumCalcium, limits: Limits) -> bool:
    """Whether the value alone is a hypercalcaemia emergency: recent, corrected and at or above the limit."""
    recent = calcium.age_days <= limits.emergency_days
    total = calcium.kind in (REPORTED, COMPUTED)
    return (
        recent and total and calcium.comparator not in ("<", "<=") and calcium.value >= limits.emergency[calcium.family]
    )
