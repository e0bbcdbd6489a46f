"""Calcium from food, as far as an intake was recorded."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from msgspec import Struct

from ..fhir import DataUnreadable
from ..terminology import units
from .clock import Clock
from .requirements import DIETARY_CALCIUM
from .results import Result, Results, Unusable


@dataclass(frozen=True, slots=True)
class Limits:
    """How old a recorded intake may be, in days, and how much of it is believed, in mg a day."""

    diet_lookback_days: int
    diet_plausible_mg_day: int


class DietaryCalcium(Struct, frozen=True):
    """Calcium from food as recorded: mg a day, and the day of the record."""

    mg_per_day: int
    day: datetime.date
    source: str


def read_diet(results: Results, limits: Limits, clock: Clock) -> DietaryCalcium | None:
    """The newest recorded intake that is not too old; None when none is recorded.

    Raises DataUnreadable when there is one, and it, or a newer one, cannot be used.
    """
    newest: Result | None = None
    unusable: list[datetime.date | None] = []
    for one in results.newest_first():
        if newest is not None and one.day is not None and one.day < newest.day:
            break
        if isinstance(one, Unusable):
            unusable.append(one.day)
        elif newest is None:
            newest = one
    mg = None if newest is None else _mg_per_day(newest, limits)
    if newest is not None and mg is None:
        unusable.append(newest.day)
    recent = [day for day in unusable if day is None or clock.age_days(day) <= limits.diet_lookback_days]
    if not results.complete or any(day is None or newest is None or day >= newest.day for day in recent):
        raise DataUnreadable(DIETARY_CALCIUM.key, "a recorded intake could not be read")
    if newest is None or mg is None or clock.age_days(newest.day) > limits.diet_lookback_days:
        return None
    return DietaryCalcium(mg, newest.day, newest.source)


def _mg_per_day(result: Result, limits: Limits) -> int | None:
    mg = units.calcium_intake_mg_per_day(result.value, result.quantity.code, result.quantity.unit)
    if mg is None or result.comparator or not 0 <= mg <= limits.diet_plausible_mg_day:
        return None
    return int(units.rounded(mg, 0))
