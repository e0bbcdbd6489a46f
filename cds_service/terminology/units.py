"""The UCUM units we accept, in the spellings seen in the wild, and what they convert to exactly."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

COUNT = "1"

# Conversion factors of chemistry and physics.
CALCIUM_MG_PER_MMOL = Fraction("40.08")
CALCIUM_MG_PER_MEQ = Fraction("20.04")  # calcium is divalent: two milliequivalents to a millimole
VITAMIN_D_IU_PER_UG = Fraction(40)
UG_PER: Mapping[str, Fraction] = MappingProxyType({"ug": Fraction(1), "mg": Fraction(1000), "g": Fraction(10**6)})

DAYS: Mapping[str, Fraction] = MappingProxyType(
    {
        "s": Fraction(1, 86400),
        "min": Fraction(1, 1440),
        "h": Fraction(1, 24),
        "d": Fraction(1),
        "wk": Fraction(7),
        "mo": Fraction(30),
        "a": Fraction(365),
    }
)

_ANNOTATION = re.compile(r"\{[^{}]*\}")
_SPACE = re.compile(r"\s+")
# Beyond these powers of ten a number is a typing error, and exact arithmetic on it would take forever.
_LARGEST_POWER, _SMALLEST_POWER = 12, -12
_LONGEST = 32  # characters of what may be a unit; only that is remembered


def _folded(text: str) -> str:
    """One form for all spellings: case, blanks, both micro signs and a raised two do not matter."""
    folded = _SPACE.sub("", text).casefold()
    return folded.replace("μ", "u").replace("²", "2").rstrip(".") if folded else ""


def _read_spellings() -> tuple[Mapping[str, str], frozenset[str]]:
    table = json.loads(resources.files(__package__).joinpath("units.json").read_text("utf-8"))
    known = {_folded(code): code for code in table["spellings"]}
    for code, spellings in table["spellings"].items():
        known.update({_folded(spelling): code for spelling in spellings})
    return MappingProxyType(known), frozenset(_folded(word) for word in table["counts"])


_UNITS, _COUNTS = _read_spellings()


def _lookup(text: str) -> str | None:
    return _remembered(text) if len(text) <= _LONGEST else _read(text)


def _read(text: str) -> str | None:
    folded = _folded(text)
    if folded in _COUNTS or _ANNOTATION.fullmatch(folded):
        return COUNT
    return _UNITS.get(folded)


_remembered = lru_cache(maxsize=2048)(_read)


def canonical(code: str, unit: str) -> str | None:
    """The canonical UCUM code of a unit given as code, as text or as both; None when unknown or missing.

    A known code wins over a known text; an unknown code gives way to a known text. Countable things (tablets,
    capsules, any annotation such as ``{pill}``) are "1".
    """
    return _lookup(code) or _lookup(unit)


def laboratory_unit(code: str, unit: str) -> str | None:
    """The unit of a laboratory result; None when it is unknown, missing or names countable things.

    A bare number is never taken for a number of anything: 34 may be ng/mL or nmol/L.
    """
    found = canonical(code, unit)
    return None if found == COUNT else found


def dose_unit(code: str, unit: str) -> str | None:
    """The unit of a dose; a dose without any unit is a number of tablets ("1"), an unknown unit None."""
    if not code.strip() and not unit.strip():
        return COUNT
    return canonical(code, unit)


def exact(value: Decimal | None) -> Fraction | None:
    """The number as a fraction; None when there is none, it is not finite, or its size is absurd."""
    if value is None or not is_sane(value):
        return None
    # Of integers a fraction is made much faster than of a Decimal.
    numerator, denominator = value.as_integer_ratio()
    return Fraction(numerator) if denominator == 1 else Fraction(numerator, denominator)


def is_sane(value: Decimal) -> bool:
    """Whether a number is finite and of a size that can be meant."""
    if len(said := str(value)) <= _LARGEST_POWER and said.replace(".", "").isdigit():
        return True  # in so few characters, without an exponent, everything is
    if not value.is_finite() or (value and not _SMALLEST_POWER <= value.adjusted() <= _LARGEST_POWER):
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and abs(exponent) < 100


def days(value: Decimal | None, unit: str) -> Fraction | None:
    """A length of time in days, a month being 30 and a year 365; None when number or unit cannot be used."""
    found = canonical(unit, "")
    number = exact(value) if found in DAYS else None
    return number if number is None or found is None or found == "d" else number * DAYS[found]


@dataclass(frozen=True, slots=True)
class _Family:
    """Units of one kind: the one values are compared in, the powers to reach it (None: it is the same), the decimals
    it is shown with.
    """

    unit: str
    decimals: int
    powers: Mapping[str, Fraction | None]


@dataclass(frozen=True, slots=True)
class _Substance:
    """The two families in which a substance is reported; ``factor`` turns the mass unit into the molar one."""

    mass: _Family
    molar: _Family | None = None
    factor: Fraction = Fraction(1)

    def family(self, name: str) -> _Family | None:
        return self.mass if name == "mass" else self.molar if name == "molar" else None


def _family(unit: str, decimals: int, **others: str) -> _Family:
    powers = {unit: Fraction(1), **{u: Fraction(p) for u, p in others.items()}}
    return _Family(unit, decimals, MappingProxyType({u: None if p == 1 else p for u, p in powers.items()}))


_CALCIUM = _Substance(
    _family("mg/dL", 1, **{"mg/L": "0.1", "g/L": "100"}),
    _family("mmol/L", 2, **{"meq/L": "0.5", "umol/L": "0.001"}),
    1 / Fraction("4.008"),
)
_SUBSTANCES: Mapping[str, _Substance] = MappingProxyType(
    {
        "25-hydroxyvitamin-d": _Substance(
            _family(
                "ng/mL",
                1,
                **{"ug/L": "1", "ng/dL": "0.01", "ug/dL": "10", "pg/mL": "0.001", "ng/L": "0.001", "ug/mL": "1000"},
            ),
            _family("nmol/L", 0, **{"pmol/L": "0.001", "umol/L": "1000"}),
            Fraction("2.496"),
        ),
        "calcium": _CALCIUM,
        "ionised-calcium": _CALCIUM,
        # Albumin has no molar reporting; the SI unit takes that place, so that it pairs with calcium in mmol/L.
        "albumin": _Substance(_family("g/dL", 1, **{"mg/dL": "0.001"}), _family("g/L", 0), Fraction(10)),
        "creatinine": _Substance(
            _family("mg/dL", 2, **{"mg/L": "0.1", "ug/mL": "0.1"}),
            _family("umol/L", 0, **{"mmol/L": "1000"}),
            Fraction("88.4"),
        ),
        "pth": _Substance(
            _family("pg/mL", 0, **{"ng/L": "1", "ng/dL": "10", "ng/mL": "1000"}),
            _family("pmol/L", 1),
            1 / Fraction("9.43"),
        ),
        "phosphate": _Substance(_family("mg/dL", 1, **{"mg/L": "0.1"}), _family("mmol/L", 2), Fraction("0.3229")),
        "alp": _Substance(_family("U/L", 0)),
        "urine-calcium-24h": _Substance(
            _family("mg/d", 0, **{"g/d": "1000"}), _family("mmol/d", 1), 1 / CALCIUM_MG_PER_MMOL
        ),
        "dietary-calcium": _Substance(
            _family("mg/d", 0, **{"g/d": "1000", "mg": "1", "g": "1000"}), _family("mmol/d", 1), 1 / CALCIUM_MG_PER_MMOL
        ),
        "body-weight": _Substance(_family("kg", 1, **{"g": "0.001", "[lb_av]": "0.45359237"})),
        "body-height": _Substance(_family("cm", 0, **{"m": "100", "[in_i]": "2.54"})),
        "creatinine-clearance": _Substance(_family("mL/min", 1)),
        "egfr": _Substance(_family("mL/min/{1.73_m2}", 0, **{"mL/min": "1"})),
    }
)


def _decimal(number: Fraction) -> Decimal:
    """Exact where the fraction ends, otherwise to the 28 digits of Decimal."""
    return Decimal(number.numerator) / Decimal(number.denominator)


def to_native(substance: str, value: Decimal, unit: str) -> tuple[str, Decimal] | None:
    """A result in the unit its family is compared in: ("mass" or "molar", value); None when no conversion is known.

    ``unit`` is a canonical code. Within a family only powers of ten (and exact definitions) are applied, so a value
    is never rounded before it is compared.
    """
    known = _SUBSTANCES.get(substance)
    if known is None or not is_sane(value):
        return None
    for name, family in (("mass", known.mass), ("molar", known.molar)):
        if family is None or unit not in family.powers:
            continue
        power = family.powers[unit]
        return name, value if power is None else _decimal(Fraction(value) * power)
    return None


def in_family(substance: str, value: Decimal, unit: str, family: str) -> Decimal | None:
    """A result in the unit of the wanted family ("mass" or "molar"), unrounded; None when no conversion is known."""
    native = to_native(substance, value, unit)
    if native is not None and native[0] == family:
        return native[1]
    found = exactly_in_family(substance, value, unit, family)
    return None if found is None else _decimal(found)


def exactly_in_family(substance: str, value: Decimal, unit: str, family: str) -> Fraction | None:
    """The same as a fraction, for values that are computed with before they are rounded."""
    native = to_native(substance, value, unit)
    if native is None or native_unit(substance, family) == "":
        return None
    found, number = native
    fraction = Fraction(*number.as_integer_ratio())
    if found == family:
        return fraction
    factor = _SUBSTANCES[substance].factor
    return fraction * factor if found == "mass" else fraction / factor


def in_both_families(substance: str, native: Decimal, family: str) -> tuple[Fraction, Fraction]:
    """A value in the unit of its family as mass and as molar, exactly; for substances that have both."""
    number, factor = Fraction(*native.as_integer_ratio()), _SUBSTANCES[substance].factor
    return (number, number * factor) if family == "mass" else (number / factor, number)


def native_unit(substance: str, family: str) -> str:
    """The unit in which values of this family are compared; "" when there is none."""
    known = _SUBSTANCES.get(substance)
    found = known.family(family) if known else None
    return found.unit if found else ""


def rounded(value: Decimal, decimals: int) -> Decimal:
    """Half up, to this many decimals."""
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def converted(substance: str, native: Decimal, family: str) -> str:
    """A native value in the other family, rounded for display: "35 nmol/L"; "" when there is no other family."""
    other = "molar" if family == "mass" else "mass"
    target = _SUBSTANCES[substance].family(other)
    number = in_family(substance, native, native_unit(substance, family), other)
    if target is None or number is None:
        return ""
    return f"{format(rounded(number, target.decimals), 'f')} {target.unit}"


def both(substance: str, value: Decimal, unit: str, comparator: str = "") -> str:
    """A result in both units, the reported family first: "14 ng/mL (35 nmol/L)"; "" when no conversion is known."""
    native = to_native(substance, value, unit)
    if native is None:
        return ""
    family, number = native
    shown = f"{comparator}{format(number, 'f')} {native_unit(substance, family)}"
    other = converted(substance, number, family)
    return f"{shown} ({comparator}{other})" if other else shown


VITAMIN_D_UNIT: Mapping[str, str] = MappingProxyType({"mass": "ng/mL", "molar": "nmol/L"})
CALCIUM_UNIT: Mapping[str, str] = MappingProxyType({"mass": "mg/dL", "molar": "mmol/L"})


def vitamin_d(value: Decimal, code: str, unit: str) -> tuple[str, Decimal] | None:
    """25(OH)D in ng/mL ("mass") or nmol/L ("molar"); None for any other unit or none."""
    return to_native("25-hydroxyvitamin-d", value, laboratory_unit(code, unit) or "")


def converted_vitamin_d(native: Decimal, family: str) -> str:
    """25(OH)D in the other unit, rounded for display: "35 nmol/L"."""
    return converted("25-hydroxyvitamin-d", native, family)


def calcium(value: Decimal, code: str, unit: str) -> tuple[str, Decimal] | None:
    """Serum calcium in mg/dL ("mass") or mmol/L ("molar"); None for any other unit or none."""
    return to_native("calcium", value, laboratory_unit(code, unit) or "")


def albumin(value: Decimal, code: str, unit: str, family: str) -> Decimal | None:
    """Albumin in g/dL to go with calcium in mg/dL ("mass"), or in g/L with mmol/L ("molar")."""
    return in_family("albumin", value, laboratory_unit(code, unit) or "", family)


def calcium_intake_mg_per_day(value: Decimal, code: str, unit: str) -> Decimal | None:
    """A recorded dietary intake in mg of calcium a day; a bare mg or g is taken to be a day's."""
    return in_family("dietary-calcium", value, laboratory_unit(code, unit) or "", "mass")
