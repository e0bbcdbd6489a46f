"""FHIR's data types read from received JSON: a value, nothing, or Unreadable, never a guess."""

from __future__ import annotations

import calendar
import datetime
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from ...terminology.codes import UCUM, Coding, canonical_system, coding
from ..elements import Concept, Moment, PartialDate, Period, Quantity, Range, Ratio, Reference

Value = TypeVar("Value")

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?(?:[eE][+-]?\d{1,2})?")
_WHOLE = re.compile(r"-?\d{1,10}")
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_COMPARATORS = frozenset({"<", "<=", ">=", ">", "ad"})
_TYPE_AND_ID = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?$")
_LARGEST = 10**18
_LEAST, _MOST = Decimal(-_LARGEST), Decimal(_LARGEST)


class Unreadable(Exception):
    """Something was sent, and it cannot be read as what it should be."""


class Fields:
    """The members of one object; remembers under the record's own field names what could not be read."""

    __slots__ = ("members", "unreadable")

    def __init__(self, members: Mapping[str, Any]) -> None:
        self.members = members
        self.unreadable: set[str] = set()

    def read(self, field: str, name: str, reader: Callable[..., Value], *how: Any) -> Value | None:
        """The member as ``reader`` reads it, told ``how`` if need be; None when it was not sent or cannot be read."""
        value = self.members.get(name)
        if value is None:
            return None
        try:
            return reader(value, *how)
        except Unreadable:
            self.unreadable.add(field)
            return None

    def text(self, field: str, name: str) -> str:
        """A text or a code; "" when there is none."""
        value = self.members.get(name)
        if isinstance(value, str):
            return value.strip()
        if value is not None:
            self.unreadable.add(field)
        return ""

    def each(self, field: str, name: str, reader: Callable[[Any], Value]) -> tuple[Value, ...]:
        """Every member of a list that can be read; one that cannot marks the field, the others stand."""
        value = self.members.get(name)
        if value is None:
            return ()
        found = []
        for item in value if isinstance(value, list) else [value]:
            try:
                found.append(reader(item))
            except Unreadable:
                self.unreadable.add(field)
        return tuple(found)

    def choice(self, field: str, readers: Mapping[str, Callable[..., Any]], *how: Any) -> Any:
        """The one element of a choice such as value[x]; two of them have no one meaning."""
        present, members = "", self.members
        for name in readers:
            if name in members and members[name] is not None:
                if present:
                    self.unreadable.add(field)
                    return None
                present = name
        return self.read(field, present, readers[present], *how) if present else None


def mapping(value: Any) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise Unreadable
    return value


def text(value: Any) -> str:
    """A string without the space around it."""
    if not isinstance(value, str):
        raise Unreadable
    return value.strip()


def filled_text(value: Any) -> str:
    """A code: a string that says something."""
    found = text(value)
    if not found:
        raise Unreadable
    return found


