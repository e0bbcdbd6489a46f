"""The answer to a search: its entries, how many of them match, whether the newest come first, where more are."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any


def entries(bundle: Mapping[str, Any]) -> list[Any]:
    """The entries as sent, one alone as a list. Raises ValueError where there is something else in their place."""
    sent = bundle.get("entry")
    if isinstance(sent, dict):
        return [sent]
    if sent is not None and not isinstance(sent, list):
        raise ValueError("entry is no list")
    return list(sent or ())


def next_page(bundle: Mapping[str, Any]) -> str | None:
    """The address of the page after this one, None where there is none."""
    links = bundle.get("link")
    for link in links if isinstance(links, list) else [links]:
        if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
            return str(link["url"]) or None
    return None


def matches(found: list[Any], kind: str) -> int:
    """How many entries are what was searched for: of this type, and not sent along with a match."""
    count = 0
    for entry in found:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        search = entry.get("search") if isinstance(entry, dict) else None
        mode = search.get("mode") if isinstance(search, dict) else None
        if isinstance(resource, dict) and resource.get("resourceType") == kind and mode in (None, "match"):
            count += 1
    return count


def newest_first(found: list[Any]) -> bool:
    """Whether dated entries come newest first, as a server that sorted them sends them; odd ones are passed over."""
    days = [day for entry in found if (day := _day(entry))]
    return all(later >= earlier for later, earlier in itertools.pairwise(days))


def _day(entry: Any) -> str:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(resource, dict):
        return ""
    sent = (resource.get(name) for name in ("effectiveDateTime", "effectiveInstant", "issued"))
    return next((value[:10] for value in sent if isinstance(value, str)), "")
