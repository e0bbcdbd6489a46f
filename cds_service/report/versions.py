"""Which versions and values were in force in a period, and what is other than in the one before."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from ..records.period import Period
from ..records.tables import invocation
from .numbers import Change, Version

Documents = Mapping[str, Mapping[str, Any]]


def versions(connection: Connection, period: Period, documents: Documents, only: Sequence[str]) -> tuple[Version, ...]:
    """Every version and set of values of every rule, then of what rules share, in the order in which they began."""
    used = connection.execute(
        select(
            invocation.c.configuration, func.min(invocation.c.at), func.max(invocation.c.at), func.count()
        ).where(*period.within(invocation.c.at)).group_by(invocation.c.configuration)
    )  # fmt: skip
    found: dict[tuple[bool, str, str], Version] = {}
    for digest, first, last, calls in used:
        for one in _in_force(documents[digest], only):
            key = one.shared, one.id, json.dumps([one.version, one.values], sort_keys=True)
            known = found.setdefault(key, dataclasses.replace(one, first=first, last=last))
            found[key] = dataclasses.replace(
                known, first=min(known.first, first), last=max(known.last, last), calls=known.calls + calls
            )
    in_order = sorted(found.values(), key=lambda one: (one.shared, one.id, one.first, one.version))
    return tuple(_compared(in_order))


def _in_force(document: Mapping[str, Any], only: Sequence[str]) -> Iterator[Version]:
    for name, shared in (("rules", False), ("shared", True)):
        for id_, known in document[name].items():
            if shared or not only or id_ in only:
                yield Version(id_, shared, known["version"], known["values"], 0, 0, 0)


def _compared(in_order: Sequence[Version]) -> Iterator[Version]:
    before: Version | None = None
    for one in in_order:
        same = before and (before.shared, before.id) == (one.shared, one.id)
        yield dataclasses.replace(one, changes=tuple(_changes(before, one))) if before and same else one
        before = one


def _changes(before: Version, after: Version) -> Iterator[Change]:
    if before.version != after.version:
        yield Change("version", before.version, after.version)
    for name in sorted(before.values.keys() | after.values.keys()):
        old, new = before.values.get(name), after.values.get(name)
        if old != new:
            yield Change(name, old, new)
