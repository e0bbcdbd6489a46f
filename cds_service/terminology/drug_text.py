"""The text of a drug's name as tokens: words, numbers, signs, and the strengths among them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType

_UNITS = MappingProxyType(
    {
        spelling: unit
        for unit, spellings in {
            "mg": ("mg", "mgs", "milligram", "milligrams"),
            "g": ("g", "gm", "gms", "gram", "grams"),
            "mcg": ("mcg", "mcgs", "ug", "μg", "microgram", "micrograms"),
            "iu": ("iu", "ius", "unt", "unts", "unit", "units", "ui"),
            "meq": ("meq", "meqs"),
            "mmol": ("mmol", "mmols"),
            "ml": ("ml", "mls", "cc", "milliliter", "milliliters", "millilitre", "millilitres"),
            "l": ("l", "liter", "litre"),
            "%": ("%",),
        }.items()
        for spelling in spellings
    }
)
_MASSES = frozenset({"mg", "g", "mcg", "iu", "meq", "mmol"})
# Denominators that are one counted unit; any other ("HR", "ACTUAT", "G" of a cream) makes a strength useless here.
_COUNTED = frozenset(
    {"tablet", "tab", "capsule", "cap", "drop", "drops", "gtt", "each", "ea", "packet", "chew", "caplet"}
)

_INTERNATIONAL_UNITS = re.compile(
    r"\[\s*iu\s*\]|\bi\.\s?u\.?|\busp'?\s?u(?:nits?)?\b|\bint'?l\.? units?\b|\binternational units?\b"
)
_VITAMIN_D_NUMBER = re.compile(r"\b(vit(?:amin)?\.?[ -]?d)[ -]([23])(?=[^\d.,]|$)")
_TOKEN = re.compile(
    r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])"  # 1,250 and 1,250.5
    r"|\d{1,3}(?:\.\d{3}){2,}(?!\d)"  # 1.250.000
    r"|(?:\d{1,3}(?: \d{3})* 000|\d \d{3})(?=\s*(?:mg|mcg|ug|μg|units?\b|unt|iu))"  # 50 000 IU
    r"|\d+[.,]\d+|\d+|\.\d+)"
    r"|(?P<word>[^\W\d_](?:[^\W_]|'(?=[^\W\d_]))*)"
    r"|(?P<sign>[^\s\w])"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a number or a sign; ``depth`` counts the brackets around it."""

    kind: str  # "word", "number", "sign"
    text: str
    depth: int = 0
    value: Decimal | None = None
    other_value: Decimal | None = None  # the second way to read 1.250 or 1,250


@dataclass(frozen=True, slots=True)
class Strength:
    """An amount in a drug's name: value, unit and what it is per; it spans tokens ``start`` to ``end``."""

    value: Decimal
    unit: str  # "mg", "g", "mcg", "iu", "meq", "mmol", "%", "ml", "" for a bare number
    per: str  # "unit", "mL", or "other"
    start: int
    end: int
    depth: int = 0
    other_value: Decimal | None = None
    elemental: bool = False
    in_container: Decimal | None = None  # 5 in "5 mg/100 mL", whose value is 0.05

    @property
    def is_amount(self) -> bool:
        """Whether it is an amount of a substance, not a volume, a duration or a bare number."""
        return self.unit in _MASSES or self.unit == "%"


def tokens(text: str) -> list[Token]:
    """The tokens of a name, in lower case."""
    lowered = unicodedata.normalize("NFKC", text).lower().replace("µ", "μ").replace("’", "'").replace("–", "-")
    lowered = _INTERNATIONAL_UNITS.sub(" iu ", lowered)
    lowered = _VITAMIN_D_NUMBER.sub(r"\1\2", lowered)
    found: list[Token] = []
    depth = 0
    for match in _TOKEN.finditer(lowered):
        piece = match.group()
        if match.lastgroup == "number":
            value, other = _numbers(piece)
            found.append(Token("number", piece, depth, value, other))
            continue
        if match.lastgroup == "sign":
            if piece in ")]}":
                depth = max(0, depth - 1)
            found.append(Token("sign", piece, depth))
            if piece in "([{":
                depth += 1
            continue
        found.append(Token("word", piece, depth))
    return found


