"""How much of a substance one dose holds: elemental calcium in mg, or vitamin D in IU."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from importlib import resources
from typing import Literal

from msgspec import Struct

from ..fhir.elements import Dosage, DoseAndRate, Quantity, Range, Ratio
from ..terminology import units
from ..terminology.products import Content, Product
from .dose_range import NOTHING, DoseRange, cover, total
from .timing import duration_days, notes_of

Substance = Literal["calcium", "vitamin-d"]

_LARGEST_BARE_COUNT = Fraction(
    json.loads(resources.files(__package__).joinpath("dosing.json").read_text("utf-8"))["largest_count_without_unit"]
)
_UNLIMITED = frozenset({"<", "<="})
_PREFERRED_KIND = "ordered"


class Amount(Struct, frozen=True):
    """The amount of one dose, or of one day where only a rate is known; neither with a ``reason`` code.

    Reasons: "no-dose", "no-strength", "unit-not-usable", "unit-missing", "implausible-dose". Notes:
    "strength-ambiguous", "dose-contradiction", "from-rate".
    """

    per_dose: DoseRange | None = None
    per_day: DoseRange | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether there is an amount at all."""
        return self.per_dose is not None or self.per_day is not None


def amount_per_dose(dosage: Dosage, product: Product, substance: Substance) -> Amount:
    """The structured dose of an instruction. Several entries describe one dose and are never added up.

    Of entries that agree the ordered one counts, else the first; entries that exclude each other widen the range.
    """
    duration = _duration_hours(dosage)
    entries: Sequence[DoseAndRate] = dosage.doses
    if len(entries) > 1:
        entries = sorted(entries, key=lambda d: d.kind.casefold() != _PREFERRED_KIND)
    read = [_of_entry(entry, duration, product, substance) for entry in entries]
    doses = [a for a in read if a.per_dose is not None]
    known = doses or [a for a in read if a.known]
    if not known:
        said = [a for a in read if a.reason != "no-dose"]
        return said[0] if said else Amount(reason="no-dose")
    found = _agreed(known)
    cap = of_quantity(dosage.max_per_administration, product, substance) if dosage.max_per_administration else None
    if cap is None or found.per_dose is None:
        return found
    if cap.per_dose is None or cap.per_dose.high is None:
        return Amount(found.per_dose, notes=notes_of(found.notes, ("maximum-not-understood",)))
    return Amount(found.per_dose.at_most(cap.per_dose.high), notes=found.notes)


def _agreed(known: Sequence[Amount]) -> Amount:
    first = known[0]
    if len(known) == 1:
        return first
    ranges = [r for a in known if (r := a.per_dose or a.per_day) is not None]
    if all(ranges[0].meets(r) for r in ranges):
        return first
    notes = notes_of(*(a.notes for a in known), ("dose-contradiction",))
    if first.per_dose is None:
        return Amount(per_day=cover(ranges), notes=notes)
    return Amount(cover(ranges), notes=notes)


def _of_entry(entry: DoseAndRate, duration_hours: Fraction | None, product: Product, substance: Substance) -> Amount:
    if isinstance(entry.dose, Range):
        return _of_range(entry.dose, product, substance)
    if entry.dose is not None and entry.dose.value is not None:
        return of_quantity(entry.dose, product, substance)
    if entry.rate is not None:
        return _of_rate(entry.rate, duration_hours, product, substance)
    return Amount(reason="no-dose")


def of_quantity(quantity: Quantity, product: Product, substance: Substance) -> Amount:
    """The amount of a quantity: a count of tablets, a volume, a mass, equivalents or international units."""
    if quantity.value is None:
        return Amount(reason="no-dose")
    value = units.exact(quantity.value)
    if value is None or value.numerator <= 0:
        return Amount(reason="implausible-dose")
    unit = units.dose_unit(quantity.code, quantity.unit)
    if not quantity.code.strip() and not quantity.unit.strip() and value > _LARGEST_BARE_COUNT:
        return Amount(reason="unit-missing")
    found = of_value(value, unit, product, substance)
    if found.per_dose is None or not quantity.comparator:
        return found
    if quantity.comparator in _UNLIMITED:
        return Amount(found.per_dose.or_none(), notes=found.notes)
    return Amount(DoseRange(found.per_dose.low, None), notes=found.notes)


