"""Data types of the ordinary shape are read in few steps, and as what they are when all steps are taken."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.fhir.r4 import values
from cds_service.fhir.r4.values import Unreadable

ZONES = [datetime.UTC, zoneinfo.ZoneInfo("America/New_York"), zoneinfo.ZoneInfo("Pacific/Kiritimati")]


class Odd(str):
    """A text that is no plain str: no reader takes a short cut for it."""

    __slots__ = ()


def odd(value: Any) -> Any:
    """The same JSON with every text odd."""
    if isinstance(value, dict):
        return {name: odd(member) for name, member in value.items()}
    if isinstance(value, list):
        return [odd(item) for item in value]
    return Odd(value) if isinstance(value, str) else value


def outcome(reader: Callable[..., Any], *given_: Any) -> Any:
    try:
        return reader(*given_)
    except Unreadable:
        return Unreadable


def two(digits: st.SearchStrategy[int]) -> st.SearchStrategy[str]:
    return digits.map("{:02d}".format)


# Near and beyond every limit of a moment: 24:00, second 60, 30 February, offsets of a day, year 0 and 9999.
MOMENTS = st.builds(
    "{}-{}-{}T{}:{}{}{}".format,
    st.sampled_from(["0000", "0001", "1900", "2000", "2023", "2024", "9999", "20a4"]),
    two(st.integers(0, 13)),
    two(st.integers(0, 32)),
    two(st.integers(0, 25)),
    two(st.integers(0, 61)),
    st.one_of(st.just(""), two(st.integers(0, 61)).map(":{}".format), st.just(":05.123")),
    st.sampled_from(["", "Z", "z", "+00:00", "-05:00", "+14:00", "+23:59", "-24:00", "+0500", "+05:0", " Z", "+05;30"]),
)


@given(st.one_of(MOMENTS, st.text(max_size=30), st.text("0123456789-T:Z+.", max_size=26)), st.sampled_from(ZONES))
def test_a_moment_is_the_same_by_the_short_way_and_by_the_long_one(text: str, zone: datetime.tzinfo) -> None:
    assert outcome(values.moment, text, zone) == outcome(values.moment, Odd(text), zone)


@pytest.mark.parametrize("text", ["2024-02-29T23:59:59Z", "2024-03-01T00:30:00+05:30"])
def test_the_short_way_is_taken_by_what_most_send(text: str) -> None:
    found = values.moment(text, datetime.UTC)
    assert found.instant == datetime.datetime.fromisoformat(text)
    assert found.date.exact


TEXTS = st.sampled_from(["", " ", "mg", " mg ", "http://unitsofmeasure.org", "urn:oid:2.16.840.1.113883.6.8", "x", "<"])
JUNK = st.sampled_from([None, 5, True, [], {}, ["mg"], {"value": 1}, Decimal("0.5")])
NUMBERS = st.one_of(
    st.integers(-(10**19), 10**19),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.sampled_from(["5", "5.50", "abc", "", Decimal("1e-39"), Decimal("1e-41"), Decimal(10**18), Decimal(10**18 - 1)]),
)


def objects(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: st.one_of(kind, JUNK) for name, kind in members.items()})


QUANTITIES = objects(value=NUMBERS, unit=TEXTS, code=TEXTS, system=TEXTS, comparator=TEXTS)
CODINGS = objects(system=TEXTS, code=TEXTS, display=TEXTS)
CONCEPTS = objects(coding=st.lists(st.one_of(CODINGS, JUNK), max_size=3), text=TEXTS)


@pytest.mark.parametrize(
    ("reader", "sent"), [(values.quantity, QUANTITIES), (values.a_coding, CODINGS), (values.concept, CONCEPTS)]
)
@given(st.data())
def test_what_is_read_does_not_depend_on_the_way(
    reader: Callable[[Any], Any], sent: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    value = data.draw(st.one_of(sent, JUNK))
    assert outcome(reader, value) == outcome(reader, odd(value))
