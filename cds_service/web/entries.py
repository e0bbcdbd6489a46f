"""How many entries of Bundles a request may hold."""

from __future__ import annotations

from typing import Any

from ..cdshooks import Request

MOST_ENTRIES = 20_000
FEWEST_BYTES = 2 * MOST_ENTRIES  # a shorter body has not so many: each takes a byte, and a comma or a bracket
_BUNDLES_DEEP = 12  # deeper ones are not read


class TooMany(Exception):
    """A request holds more entries than one answer can be made of."""


def count(request: Request) -> int:
    """How many entries there are wherever a Bundle may lie: under prefetch keys, in the context, inside other entries.

    Raises TooMany beyond MOST_ENTRIES.
    """
    found = 0
    level: list[Any] = [*request.prefetch.values(), *request.context.values()]
    for _ in range(_BUNDLES_DEEP):
        inner: list[Any] = []
        for value in level:
            if type(value) is not dict:  # as JSON was read; to ask for a Mapping takes longer than all the rest
                continue
            if type(entries := value.get("entry")) is list:
                found += len(entries)
                inner += entries
            if "resource" in value:
                inner.append(value["resource"])
            if "response" in value:
                inner.append(value["response"])
        if found > MOST_ENTRIES:
            raise TooMany
        if not inner:
            break
        level = inner
    return found
