"""Partial dates and concepts: what they can mean, and never more."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.fhir.elements import Concept, PartialDate
from cds_service.terminology.codes import Coding

DAYS = st.dates()


@given(DAYS)
def test_a_whole_date_means_one_day(day: datetime.date) -> None:
    date = PartialDate(day.year, day.month, day.day)
    assert date.exact
    assert date.earliest == date.latest == day


@given(DAYS)
def test_a_month_spans_its_first_to_its_last_day(day: datetime.date) -> None:
    month = PartialDate(day.year, day.month)
    assert not month.exact
    assert month.earliest.day == 1
    assert month.earliest <= day <= month.latest
    assert month.latest.month == day.month
    assert month.latest == datetime.date.max or (month.latest + datetime.timedelta(days=1)).day == 1


@given(DAYS)
def test_the_less_a_date_says_the_more_days_it_may_mean(day: datetime.date) -> None:
    year, month, exact = PartialDate(day.year), PartialDate(day.year, day.month), PartialDate(*day.timetuple()[:3])
    assert year.earliest <= month.earliest <= exact.earliest <= exact.latest <= month.latest <= year.latest


@pytest.mark.parametrize(
    ("date", "last"), [(PartialDate(2024, 2), 29), (PartialDate(2025, 2), 28), (PartialDate(9999, 12), 31)]
)
def test_the_last_day_of_a_month_knows_leap_years_and_the_end_of_time(date: PartialDate, last: int) -> None:
    assert date.latest.day == last


def test_the_text_of_a_concept_comes_before_displays_and_codes() -> None:
    coding, bare = Coding("s", "c", "display"), Coding("s", "c")
    assert Concept((coding,), ("", "text")).label == "text"
    assert Concept((bare, coding)).label == "display"
    assert Concept((bare,)).label == "c"
    assert Concept().label == ""
