"""Reads a dosage instruction written as plain words ("take 1 tablet twice daily"), or refuses to."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from importlib import resources
from typing import NamedTuple

from msgspec import Struct

from ..terminology import units
from .dose_range import DoseRange, added, less

_WORDS = json.loads(resources.files(__package__).joinpath("sigs.json").read_text("utf-8"))
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


def _any_of(phrases: Iterable[str]) -> str:
    longest_first = sorted(phrases, key=len, reverse=True)
    return "(?:" + "|".join(re.escape(p) for p in longest_first) + ")"


class _Phrase(NamedTuple):
    """What a phrase looks like, and pieces of text of which it always holds one; none where no piece is certain."""

    pattern: re.Pattern[str]
    pieces: tuple[str, ...]

    def may_be_in(self, text: str) -> bool:
        """Whether it is worth looking for: a text holds few phrases, and to look for a piece costs little."""
        return not self.pieces or any(map(text.__contains__, self.pieces))


def _phrase(pattern: str, pieces: Iterable[str] = ()) -> _Phrase:
    return _Phrase(re.compile(pattern), _pieces(pieces))


def _pieces(phrases: Iterable[str]) -> tuple[str, ...]:
    """Few pieces of text of which each of the phrases holds one: the longest words, those of most phrases first."""
    left, found = set(phrases), []
    words = sorted(max(phrase.split(), key=len) for phrase in left)
    while left:
        found.append(max(words, key=lambda word: sum(word in phrase for phrase in left)))
        left = {phrase for phrase in left if found[-1] not in phrase}
    return tuple(found)


_N = r"(?:\d+(?:\.\d+)?(?:\s+(?:and\s+)?\d/\d)?|\d/\d)(?![\d/])"
_TO = rf"(?P<low>{_N})(?:\s*(?:-|to|or)\s*(?P<high>{_N}))?"
_UNIT_OF_TIME = r"(?P<time>hours?|hrs?|h|days?|d|weeks?|wks?|months?|mos?|years?|yrs?)"

_DOTTED = re.compile(r"\b(?:[a-z]\.){2,}")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d{1,2})(?![\d,])")
_NUMBER_WORD = _phrase(rf"(?<![\w/-]){_any_of(_WORDS['numbers'])}(?![\w-])", _WORDS["numbers"])
_REPEATED = re.compile(r"(?P<number>\d+)\s*\(\s*(?P=number)\s*\)")
_SAID_AGAIN = _phrase(r"\(\s*\d+(?:\.\d+)?\s*(?:mg|g|mcg|ug|units?|iu)(?:\s+total)?\s*\)", ["("])

_AS_NEEDED = _phrase(
    rf"(?<!\w){_any_of(_WORDS['as_needed'])}"
    rf"(?:\s+for\s+{_any_of(_WORDS['reasons'])}(?:\s*(?:,|or|and)\s*{_any_of(_WORDS['reasons'])})*)?(?!\w)",
    _WORDS["as_needed"],
)
_FOR_A_REASON = _phrase(rf"\bfor\s+{_any_of(_WORDS['reasons'])}(?!\w)", ["for"])
_MOST = _phrase(
    rf"(?:max(?:imum)?(?:\s+of)?|not\s+to\s+exceed|no\s+more\s+than|do\s+not\s+exceed|up\s+to)\s+(?P<number>{_N})\s*"
    r"(?P<unit>[a-z]+)?\s*(?:a|per|in|/|in\s+a)\s*(?:day|24\s*h(?:ou)?rs?)\b",
    ["max", "exceed", "than", "up"],
)
_LASTS = _phrase(rf"(?:\bfor|\bx)\s+(?P<low>{_N})\s*(?P<time>days?|weeks?|wks?|months?|mos?)\b", ["for", "x"])
_TIMES_A = _phrase(
    rf"(?P<upto>\bup\s+to\s+)?(?<![\w/.])(?:{_TO})\s*(?:x|times?)\s*(?:/|a\b|per\b|each\b|every\b|in\s+a\b)?\s*"
    r"(?P<time>day|daily|d|weekly|week|wk|monthly|month|mo|yearly|year)\b",
    ["x", "time"],
)
_EVERY = _phrase(rf"(?:\b1\s+time\s+)?\b(?:every|each|q)\s*(?:{_TO})\s*-?{_UNIT_OF_TIME}\b", ["every", "each", "q"])
_NAMED = _phrase(
    rf"(?:\b1\s+time\s+)?(?<!\w)(?P<name>{_any_of(_WORDS['times_per_day'])})(?!\w)", _WORDS["times_per_day"]
)
_DAY_NAME = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
_ON_DAYS = _phrase(
    rf"\b(?P<word>every|each|on)\s+(?P<days>{_DAY_NAME}(?:\s*(?:,|and|&|,\s*and)\s*{_DAY_NAME})*)\b",
    ["mon", "tues", "wednes", "thurs", "fri", "satur", "sun"],
)
_SLOT_OF: Mapping[str, str] = {phrase: slot for slot, phrases in _WORDS["slots"].items() for phrase in phrases}
_JOINED_SLOT_OF: Mapping[str, str] = {**_SLOT_OF, **_WORDS["joined_slots"]}
_SLOTS = _phrase(
    rf"(?:\b1\s+time\s+)?(?<!\w)(?P<first>{_any_of(_SLOT_OF)})(?!\w)"
    rf"(?P<others>(?:\s*(?:,\s*and|,|and|&|/)\s*{_any_of(_JOINED_SLOT_OF)}(?!\w))*)",
    _SLOT_OF,
)
_OTHER_SLOT = re.compile(rf"(?<!\w){_any_of(_JOINED_SLOT_OF)}(?!\w)")
_EACH_MEAL = _phrase(rf"(?<!\w){_any_of(_WORDS['each_meal'])}(?!\w)", _WORDS["each_meal"])
_MEALS = _phrase(rf"(?<!\w){_any_of(_WORDS['meals'])}(?!\w)", _WORDS["meals"])
_CLOCK = (
    r"(?:(?:[01]?\d|2[0-3]):[0-5]\d(?:\s*[ap]m)?|"
    r"(?:[01]\d|2[0-3])[0-5]\d(?:\s*(?:h|hrs|hours))?|(?:1[0-2]|[1-9])\s*[ap]m)"
)
_CLOCKS = _phrase(rf"(?<![\w.])(?P<at>at\s+)?(?P<clocks>{_CLOCK}(?:\s*(?:,\s*and|,|and|&|/|;)\s*{_CLOCK})*)(?![\w.])")
_ONE_CLOCK = re.compile(_CLOCK)
_AMOUNT = _phrase(rf"(?<![\w/.-])(?:{_TO})[\s-]*(?P<unit>\[iu\]|[a-z]+)\b")
_ONE_OFF = _phrase(
    r"(?<!\w)(?:for\s+)?(?:1\s+time(?:\s+(?:only|dose))?|stat|x\s*1(?:\s+dose)?|(?:a\s+)?single\s+dose|"
    r"1\s+dose\s+only)(?!\w)",
    ["1", "stat", "single"],
)
_LEFT_OVER = re.compile(r"[^\s|.,;:()&/-]+")
_HARMLESS = frozenset(_WORDS["harmless"])
_PER_DAY = {name: DoseRange.of(Fraction(number)) for name, number in _WORDS["times_per_day"].items()}
_TIME_MEANT = {"daily": "day", "weekly": "week", "monthly": "month", "yearly": "year"}
_ONCE_A: Mapping[str, Fraction] = {unit: 1 / days for unit, days in units.DAYS.items()}


class _Unclear(Exception):
    """The text says more, or something else, than the plain patterns cover."""


class _Text:
    """A text from which phrases are taken one by one."""

    def __init__(self, text: str) -> None:
        self.rest = text

    def take(self, phrase: _Phrase, accept: Callable[[re.Match[str]], bool] | None = None) -> list[re.Match[str]]:
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
        text = _DOTTED.sub(lambda m: m.group().replace(".", "") + " ", text)
    if "," in text:
        text = _THOUSANDS.sub(lambda m: m.group().replace(",", ""), text)
        text = _DECIMAL_COMMA.sub(r"\1.\2", text)
    text = " ".join(text.split())
    if _NUMBER_WORD.may_be_in(text):
        text = _NUMBER_WORD.pattern.sub(lambda m: _WORDS["numbers"][m.group()], text)
    return _REPEATED.sub(r"\g<number>", text) if "(" in text else text


def _read(text: _Text) -> Sig:
    """Takes phrase after phrase from the text; what remains must be words that change nothing."""
    text.take(_SAID_AGAIN)
    as_needed = bool(text.take(_AS_NEEDED))
    text.take(_FOR_A_REASON)
    most = _only(text.take(_MOST, _is_most))
    lasts = _only(text.take(_LASTS))
    frequency = _frequency(text)
    amount = _only(text.take(_AMOUNT, lambda m: _unit(m) in _DOSE_UNITS))
    one_off = bool(text.take(_ONE_OFF))
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
    said = [_times_a(m) for m in text.take(_TIMES_A)]
    said += [_every(m) for m in text.take(_EVERY)]
    slots = _slots(text.take(_SLOTS))
    each_meal = bool(text.take(_EACH_MEAL))
    said += [_PER_DAY[m["name"]] for m in text.take(_NAMED)]
    meals = each_meal or bool(text.take(_MEALS))
    weekdays = _only(text.take(_ON_DAYS))
    clocks = _only(text.take(_CLOCKS, _is_clock))
    if len(said) > 1 and len(set(said)) > 1:
        raise _Unclear
    times = len(slots) + (len(_ONE_CLOCK.findall(clocks["clocks"])) if clocks else 0)
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
        frozenset({_SLOT_OF[m["first"]], *(_JOINED_SLOT_OF[o] for o in _OTHER_SLOT.findall(m["others"]))})
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
    per_week = DoseRange.of(Fraction(len({d.rstrip("s") for d in re.findall(_DAY_NAME, match["days"])}), 7))
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
    return bool(match["at"]) or len(_ONE_CLOCK.findall(clocks)) > 1 or not clocks.isdigit()


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
