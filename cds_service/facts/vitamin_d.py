"""The 25-hydroxyvitamin D level: which result counts, in which band, and what was wrong with newer ones."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec import Struct

from ..fhir.elements import Quantity
from ..terminology import units
from .clock import Clock
from .measured import Threshold
from .results import Result, Results, Unusable

TOTAL = "vitamin-d-25oh"
D2_FRACTION = "vitamin-d-25oh-d2"
D3_FRACTION = "vitamin-d-25oh-d3"

# From bad to good and on to too much: where results disagree, the first of these is believed.
_BANDS = ("deficient", "insufficient", "sufficient", "high", "toxic")


@dataclass(frozen=True, slots=True)
class Bands:
    """The limits between the bands, each in ng/mL and nmol/L, so that a value is compared as it was reported."""

    severe: Threshold
    deficient: Threshold
    sufficient: Threshold
    high: Threshold
    toxic: Threshold
    implausible: Threshold

    def band(self, value: Decimal, comparator: str, family: str) -> str:
        """The band of a value; of a value with a comparator the worst band it allows."""
        if comparator in ("<", "<="):
            return "deficient"
        if value > self.toxic[family] or (comparator == ">" and value == self.toxic[family]):
            return "toxic"
        if value > self.high[family] or (comparator == ">" and value == self.high[family]):
            return "high"
        if value >= self.sufficient[family]:
            return "sufficient"
        return "insufficient" if value >= self.deficient[family] else "deficient"

    def is_severe(self, value: Decimal, comparator: str, family: str) -> bool:
        """Whether the value is certainly in the severe part of deficiency."""
        if comparator in ("<", "<="):
            return value <= self.severe[family]
        return not comparator and value < self.severe[family]


class Level(Struct, frozen=True):
    """The 25(OH)D value that counts: as reported, in both units, its band, its age in days.

    ``other`` is a same-day result in another band (the lower of the two is the level). ``remarks`` are codes:
    "d3-only", "sum-of-fractions", "d2-below-detection".
    """

    value: Decimal  # as reported
    comparator: str
    unit: str  # as reported
    native: Decimal  # in the family's unit
    family: str  # "mass" (ng/mL) or "molar" (nmol/L)
    day: datetime.date
    age_days: int
    band: str
    severe: bool
    sources: tuple[str, ...]
    other: str = ""
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.comparator}{format(self.value, 'f')} {self.unit}"

    @property
    def both(self) -> str:
        """The value in both units: "14 ng/mL (35 nmol/L)"."""
        return f"{self} ({self.comparator}{units.converted_vitamin_d(self.native, self.family)})"

    @property
    def low(self) -> bool:
        """Whether it lies below the target."""
        return self.band in ("deficient", "insufficient")

    @property
    def too_high(self) -> bool:
        """Whether it lies above the upper limit."""
        return self.band in ("high", "toxic")


class _Value(Struct, frozen=True):
    """A usable 25(OH)D value in its native family."""

    result: Result
    family: str
    value: Decimal
    unit: str
    band: str
    remarks: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class LevelReading(Struct, frozen=True):
    """The level, if any, the unusable results that are newer than it, and whether anything could not be read."""

    level: Level | None
    unusable: tuple[Unusable, ...]
    complete: bool


def read_level(results: Results, bands: Bands, clock: Clock) -> LevelReading:
    """The latest usable 25(OH)D value: totals before fractions, the lower of discordant ones of one day."""
    level: Level | None = None
    unusable: list[Unusable] = []  # without a number, a time or a status that could be read
    beyond: list[Unusable] = []  # in a unit, or of a size, that 25(OH)D does not have
    imprecise: list[Unusable] = []
    for _, reported in results.by_day():
        if level is not None and all(one.exact for one in reported):
            continue
        outcomes = [one.outcome for one in reported]
        unusable += [one for one in outcomes if isinstance(one, Unusable)]
        values = _of_specimens([one for one in outcomes if isinstance(one, Result)], bands, beyond)
        if level is None and values:
            level = _of_day(values, bands, clock)
        if level is not None:
            imprecise += [_imprecise(v) for v in values if _may_be_newer(v, level)]
    unusable.sort(key=lambda u: u.day or datetime.date.min, reverse=True)
    newer = [u for u in (*unusable, *beyond) if level is None or u.day is None or u.day > level.day]
    complete = results.complete and not (level is None and results.more)
    return LevelReading(level, (*newer, *imprecise), complete)


def _of_specimens(results: Sequence[Result], bands: Bands, unusable: list[Unusable]) -> Sequence[_Value]:
    """The values of one day: totals, where there is none what fractions say."""
    values = [value for specimen in _specimens(results) for value in _totals(specimen, bands, unusable)]
    totals = [value for value in values if value.result.group == TOTAL]
    return totals or values


def _may_be_newer(value: _Value, level: Level) -> bool:
    """Whether a value that names no day may be from after the level."""
    date = value.result.moment.date
    return date.latest > level.day and not date.exact and value.result.source not in level.sources


def _imprecise(value: _Value) -> Unusable:
    result = value.result
    return Unusable(result.source, result.group, "imprecise-date", f"{result.text} {value.unit}", result.day)


def _specimens(results: Iterable[Result]) -> Iterable[Sequence[Result]]:
    """Results by the time they were drawn: what carries one time is one specimen."""
    by_time: dict[object, list[Result]] = {}
    for result in results:
        by_time.setdefault(result.moment.instant or result.day, []).append(result)
    return by_time.values()


def _totals(specimen: Sequence[Result], bands: Bands, unusable: list[Unusable]) -> list[_Value]:
    """The total values of one specimen; where only fractions were reported, their sum."""
    totals, d2, d3 = (
        [v for r in specimen if r.group == group and (v := _native(r, bands, unusable))]
        for group in (TOTAL, D2_FRACTION, D3_FRACTION)
    )
    if totals:
        return totals
    if d3 and d2 and d3[0].family == d2[0].family:
        return [_sum(d2[0], d3[0], bands)]
    if d3:
        return [_with(v, remarks=("d3-only",)) for v in d3]
    unusable.extend(
        Unusable(v.result.source, v.result.group, "d2-fraction-alone", f"{v.result.text} {v.unit}", v.result.day)
        for v in d2
    )
    return []


def _native(result: Result, bands: Bands, unusable: list[Unusable]) -> _Value | None:
    native = units.vitamin_d(result.value, result.quantity.code, result.quantity.unit)
    shown = _shown_unit(result.quantity)
    if native is None:
        reason = "unknown-unit" if shown else "no-unit"
        unusable.append(Unusable(result.source, result.group, reason, f"{result.text} {shown}".strip(), result.day))
        return None
    family, value = native
    if value <= 0 or value > bands.implausible[family]:
        unusable.append(Unusable(result.source, result.group, "implausible", f"{result.text} {shown}", result.day))
        return None
    band = bands.band(value, result.comparator, family)
    return _Value(result, family, value, shown, band, sources=(result.source,))


def _shown_unit(quantity: Quantity) -> str:
    """The unit as reported where it is the one that counted; the UCUM code where the text says another."""
    counted = units.laboratory_unit(quantity.code, quantity.unit)
    if counted is None or units.laboratory_unit("", quantity.unit) == counted:
        return quantity.unit or quantity.code
    return counted


def _sum(d2: _Value, d3: _Value, bands: Bands) -> _Value:
    """D2 and D3 of one specimen. A D2 below its detection limit adds nothing that can be counted on."""
    sources = d3.sources + d2.sources
    if d2.result.comparator:
        return _with(d3, remarks=("d2-below-detection",), sources=sources)
    value = d2.value + d3.value
    unit = d3.unit if d3.unit == d2.unit else units.VITAMIN_D_UNIT[d3.family]
    summed = _Value(d3.result, d3.family, value, unit, "", ("sum-of-fractions",), sources)
    return _with(summed, band=bands.band(value, d3.result.comparator, d3.family))


def _with(value: _Value, *, band: str = "", remarks: tuple[str, ...] = (), sources: tuple[str, ...] = ()) -> _Value:
    return _Value(
        value.result,
        value.family,
        value.value,
        value.unit,
        band or value.band,
        value.remarks + remarks,
        sources or value.sources,
    )


def _of_day(values: Sequence[_Value], bands: Bands, clock: Clock) -> Level:
    """One level of several on one day: a corrected one, else the lower of discordant ones, else the latest."""
    corrected = [v for v in values if v.result.amended]
    candidates = corrected or list(values)
    other = ""
    if len({v.band for v in candidates}) > 1:
        chosen = min(candidates, key=lambda v: (_BANDS.index(v.band), v.value))
        highest = max(candidates, key=lambda v: (_BANDS.index(v.band), v.value))
        other = f"{highest.result.comparator}{format(highest.value, 'f')} {highest.unit}"
    else:
        chosen = max(candidates, key=lambda v: v.result.moment.instant.timestamp() if v.result.moment.instant else 0.0)
    summed = "sum-of-fractions" in chosen.remarks
    return Level(
        value=chosen.value if summed else chosen.result.value,
        comparator=chosen.result.comparator,
        unit=chosen.unit,
        native=chosen.value,
        family=chosen.family,
        day=chosen.result.day,
        age_days=clock.age_days(chosen.result.day),
        band=chosen.band,
        severe=bands.is_severe(chosen.value, chosen.result.comparator, chosen.family),
        sources=chosen.sources,
        other=other,
        remarks=chosen.remarks,
    )


def target(bands: Bands, level: Level | None) -> str:
    """The level that counts as corrected, in the family in which the level was reported: "30 ng/mL"."""
    return _shown(bands.sufficient, level.family if level else "mass")


def exceeded(bands: Bands, level: Level) -> str:
    """The limit that a high or toxic level is above, in the family in which it was reported: "100 ng/mL"."""
    return _shown(bands.toxic if level.band == "toxic" else bands.high, level.family)


def _shown(limit: Threshold, family: str) -> str:
    return f"{format(Decimal(limit[family]), 'f')} {units.VITAMIN_D_UNIT[family]}"
