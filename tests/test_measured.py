"""Single laboratory results: which one counts, in what unit, and on which side of a limit it certainly lies."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.facts.clock import Clock
from cds_service.facts.measured import Measured, last_day, latest, read
from cds_service.facts.results import Result, Unusable
from cds_service.fhir import DataUnreadable
from cds_service.fhir.elements import Moment, PartialDate, Quantity, ReferenceRange

from .observed import results

NOW = datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC)

CLOCK = Clock(NOW, datetime.UTC)
LIMIT = {"mass": Decimal(250), "molar": Decimal("6.25")}
NUMBERS = st.decimals(min_value="0.01", max_value="5000", places=2)
COMPARATORS = st.sampled_from(["", "<", "<=", ">", ">="])


def result(
    value: str | Decimal, unit: str, days: int = 5, comparator: str = "", own: ReferenceRange | None = None
) -> Result:
    day = CLOCK.today - datetime.timedelta(days=days)
    quantity = Quantity(Decimal(value), unit, unit, comparator)
    moment = Moment(PartialDate(day.year, day.month, day.day))
    return Result(
        f"Observation/{days}", "urine-calcium-24h", day, moment, Decimal(value), comparator, quantity, False, own
    )


def unusable(days: int | None, reason: str = "no-date") -> Unusable:
    day = None if days is None else CLOCK.today - datetime.timedelta(days=days)
    return Unusable("Observation/u", "urine-calcium-24h", reason, "", day)


def measured(value: str | Decimal, unit: str = "mg/d", comparator: str = "") -> Measured:
    found = read(result(value, unit, comparator=comparator), CLOCK)
    assert found is not None
    return found


def newest(*usable: Result, bad: tuple[Unusable, ...] = (), complete: bool = True, more: bool = False) -> str:
    found = latest(
        results(*usable, *bad, complete=complete, more=more), "urine-calcium-24h", "urine-calcium", 365, CLOCK
    )
    return "" if found is None else str(found)


# -- units ------------------------------------------------------------------------------------------------------------


def test_a_result_is_compared_in_the_family_in_which_it_was_reported() -> None:
    assert measured("280").above(LIMIT)
    assert not measured("250").above(LIMIT)
    assert measured("6.26", "mmol/d").above(LIMIT)
    assert not measured("6.25", "mmol/d").above(LIMIT)
    assert measured("0.28", "g/d").native == 280


def test_the_unit_of_comparison_goes_with_the_value() -> None:
    assert (measured("0.28", "g/d").native_unit, str(measured("0.28", "g/d"))) == ("mg/d", "0.28 g/d")
    assert measured("7", "mmol/(24.h)").native_unit == "mmol/d"


@pytest.mark.parametrize(
    ("value", "unit"), [("280", ""), ("280", "mg/dL"), ("280", "mg"), ("0", "mg/d"), ("-3", "mg/d")]
)
def test_a_number_without_the_analyte_s_unit_or_not_above_zero_is_no_result(value: str, unit: str) -> None:
    assert read(result(value, unit), CLOCK) is None


def test_the_laboratory_s_own_range_counts_only_in_the_value_s_unit() -> None:
    def bounds(low: Quantity | None, high: Quantity | None) -> tuple[Decimal | None, Decimal | None]:
        found = read(result("280", "mg/d", own=ReferenceRange(low, high)), CLOCK)
        assert found is not None
        return found.low_limit, found.high_limit

    assert bounds(Quantity(Decimal(100), "mg/d"), Quantity(Decimal(300), "mg/d")) == (100, 300)
    assert bounds(Quantity(Decimal("2.5"), "mmol/d"), Quantity(Decimal(300))) == (None, None)
    assert bounds(Quantity(Decimal(0), "mg/d"), None) == (None, None)


# -- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comparator", "value", "above", "below"),
    [
        (">", "250", True, False),
        (">=", "250", False, False),
        (">=", "251", True, False),
        (">", "249", False, False),
        ("<", "250", False, True),
        ("<=", "250", False, False),
        ("<=", "249", False, True),
        ("<", "251", False, False),
    ],
)
def test_a_bound_says_what_is_certain_and_no_more(comparator: str, value: str, above: bool, below: bool) -> None:
    one = measured(value, comparator=comparator)
    assert (one.above(LIMIT), one.below(LIMIT)) == (above, below)
    assert str(one).startswith(comparator)


@given(NUMBERS, COMPARATORS, NUMBERS)
def test_nothing_lies_on_both_sides_and_a_plain_number_on_one_unless_equal(
    value: Decimal, comparator: str, limit: Decimal
) -> None:
    one = measured(value, comparator=comparator)
    assert not (one.above(limit) and one.below(limit))
    if not comparator:
        assert one.above(limit) == (value > limit)
        assert one.below(limit) == (value < limit)


@given(NUMBERS, COMPARATORS, NUMBERS, NUMBERS)
def test_what_is_above_a_limit_is_above_every_lower_one(
    value: Decimal, comparator: str, limit: Decimal, other: Decimal
) -> None:
    low, high = sorted((limit, other))
    one = measured(value, comparator=comparator)
    assert not one.above(high) or one.above(low)
    assert not one.below(low) or one.below(high)


# -- which one counts -------------------------------------------------------------------------------------------------


def test_the_newest_counts_up_to_the_last_day_of_the_look_back() -> None:
    assert newest(result("200", "mg/d", 300), result("280", "mg/d", 20)) == "280 mg/d"
    assert newest(result("280", "mg/d", 365)) == "280 mg/d"
    assert newest(result("280", "mg/d", 366)) == ""
    assert newest() == ""


def test_a_newer_result_that_cannot_be_used_puts_the_older_in_doubt() -> None:
    for bad in (unusable(2), unusable(None)):
        with pytest.raises(DataUnreadable):
            newest(result("200", "mg/d", 20), bad=(bad,))
    with pytest.raises(DataUnreadable):
        newest(result("200", "mg/d", 20), result("280", "mg", 2))


def test_an_older_one_or_one_that_says_nothing_does_not() -> None:
    assert newest(result("200", "mg/d", 20), bad=(unusable(30),)) == "200 mg/d"
    assert newest(result("200", "mg/d", 20), bad=(unusable(2, "no-number"),)) == "200 mg/d"
    assert newest(bad=(unusable(400),)) == ""


def test_none_can_be_said_only_of_all_that_there_is() -> None:
    with pytest.raises(DataUnreadable):
        newest(complete=False)
    with pytest.raises(DataUnreadable):
        newest(more=True)
    with pytest.raises(DataUnreadable):
        newest(result("200", "mg/d", 20), complete=False)
    assert newest(result("200", "mg/d", 20), more=True) == "200 mg/d"
    assert newest(result("200", "mg/d", 400), more=True) == ""


def test_the_last_day_is_that_of_any_result_not_dated_ahead() -> None:
    found = results(result("1", "mg/d", 9), unusable(4), unusable(0, "future-date"))
    assert last_day(found, "dxa", CLOCK) == CLOCK.today - datetime.timedelta(days=4)
    assert last_day(results(), "dxa", CLOCK) is None
    with pytest.raises(DataUnreadable):
        last_day(results(complete=False), "dxa", CLOCK)
