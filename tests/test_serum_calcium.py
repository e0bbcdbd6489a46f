"""Serum calcium: the value that counts, corrected for albumin, and how low or high it is."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.facts.clock import Clock
from cds_service.facts.results import Result, Unusable
from cds_service.facts.serum_calcium import CalciumReading, SerumCalcium, read_calcium
from cds_service.fhir.elements import Moment, PartialDate, Quantity, ReferenceRange
from cds_service.manifest import load_catalogue

from . import observed

NOW = datetime.datetime(2026, 12, 2, 12, tzinfo=datetime.UTC)
CLOCK = Clock(NOW, datetime.UTC)
LIMITS = load_catalogue().settings(CLOCK.today).serum_calcium
GROUPS = {
    "total": "calcium-total",
    "ionised": "calcium-ionised",
    "corrected": "calcium-corrected",
    "albumin": "albumin",
}
TOTALS = st.decimals(min_value="4", max_value="20", places=1)
ALBUMINS = st.decimals(min_value="1", max_value="7", places=1)


def one(
    what: str,
    value: str | Decimal,
    unit: str = "mg/dL",
    days: int = 5,
    comparator: str = "",
    own: tuple[str, str] | None = None,
) -> Result:
    day = CLOCK.today - datetime.timedelta(days=days)
    quantity = Quantity(Decimal(value), unit, unit, comparator)
    range_ = ReferenceRange(*(Quantity(Decimal(bound), unit, unit) for bound in own)) if own else None
    moment = Moment(PartialDate(day.year, day.month, day.day))
    source = f"Observation/{what}-{days}"
    return Result(source, GROUPS[what], day, moment, Decimal(value), comparator, quantity, False, range_)


def reading(*results: Result, bad: tuple[Unusable, ...] = ()) -> CalciumReading:
    return read_calcium(observed.results(*results, *bad), LIMITS, CLOCK)


def calcium(*results: Result, bad: tuple[Unusable, ...] = ()) -> SerumCalcium:
    found = reading(*results, bad=bad).calcium
    assert found is not None
    return found


# -- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "value", "unit", "low", "severe", "high", "very_high"),
    [
        ("corrected", "8.5", "mg/dL", False, False, False, False),
        ("corrected", "8.4", "mg/dL", True, False, False, False),
        ("corrected", "7.5", "mg/dL", True, False, False, False),
        ("corrected", "7.4", "mg/dL", True, True, False, False),
        ("corrected", "2.12", "mmol/L", False, False, False, False),
        ("corrected", "2.11", "mmol/L", True, False, False, False),
        ("corrected", "1.87", "mmol/L", True, False, False, False),
        ("corrected", "1.86", "mmol/L", True, True, False, False),
        ("corrected", "10.5", "mg/dL", False, False, False, False),
        ("corrected", "10.6", "mg/dL", False, False, True, False),
        ("corrected", "12.0", "mg/dL", False, False, True, True),
        ("corrected", "3.00", "mmol/L", False, False, True, True),
        ("corrected", "2.99", "mmol/L", False, False, True, False),
        ("ionised", "1.12", "mmol/L", False, False, False, False),
        ("ionised", "1.11", "mmol/L", True, False, False, False),
        ("ionised", "4.48", "mg/dL", True, False, False, False),
        ("ionised", "0.80", "mmol/L", True, False, False, False),
        ("ionised", "1.90", "mmol/L", False, False, True, False),
    ],
)
def test_each_limit_is_compared_in_the_reported_unit(
    what: str, value: str, unit: str, low: bool, severe: bool, high: bool, very_high: bool
) -> None:
    found = calcium(one(what, value, unit))
    assert (found.low, found.severely_low, found.high, found.very_high) == (low, severe, high, very_high)


@given(TOTALS, st.sampled_from(["", "<", "<=", ">", ">="]))
def test_no_calcium_is_low_and_high_and_only_a_low_one_is_severely_low(value: Decimal, comparator: str) -> None:
    found = reading(one("corrected", value, comparator=comparator)).calcium
    if found is not None:
        assert not (found.low and found.high)
        assert found.low or not found.severely_low
        assert found.high or not found.very_high
        assert found.high_for_ckd or not found.high


@pytest.mark.parametrize(
    ("comparator", "value", "low", "high"),
    [("<", "7", True, False), ("<", "8.5", True, False), (">", "13", False, True)],
)
def test_a_bound_beyond_a_limit_counts(comparator: str, value: str, low: bool, high: bool) -> None:
    found = calcium(one("corrected", value, comparator=comparator))
    assert (found.low, found.high) == (low, high)
    assert str(found) == f"{comparator}{value} mg/dL"


@pytest.mark.parametrize(("comparator", "value"), [("<", "9"), ("<=", "8.5"), (">", "9"), (">", "7")])
def test_a_bound_that_leaves_it_open_is_no_result(comparator: str, value: str) -> None:
    found = reading(one("corrected", value, comparator=comparator))
    assert found.calcium is None
    assert found.newer_unusable is not None
    assert found.newer_unusable.reason == "only-a-bound"


# -- the laboratory's own range ---------------------------------------------------------------------------------------


def test_the_laboratory_s_own_range_wins() -> None:
    assert not calcium(one("corrected", "8.3", own=("8.2", "10.2"))).low
    assert calcium(one("corrected", "10.3", own=("8.2", "10.2"))).high
    found = calcium(one("total", "8.6", own=("8.8", "10.4")), one("albumin", "4.0", "g/dL"))
    assert (found.low, found.own_low, found.low_limit) == (True, True, Decimal("8.8"))


def test_a_range_that_no_calcium_can_have_is_a_filler() -> None:
    found = calcium(one("corrected", "10.9", own=("0", "99")))
    assert (found.high, found.own_high, found.own_low) == (True, False, False)


# -- correction -------------------------------------------------------------------------------------------------------


def test_albumin_corrects_in_both_directions_and_is_shown() -> None:
    low = calcium(one("total", "8.1"), one("albumin", "2.8", "g/dL"))
    assert (str(low), low.kind, low.total, low.albumin) == ("9.1 mg/dL", "computed-corrected", "8.1 mg/dL", "2.8 g/dL")
    assert (low.albumin_factor, low.albumin_normal, low.albumin_unit) == (Decimal("0.8"), Decimal("4.0"), "g/dL")
    assert str(calcium(one("total", "8.8"), one("albumin", "50", "g/L"))) == "8.0 mg/dL"
    assert str(calcium(one("total", "2.00", "mmol/L"), one("albumin", "3.0", "g/dL"))) == "2.20 mmol/L"


@given(TOTALS, ALBUMINS)
def test_what_is_shown_is_what_is_compared(total: Decimal, albumin: Decimal) -> None:
    found = reading(one("total", total), one("albumin", albumin, "g/dL")).calcium
    assert found is not None
    assert found.low == (Decimal(str(found).split()[0]) < found.low_limit)
    assert abs(found.value - (total + Decimal("0.8") * (4 - albumin))) <= Decimal("0.05")


@given(TOTALS, ALBUMINS, ALBUMINS)
def test_a_lower_albumin_never_makes_the_corrected_value_lower(total: Decimal, one_: Decimal, two: Decimal) -> None:
    low, high = sorted((one_, two))
    first = calcium(one("total", total), one("albumin", low, "g/dL"))
    second = calcium(one("total", total), one("albumin", high, "g/dL"))
    assert first.value >= second.value


def test_albumin_of_another_week_or_as_a_bound_corrects_nothing() -> None:
    assert calcium(one("total", "8.2"), one("albumin", "2.8", "g/dL", 12)).corrected
    assert not calcium(one("total", "8.2"), one("albumin", "2.8", "g/dL", 13)).corrected
    assert not calcium(one("total", "8.2"), one("albumin", "2.0", "g/dL", comparator="<")).corrected


def test_the_nearest_albumin_corrects() -> None:
    found = calcium(one("total", "8.2"), one("albumin", "2.8", "g/dL", 10), one("albumin", "3.8", "g/dL", 4))
    assert (found.albumin, found.albumin_day) == ("3.8 g/dL", CLOCK.today - datetime.timedelta(days=4))


# -- which one counts -------------------------------------------------------------------------------------------------


def test_of_one_day_the_value_nearest_to_what_acts_counts() -> None:
    total, albumin = one("total", "8.0"), one("albumin", "4.0", "g/dL")
    assert calcium(total, albumin, one("corrected", "8.6")).kind == "reported-corrected"
    assert calcium(total, albumin, one("corrected", "8.6"), one("ionised", "1.2", "mmol/L")).kind == "ionised"
    assert calcium(total, one("ionised", "1.2", "mmol/L", 6)).kind == "uncorrected"


def test_a_newer_result_that_cannot_be_used_is_told_with_what_it_said() -> None:
    found = calcium(one("corrected", "7.9", days=20), one("corrected", "9.1", "", 2))
    assert found.low
    assert found.newer_unusable is not None
    assert (found.newer_unusable.reason, found.newer_unusable.said) == ("no-unit", "9.1")
    assert calcium(one("corrected", "7.9", days=2), one("corrected", "9.1", "", 20)).newer_unusable is None


def test_of_several_the_newest_unusable_one_is_told() -> None:
    undated = Unusable("Observation/x", "calcium-total", "no-date", "9.0 mg/dL", None)
    old, new = one("corrected", "9.1", "", 9), one("corrected", "94", "mg/dL", 3)
    found = reading(one("corrected", "9.4", days=20), old, new)
    assert found.newer_unusable is not None
    assert found.newer_unusable.reason == "implausible"
    assert reading(old, new, bad=(undated,)).newer_unusable == undated


def test_a_sample_that_gave_no_number_puts_nothing_in_doubt() -> None:
    clotted = Unusable("Observation/x", "calcium-total", "no-number", "haemolysed", CLOCK.today)
    assert calcium(one("corrected", "9.4"), bad=(clotted,)).newer_unusable is None


@given(
    st.lists(st.tuples(st.sampled_from(["total", "ionised", "corrected"]), TOTALS, st.integers(6, 900)), max_size=6),
    st.sampled_from(["mg/dL", "mmol/L", "furlongs", ""]),
)
def test_what_is_older_than_the_newest_value_changes_nothing(older: list[tuple[str, Decimal, int]], unit: str) -> None:
    newest = (one("total", "9.4", days=5), one("albumin", "3.0", unit="g/dL", days=5))
    assert reading(*newest, *(one(what, value, unit, days) for what, value, days in older)) == reading(*newest)