def of_range(value: DoseRange, unit: str, product: Product, substance: Substance) -> Amount:
    """The amount of a range of values in one canonical unit."""
    low = of_value(value.low, unit, product, substance)
    if value.high is value.low:
        return low
    high = of_value(value.high, unit, product, substance) if value.high is not None else low
    if low.per_dose is None or high.per_dose is None:
        return low if low.per_dose is None else high
    both = cover((low.per_dose, high.per_dose))
    notes = notes_of(low.notes, high.notes)
    return Amount(both if value.high is not None else DoseRange(both.low, None), notes=notes)


def _of_range(dose: Range, product: Product, substance: Substance) -> Amount:
    """A dose from–to. The side that carries no unit has that of the other; a side that is not said is open."""
    low, high = dose.low, dose.high
    if high is None or high.value is None:
        found = of_quantity(low, product, substance) if low else Amount(reason="no-dose")
        return Amount(DoseRange(found.per_dose.low, None), notes=found.notes) if found.per_dose else found
    above = of_quantity(_with_unit_of(high, low), product, substance)
    if above.per_dose is None:
        return above
    if low is None or low.value is None or low.value == 0:
        return Amount(above.per_dose.or_none(), notes=above.notes)
    below = of_quantity(_with_unit_of(low, high), product, substance)
    if below.per_dose is None:
        return below
    return Amount(cover((below.per_dose, above.per_dose)), notes=notes_of(below.notes, above.notes))


def _with_unit_of(quantity: Quantity, other: Quantity | None) -> Quantity:
    if other is None or quantity.unit.strip() or quantity.code.strip():
        return quantity
    return Quantity(quantity.value, other.unit, other.code, quantity.comparator)


def of_value(value: Fraction, unit: str | None, product: Product, substance: Substance) -> Amount:
    """The amount of one value in a canonical unit."""
    if value == 0:
        return Amount(NOTHING)
    if unit == "L":
        value, unit = value * 1000, "mL"
    if unit in (units.COUNT, "mL"):
        return _counted(value, "unit" if unit == units.COUNT else "mL", product, substance)
    reader = _READERS[substance].get(unit or "")
    return reader(value, product) if reader else Amount(reason="unit-not-usable")


def _contents(product: Product, substance: Substance) -> tuple[Content, ...]:
    return product.calcium if substance == "calcium" else product.vitamin_d


def _counted(count: Fraction, per: str, product: Product, substance: Substance) -> Amount:
    """So many tablets, or so many millilitres, of a product of known content."""
    contents = _contents(product, substance)
    known = [c for c in contents if c.low is not None and c.high is not None]
    if not contents or len(known) < len(contents):
        return Amount(reason="no-strength")
    if any(c.per != per for c in contents):
        return Amount(reason="unit-not-usable")
    content = total(map(_content, known))
    ambiguous = content.low != content.high or any(c.basis == "ambiguous" for c in known)
    return Amount(content.times(count), notes=("strength-ambiguous",) if ambiguous else ())


def _content(content: Content) -> DoseRange:
    """What one unit of it holds; of a strength that is known."""
    low, high = content.low or Decimal(0), content.high or Decimal(0)
    least = Fraction(*low.as_integer_ratio())
    return DoseRange(least, least if low == high else Fraction(*high.as_integer_ratio()))


def _tablets(value: Fraction, strengths: Sequence[Decimal | None]) -> Fraction | None:
    """How many tablets (whole or half) an amount is, by the first strength of which it is such a multiple."""
    for strength in strengths:
        if strength is not None and strength > 0:
            count = value / Fraction(strength)
            if (count * 2).denominator == 1:
                return count
    return None


def _tablets_of(mg: Fraction, product: Product) -> Fraction | None:
    """Tablets by calcium strength: the salt's weight comes first, because that is what labels name."""
    if len(product.calcium) != 1 or product.calcium[0].per != "unit":
        return None
    content = product.calcium[0]
    return _tablets(mg, (content.salt_mg, content.low, content.high))


def _calcium_mass(mg_per: Fraction) -> Callable[[Fraction, Product], Amount]:
    return lambda value, product: _calcium_mg(value * mg_per, product)


def _calcium_mg(mg: Fraction, product: Product) -> Amount:
    """A mass of a calcium product, which may be meant as salt or as elemental calcium."""
    fractions = [None if c.fraction is None else Fraction(c.fraction) for c in product.calcium]
    if not fractions:
        return Amount(reason="no-strength")
    certain = [f for f in fractions if f is not None]
    if product.route == "iv" and len(certain) == len(fractions) == 1:
        return Amount(DoseRange.of(mg * certain[0]))  # by vein the salt is dosed
    tablets = _tablets_of(mg, product)
    if tablets is not None:
        return _counted(tablets, "unit", product, "calcium")
    if not certain:
        return Amount(DoseRange.of(mg))  # no salt is named: calcium is meant
    return Amount(DoseRange(mg * min(*certain, Fraction(1)), mg), notes=("strength-ambiguous",))


