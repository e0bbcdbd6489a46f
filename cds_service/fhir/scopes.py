"""What a lent token allows to read, by its SMART scopes of either version."""

from __future__ import annotations

import re

_SCOPE = re.compile(r"(?:patient|user|system)/([A-Za-z]+|\*)\.([a-z*]+)(\?.*)?")
_READING_V1 = frozenset({"read", "*"})


def allows(scope: str, type_name: str) -> bool:
    """Whether some scope lets resources of a type be searched and read.

    A token whose scopes say nothing of resources is tried: the server decides. A scope narrowed to a part of the type
    (SMART 2, "?category=…") allows a search, of which that part comes back.
    """
    said = [match for part in scope.split() if (match := _SCOPE.fullmatch(part))]
    if not said:
        return True
    return any(match[1] in ("*", type_name) and _reads(match[2]) for match in said)


def _reads(permission: str) -> bool:
    """SMART 1: read or *; SMART 2: letters of "cruds", of which reading here takes "s"."""
    return permission in _READING_V1 or (set(permission) <= set("cruds") and "s" in permission)
