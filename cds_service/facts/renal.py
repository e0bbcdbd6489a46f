"""Renal function: the clearance or filtration rate that counts, where it comes from, and whether it is stable."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from ..terminology import units
from .clock import Clock
from .measured import SAYS_NOTHING, Measured, Threshold, read
from .patient import Age
from .results import Results

CREATININE, CLEARANCE, FILTRATION = "creatinine", "creatinine-clearance", "egfr"
WEIGHT, HEIGHT = "body-weight", "body-height"
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
    """How old results may be, which are believed, which weight is used, and what counts as a rise."""

    lookback_days: int
    stale_days: int
    weight_lookback_days: int
    weight_plausible_min_kg: int
    weight_plausible_max_kg: int
    weight_basis: str
    clearance_age: int
    creatinine_plausible_low: Threshold
    creatinine_plausible_high: Threshold
    rise_ratio: Decimal
    rise_ratio_days: int
    rise_by: Threshold
    rise_by_hours: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A clearance in mL/min or, with ``kind`` "egfr", a filtration rate in mL/min/1.73 m².

    ``value`` has one decimal if computed, as many as reported else. Of a computed one ``creatinine``, ``weight``,
    ``weight_day`` and ``years`` say what went in; ``notes`` are codes: "sex-not-stated", "birth-date-partial",
    "weight-basis-ideal", "weight-basis-adjusted", "height-missing".
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
    years: int | None = None
    female: bool = False
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.comparator}{format(self.value, 'f')}"

    @property
    def unit(self) -> str:
        """mL/min, or mL/min/1.73 m² of a filtration rate."""
        return "mL/min/1.73 m²" if self.kind == SURROGATE else "mL/min"

    def below(self, limit: Decimal | int) -> bool:
        """Whether it certainly lies below a limit in its unit."""
        if self.comparator == "<":
            return self.value <= limit
        return self.comparator in ("", "<=") and self.value < limit

    def may_be_below(self, limit: Decimal | int) -> bool:
        """Whether it can lie below a limit: a value known only from above always can."""
        if self.comparator in ("<", "<="):
            return True
        return self.value < limit


@dataclass(frozen=True, slots=True)
class Rise:
    """Creatinine that rose so fast that no estimate holds: from, to, within how many days."""

    before: str
    after: str
    days: int


@dataclass(frozen=True, slots=True)
class Estimates:
    """Everything that results say of renal function.

    ``recent`` is the clearance within the look-back (else the filtration rate), ``last`` the newest of either within
    the longer time; ``other`` a different method of the same day. ``missing`` are codes of why creatinine on file
    could not be turned into a clearance: "no-weight", "no-age", "child". ``newer_unusable`` and ``complete`` say
    whether a newer result could not be used, and whether all was read.
    """

    recent: Estimate | None
    last: Estimate | None
    other: Estimate | None = None
    filtration: Estimate | None = None
    creatinine: Measured | None = None
    missing: tuple[str, ...] = ()
    rise: Rise | None = None
    newer_unusable: bool = False
    complete: bool = True


def read_estimates(results: Results, age: Age | None, sex: str, limits: Limits, clock: Clock) -> Estimates:
    """The estimates that the results allow; ``sex`` is "female", "male" or anything else for not known."""
    unusable = [
        u.day
        for u in results.unusable
        if u.group in (CREATININE, CLEARANCE, FILTRATION) and u.reason not in SAYS_NOTHING
    ]
    creatinines = list(_creatinines(results, limits, clock, unusable))
    reported = _newest_day(_reported(results, CLEARANCE, REPORTED, clock, unusable))
    filtrations = _newest_day(_reported(results, FILTRATION, SURROGATE, clock, unusable))
    computed, missing = _computed(creatinines, results, age, sex, limits, clock)
    clearances = [e for e in (computed, *reported) if e is not None]
    clearance, other = _newer_or_lower(clearances)
    filtration = min(filtrations, key=lambda e: e.value, default=None)
    within = [e for e in (clearance, filtration) if e is not None]
    recent = next((e for e in within if e.age_days <= limits.lookback_days), None)
    kept = [e for e in within if e.age_days <= limits.stale_days]
    last = min(kept, key=lambda e: e.age_days, default=None)
    newest = min((e.age_days for e in within), default=None)
    ages = [None if day is None else clock.age_days(day) for day in unusable]
    oldest = limits.stale_days if newest is None else min(limits.stale_days, newest - 1)
    newer = [age for age in ages if age is None or age <= oldest]
    return Estimates(
        recent=recent,
        last=last,
        other=other if recent is clearance else None,
        filtration=filtration if filtration and filtration.age_days <= limits.stale_days else None,
        creatinine=creatinines[0] if creatinines and creatinines[0].age_days <= limits.lookback_days else None,
        missing=missing,
        rise=_rise(creatinines, limits),
        newer_unusable=bool(newer),
        complete=results.complete and not (last is None and results.more),
    )


def _creatinines(
    results: Results, limits: Limits, clock: Clock, unusable: list[datetime.date | None]
) -> Iterable[Measured]:
    """The usable creatinine values, newest first; an implausible one is a mixed-up unit."""
    for result in results.of(CREATININE):
        found = read(result, clock)
        if found is None or not (
            limits.creatinine_plausible_low[found.family]
            <= found.native
            <= limits.creatinine_plausible_high[found.family]
        ):
            unusable.append(result.day)
        else:
            yield found


def _reported(
    results: Results, group: str, kind: str, clock: Clock, unusable: list[datetime.date | None]
) -> Iterable[Estimate]:
    # A filtration rate has one unit in the world, and is often sent without it.
    only_unit = units.native_unit(FILTRATION, "mass") if group == FILTRATION else ""
    for result in results.of(group):
        found = read(result, clock, only_unit=only_unit)
        if found is None:
            unusable.append(result.day)
        else:
            yield Estimate(found.value, found.comparator, kind, found.day, found.age_days, (found.source,))


def _newest_day(estimates: Iterable[Estimate]) -> list[Estimate]:
    found = list(estimates)
    newest = max((e.day for e in found), default=None)
    return [e for e in found if e.day == newest]


def _newer_or_lower(estimates: Sequence[Estimate]) -> tuple[Estimate | None, Estimate | None]:
    """The newer one; of one day the lower, and with it the other."""
    ranked = sorted(estimates, key=lambda e: (e.age_days, e.value))
    if not ranked:
        return None, None
    same_day = [e for e in ranked[1:] if e.day == ranked[0].day and e.value != ranked[0].value]
    return ranked[0], same_day[0] if same_day else None


def _computed(
    creatinines: Sequence[Measured], results: Results, age: Age | None, sex: str, limits: Limits, clock: Clock
) -> tuple[Estimate | None, tuple[str, ...]]:
    """The clearance by Cockcroft and Gault from the newest creatinine, or why there is none."""
    if not creatinines:
        return None, ()
    if age is None:
        return None, ("no-age",)
    if age.oldest < limits.clearance_age:
        return None, ("child",)
    creatinine = creatinines[0]
    weight = _weight(results, limits, clock)
    if weight is None:
        return None, ("no-weight",)
    female = sex != "male"
    kg, notes = _dosing_weight(Fraction(weight.native), results, female, limits, clock)
    if sex not in ("female", "male"):
        notes = (*notes, "sex-not-stated")
    if age.oldest != age.youngest:
        notes = (*notes, "birth-date-partial")
    mg_dl = units.in_family(CREATININE, creatinine.native, units.native_unit(CREATININE, creatinine.family), "mass")
    if mg_dl is None:
        return None, ()
    clearance = max(_AGE_BASE - age.oldest, 0) * kg / (_DIVISOR * Fraction(mg_dl)) * (_FEMALE if female else 1)
    estimate = Estimate(
        value=units.rounded(Decimal(clearance.numerator) / Decimal(clearance.denominator), 1),
        comparator=_FLIPPED.get(creatinine.comparator, ""),
        kind=COMPUTED,
        day=creatinine.day,
        age_days=creatinine.age_days,
        sources=(creatinine.source, weight.source),
        creatinine=str(creatinine),
        weight=str(weight),
        weight_day=weight.day,
        years=age.oldest,
        female=female,
        notes=notes,
    )
    return estimate, ()


def _weight(results: Results, limits: Limits, clock: Clock) -> Measured | None:
    """The newest weight that is not too old and that a person can have."""
    for result in results.of(WEIGHT):
        found = read(result, clock)
        if (
            found is not None
            and not found.comparator
            and found.age_days <= limits.weight_lookback_days
            and limits.weight_plausible_min_kg <= found.native <= limits.weight_plausible_max_kg
        ):
            return found
    return None


def _dosing_weight(
    actual: Fraction, results: Results, female: bool, limits: Limits, clock: Clock
) -> tuple[Fraction, tuple[str, ...]]:
    """The weight the equation is given: the actual one, unless the site goes by ideal or adjusted weight."""
    if limits.weight_basis == "actual":
        return actual, ()
    heights = (read(result, clock) for result in results.of(HEIGHT))
    height = next((h for h in heights if h is not None and not h.comparator), None)
    if height is None:
        return actual, ("height-missing",)
    inches = Fraction(height.native) / _CM_PER_INCH
    base = _IDEAL_BASE["female" if female else "male"]
    ideal = base + _IDEAL_PER_INCH * max(inches - _IDEAL_FROM_INCHES, Fraction(0))
    if limits.weight_basis == "ideal":
        return min(ideal, actual), ("weight-basis-ideal",)
    adjusted = ideal + _ADJUSTED_SHARE * (actual - ideal) if actual > ideal else actual
    return adjusted, ("weight-basis-adjusted",)


def _rise(creatinines: Sequence[Measured], limits: Limits) -> Rise | None:
    """Whether the newest creatinine rose so much over a recent one that renal function is not stable."""
    if not creatinines or creatinines[0].age_days > limits.lookback_days:
        return None
    newest = creatinines[0]
    for earlier in creatinines[1:]:
        days = (newest.day - earlier.day).days
        if days > limits.rise_ratio_days or earlier.family != newest.family:
            continue
        rose = newest.native - earlier.native
        by_ratio = newest.native >= earlier.native * limits.rise_ratio
        by_amount = days * 24 <= limits.rise_by_hours and rose >= limits.rise_by[newest.family]
        if by_ratio or by_amount:
            return Rise(str(earlier), str(newest), days)
    return None
