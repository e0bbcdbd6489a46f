"""Reads a dosage instruction written as plain words ("take 1 tablet twice daily"), or refuses to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from fractions import Fraction

from msgspec import Struct

from ..terminology import units
from . import sig_phrases as phrases
from .dose_range import DoseRange, added, less

_LONGEST = 300
_DOSE_UNITS = frozenset({units.COUNT, "g", "mg", "ug", "mL", "[iU]", "meq", "mmol"})
_TAKEN = " | "  # stands where something was read, so that words on both sides never join into a phrase


class Sig(Struct, frozen=True):
    """What a plain text says. Amounts are in ``unit`` (canonical), frequencies in doses a day, ``days`` the duration.

    What the text does not say is None (False for ``as_needed`` and ``one_off``).
    """

    amount: DoseRange | None = None
    unit: str = ""
    doses_per_day: DoseRange | None = None
    as_needed: bool = False
    one_off: bool = False
    days: Fraction | None = None
    most_per_day: Fraction | None = None  # in ``most_unit``
    most_unit: str = ""


_LEFT_OVER = re.compile(r"[^\s|.,;:()&/-]+")
_HARMLESS = frozenset(phrases.WORDS["harmless"])
_PER_DAY = {name: DoseRange.of(Fraction(number)) for name, number in phrases.WORDS["times_per_day"].items()}
_TIME_MEANT = {"daily": "day", "weekly": "week", "monthly": "month", "yearly": "year"}
_ONCE_A: Mapping[str, Fraction] = {unit: 1 / days for unit, days in units.DAYS.items()}


class _Unclear(Exception):
    """The text says more, or something else, than the plain patterns cover."""


class _Text:
    """A text from which phrases are taken one by one."""

    def __init__(self, text: str) -> None:
        self.rest = text

    def take(
        self, phrase: phrases.Phrase, accept: Callable[[re.Match[str]], bool] | None = None
    ) -> list[re.Match[str]]:
        """All matches (that are accepted), which are gone from the text afterwards."""
        taken: list[re.Match[str]] = []
        if not phrase.may_be_in(self.rest):
            return taken

        def remove(match: re.Match[str]) -> str:
            if accept is not None and not accept(match):
                return match.group()
            taken.append(match)
            return _TAKEN

        self.rest = phrase.pattern.sub(remove, self.rest)
        return taken


def read(text: str) -> Sig | None:
    """What the text says, or None when it is not wholly one of the plain patterns.

    Strict on purpose: a single word or number that could change the meaning and was not understood ("then", "hold",
    "except", a second amount) makes the whole text not understood.
    """
    if not text.strip() or len(text) > _LONGEST:
        return None
    try:
        return _read(_Text(_normal(text)))
    except _Unclear:
        return None


def _normal(text: str) -> str:
    """Lower case, numbers as digits, one kind of dash, no dots in abbreviations, "2 (two)" said once."""
    text = text.casefold()
    if not text.isascii():
        text = text.replace("⁄", "/").replace("½", " 1/2").replace("¼", " 1/4")
        text = unicodedata.normalize("NFKC", text).replace("–", "-").replace("—", "-")
    text = text.replace("(s)", "s")
    if "." in text:
        text = phrases.DOTTED.sub(lambda m: m.group().replace(".", "") + " ", text)
    if "," in text:
        text = phrases.THOUSANDS.sub(lambda m: m.group().replace(",", ""), text)
        text = phrases.DECIMAL_COMMA.sub(r"\1.\2", text)
    text = " ".join(text.split())
    if phrases.NUMBER_WORD.may_be_in(text):
        text = phrases.NUMBER_WORD.pattern.sub(lambda m: phrases.WORDS["numbers"][m.group()], text)
    return phrases.REPEATED.sub(r"\g<number>", text) if "(" in text else text


def _read(text: _Text) -> Sig:
    """Takes phrase after phrase from the text; what remains must be words that change nothing."""
    text.take(phrases.SAID_AGAIN)
    as_needed = bool(text.take(phrases.AS_NEEDED))
    text.take(phrases.FOR_A_REASON)
    most = _only(text.take(phrases.MOST, _is_most))
    lasts = _only(text.take(phrases.LASTS))
    frequency = _frequency(text)
    amount = _only(text.take(phrases.AMOUNT, lambda m: _unit(m) in _DOSE_UNITS))
    one_off = bool(text.take(phrases.ONE_OFF))
    if one_off and (frequency is not None or lasts is not None):
        raise _Unclear
    for word in _LEFT_OVER.findall(text.rest):
        if word not in _HARMLESS:
            raise _Unclear
    if amount is None and frequency is None and most is None and not (one_off or as_needed):
        raise _Unclear
    return Sig(
        amount=_range(amount) if amount else None,
        unit=_unit(amount) if amount else "",
        doses_per_day=frequency,
        as_needed=as_needed,
        one_off=one_off,
        days=_number(lasts["low"]) * units.DAYS[_time(lasts["time"])] if lasts else None,
        most_per_day=_number(most["number"]) if most else None,
        most_unit=_unit(most) if most else "",
    )


def _frequency(text: _Text) -> DoseRange | None:
    """Doses a day: as said in numbers, else by the times of the day that are named; both must agree."""
    said = [_times_a(m) for m in text.take(phrases.TIMES_A)]
    said += [_every(m) for m in text.take(phrases.EVERY)]
    slots = _slots(text.take(phrases.SLOTS))
    each_meal = bool(text.take(phrases.EACH_MEAL))
    said += [_PER_DAY[m["name"]] for m in text.take(phrases.NAMED)]
    meals = each_meal or bool(text.take(phrases.MEALS))
    weekdays = _only(text.take(phrases.ON_DAYS))
    clocks = _only(text.take(phrases.CLOCKS, _is_clock))
    if len(said) > 1 and len(set(said)) > 1:
        raise _Unclear
    times = len(slots) + (len(phrases.ONE_CLOCK.findall(clocks["clocks"])) if clocks else 0)
    if slots and clocks:
        raise _Unclear
    named = times + (3 if meals and (each_meal or times or not said) else 0)
    if weekdays:
        return _on_days(weekdays, said, named)
    if not said:
        return DoseRange.of(named) if named else None
    if named and not _agree(said[0], named):
        raise _Unclear
    return said[0]


def _slots(matches: list[re.Match[str]]) -> frozenset[str]:
    """The times of the day that are named. Phrases side by side ("every morning with breakfast") must mean one time."""
    named = {
        frozenset(
            {phrases.SLOT_OF[m["first"]], *(phrases.JOINED_SLOT_OF[o] for o in phrases.OTHER_SLOT.findall(m["others"]))}
        )
        for m in matches
    }
    if len(named) > 1:
        raise _Unclear
    return next(iter(named), frozenset())


def _agree(said: DoseRange, named: int) -> bool:
    """Whether "twice daily" and two times of the day are the same; less than once a day names one time."""
    if said.high is not None and said.high < 1:
        return named == 1
    return said == DoseRange.of(named)


def _on_days(match: re.Match[str], said: list[DoseRange], named: int) -> DoseRange:
    """So many days of the week. "On" needs a frequency beside it, which must be as many times a week."""
    per_week = DoseRange.of(Fraction(len({d.rstrip("s") for d in re.findall(phrases.DAY_NAME, match["days"])}), 7))
    if named > 1 or (said and said[0] != per_week) or (match["word"] == "on" and not said):
        raise _Unclear
    return per_week


def _times_a(match: re.Match[str]) -> DoseRange:
    word = match["time"]
    found = _range(match).times(_ONCE_A[_time(_TIME_MEANT.get(word, word))])
    return found.or_none() if match["upto"] else found


def _every(match: re.Match[str]) -> DoseRange:
    spacing = _range(match).times(units.DAYS[_time(match["time"])])
    if spacing.low.numerator <= 0 or spacing.high is None:
        raise _Unclear
    often = 1 / spacing.low
    return DoseRange(often if spacing.high is spacing.low else 1 / spacing.high, often)


def _is_clock(match: re.Match[str]) -> bool:
    """A lone four-digit number is a time only after "at": it may as well be an amount."""
    clocks = match["clocks"]
    return bool(match["at"]) or len(phrases.ONE_CLOCK.findall(clocks)) > 1 or not clocks.isdigit()


def _is_most(match: re.Match[str]) -> bool:
    """Told apart: "up to 3 times a day" is a frequency, "up to 10 tablets a day" a maximum."""
    return _unit(match) in _DOSE_UNITS


def _unit(match: re.Match[str]) -> str:
    return units.canonical("", match["unit"] or "") or ""


def _time(word: str) -> str:
    found = units.canonical("", word) or ""
    if found not in units.DAYS:
        raise _Unclear
    return found


def _range(match: re.Match[str]) -> DoseRange:
    low = _number(match["low"])
    high = _number(match["high"]) if match["high"] else low
    if low.numerator <= 0 or (high is not low and less(high, low)):
        raise _Unclear
    return DoseRange(low, high)


def _number(text: str) -> Fraction:
    """ "2", "0.5", "1/2", "1 1/2", "1 and 1/2"."""
    if text.isdecimal():
        return Fraction(int(text))
    parts = text.replace("and", " ").split()
    if any(part.endswith("/0") for part in parts):
        raise _Unclear
    return added([Fraction(part) for part in parts])


def _only(matches: list[re.Match[str]]) -> re.Match[str] | None:
    if len(matches) > 1:
        raise _Unclear
    return matches[0] if matches else None
