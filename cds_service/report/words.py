"""Numbers, instants and texts of others as a reader of a report sees them."""

from __future__ import annotations

import datetime
import json
import zoneinfo
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..wording import plain, shortened
from .numbers import Latency, Reason, Report

# Of fewer than this a percentage says more than is known: the counts stand alone.
PERCENT_FROM = 20
NO_REASON = "no reason given"
_LONGEST_TEXT = 120
_LONGEST_VALUE = 300


def period(report: Report, zone: zoneinfo.ZoneInfo) -> str:
    """The period in words: what was asked for, and what there is."""
    asked_since, asked_until = (limit and moment(limit, zone) for limit in (report.period.since, report.period.until))
    asked = f"From {asked_since or 'the first record'} until {asked_until or 'now'}"
    if report.first is None or report.last is None:
        return f"{asked}. No call was recorded."
    return f"{asked}; first call {moment(report.first, zone)}, last call {moment(report.last, zone)} ({zone.key})."


def moment(milliseconds: int, zone: zoneinfo.ZoneInfo) -> str:
    """An instant to the minute, as a clock on the wall shows it."""
    return datetime.datetime.fromtimestamp(milliseconds / 1000, zone).strftime("%Y-%m-%d %H:%M")


def share(part: int, whole: int) -> str:
    """A part of a whole: a percentage where there is enough to count, and always the counts."""
    if not whole:
        return "–"
    return f"{percent(part, whole)} ({whole_number(part)} of {whole_number(whole)})" if whole >= PERCENT_FROM else (
        f"{part} of {whole}"
    )  # fmt: skip


def percent(part: int, whole: int) -> str:
    """A percentage to one digit; what is not quite nothing or everything is never rounded to it."""
    tenths = round(1000 * part / whole)
    if part and not tenths:
        return "< 0.1 %"
    if part < whole and tenths == 1000:
        return "> 99.9 %"
    return f"{tenths / 10:.1f} %"


def whole_number(number: int) -> str:
    """A count with its thousands apart."""
    return f"{number:,}"


def per_thousand(part: int, whole: int) -> str:
    """How often in a thousand, to one digit; what is not quite never is not rounded to it."""
    if not whole:
        return "–"
    told = f"{1000 * part / whole:,.1f}"
    return "< 0.1" if part and told == "0.0" else told


def word(text: str) -> str:
    """A text of others on one line, not too long, and without what could rearrange it."""
    return shortened(plain(text), _LONGEST_TEXT)


def overrides(report: Report) -> list[tuple[str, int]]:
    """How many cards were overridden for each reason, the most frequent first; a card counts for each of its rules."""
    counts: Counter[str] = Counter()
    for rule in report.rules:
        for reason in rule.reasons:
            counts[reason_name(reason)] += reason.cards
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def reason_name(reason: Reason) -> str:
    """A reason as a reader wants it: its words and its code, as two codes may have the same words."""
    told, code = word(reason.display), word(reason.code)
    return f"{told} ({code})" if told and code and told != code else told or code or NO_REASON


def name_of(latency: Latency) -> str:
    """The service of a latency."""
    return latency.service or "all services"


def milliseconds(microseconds: int) -> str:
    """Microseconds as milliseconds, to a tenth."""
    return f"{microseconds / 1000:,.1f}"


def value(content: Any) -> str:
    """A value of the knowledge on one line; "–" where there was none."""
    if content is None:
        return "–"
    told = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, sort_keys=True)
    return shortened(plain(told), _LONGEST_VALUE)


def warnings(report: Report) -> Iterator[str]:
    """What a reader must know before any number."""
    mute = [word(c.client) for c in report.clients if c.cards and not c.answered]
    if mute:
        yield (
            f"No feedback came from {', '.join(mute)}: whether anybody followed the cards shown there is not known, "
            "and they count as without response."
        )
    if report.changed:
        names = ", ".join(dict.fromkeys(word(one.id) for one in report.changed))
        yield f"Versions or values changed inside the period ({names}): see the changes before comparing."
    if report.only:
        only = ", ".join(map(word, report.only))
        yield f"Only {only}; calls, answering times, clients' calls and feedback for unknown cards are of all rules."
