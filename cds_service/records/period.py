"""A stretch of time, as records are chosen by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` on and before ``until``, both in milliseconds of the epoch; None is without that limit."""

    since: int | None = None
    until: int | None = None

    def within(self, instant: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """What must hold of a column of instants."""
        limits = []
        if self.since is not None:
            limits.append(instant >= self.since)
        if self.until is not None:
            limits.append(instant < self.until)
        return limits
