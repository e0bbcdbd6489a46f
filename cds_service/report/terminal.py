"""A report as text for a terminal."""

from __future__ import annotations

import textwrap
import zoneinfo
from collections.abc import Iterator

from .numbers import Report
from .sections import Section, sections
from .words import period, warnings

_WIDTH = 100


def text(report: Report, zone: zoneinfo.ZoneInfo) -> str:
    """The whole report; instants are told in ``zone``."""
    paragraphs = ["REPORT ON DECISION SUPPORT", period(report, zone), *(f"! {told}" for told in warnings(report))]
    blocks = ["\n".join(textwrap.wrap(paragraph, _WIDTH)) for paragraph in paragraphs]
    return "\n\n".join([*blocks, *(_section(one) for one in sections(report, zone))])


def _section(section: Section) -> str:
    heading = f"{section.title}\n{'-' * len(section.title)}"
    meaning = "\n".join(textwrap.wrap(section.meaning, _WIDTH))
    body = "\n".join(_lines(section)) if section.rows else section.empty
    return f"{heading}\n{meaning}\n\n{body}"


def _lines(section: Section) -> Iterator[str]:
    names = tuple(column.name for column in section.columns)
    widths = [max(map(len, cells)) for cells in zip(names, *section.rows, strict=True)]
    for row in (names, *section.rows):
        cells = zip(row, widths, section.columns, strict=True)
        yield "  ".join(c.rjust(w) if column.number else c.ljust(w) for c, w, column in cells).rstrip()
