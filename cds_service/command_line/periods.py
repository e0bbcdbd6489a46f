"""Dates and spans as people type them: ``2026-03-31``, ``7d``, ``6y``."""

from __future__ import annotations

import calendar
import datetime
import re
import zoneinfo
from typing import Any

import click

from ..records.entries import milliseconds
from ..records.period import Period

_SPAN = re.compile(r"([0-9]{1,5})([dwmy])")
_MONTHS = {"m": 1, "y": 12}
_DAYS = {"d": 1, "w": 7}
_SPANS = "a span such as 30d, 8w, 6m or 6y (days, weeks, months, years)"
_DATES = "a date such as 2026-03-31, a date and time with its offset, or " + _SPANS


def before(now: datetime.datetime, span: str) -> datetime.datetime:
    """The instant a span such as ``6y`` before ``now``: the same clock time, on the last day of a shorter month.

    Raises ValueError for what is no span, for a span of nothing, and for one that reaches before the calendar.
    """
    if not (match := _SPAN.fullmatch(span.strip().lower())) or not int(match[1]):
        raise ValueError(f"expected {_SPANS}")
    number, unit = int(match[1]), match[2]
    try:
        if unit in _DAYS:
            return now - datetime.timedelta(days=number * _DAYS[unit])
        year, month = divmod(now.year * 12 + now.month - 1 - number * _MONTHS[unit], 12)
        return now.replace(year=year, month=month + 1, day=min(now.day, calendar.monthrange(year, month + 1)[1]))
    except (OverflowError, ValueError) as error:
        raise ValueError("this reaches before the calendar begins") from error


def instant(text: str, now: datetime.datetime, *, end: bool = False) -> datetime.datetime:
    """The instant that a text names. A date is its first moment in the zone of ``now``, with ``end`` its last.

    Raises ValueError.
    """
    given = text.strip()
    try:
        day = datetime.date.fromisoformat(given)
        day += datetime.timedelta(days=int(end))
        return datetime.datetime.combine(day, datetime.time(), now.tzinfo)
    except (OverflowError, ValueError):
        pass
    try:
        moment = datetime.datetime.fromisoformat(given)
    except ValueError:
        return before(now, given) if _SPAN.fullmatch(given.lower()) else _wrong(_DATES)
    return moment if moment.tzinfo else _wrong("an offset as well, such as 2026-03-31T08:00+02:00")


def _wrong(expected: str) -> datetime.datetime:
    raise ValueError(f"expected {expected}")


def period(since: str, until: str, now: datetime.datetime) -> Period:
    """What ``--since`` and ``--until`` say; dates include both days. Raises click.BadParameter."""
    first = _limit("--since", since, now, end=False)
    last = _limit("--until", until, now, end=True)
    if first is not None and last is not None and first >= last:
        raise click.BadParameter(f"{since} is not before --until {until}", param_hint="--since")
    return Period(first, last)


def _limit(option: str, text: str, now: datetime.datetime, *, end: bool) -> int | None:
    if not text:
        return None
    try:
        return milliseconds(instant(text, now, end=end))
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}", param_hint=option) from error


def clock(zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    """Now, as the clock of the site shows it."""
    return datetime.datetime.now(zone)


def options(command: Any) -> Any:
    """The options ``--since`` and ``--until``."""
    when = "a date (2026-03-31), a date and time with offset, or a span before now (7d, 8w, 6m, 1y)"
    command = click.option("--until", default="", help=f"Until {when}; a date includes its whole day.")(command)
    return click.option("--since", default="", help=f"From {when}.")(command)
