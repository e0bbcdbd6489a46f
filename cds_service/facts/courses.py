"""When an order begins and when it ends, as far as it says so."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from ..fhir.elements import Dosage, MedicationRecord, Moment, Period, Repeat
from ..terminology import units
from .timing import Texts, duration_days, frequency, read_texts

_NOTHING_SAID = Repeat()


class Span(NamedTuple):
    """First and last day; None where it is not known or nothing ends it."""

    start: datetime.date | None
    end: datetime.date | None


def begins(authored: Moment | None, effective: Period | None) -> datetime.date | None:
    """The day an order or statement starts when its dosage does not say: effective start, else the day of writing."""
    if effective and effective.start:
        return effective.start.date.earliest
    return authored.date.earliest if authored else None


def course(record: MedicationRecord, *, free_text: bool = False, begun: datetime.date | None = None) -> Span:
    """First and last day of an order or statement; ``begun`` is when it begins where nothing in it says so."""
    return course_of(
        record.dosages,
        record.authored,
        record.effective,
        record.supply_days,
        record.repeats_allowed,
        free_text_allowed=free_text,
        otherwise_begun=begun,
    )


def course_of(
    dosages: Sequence[Dosage],
    authored: Moment | None,
    effective: Period | None,
    supply_days: Decimal | None,
    repeats_allowed: int | None,
    *,
    free_text_allowed: bool = False,
    otherwise_begun: datetime.date | None = None,
) -> Span:
    """First and last day of a course.

    It starts with its bounds, else as recorded. It ends with its bounds, else with the effective period, else after
    the duration of its bounds, else after its count of periods, else when the supply with all refills is used up.
    """
    begun = begins(authored, effective) or otherwise_begun
    parts = spans(dosages, begun, free_text_allowed=free_text_allowed)
    starts = [span.start for span in parts if span.start]
    start = min(starts) if starts else begun
    if parts and all(span.end for span in parts):
        return Span(start, max(span.end for span in parts if span.end))
    if effective and effective.end:
        return Span(start, effective.end.date.latest)
    supply = units.exact(supply_days)
    if start is None or supply is None or supply <= 0:
        return Span(start, None)
    return Span(start, _after(start, supply * (1 + max(repeats_allowed or 0, 0))))


def spans(
    dosages: Sequence[Dosage], begun: datetime.date | None, *, free_text_allowed: bool = False
) -> tuple[Span, ...]:
    """First and last day of each instruction; a step begins when the step before it ends."""
    if len(dosages) == 1:
        return (_span(dosages[0], begun, free_text_allowed),)
    found: dict[int, Span] = {}
    steps = sorted({d.sequence for d in dosages if d.sequence is not None})
    start = begun
    for step in (None, *steps):
        here = [i for i, d in enumerate(dosages) if d.sequence == step]
        ends: list[datetime.date | None] = []
        for index in here:
            found[index] = _span(dosages[index], begun if step is None else start, free_text_allowed)
            ends.append(found[index].end)
        if step is not None:
            last = [end for end in ends if end is not None]
            start = max(last) if len(last) == len(ends) else None
    return tuple(found[index] for index in range(len(dosages)))


def _span(dosage: Dosage, begun: datetime.date | None, free_text_allowed: bool) -> Span:
    key = ("span", begun, free_text_allowed)
    found: Span | None = dosage.memo.get(key)
    if found is None:
        found = dosage.memo[key] = _worked_out(dosage, begun, free_text_allowed)
    return found


def _worked_out(dosage: Dosage, begun: datetime.date | None, free_text_allowed: bool) -> Span:
    repeat = (dosage.timing.repeat if dosage.timing else None) or _NOTHING_SAID
    bounds = repeat.bounds_period
    start = bounds.start.date.earliest if bounds and bounds.start else begun
    if bounds and bounds.end:
        return Span(start, bounds.end.date.latest)
    length = _bounded_days(repeat)
    if length is None:
        texts = read_texts(dosage) if free_text_allowed else Texts()
        length = _counted_days(dosage, repeat, texts)
        if length is None and texts.dosage:
            length = texts.dosage.days
    if start is None or length is None:
        return Span(start, None)
    return Span(start, _after(start, length))


def _bounded_days(repeat: Repeat) -> Fraction | None:
    longest = repeat.bounds_duration or (repeat.bounds_range.high if repeat.bounds_range else None)
    if longest is None:
        return None
    return duration_days(longest.value, units.canonical(longest.code, longest.unit) or "")


def _counted_days(dosage: Dosage, repeat: Repeat, texts: Texts) -> Fraction | None:
    """Count times period; where doses are counted without a period, count divided by the doses of a day."""
    count = max(repeat.count or 0, repeat.count_max or 0)
    if count <= 0:
        return None
    longest = repeat.period_max if repeat.period_max is not None else repeat.period
    period = duration_days(longest, repeat.period_unit)
    if period is not None:
        return count * period
    doses = frequency(dosage, texts).doses
    return Fraction(count) / doses.low if doses and doses.low > 0 else None


def _after(start: datetime.date, length: Fraction) -> datetime.date | None:
    """So many days later, part of a day counting whole; None when that is beyond the calendar."""
    try:
        return start + datetime.timedelta(days=math.ceil(length))
    except OverflowError:
        return None
