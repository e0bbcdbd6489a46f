"""Estimates of renal function: the clearance computed by Cockcroft and Gault, and values a laboratory reported."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from ..terminology import units
from .clock import Clock
from .creatinine import Creatinine
from .measured import SAYS_NOTHING, Measured, read
from .patient import Age
from .results import Result, Results, Unusable

WEIGHT, HEIGHT, CLEARANCE, FILTRATION = "body-weight", "body-height", "creatinine-clearance", "egfr"
COMPUTED, REPORTED, SURROGATE = "cockcroft-gault", "reported-clearance", "egfr"

# The equation of Cockcroft and Gault (Nephron 1976;16:31-41).
_AGE_BASE, _DIVISOR, _FEMALE = 140, 72, Fraction("0.85")
# Ideal weight by Devine (1974), in kg, from height in inches; adjusted weight adds a share of what is above it.
_IDEAL_BASE = {"male": Fraction(50), "female": Fraction("45.5")}
_IDEAL_PER_INCH, _IDEAL_FROM_INCHES, _CM_PER_INCH = Fraction("2.3"), 60, Fraction("2.54")
_ADJUSTED_SHARE = Fraction("0.4")
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Limits:
    """Which weight is believed and used, and from what age the equation holds."""

    weight_lookback_days: int
    weight_plausible_min_kg: int
    weight_plausible_max_kg: int
    weight_basis: str
    clearance_age: int


class Estimate(Struct, frozen=True):
    """A clearance in mL/min or, with ``kind`` "egfr", a filtration rate in mL/min/1.73 m².

    ``value`` has one decimal if computed, as many as reported else. Of a computed one ``creatinine``, ``weight``,
    ``weight_day``, ``years`` and ``sex_factor`` ("female-factor", "male-factor", "lower-factor") say what went in,
    and ``dosing_weight`` the weight in the equation where it is not the actual one. ``notes`` are codes:
    "sex-not-stated", "birth-date-partial", "weight-basis-ideal", "weight-basis-adjusted", "height-missing",
    "newer-weight-unusable".
    """

    value: Decimal
    comparator: str
    kind: str
    day: datetime.date
    age_days: int
    sources: tuple[str, ...]
    creatinine: str = ""
    weight: str = ""
    weight_day: datetime.date | None = None
    dosing_weight: str = ""
    years: int | None = None
    sex_factor: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.comparator}{format(self.value, 'f')}"

    @property
    def name(self) -> str:
        """CrCl, or eGFR of a filtration rate: the one is never called by the other's name."""
        return "eGFR" if self.surrogate else "CrCl"

    @property
    def unit(self) -> str:
        """mL/min, or mL/min/1.73 m² of a filtration rate."""
        return "mL/min/1.73 m²" if self.surrogate else "mL/min"

    @property
    def full(self) -> str:
        """Name, number and unit: "CrCl 29.5 mL/min"."""
        return f"{self.name} {self} {self.unit}"

    @property
    def computed(self) -> bool:
        """Whether it was computed here."""
        return self.kind == COMPUTED

    @property
    def surrogate(self) -> bool:
        """Whether it is a filtration rate, which stands in for a clearance."""
        return self.kind == SURROGATE

    def below(self, limit: Decimal | int) -> bool:
        """Whether it certainly lies below a limit in its unit."""
        if self.comparator == "<":
            return self.value <= limit
        return self.comparator in ("", "<=") and self.value < limit

    def may_be_below(self, limit: Decimal | int) -> bool:
        """Whether it can lie below a limit: a value known only from above always can."""
        return self.comparator in ("<", "<=") or self.value < limit


def read_reported(
    results: Results, group: str, days: int, clock: Clock
) -> tuple[tuple[Estimate, ...], tuple[Unusable, ...]]:
    """What laboratories reported of a value set in so many days, newest first, and what of it has no number or unit
    that can be used.
    """
    # A filtration rate has one unit in the world, and is often sent without it.
    only_unit = units.native_unit(FILTRATION, "mass") if group == FILTRATION else ""
    kind = SURROGATE if group == FILTRATION else REPORTED
    usable, unusable = [], []
    for result in results.within(days, clock, group)[0]:
        found = read(result, clock, only_unit=only_unit)
        if found is None:
            unusable.append(Unusable.of(result))
        else:
            usable.append(Estimate(found.value, found.comparator, kind, found.day, found.age_days, (found.source,)))
    return tuple(usable), tuple(unusable)


