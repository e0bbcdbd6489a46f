"""The phrases in which dosage instructions are written, and whether it is worth looking for one of them in a text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import NamedTuple

WORDS = json.loads(resources.files(__package__).joinpath("sigs.json").read_text("utf-8"))


def _any_of(phrases: Iterable[str]) -> str:
    longest_first = sorted(phrases, key=len, reverse=True)
    return "(?:" + "|".join(re.escape(p) for p in longest_first) + ")"


class Phrase(NamedTuple):
    """What a phrase looks like, and pieces of text of which it always holds one; none where no piece is certain."""

    pattern: re.Pattern[str]
    pieces: tuple[str, ...]

    def may_be_in(self, text: str) -> bool:
        """Whether it is worth looking for: a text holds few phrases, and to look for a piece costs little."""
        return not self.pieces or any(map(text.__contains__, self.pieces))


def _phrase(pattern: str, pieces: Iterable[str] = ()) -> Phrase:
    return Phrase(re.compile(pattern), _pieces(pieces))


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

DOTTED = re.compile(r"\b(?:[a-z]\.){2,}")
THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d{1,2})(?![\d,])")
NUMBER_WORD = _phrase(rf"(?<![\w/-]){_any_of(WORDS['numbers'])}(?![\w-])", WORDS["numbers"])
REPEATED = re.compile(r"(?P<number>\d+)\s*\(\s*(?P=number)\s*\)")
SAID_AGAIN = _phrase(r"\(\s*\d+(?:\.\d+)?\s*(?:mg|g|mcg|ug|units?|iu)(?:\s+total)?\s*\)", ["("])

AS_NEEDED = _phrase(
    rf"(?<!\w){_any_of(WORDS['as_needed'])}"
    rf"(?:\s+for\s+{_any_of(WORDS['reasons'])}(?:\s*(?:,|or|and)\s*{_any_of(WORDS['reasons'])})*)?(?!\w)",
    WORDS["as_needed"],
)
FOR_A_REASON = _phrase(rf"\bfor\s+{_any_of(WORDS['reasons'])}(?!\w)", ["for"])
MOST = _phrase(
    rf"(?:max(?:imum)?(?:\s+of)?|not\s+to\s+exceed|no\s+more\s+than|do\s+not\s+exceed|up\s+to)\s+(?P<number>{_N})\s*"
    r"(?P<unit>[a-z]+)?\s*(?:a|per|in|/|in\s+a)\s*(?:day|24\s*h(?:ou)?rs?)\b",
    ["max", "exceed", "than", "up"],
)
LASTS = _phrase(rf"(?:\bfor|\bx)\s+(?P<low>{_N})\s*(?P<time>days?|weeks?|wks?|months?|mos?)\b", ["for", "x"])
TIMES_A = _phrase(
    rf"(?P<upto>\bup\s+to\s+)?(?<![\w/.])(?:{_TO})\s*(?:x|times?)\s*(?:/|a\b|per\b|each\b|every\b|in\s+a\b)?\s*"
    r"(?P<time>day|daily|d|weekly|week|wk|monthly|month|mo|yearly|year)\b",
    ["x", "time"],
)
EVERY = _phrase(rf"(?:\b1\s+time\s+)?\b(?:every|each|q)\s*(?:{_TO})\s*-?{_UNIT_OF_TIME}\b", ["every", "each", "q"])
NAMED = _phrase(rf"(?:\b1\s+time\s+)?(?<!\w)(?P<name>{_any_of(WORDS['times_per_day'])})(?!\w)", WORDS["times_per_day"])
DAY_NAME = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
ON_DAYS = _phrase(
    rf"\b(?P<word>every|each|on)\s+(?P<days>{DAY_NAME}(?:\s*(?:,|and|&|,\s*and)\s*{DAY_NAME})*)\b",
    ["mon", "tues", "wednes", "thurs", "fri", "satur", "sun"],
)
SLOT_OF: Mapping[str, str] = {phrase: slot for slot, phrases in WORDS["slots"].items() for phrase in phrases}
JOINED_SLOT_OF: Mapping[str, str] = {**SLOT_OF, **WORDS["joined_slots"]}
SLOTS = _phrase(
    rf"(?:\b1\s+time\s+)?(?<!\w)(?P<first>{_any_of(SLOT_OF)})(?!\w)"
    rf"(?P<others>(?:\s*(?:,\s*and|,|and|&|/)\s*{_any_of(JOINED_SLOT_OF)}(?!\w))*)",
    SLOT_OF,
)
OTHER_SLOT = re.compile(rf"(?<!\w){_any_of(JOINED_SLOT_OF)}(?!\w)")
EACH_MEAL = _phrase(rf"(?<!\w){_any_of(WORDS['each_meal'])}(?!\w)", WORDS["each_meal"])
MEALS = _phrase(rf"(?<!\w){_any_of(WORDS['meals'])}(?!\w)", WORDS["meals"])
_CLOCK = (
    r"(?:(?:[01]?\d|2[0-3]):[0-5]\d(?:\s*[ap]m)?|"
    r"(?:[01]\d|2[0-3])[0-5]\d(?:\s*(?:h|hrs|hours))?|(?:1[0-2]|[1-9])\s*[ap]m)"
)
CLOCKS = _phrase(rf"(?<![\w.])(?P<at>at\s+)?(?P<clocks>{_CLOCK}(?:\s*(?:,\s*and|,|and|&|/|;)\s*{_CLOCK})*)(?![\w.])")
ONE_CLOCK = re.compile(_CLOCK)
AMOUNT = _phrase(rf"(?<![\w/.-])(?:{_TO})[\s-]*(?P<unit>\[iu\]|[a-z]+)\b")
ONE_OFF = _phrase(
    r"(?<!\w)(?:for\s+)?(?:1\s+time(?:\s+(?:only|dose))?|stat|x\s*1(?:\s+dose)?|(?:a\s+)?single\s+dose|"
    r"1\s+dose\s+only)(?!\w)",
    ["1", "stat", "single"],
)