def words(name: str) -> tuple[str, ...]:
    """The words and numbers of a known name, as a key to look it up by."""
    return tuple(token.text for token in tokens(name) if token.kind != "sign")


def strengths(items: Sequence[Token]) -> list[Strength]:
    """The strengths among tokens, in order; bare numbers are included with unit ""."""
    found: list[Strength] = []
    index = 0
    while index < len(items):
        if items[index].kind != "number":
            index += 1
            continue
        read = _joined_pair(items, index) or _single(items, index)
        found.extend(read)
        index = read[-1].end
    return found


def _joined_pair(items: Sequence[Token], index: int) -> list[Strength]:
    """ "600-400 mg-unit": two numbers, then their two units in the same order."""
    window = items[index : index + 6]
    if len(window) < 6 or window[2].kind != "number":
        return []
    first, join, second, unit, unit_join, other_unit = window
    if join.text not in "-/" or unit_join.text not in "-/" or {unit.text, other_unit.text} - _UNITS.keys():
        return []
    if _UNITS[unit.text] not in _MASSES or _UNITS[other_unit.text] not in _MASSES:
        return []
    if first.value is None or second.value is None:
        return []
    return [
        Strength(first.value, _UNITS[unit.text], "unit", index, index + 1, first.depth, first.other_value),
        Strength(second.value, _UNITS[other_unit.text], "unit", index + 2, index + 6, second.depth),
    ]


def _single(items: Sequence[Token], index: int) -> list[Strength]:
    number = items[index]
    value, other = number.value, number.other_value
    if value is None:
        raise ValueError("a number token has a value")
    following = items[index + 1].text if index + 1 < len(items) else ""
    if following == "k" and items[index + 1].kind != "number":
        value, other = value * 1000, None
        index_unit = index + 2
    else:
        index_unit = index + 1
    unit = _UNITS.get(items[index_unit].text, "") if index_unit < len(items) else ""
    if not unit:
        return [Strength(value, "", "unit", index, index_unit, number.depth, other)]
    read = Strength(value, unit, "unit", index, index_unit + 1, number.depth, other)
    if unit == "%":
        return [replace(read, unit="mg", value=value * 10, per="mL", other_value=None)]
    return [_with_denominator(items, read)]


def _with_denominator(items: Sequence[Token], read: Strength) -> Strength:
    index = read.end
    if index + 1 >= len(items) or items[index].text not in ("/", "per"):
        return read
    index += 1
    amount = Decimal(1)
    explicit = items[index].value
    if explicit is not None:
        amount = explicit
        index += 1
    if index >= len(items) or amount == 0:
        return read
    name = items[index].text
    unit = _UNITS.get(name, "")
    if unit in ("ml", "l"):
        millilitres = amount if unit == "ml" else amount * 1000
        container = read.value if explicit is not None else None
        return replace(
            read, value=read.value / millilitres, per="mL", end=index + 1, other_value=None, in_container=container
        )
    if name in _COUNTED:
        return replace(read, value=read.value / amount, end=index + 1, other_value=None)
    if explicit is None and (name in ("hr", "h", "actuat", "actuation", "spray", "day", "kg") or unit in ("g", "mg")):
        return replace(read, per="other", end=index + 1)
    return read


def _numbers(text: str) -> tuple[Decimal, Decimal | None]:
    """A number's value, and its other reading where a separator before three digits leaves one.

    A comma before three digits is taken for the American thousands separator first, a dot for the decimal point;
    which of them can be meant is for the substance to say.
    """
    if " " in text:
        return Decimal(text.replace(" ", "")), None
    if text.count(".") > 1:
        return Decimal(text.replace(".", "")), None
    if "," in text:
        whole, _, rest = text.partition(",")
        if len(rest) == 3 and whole != "0" and not whole.startswith("0"):
            return Decimal(whole + rest), Decimal(f"{whole}.{rest}")
        if text.count(",") > 1 or "." in rest:
            return Decimal(text.replace(",", "")), None
        return Decimal(f"{whole}.{rest}"), None
    whole, dot, rest = text.partition(".")
    if dot and len(rest) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0"):
        return Decimal(text), Decimal(whole + rest)
    return Decimal(text), None