def compute(
    creatinine: Creatinine, results: Results, age: Age | None, sex: str, limits: Limits, clock: Clock
) -> Estimate | str:
    """The clearance that creatinine and the newest weight give, rounded half up to one decimal; or why there is none:
    "no-age", "child", "no-weight", "weight-unusable".

    Of a partial birth date the older age counts. ``sex`` is "female", "male" or anything else for not known; of an
    unknown one the lower clearance counts.
    """
    if age is None:
        return "no-age"
    if age.youngest < limits.clearance_age:
        return "child"
    weight, doubtful = _weight(results, limits, clock)
    if weight is None:
        return "weight-unusable" if doubtful else "no-weight"
    kg, basis = _dosing_weight(Fraction(weight.native), results, sex, limits, clock)
    notes = {
        "newer-weight-unusable": doubtful,
        basis: bool(basis),
        "sex-not-stated": sex not in _IDEAL_BASE,
        "birth-date-partial": age.oldest != age.youngest,
    }
    factor = Fraction(1) if sex == "male" else _FEMALE
    clearance = max(_AGE_BASE - age.oldest, 0) * kg * factor / (_DIVISOR * creatinine.mg_dl)
    return Estimate(
        value=units.rounded(_decimal(clearance), 1),
        comparator=_FLIPPED.get(creatinine.measured.comparator, ""),
        kind=COMPUTED,
        day=creatinine.day,
        age_days=creatinine.age_days,
        sources=(creatinine.measured.source, weight.source),
        creatinine=str(creatinine),
        weight=str(weight),
        weight_day=weight.day,
        dosing_weight=f"{units.rounded(_decimal(kg), 1)} kg" if kg != Fraction(weight.native) else "",
        years=age.oldest,
        sex_factor=f"{sex}-factor" if sex in _IDEAL_BASE else "lower-factor",
        notes=tuple(code for code, holds in notes.items() if holds),
    )


def _decimal(number: Fraction) -> Decimal:
    """To the 28 digits of Decimal: exact wherever a half could have to be rounded."""
    return Decimal(number.numerator) / Decimal(number.denominator)


def _weight(results: Results, limits: Limits, clock: Clock) -> tuple[Measured | None, bool]:
    """The newest weight that is not too old and that a person can have; whether a newer one could not be used."""
    unusable: list[datetime.date | None] = []
    for result in results.newest_first(WEIGHT):
        if result.day is not None and clock.age_days(result.day) > limits.weight_lookback_days:
            break
        if isinstance(result, Result):
            found = read(result, clock)
            if found is not None and not found.comparator and _plausible(found, limits):
                return found, any(day is None or day > found.day for day in unusable)
        if isinstance(result, Result) or result.reason not in SAYS_NOTHING:
            unusable.append(result.day)
    return None, bool(unusable)


def _plausible(weight: Measured, limits: Limits) -> bool:
    return limits.weight_plausible_min_kg <= weight.native <= limits.weight_plausible_max_kg


def _dosing_weight(actual: Fraction, results: Results, sex: str, limits: Limits, clock: Clock) -> tuple[Fraction, str]:
    """The weight the equation is given, in kg, and a note where that is not the actual one or should not be."""
    if limits.weight_basis == "actual":
        return actual, ""
    height = next(iter(_heights(results, clock)), None)
    if height is None:
        return actual, "height-missing"
    inches = Fraction(height.native) / _CM_PER_INCH
    base = _IDEAL_BASE["male" if sex == "male" else "female"]
    ideal = base + _IDEAL_PER_INCH * max(inches - _IDEAL_FROM_INCHES, Fraction(0))
    if actual <= ideal:
        return actual, ""
    if limits.weight_basis == "ideal":
        return ideal, "weight-basis-ideal"
    return ideal + _ADJUSTED_SHARE * (actual - ideal), "weight-basis-adjusted"


def _heights(results: Results, clock: Clock) -> Iterable[Measured]:
    found = (read(result, clock) for result in results.newest_first(HEIGHT) if isinstance(result, Result))
    return (height for height in found if height is not None and not height.comparator)
