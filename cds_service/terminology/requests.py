"""Which tests and procedures a request asks for, from its codes, the panels that contain them, and its name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from .analytes import analyte
from .codes import LOINC, Coding

_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class _Panel:
    codes: frozenset[str]
    name: re.Pattern[str]
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Table:
    groups: tuple[str, ...]
    panels: tuple[_Panel, ...]
    words: tuple[tuple[str, re.Pattern[str]], ...]


@cache
def _table() -> _Table:
    document = json.loads(files(__package__).joinpath("requests.json").read_text("utf-8"))
    panels = tuple(
        _Panel(frozenset(p["codes"]), re.compile(p["pattern"]), frozenset(p["groups"])) for p in document["panels"]
    )
    words = tuple((w["group"], re.compile(w["pattern"])) for w in document["words"])
    return _Table(tuple(document["groups"]), panels, words)


def asked_for(
    codings: Iterable[Coding], texts: Iterable[str], member: Callable[[str, Iterable[Coding]], bool]
) -> frozenset[str]:
    """The value sets of the tests and procedures that a request's codings and names ask for; empty for all others.

    ``member`` tells whether any of some codings belongs to a value set.
    """
    known, table = tuple(codings), _table()
    found = {group for group in table.groups if member(group, known)}
    loinc = {coding.code for coding in known if coding.system == LOINC}
    for panel in table.panels:
        if panel.codes & loinc:
            found |= panel.groups
    if found:
        return frozenset(found)
    for text in (*texts, *(coding.display for coding in known)):
        name = _SPACES.sub(" ", text).strip().casefold()
        if not name:
            continue
        named = analyte(name)
        if named in table.groups:
            found.add(named)
        found |= {g for panel in table.panels if panel.name.fullmatch(name) for g in panel.groups}
        found |= {group for group, pattern in table.words if pattern.fullmatch(name)}
    return frozenset(found)
