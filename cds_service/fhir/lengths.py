"""How long a text or a list in a resource may be and still mean something."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

Path = tuple[str | int, ...]

# What nobody writes into an order or a result; reading it in earnest would cost the time of other callers.
LONGEST_TEXT = 2000
LONGEST_LIST = 200
_DEEPEST = 32  # deeper than any element a resource defines


def too_long(value: Any, skipped: Collection[str], path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Where something is too long, and what; members of the names ``skipped`` are not looked at."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            yield path, "too long a text"
    elif len(path) > _DEEPEST:
        return
    elif isinstance(value, dict):
        for name, member in value.items():
            if name not in skipped:
                yield from too_long(member, skipped, (*path, name))
    elif isinstance(value, list):
        if len(value) > LONGEST_LIST:
            yield path, "too long a list"
            return
        for index, item in enumerate(value):
            yield from too_long(item, skipped, (*path, index))
