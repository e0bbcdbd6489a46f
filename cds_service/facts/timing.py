"""How many doses a day an instruction means, from its structured timing, its timing code or its plain text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from importlib import resources

from msgspec import Struct

from ..fhir.elements import Concept, Dosage, Repeat, Timing
from ..terminology import units
from . import sigs
from .dose_range import ONCE, DoseRange, cover, less

_TABLE = json.loads(resources.files(__package__).joinpath("timing.json").read_text("utf-8"))
_PER_DAY_OF_CODE = {code: DoseRange.of(Fraction(number)) for code, number in _TABLE["codes"].items()}
_ONE_OFF_CODES = frozenset(_TABLE["one_off_codes"])
_ALL_MEALS = frozenset(_TABLE["all_meals"])
_MEALS_A_DAY: int = _TABLE["meals_a_day"]
_MOST_A_DAY = Fraction(_TABLE["most_doses_per_day"])
_LONGEST_PERIOD = Fraction(_TABLE["longest_period_days"])
_WEEK = Fraction(7)


class Frequency(Struct, frozen=True):
    """Doses a day; None with a ``reason`` code when nothing says it or what says it cannot be.

    Reasons: "no-timing", "events-only", "implausible-timing", "text-not-understood". Notes: "timing-contradiction",
    "as-needed", "from-free-text". ``scheduled`` is what the schedule alone says, before "as needed" takes its lower
    bound away. ``one_off`` marks a single dose, which has no frequency.
    """

    doses: DoseRange | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    as_needed: bool = False
    one_off: bool = False


class Texts(Struct, frozen=True):
    """What the free-text reader made of an instruction: of its timing text, and of its dosage text."""

    timing: sigs.Sig | None = None
    dosage: sigs.Sig | None = None
    unclear: bool = False  # a text was there that could not be understood


def read_texts(dosage: Dosage) -> Texts:
    """Gives the texts of an instruction to the free-text reader, once."""
    found: Texts | None = dosage.memo.get("texts")
    if found is None:
        found = dosage.memo["texts"] = _read_texts(dosage)
    return found


def _read_texts(dosage: Dosage) -> Texts:
    code = dosage.timing.code if dosage.timing else None
    said = dosage.text if dosage.text.strip() else dosage.patient_instruction
    labels = _labels(code) if code and _of_code(code)[0] is None else ()
    timing = next((sig for sig in map(sigs.read, labels) if sig), None)
    whole = sigs.read(said)
    return Texts(timing, whole, unclear=(bool(labels) and timing is None) or (bool(said.strip()) and whole is None))


def doses_per_day(dosage: Dosage, *, free_text_allowed: bool = False) -> Frequency:
    """Doses a day of one instruction; its text is read only if that is allowed and the structure says nothing."""
    return frequency(dosage, read_texts(dosage) if free_text_allowed else Texts())


def frequency(dosage: Dosage, texts: Texts) -> Frequency:
    """Doses a day of one instruction whose texts have been read already."""
    found = _structured(dosage.timing)
    if found.doses is None and not found.one_off and found.reason in ("no-timing", "events-only"):
        found = _from_texts(texts, found)
    if not (dosage.as_needed or found.as_needed):
        return found
    doses = found.doses.or_none() if found.doses else None
    return Frequency(doses, found.reason, _also(found.notes, "as-needed"), as_needed=True, one_off=found.one_off)


def _also(notes: Sequence[str], *more: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*notes, *more)))


def _from_texts(texts: Texts, otherwise: Frequency) -> Frequency:
    for sig in (texts.timing, texts.dosage):
        if sig is None:
            continue
        if sig.doses_per_day is not None or sig.one_off:
            return Frequency(sig.doses_per_day, notes=("from-free-text",), as_needed=sig.as_needed, one_off=sig.one_off)
    as_needed = any(sig.as_needed for sig in (texts.timing, texts.dosage) if sig)
    reason = "text-not-understood" if texts.unclear else otherwise.reason
    return Frequency(reason=reason, notes=("from-free-text",) if as_needed else (), as_needed=as_needed)


def _structured(timing: Timing | None) -> Frequency:
    if timing is None:
        return Frequency(reason="no-timing")
    repeat = timing.repeat or Repeat()
    by_code, stat = _of_code(timing.code) if timing.code else (None, False)
    if (repeat.count == 1 and (repeat.count_max or 1) <= 1) or (stat and repeat.period is None):
        return Frequency(one_off=True)
    by_repeat, reason = _of_repeat(repeat)
    if reason:
        return Frequency(reason=reason)
    known = [doses for doses in (by_repeat, by_code) if doses is not None]
    if not known:
        return Frequency(reason="events-only" if timing.events else "no-timing")
    doses = cover(known)
    notes = ("timing-contradiction",) if len(known) > 1 and len(set(known)) > 1 else ()
    if doses.high is not None and less(_MOST_A_DAY, doses.high):
        return Frequency(reason="implausible-timing")
    return Frequency(doses, notes=notes)


def _labels(code: Concept) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            text
            for text in (*code.texts, *(c.display for c in code.codings), *(c.code for c in code.codings))
            if text.strip()
        )
    )


def _of_code(code: Concept) -> tuple[DoseRange | None, bool]:
    """Doses a day of the abbreviations among codes and texts, and whether one of them means a single dose."""
    spelled = [_abbreviation(text) for text in _labels(code)]
    known = [_PER_DAY_OF_CODE[s] for s in spelled if s in _PER_DAY_OF_CODE]
    return cover(known) if known else None, any(s in _ONE_OFF_CODES for s in spelled)


def _abbreviation(text: str) -> str:
    return text.upper().replace(".", "").replace(" ", "")


def _of_repeat(repeat: Repeat) -> tuple[DoseRange | None, str]:
    """Doses a day of a repeat (None when it says nothing of that), and the reason why it cannot be computed."""
    by_clock = _times_of_day(repeat)
    weekdays = len({day.casefold() for day in repeat.days_of_week if day}) if repeat.days_of_week else 0
    if repeat.frequency is not None and repeat.frequency <= 0:
        return None, "implausible-timing"
    if repeat.period is None or not repeat.period_unit:
        said = DoseRange.of(repeat.frequency) if repeat.frequency is not None and by_clock else None
        per_day = [d for d in (by_clock, said) if d is not None]
        if weekdays:
            return (cover(per_day) if per_day else DoseRange.of(1)).times(Fraction(min(weekdays, 7)) / _WEEK), ""
        return (cover(per_day), "") if per_day else (None, "")
    period = _periods(repeat)
    if period is None or period.high is None or less(_LONGEST_PERIOD, period.high):
        return None, "implausible-timing"
    often = _often(repeat)
    if by_clock and _several(repeat) and often == period == DoseRange.of(1):
        often = cover((often, by_clock))
    if weekdays:
        return _on_weekdays(often, period, min(weekdays, 7)), ""
    if period.low == 1 and period.high == 1:
        return often, ""
    low = often.low / period.high
    exact = often.high is often.low and period.high is period.low
    return DoseRange(low, low if exact else (often.high or often.low) / period.low), ""


def _often(repeat: Repeat) -> DoseRange:
    """Times per period, one unless said otherwise; the two bounds in whichever order they were sent."""
    low = repeat.frequency if repeat.frequency is not None else 1
    high = repeat.frequency_max if repeat.frequency_max and repeat.frequency_max > 0 else low
    if low == high:
        return ONCE if low == 1 else DoseRange.of(low)
    return DoseRange(Fraction(min(low, high)), Fraction(max(low, high)))


def _periods(repeat: Repeat) -> DoseRange | None:
    """The period in days, more than none, shortest to longest; None when a part is missing or makes no sense."""
    shortest = units.days(repeat.period, repeat.period_unit)
    longest = units.days(repeat.period_max, repeat.period_unit) if repeat.period_max is not None else shortest
    if shortest is None or longest is None or shortest.numerator <= 0 or longest.numerator <= 0:
        return None
    if shortest is longest:
        return DoseRange(shortest, shortest)
    return DoseRange(min(shortest, longest), max(shortest, longest))


def _several(repeat: Repeat) -> bool:
    return len(repeat.when) > 1 or repeat.times_of_day > 1


def _times_of_day(repeat: Repeat) -> DoseRange | None:
    """Doses a day by the named occasions ("CM", "HS"; "C" is every meal) and by clock times."""
    if not repeat.when and repeat.times_of_day <= 0:
        return None
    occasions = sum(_MEALS_A_DAY if code.upper() in _ALL_MEALS else 1 for code in set(repeat.when) if code)
    known = [DoseRange.of(number) for number in (occasions, repeat.times_of_day) if number > 0]
    return cover(known) if known else None


def _on_weekdays(often: DoseRange, period: DoseRange, weekdays: int) -> DoseRange:
    """Doses a day on so many days of the week.

    Within a week "once a week on three days" is written for one dose and for three: the range holds both. For a
    shorter period the frequency applies on the named days only.
    """
    low, high = often.low, often.high or often.low
    longest = period.high or period.low
    if period.low >= _WEEK:
        if low == high == weekdays or weekdays == 1:
            return DoseRange(low / longest, high / period.low)
        return DoseRange(min(low, Fraction(weekdays)) / longest, max(high, Fraction(weekdays)) / period.low)
    share = Fraction(weekdays) / _WEEK
    if longest <= 1:
        return DoseRange(low / longest, high / period.low).times(share)
    most = min(high / period.low, high * share)
    return DoseRange(min(low / longest * share, most), most)


def duration_days(value: Decimal | None, unit: str) -> Fraction | None:
    """A length of time in days, if it is one: more than none and finite."""
    found = units.days(value, unit) if value is not None else None
    return found if found is not None and found.numerator > 0 else None


def notes_of(*sources: Sequence[str]) -> tuple[str, ...]:
    """All notes in order, each once."""
    said = [source for source in sources if source]
    return tuple(dict.fromkeys(note for source in said for note in source)) if said else ()
