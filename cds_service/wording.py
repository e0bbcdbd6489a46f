"""Fills the sentences of knowledge with values: placeholders, escaping, what is shown when and what is left out."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from .knowledge import Line

# {level.both}, {unusable.reason|phrase}: a path into the values, and what to do with what is found there.
PLACEHOLDER = re.compile(r"\{([a-z_]+(?:\.[a-z_]+)*)(?:\|(phrase|known))?\}")
SUMMARY_LENGTH = 139  # CDS Hooks: fewer than 140 characters
_DETAIL_VALUE_LENGTH = 160
_ELLIPSIS = "…"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# What would be read as Markdown or HTML inside a sentence. "<4 ng/mL" stays: no tag begins with a digit.
_MARKUP = re.compile(r"[\\`*~|\[\]]|<(?=[A-Za-z/!?])|&(?=#?\w+;)|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINKS = re.compile(r"(?i)(?<=[a-z])://|\bwww\.|@(?=\w)|(?<=javascript):|(?<=vbscript):|(?<=data):")

Values = Mapping[str, Any]


class Phrases(Mapping[str, str]):
    """The words for codes: why a result is unusable, how a strength was read."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = dict(words)

    def __getitem__(self, code: str) -> str:
        return self._words[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)


class Wording:
    """Fills templates with the words of one language."""

    def __init__(self, phrases: Mapping[str, str]) -> None:
        self._phrases = phrases

    def summary(self, template: str, values: Values) -> str:
        """One line of plain text of at most 139 characters; text from the record is shortened to make room."""
        for room in range(_DETAIL_VALUE_LENGTH, 7, -8):
            line = self._fill(template, values, lambda text, room=room: shortened(plain(text), room))  # type: ignore[misc]
            if len(line) <= SUMMARY_LENGTH:
                return line
        return shortened(line, SUMMARY_LENGTH)

    def label(self, template: str, values: Values, room: int = 60) -> str:
        """One line of plain text for a button or the description of an action."""
        return self._fill(template, values, lambda text: shortened(plain(text), room))

    def paragraphs(self, lines: tuple[Line, ...], values: Values) -> tuple[str, ...]:
        """Each line of a detail that applies, as GitHub Markdown that also reads as plain text."""
        filled = (self._paragraph(line, values) for line in lines)
        return tuple(paragraph for paragraph in filled if paragraph)

    def _paragraph(self, line: Line, values: Values) -> str:
        if isinstance(line, str):
            return self._fill(line, values, escaped)
        if not applies(line, values):
            return ""
        if "table" in line:
            return self._table(line, values)
        if "each" in line:
            items = value_at(line["each"], values) or ()
            return "\n".join("- " + self._fill(line["text"], {**values, "item": item}, escaped) for item in items)
        return self._fill(line["text"], values, escaped)

    def _table(self, line: Mapping[str, Any], values: Values) -> str:
        items = value_at(line["table"], values) or ()
        if not items:
            return ""
        columns: Mapping[str, str] = line["columns"]
        rows = [" | ".join(columns), " | ".join("---" for _ in columns)]
        for item in items:
            cells = (self._fill(cell, {**values, "item": item}, escaped) for cell in columns.values())
            rows.append(" | ".join(cells))
        return "\n".join(f"| {row} |" for row in rows)

    def _fill(self, template: str, values: Values, render: Callable[[str], str]) -> str:
        return "".join(
            part if isinstance(part, str) else self._filled(*part, values, render) for part in _parts(template)
        )

    def _filled(self, path: str, how: str | None, values: Values, render: Callable[[str], str]) -> str:
        value = value_at(path, values)
        if how == "phrase":
            return self._phrases[value]
        if how == "known" and value in (None, ""):
            return self._phrases["not-known"]
        if value is None:
            raise MissingValue(path)
        return render(text(value))


class MissingValue(Exception):
    """A sentence needs a value that the finding does not have: a defect of the rule or its knowledge."""


@cache
def _parts(template: str) -> tuple[str | tuple[str, str | None], ...]:
    """A sentence of knowledge taken apart: what stands as it is, of each placeholder the path and how it is told."""
    parts: list[str | tuple[str, str | None]] = []
    end = 0
    for match in PLACEHOLDER.finditer(template):
        parts += [template[end : match.start()], (match[1], match[2])]
        end = match.end()
    return tuple(part for part in (*parts, template[end:]) if part)


@cache
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def value_at(path: str, values: Values) -> Any:
    """The value at a dotted path of knowledge; None where a step of it is None."""
    name, *attributes = _steps(path)
    value = values.get(name)
    for attribute in attributes:
        if value is None:
            return None
        value = getattr(value, attribute)
    return value


def applies(line: Mapping[str, Any], values: Values) -> bool:
    """Whether what a line or suggestion is conditional on holds: all of ``when``, none of ``unless``."""
    if "when" in line and not all(value_at(path, values) for path in _paths(line["when"])):
        return False
    return "unless" not in line or not any(value_at(path, values) for path in _paths(line["unless"]))


def _paths(paths: Any) -> tuple[str, ...]:
    if paths is None:
        return ()
    return (paths,) if isinstance(paths, str) else tuple(paths)


def text(value: Any) -> str:
    """A value as a clinician reads it: 25 Oct 2026, 2,300, 14 ng/mL."""
    if isinstance(value, datetime.date):
        return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def plain(value: str) -> str:
    """One line: no line break, control character or invisible mark of the record may rearrange a sentence."""
    if not value.isprintable():
        value = "".join(c if c.isprintable() else " " for c in value)
    return " ".join(value.split())


def shortened(value: str, room: int) -> str:
    """At most ``room`` characters, with an ellipsis where something was cut."""
    return value if len(value) <= room else value[: room - 1].rstrip() + _ELLIPSIS


def escaped(value: str) -> str:
    """Text from the record inside Markdown: nothing of it is markup, a link or a line of its own."""
    line = shortened(plain(value), _DETAIL_VALUE_LENGTH)
    line = _MARKUP.sub(lambda m: "\\" + m.group(), line)
    return _LINKS.sub(lambda m: " " + m.group().strip() + " ", line)


def placeholders(template: str) -> Iterator[str]:
    """The first names of all placeholders in a template."""
    for match in PLACEHOLDER.finditer(template):
        yield match.group(1).split(".")[0]