def boolean(value: Any) -> bool:
    """True or false, also where they were sent as a word."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise Unreadable


def decimal(value: Any) -> Decimal:
    """An exact number; a number in quotes is that number."""
    if type(value) is int and -_LARGEST < value < _LARGEST:
        return Decimal(value)
    if type(value) is not Decimal and isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            raise Unreadable
        value = Decimal(value.strip())
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Unreadable
    try:
        number = value if isinstance(value, Decimal) else Decimal(value)
        if not number.is_finite() or not _LEAST < number < _MOST or number.as_tuple().exponent < -40:  # type: ignore[operator]  # of a finite number it is an int
            raise Unreadable
    except InvalidOperation as error:
        raise Unreadable from error
    return number


def integer(value: Any) -> int:
    """A whole number of at most ten digits."""
    if isinstance(value, str) and not _WHOLE.fullmatch(value.strip()):
        raise Unreadable
    number = decimal(value)
    if number != number.to_integral_value() or abs(number) >= 10**10:
        raise Unreadable
    return int(number)


def partial_date(value: Any) -> PartialDate:
    """A date as exact as it was sent; a time of day is not looked at."""
    return _partial(_date_match(value))


def moment(value: Any, zone: datetime.tzinfo) -> Moment:
    """A date, dateTime or instant; the day is the one in ``zone`` when the record says an offset."""
    if type(value) is str and _is_usual_instant(value):
        try:
            instant = datetime.datetime.fromisoformat(value)
            local = instant.astimezone(zone)
            return Moment(PartialDate(local.year, local.month, local.day), instant)
        except (ValueError, OverflowError):
            pass  # a leap second, or no moment at all: looked at in full below
    match = _date_match(value)
    written = _partial(match)
    hour, minute, second, fraction, offset = match.group(4, 5, 6, 7, 8)
    if hour is None or offset is None:
        return Moment(written)
    try:
        instant = datetime.datetime(
            written.year,
            written.month or 1,
            written.day or 1,
            int(hour),
            int(minute),
            min(int(second or 0), 59),  # a leap second has no datetime
            int(fraction[:6].ljust(6, "0")) if fraction else 0,
            tzinfo=_offset(offset),
        )
        local = instant.astimezone(zone)
    except (ValueError, OverflowError) as error:
        raise Unreadable from error
    return Moment(PartialDate(local.year, local.month, local.day), instant)


def _is_usual_instant(value: str) -> bool:
    """Whether it has the shape of 2020-01-31T08:05:00Z, or of the same with an offset in hours and minutes."""
    if value[4:5] != "-" or value[7:8] != "-" or value[10:11] != "T" or value[13:14] != ":" or value[16:17] != ":":
        return False
    return (value[19:] == "Z") if len(value) == 20 else len(value) == 25 and value[19] in "+-" and value[22] == ":"


def _date_match(value: Any) -> re.Match[str]:
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise Unreadable
    return match


def _partial(match: re.Match[str]) -> PartialDate:
    said_year, said_month, said_day = match.group(1, 2, 3)
    year = int(said_year)
    if year == 0:
        raise Unreadable
    if said_month is None:
        return PartialDate(year)
    month = int(said_month)
    if not 1 <= month <= 12:
        raise Unreadable
    if said_day is None:
        return PartialDate(year, month)
    day = int(said_day)
    if day < 1 or (day > 28 and day > calendar.monthrange(year, month)[1]):  # few days need the calendar
        raise Unreadable
    return PartialDate(year, month, day)


def _offset(text: str) -> datetime.tzinfo:
    if text == "Z":
        return datetime.UTC
    sign = -1 if text[0] == "-" else 1
    return datetime.timezone(sign * datetime.timedelta(hours=int(text[1:3]), minutes=int(text[4:6])))


def period(value: Any, zone: datetime.tzinfo) -> Period:
    """A period; unreadable as soon as one of its ends is, since an open end means something else."""
    members = mapping(value)
    start, end = members.get("start"), members.get("end")
    return Period(None if start is None else moment(start, zone), None if end is None else moment(end, zone))


def quantity(value: Any) -> Quantity:
    """A quantity; unreadable when its number, its comparator, or all that was sent of its unit is."""
    members = mapping(value)
    sent, compared = members.get("value"), members.get("comparator")
    number = None if sent is None else decimal(sent)
    comparator = "" if compared is None else filled_text(compared)
    unit, code, system = members.get("unit", ""), members.get("code", ""), members.get("system", "")
    lost = False
    if type(unit) is type(code) is type(system) is str:
        unit, code, system = unit.strip(), code.strip(), system.strip()
    else:
        fields = Fields(members)
        unit, code, system = (fields.text(name, name) for name in ("unit", "code", "system"))
        lost = bool(fields.unreadable)
        if "system" in fields.unreadable:
            code = ""
    if system and system != UCUM and canonical_system(system) != UCUM:
        code = ""
    lost = lost and not unit and not code
    if lost or (comparator and comparator not in _COMPARATORS) or (number is None and not unit and not code):
        raise Unreadable
    return Quantity(number, unit, code, comparator)


def range_(value: Any) -> Range:
    """A range; either side may be open, a side that was sent must be readable."""
    members = mapping(value)
    low, high = members.get("low"), members.get("high")
    if low is None and high is None:
        raise Unreadable
    return Range(None if low is None else quantity(low), None if high is None else quantity(high))


def ratio(value: Any) -> Ratio:
    """A ratio of two quantities, both of them sent."""
    members = mapping(value)
    return Ratio(quantity(members.get("numerator")), quantity(members.get("denominator")))


def concept(value: Any) -> Concept:
    """Every readable coding and text; unreadable only when something was sent and none of it can be read."""
    if isinstance(value, str) and value.strip():
        return Concept((), (value.strip(),))
    members = mapping(value)
    sent, said = members.get("coding"), members.get("text", "")
    if type(sent) is list and type(said) is str:
        try:
            codings = tuple([a_coding(one) for one in sent])
            said = said.strip()
            if all(one.code or one.display for one in codings):
                return Concept(codings, (said,) if said else ())
        except Unreadable:
            pass  # some of it can be read all the same
    fields = Fields(members)
    codings = fields.each("coding", "coding", a_coding)
    said = fields.text("text", "text")
    if not all(one.code or one.display for one in codings):
        codings = tuple(one for one in codings if one.code or one.display)
    found = Concept(codings, (said,) if said else ())
    if fields.unreadable and not found.codings and not found.texts:
        raise Unreadable
    return found


def a_coding(value: Any) -> Coding:
    """One coding in canonical spelling; one whose system is unreadable keeps its display alone."""
    members = mapping(value)
    system, code, display = members.get("system", ""), members.get("code", ""), members.get("display", "")
    if type(system) is type(code) is type(display) is str:
        return coding(system, code, display)
    fields = Fields(members)
    system, code, display = (fields.text(name, name) for name in ("system", "code", "display"))
    if "system" in fields.unreadable:
        system = code = ""
    if fields.unreadable and not code and not display:
        raise Unreadable
    return coding(system, code, display)


def code_of(value: Any) -> str:
    """The code of a concept that carries a FHIR status: its first code, else its text."""
    found = concept(value)
    for one in found.codings:
        if one.code:
            return one.code
    return found.label


def reference(value: Any) -> Reference:
    """A reference, also where it was sent as bare text."""
    if isinstance(value, str) and value.strip():
        return _reference(value.strip(), "")
    fields = Fields(mapping(value))
    address, display = fields.text("reference", "reference"), fields.text("display", "display")
    if fields.unreadable and not address and not display:
        raise Unreadable
    return _reference(address, display)


def _reference(address: str, display: str) -> Reference:
    match = _TYPE_AND_ID.search(address)
    return Reference(address, match[1] if match else "", match[2] if match else "", display)