def _elemental(mg_per: Fraction) -> Callable[[Fraction, Product], Amount]:
    return lambda value, product: Amount(DoseRange.of(value * mg_per))


def _calcium_by_iu(iu: Fraction, product: Product) -> Amount:
    """A combination dosed by its vitamin D."""
    contents = product.vitamin_d
    if len(contents) != 1 or contents[0].per != "unit":
        return Amount(reason="unit-not-usable")
    tablets = _tablets(iu, (contents[0].low, contents[0].high))
    return Amount(reason="unit-not-usable") if tablets is None else _counted(tablets, "unit", product, "calcium")


def _vitamin_d_mass(ug_per: Fraction) -> Callable[[Fraction, Product], Amount]:
    return lambda value, product: _vitamin_d_ug(value * ug_per, product)


def _vitamin_d_ug(ug: Fraction, product: Product) -> Amount:
    """A mass of vitamin D itself; of a combination the mass is that of the other ingredient."""
    if len(product.ingredients) <= 1:
        return Amount(DoseRange.of(ug * units.VITAMIN_D_IU_PER_UG))
    tablets = _tablets_of(ug / units.UG_PER["mg"], product)
    return Amount(reason="unit-not-usable") if tablets is None else _counted(tablets, "unit", product, "vitamin-d")


def _iu(iu: Fraction, product: Product) -> Amount:
    return Amount(DoseRange.of(iu))


_READERS = {
    "calcium": {
        **{unit: _calcium_mass(ug / units.UG_PER["mg"]) for unit, ug in units.UG_PER.items()},
        "meq": _elemental(units.CALCIUM_MG_PER_MEQ),
        "mmol": _elemental(units.CALCIUM_MG_PER_MMOL),
        "[iU]": _calcium_by_iu,
    },
    "vitamin-d": {**{unit: _vitamin_d_mass(ug) for unit, ug in units.UG_PER.items()}, "[iU]": _iu},
}


def _duration_hours(dosage: Dosage) -> Fraction | None:
    repeat = dosage.timing.repeat if dosage.timing else None
    if repeat is None or repeat.duration is None:
        return None
    length = duration_days(repeat.duration, repeat.duration_unit)
    return None if length is None else length * 24


def _of_rate(rate: Quantity | Range | Ratio, hours: Fraction | None, product: Product, substance: Substance) -> Amount:
    """An infusion: amount per hour times its duration; without one, a whole day of it is the most it can be."""
    hourly = _hourly(rate, product, substance)
    if hourly.per_dose is None:
        return hourly
    notes = notes_of(hourly.notes, ("from-rate",))
    if hours is not None:
        return Amount(hourly.per_dose.times(hours), notes=notes)
    return Amount(per_day=hourly.per_dose.times(Fraction(24)).or_none(), notes=notes)


def _hourly(rate: Quantity | Range | Ratio, product: Product, substance: Substance) -> Amount:
    if isinstance(rate, Range):
        sides = [_hourly(side, product, substance) for side in (rate.low, rate.high) if side is not None]
        ranges = [a.per_dose for a in sides if a.per_dose is not None]
        if rate.high is None or not ranges or len(ranges) < len(sides):
            return Amount(reason="unit-not-usable")
        widest = cover(ranges)
        return Amount(widest if rate.low else widest.or_none(), notes=notes_of(*(a.notes for a in sides)))
    if isinstance(rate, Ratio):
        one = rate.denominator.value if rate.denominator.value is not None else Decimal(1)
        time = duration_days(one, units.canonical(rate.denominator.code, rate.denominator.unit) or "")
        found = of_quantity(rate.numerator, product, substance)
    else:
        amount, _, per = (units.canonical(rate.code, rate.unit) or "").partition("/")
        time = duration_days(Decimal(1), per)
        found = (
            of_quantity(Quantity(rate.value, code=amount, comparator=rate.comparator), product, substance)
            if amount
            else Amount()
        )
    if time is None or found.per_dose is None:
        return Amount(reason=found.reason or "unit-not-usable")
    return Amount(found.per_dose.times(1 / (time * 24)), notes=found.notes)
