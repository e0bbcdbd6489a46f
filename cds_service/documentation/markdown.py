"""Pieces of GitHub Markdown, and numbers of the knowledge as a reader wants them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..wording import text

# How UCUM's codes are written for people; "" where a number has no unit.
_UNITS = {
    "1": "",
    "choice": "",
    "a": "years",
    "mo": "months",
    "wk": "weeks",
    "d": "days",
    "h": "hours",
    "umol/L": "µmol/L",
}
_PAIR = re.compile(r"([^,]+?) under (\w+)")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars and line breaks in a cell cannot break it."""
    lines = [list(columns), ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)


def _cell(content: str) -> str:
    return content.replace("|", "\\|").replace("\n", " ")


def code(name: str) -> str:
    """A name as it stands in a file."""
    return f"`{name}`"


def day(date: datetime.date | None) -> str:
    """A date as it stands in a file; "" where there is none."""
    return date.isoformat() if date else ""


def plain(content: Any) -> Any:
    """A value of the knowledge as JSON holds it."""
    if isinstance(content, Mapping):
        return {name: plain(item) for name, item in content.items()}
    return [plain(item) for item in content] if isinstance(content, tuple | list) else content


def value(content: Any, unit: str) -> str:
    """A parameter's value with its unit: ``30 ng/mL, 75 nmol/L``, ``2,000 mg/day``, ``warning``."""
    if isinstance(content, Mapping):
        of = {name: one.strip() for one, name in _PAIR.findall(unit)}
        if content.keys() <= of.keys():
            return ", ".join(value(item, of[name]) for name, item in content.items())
        return ", ".join(f"{name.replace('_', ' ')} {value(item, unit)}" for name, item in content.items())
    if isinstance(content, tuple | list):
        return "; ".join(map(_row, content)) + (f" ({_unit(unit)})" if _unit(unit) else "")
    if isinstance(content, bool):
        return "yes" if content else "no"
    return f"{text(content)} {_unit(unit)}".strip()


def _row(item: Any) -> str:
    """One row of a list of steps: ``below 40: dose mg 3.0``."""
    if not isinstance(item, Mapping):
        return value(item, "")
    first, *others = (f"{name.replace('_', ' ')} {value(part, '')}" for name, part in item.items())
    return f"{first}: {', '.join(others)}"


def _unit(code: str) -> str:
    named = _UNITS.get(code, code).replace("[iU]", "IU")
    return named.removesuffix("/d") + "/day" if named.endswith("/d") else named
