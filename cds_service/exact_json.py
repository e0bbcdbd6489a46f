"""JSON text into values: exact decimals, no NaN, no duplicate names, no number that arithmetic could choke on."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import jiter

# Far beyond anything measured, and still a number every computation can hold exactly.
_MAX_DIGITS = 100
_MAX_MAGNITUDE = 200  # of ten; whatever is beyond it has an exponent of three digits or more than _MAX_DIGITS digits
_TOO_LARGE = 10**_MAX_DIGITS

_DEEPEST = 64  # FHIR's own structures need a third of it

_BOM = b"\xef\xbb\xbf"
_POSITION = re.compile(r" at line ([0-9]+) column ([0-9]+)$")
_REASONS = (
    ("Detected duplicate key", "the same member name stands twice in one object"),
    ("recursion limit", "the nesting is too deep"),
    ("EOF", "it ends too early"),
    ("trailing characters", "something follows its end"),
    ("trailing comma", "there is a comma before a closing bracket"),
    ("number out of range", "a number is too long"),
    ("control character", "a control character stands in a text"),
    ("invalid unicode code point", "it is not UTF-8"),
    ("unexpected end of hex escape", "half of a surrogate pair stands alone"),
    ("lone leading surrogate", "half of a surrogate pair stands alone"),
)

# Every digit, point and sign becomes "0", so that one plain search finds what may be a large exponent, and one a long
# number; what lies there, the two expressions tell.
_SHAPE = bytes(48 if byte in b"0123456789.+-" else 101 if byte in b"eE" else byte for byte in range(256))
_EXPONENT = b"0e000"
_LARGE_EXPONENT = re.compile(rb"[eE][+-]?[0-9]{3}")
_NUMBER_BEFORE = re.compile(rb"(?:^|[\s:,\[])-?[0-9.]+$")
_MAX_LOOKS = 1000
_LONG = b"0" * (_MAX_DIGITS + 1)
_LONG_NUMBER = re.compile(rb"[0-9.]{%d}" % len(_LONG))


class NotJson(Exception):
    """Text that is not the JSON asked for; the message says what is wrong and where, never what was sent."""


def parse(data: bytes | bytearray) -> dict[str, Any]:
    """Bytes into a JSON object, numbers with a point or exponent as exact Decimals; raises NotJson."""
    data = bytes(data).removeprefix(_BOM)
    if not data.strip():
        raise NotJson("The body is empty; a JSON object is expected.")
    try:
        document = _inside(_read(b"".join((_OPENED, data, _CLOSED)))) if len(data) > _SMALL else _alone(data)
    except ValueError:
        document = _alone(data)
    if not isinstance(document, dict):
        raise NotJson("The body is JSON but not an object; an object is expected.")
    if _suspicious(data) and _has_absurd_number(document):
        raise NotJson(f"The body has a number with more than {_MAX_DIGITS} digits or beyond 1e±{_MAX_MAGNITUDE}.")
    return document


def _read(data: bytes) -> Any:
    return jiter.from_json(data, float_mode="decimal", catch_duplicate_keys=True, allow_inf_nan=False)


def _deepest() -> int:
    """How many lists inside each other the parser takes; what is deeper it refuses."""
    for depth in range(1, 10_000):
        try:
            _read(b"[" * depth + b"]" * depth)
        except ValueError:
            return depth - 1
    raise RuntimeError("jiter has no limit of nesting; ours is built on it")


# To count the levels of a document takes half as long as to parse it. So it is parsed inside so many lists that the
# parser comes to its own limit where ours is; only what it refuses then is parsed alone and its levels counted.
_LISTS = _deepest() - _DEEPEST
_SMALL = 2000  # bytes; the levels of so little are counted sooner than the lists are opened
_OPENED, _CLOSED = b"[" * _LISTS, b"]" * _LISTS


def _inside(document: Any) -> Any:
    """What lies inside the lists that were put around it; ValueError if it has closed one of them itself."""
    for _ in range(_LISTS):
        (document,) = document
    return document


def _alone(data: bytes) -> Any:
    """The document of a text that is not sound, or deep; raises NotJson, which says what is wrong."""
    try:
        document = _read(data)
    except ValueError as error:
        raise NotJson(_explanation(str(error))) from None
    if isinstance(document, dict) and _is_deeper(document, _DEEPEST):
        raise NotJson(f"The body has objects and lists inside each other, more than {_DEEPEST} deep.")
    return document


def _is_deeper(document: Any, limit: int) -> bool:
    """Whether there are more than ``limit`` objects and lists inside each other."""
    level = [document]
    for _ in range(limit):
        inner: list[Any] = []
        for container in level:
            for value in container.values() if type(container) is dict else container:
                kind = type(value)
                if kind is dict or kind is list:
                    inner.append(value)
        if not inner:
            return False
        level = inner
    return True


def _explanation(message: str) -> str:
    """What the parser found, in words that repeat nothing of what was sent."""
    reason = next((words for start, words in _REASONS if message.startswith(start)), "it cannot be read")
    position = _POSITION.search(message)
    place = f" (line {position.group(1)}, column {position.group(2)})" if position else ""
    return f"The body is not valid JSON: {reason}{place}."


def _suspicious(data: bytes) -> bool:
    """Whether there may be an absurd number: a quick look at the bytes, which a text can deceive but no number."""
    shape = data.translate(_SHAPE)
    if _LONG in shape and _LONG_NUMBER.search(data):
        return True
    looks, at = 0, shape.rfind(_EXPONENT)  # backwards takes three quarters of the time
    while at >= 0:
        if _LARGE_EXPONENT.match(data, at + 1):
            looks += 1
            if looks > _MAX_LOOKS or _NUMBER_BEFORE.search(data, max(0, at - _MAX_DIGITS - 2), at + 1):
                return True
        at = shape.rfind(_EXPONENT, 0, at + len(_EXPONENT) - 1)
    return False


def _has_absurd_number(document: object) -> bool:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, Decimal):
            _, digits, exponent = value.as_tuple()
            if len(digits) > _MAX_DIGITS or not isinstance(exponent, int) or abs(value.adjusted()) > _MAX_MAGNITUDE:
                return True
        elif isinstance(value, int) and abs(value) >= _TOO_LARGE:
            return True
    return False
