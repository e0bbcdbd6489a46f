"""What a lent token allows to read, by its SMART scopes of either version."""

from __future__ import annotations

import re

READ, SEARCH = "r", "s"  # as SMART 2 names them

_SCOPE = re.compile(r"(?:patient|user|system)/([A-Za-z]+|\*)\.([a-z*]+)(\?.*)?")
_READING_V1 = frozenset({"read", "*"})


def allows(scope: str, type_name: str, interaction: str = SEARCH) -> bool:
    """Whether some scope lets resources of a type be searched, or read by their id.

    A token whose scopes say nothing of resources is tried: the server decides. A scope narrowed to a part of the type
    (SMART 2, "?category=…") allows a search, of which that part comes back.
    """
    said = _said(scope)
    return said is None or any(_covers(one, type_name, interaction) for one in said)


def allows_all(scope: str, type_name: str) -> bool:
    """Whether a search that is allowed finds everything of a type, not only the part that a scope is narrowed to."""
    said = _said(scope)
    return said is None or any(not one[3] and _covers(one, type_name, SEARCH) for one in said)


def _said(scope: str) -> list[re.Match[str]] | None:
    return [match for part in scope.split() if (match := _SCOPE.fullmatch(part))] or None


def _covers(said: re.Match[str], type_name: str, interaction: str) -> bool:
    """SMART 1: read or *; SMART 2: letters of "cruds"."""
    permission = said[2]
    named = said[1] in ("*", type_name)
    return named and (permission in _READING_V1 or (set(permission) <= set("cruds") and interaction in permission))
