"""The newest usable result of one analyte, and the day of the newest result of a kind."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

from cds_service.facts.clock import Clock
from cds_service.facts.measured import last_day, latest
from cds_service.facts.results import Results, read_result
from cds_service.fhir import DataUnreadable
from cds_service.fhir.elements import Moment, ObservationRecord, PartialDate, Quantity

from . import observed
from .vignettes import NOW, ZONE

CLOCK = Clock(NOW, ZONE)


def drawn(days_ago: int | None, value: str | None = None, *, said: str = "") -> ObservationRecord:
    """A phosphate of so many days ago, or without a date; without a number it says something else."""
    day = None if days_ago is None else CLOCK.today - datetime.timedelta(days_ago)
    return ObservationRecord(
        source=f"Observation/{days_ago}",
        id=str(days_ago),
        status="final",
        effective=None if day is None else Moment(PartialDate(day.year, day.month, day.day)),
        value=None if value is None else Quantity(Decimal(value), "mg/dL", "mg/dL"),
        value_text=said,
    )


def results(*records: ObservationRecord, complete: bool = True, more: bool = False) -> Results:
    outcomes = [read_result("phosphate", record, CLOCK) for record in records]
    return observed.results(*outcomes, complete=complete, more=more)


def test_a_newer_sample_without_a_number_is_mentioned_and_does_not_hide_the_value() -> None:
    found = latest(results(drawn(30, "2.1"), drawn(3, said="haemolysed")), "phosphate", "phosphate", 90, CLOCK)
    assert found is not None
    assert str(found) == "2.1 mg/dL"
    assert found.newer_empty == CLOCK.today - datetime.timedelta(3)


def test_an_older_sample_without_a_number_is_not_mentioned() -> None:
    found = latest(results(drawn(3, "2.1"), drawn(30, said="haemolysed")), "phosphate", "phosphate", 90, CLOCK)
    assert found is not None
    assert found.newer_empty is None


def test_the_last_day_is_that_of_the_newest_result_whatever_it_says() -> None:
    assert last_day(results(drawn(30, "2.1"), drawn(3, said="see report")), "dxa", CLOCK) == (
        CLOCK.today - datetime.timedelta(3)
    )


def test_without_any_result_there_is_no_last_day() -> None:
    assert last_day(results(), "dxa", CLOCK) is None


@pytest.mark.parametrize(
    "uncertain",
    [
        results(drawn(900, "2.1"), drawn(None, "2.1")),
        results(drawn(900, "2.1"), complete=False),
        results(more=True),
    ],
    ids=["one without a date", "one that could not be read", "older ones that were not sent"],
)
def test_a_last_day_that_is_not_certain_is_not_told(uncertain: Results) -> None:
    with pytest.raises(DataUnreadable):
        last_day(uncertain, "dxa", CLOCK)
