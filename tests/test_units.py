"""Units are read in every spelling seen in the wild, and convert exactly or not at all."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.terminology import units

SPELLINGS = {
    "ng/mL": ["ng/mL", "ng/ml", "NG/ML", " ng / mL "],
    "ug/L": ["ug/L", "µg/L", "μg/L", "mcg/L"],
    "nmol/L": ["nmol/L", "nmol/l"],
    "pmol/L": ["pmol/L"],
    "pg/mL": ["pg/mL"],
    "ng/L": ["ng/L"],
    "ng/dL": ["ng/dL"],
    "ug/dL": ["ug/dL", "mcg/dL", "µg/dL"],
    "mg/dL": ["mg/dL", "mg/dl"],
    "mmol/L": ["mmol/L"],
    "umol/L": ["umol/L", "µmol/L", "μmol/L"],
    "g/dL": ["g/dL"],
    "g/L": ["g/L"],
    "meq/L": ["mEq/L", "meq/L"],
    "kg": ["kg"],
    "g": ["g", "grams"],
    "[lb_av]": ["lb", "[lb_av]", "lbs"],
    "mL/min": ["mL/min"],
    "mL/min/{1.73_m2}": ["mL/min/{1.73_m2}", "mL/min/1.73m2", "mL/min/1.73 m²"],
    "cm": ["cm"],
    "mg/d": ["mg/d", "mg/24h", "mg/day", "mg/(24.h)"],
    "mmol/d": ["mmol/d", "mmol/24h"],
    "[iU]": ["[iU]", "IU", "UNT", "unit", "units", "I.U.", "unit(s)"],
    "mg": ["mg", "MG"],
    "ug": ["ug", "mcg", "µg", "μg"],
    "mL": ["mL", "ml"],
    "h": ["h", "hours", "hr"],
    "d": ["d", "day", "days"],
    "wk": ["wk", "week", "weeks"],
    "mo": ["mo", "months"],
    "a": ["a", "years"],
}
COUNTS = [
    "tablet",
    "tab",
    "tablets",
    "capsule",
    "cap",
    "chew",
    "gummy",
    "packet",
    "each",
    "pill",
    "{pill}",
    "{tablet}",
    "1",
]


@pytest.mark.parametrize(("code", "text"), [(c, s) for c, spellings in SPELLINGS.items() for s in spellings])
def test_every_spelling_is_read_as_code_and_as_text(code: str, text: str) -> None:
    assert units.canonical(text, "") == code
    assert units.canonical("", text) == code


def test_every_canonical_code_is_its_own_spelling() -> None:
    for code in set(units._UNITS.values()):
        assert units.canonical(code, "") == code


def test_no_spelling_stands_for_two_units() -> None:
    table = json.loads(resources.files("cds_service.terminology").joinpath("units.json").read_text("utf-8"))
    owners: dict[str, set[str]] = {}
    for code, spellings in {**table["spellings"], units.COUNT: table["counts"]}.items():
        for spelling in (code, *spellings):
            owners.setdefault(units._folded(spelling), set()).add(code)
    assert {spelling: codes for spelling, codes in owners.items() if len(codes) > 1} == {}


def test_the_ucum_code_wins_over_the_text() -> None:
    assert units.canonical("nmol/L", "ng/mL") == "nmol/L"


def test_an_unknown_code_gives_way_to_a_known_text() -> None:
    assert units.canonical("NGML", "ng/mL") == "ng/mL"


@pytest.mark.parametrize("text", ["furlong", "mg/kg", "drop", "% of dose", "{a}b"])
def test_an_unknown_unit_is_none(text: str) -> None:
    assert units.canonical("", text) is None
    assert units.dose_unit("", text) is None


@pytest.mark.parametrize("text", COUNTS)
def test_countable_things_count_in_doses_but_are_no_laboratory_unit(text: str) -> None:
    assert units.dose_unit("", text) == "1"
    assert units.laboratory_unit("", text) is None


def test_a_missing_unit_counts_in_a_dose_and_is_missing_in_a_result() -> None:
    assert units.dose_unit("", " ") == "1"
    assert units.laboratory_unit("", "") is None
    assert units.canonical("", "") is None


@pytest.mark.parametrize(
    ("value", "unit", "family", "native"),
    [
        ("30", "ng/mL", "mass", "30"),
        ("30", "ug/L", "mass", "30"),
        ("3000", "ng/dL", "mass", "30"),
        ("3", "ug/dL", "mass", "30"),
        ("30000", "pg/mL", "mass", "30"),
        ("75", "nmol/L", "molar", "75"),
        ("74900", "pmol/L", "molar", "74.9"),
    ],
)
def test_vitamin_d_is_compared_in_the_family_it_was_reported_in(
    value: str, unit: str, family: str, native: str
) -> None:
    assert units.to_native("25-hydroxyvitamin-d", Decimal(value), unit) == (family, Decimal(native))


@pytest.mark.parametrize("unit", ["mg/dL", "", "1", "mmol/L", "kg"])
def test_vitamin_d_in_any_other_unit_cannot_be_used(unit: str) -> None:
    assert units.to_native("25-hydroxyvitamin-d", Decimal(34), unit) is None


@pytest.mark.parametrize(
    ("substance", "value", "unit", "family", "converted"),
    [
        ("calcium", "4.008", "mg/dL", "molar", "1"),
        ("calcium", "2.5", "mmol/L", "mass", "10.02"),
        ("calcium", "5", "meq/L", "molar", "2.5"),
        ("albumin", "4.1", "g/dL", "molar", "41"),
        ("creatinine", "88.4", "umol/L", "mass", "1"),
        ("pth", "10", "pmol/L", "mass", "94.3"),
        ("pth", "65", "ng/L", "mass", "65"),
        ("phosphate", "10", "mg/dL", "molar", "3.229"),
        ("urine-calcium-24h", "5", "mmol/d", "mass", "200.4"),
        ("body-weight", "100", "[lb_av]", "mass", "45.359237"),
        ("body-weight", "3500", "g", "mass", "3.5"),
    ],
)
def test_other_results_convert_by_their_factor(
    substance: str, value: str, unit: str, family: str, converted: str
) -> None:
    assert units.in_family(substance, Decimal(value), unit, family) == Decimal(converted)


def test_a_substance_without_a_molar_unit_converts_to_none() -> None:
    assert units.in_family("body-weight", Decimal(70), "kg", "molar") is None
    assert units.to_native("gold", Decimal(1), "mg/dL") is None


@pytest.mark.parametrize(
    ("value", "unit", "comparator", "shown"),
    [
        ("14", "ng/mL", "", "14 ng/mL (35 nmol/L)"),
        ("35", "nmol/L", "", "35 nmol/L (14.0 ng/mL)"),
        ("150", "ng/mL", ">", ">150 ng/mL (>374 nmol/L)"),
        ("29.9", "ng/mL", "", "29.9 ng/mL (75 nmol/L)"),
    ],
)
def test_vitamin_d_is_shown_in_both_units(value: str, unit: str, comparator: str, shown: str) -> None:
    assert units.both("25-hydroxyvitamin-d", Decimal(value), unit, comparator) == shown


def test_rounding_is_half_up() -> None:
    assert units.rounded(Decimal("0.25"), 1) == Decimal("0.3")
    assert units.rounded(Decimal("29.95"), 1) == Decimal("30.0")
    assert units.rounded(Decimal("29.94"), 1) == Decimal("29.9")


@pytest.mark.parametrize(
    ("unit", "length"),
    [("h", Fraction(1, 24)), ("d", 1), ("wk", 7), ("mo", 30), ("a", 365), ("min", Fraction(1, 1440))],
)
def test_lengths_of_time_are_exact(unit: str, length: Fraction | int) -> None:
    assert units.days(Decimal(1), unit) == length


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1E+99999999", "1E-99999999"])
def test_absurd_numbers_are_no_numbers(value: str) -> None:
    assert units.exact(Decimal(value)) is None
    assert units.days(Decimal(value), "d") is None
    assert units.to_native("calcium", Decimal(value), "mg/dL") is None


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_a_unit_or_none(code: str, unit: str) -> None:
    for function in (units.canonical, units.laboratory_unit, units.dose_unit):
        found = function(code, unit)
        assert found is None or found == "1" or units.canonical(found, "") == found


@given(st.decimals(min_value=Decimal("0.1"), max_value=5000, places=2))
def test_there_and_back_is_the_same_25ohd_to_many_digits(value: Decimal) -> None:
    molar = units.in_family("25-hydroxyvitamin-d", value, "ng/mL", "molar")
    assert molar is not None
    back = units.in_family("25-hydroxyvitamin-d", molar, "nmol/L", "mass")
    assert back is not None
    assert abs(back - value) < Decimal("1e-20")
