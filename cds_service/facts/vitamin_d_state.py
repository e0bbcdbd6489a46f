"""The vitamin D correction state: what the level, its age and any repletion course say together."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from ..fhir import DataUnavailable, DataUnreadable
from . import dosing
from .clock import Clock
from .medications import is_ordered
from .orders import Order
from .requirements import VITAMIN_D
from .results import Unusable
from .vitamin_d import Level, LevelReading
from .vitamin_d_regimen import daily_iu


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as recent, as a repletion course and as maintenance; see the parameters of the same names."""

    lookback_days: int
    ageing_days: int
    maintenance_iu_day: int
    course_min_iu_day_deficient: int
    course_min_iu_day_insufficient: int
    course_min_days: int
    course_failed_days: int
    course_most_days: int
    urgent_path: str
    loading_dose_iu: int
    loading_dose_days: int


class Course(Struct, frozen=True):
    """A repletion course outside the session: its drug, first and last day, and how long it has been running."""

    order: Order
    start: datetime.date
    end: datetime.date | None
    ongoing: bool
    elapsed_days: int
    acting: bool  # it has run long enough to have an effect
    iu_per_day: int
    loading: bool = False

    @property
    def label(self) -> str:
        """The medication as recorded."""
        return self.order.label

    @property
    def length_days(self) -> int | None:
        """Days from first to last, where the last is known."""
        return (self.end - self.start).days if self.end else None


class VitaminDState(Struct, frozen=True):
    """One of: unknown, stale, stale-low, deficient, insufficient, being-corrected, completed-no-recheck, ageing,
    newer-unusable, sufficient, high, toxic.

    ``unusable`` is the newest result that could not be used and is newer than the level; ``gap`` is set when courses
    could not be looked up and the state is told without them. ``recent_level`` is the level where it is recent enough
    to count.
    """

    name: str
    level: Level | None = None
    course: Course | None = None
    unusable: Unusable | None = None
    gap: DataUnavailable | None = None
    recent_level: Level | None = None

    @property
    def corrected(self) -> bool:
        """Whether the latest level reaches the target and is recent."""
        return self.name in ("sufficient", "high", "toxic")


# A stopped or held order says nothing of what was taken.
_COUNTING = frozenset({"active", "completed"})

Known = tuple[Sequence[Course], DataUnavailable | None]


def read_state(
    reading: LevelReading,
    limits: Limits,
    clock: Clock,
    *,
    courses: Callable[[], Known],
    supply: Callable[[], tuple[Fraction, DataUnavailable | None]],
) -> VitaminDState:
    """Derives the state. ``courses`` and ``supply`` (IU a day) are asked only when the level leaves the question open;
    each answers what is known, and the gap if something is missing.

    Raises DataUnavailable when only data that could not be had would decide between silence and a warning.
    """
    state = _state(reading, limits, clock, courses, supply)
    recent = state.level is not None and state.level.age_days <= limits.lookback_days
    return replace(state, recent_level=state.level if recent else None)


def _state(
    reading: LevelReading,
    limits: Limits,
    clock: Clock,
    courses: Callable[[], Known],
    supply: Callable[[], tuple[Fraction, DataUnavailable | None]],
) -> VitaminDState:
    level, unusable = reading.level, (reading.unusable[0] if reading.unusable else None)
    if not reading.complete and (level is None or not level.low):
        raise DataUnreadable(VITAMIN_D.key, "a result could not be read")
    if level is None:
        return VitaminDState("unknown", unusable=unusable)
    if level.low:
        return _low(level, unusable, limits, clock, courses)
    if level.age_days > limits.lookback_days:
        return VitaminDState("stale", level, unusable=unusable)
    if unusable is not None:
        return VitaminDState("newer-unusable", level, unusable=unusable)
    ageing = level.band == "sufficient" and level.age_days > limits.ageing_days
    if ageing:
        recorded, missing = supply()
        if recorded < limits.maintenance_iu_day:
            if missing is not None:
                raise missing
            return VitaminDState("ageing", level)
    return VitaminDState(level.band, level)


def _low(
    level: Level,
    unusable: Unusable | None,
    limits: Limits,
    clock: Clock,
    courses: Callable[[], Known],
) -> VitaminDState:
    known, gap = courses()
    relevant = [c for c in known if _counts(c, level, limits)]
    ongoing = [c for c in relevant if c.ongoing]
    ended = [c for c in relevant if not c.ongoing]
    if ongoing:
        longest = min(ongoing, key=lambda c: c.start)
        return VitaminDState("being-corrected", level, longest, unusable)
    if level.age_days > limits.lookback_days:
        # "Nothing recorded since" can only be said when the medications were there to be looked at.
        nothing_done = level.band == "deficient" and not ended and gap is None
        return VitaminDState("stale-low" if nothing_done else "stale", level, None, unusable, gap)
    if ended:
        last = max(ended, key=lambda c: c.end or c.start)
        return VitaminDState("completed-no-recheck", level, last, unusable, gap)
    return VitaminDState(level.band, level, None, unusable, gap)


def _counts(course: Course, level: Level, limits: Limits) -> bool:
    """Whether a course can have changed the level: strong enough, not yet rechecked, not failed."""
    if not course.loading and course.iu_per_day < course_minimum(level, limits):
        return False
    if course.loading:
        return course.start > level.day
    if course.ongoing:
        return (level.day - course.start).days < limits.course_failed_days
    return level.day < (course.end or course.start)


def course_minimum(level: Level, limits: Limits) -> int:
    """The average IU a day from which vitamin D counts as treatment of a level that is low."""
    return limits.course_min_iu_day_deficient if level.band == "deficient" else limits.course_min_iu_day_insufficient


def find_courses(orders: Iterable[Order], limits: Limits, clock: Clock) -> Sequence[Course]:
    """Nutritional vitamin D outside the session with a known start: what may have been a repletion course."""
    found = []
    for order in orders:
        if order.record.status not in _COUNTING or not is_ordered(order.record):
            continue
        course = _course(order, limits, clock)
        if course is not None:
            found.append(course)
    return found


def _course(order: Order, limits: Limits, clock: Clock) -> Course | None:
    if "vitamin-d-course" not in order.memo:
        order.memo["vitamin-d-course"] = _read_course(order, limits, clock)
    course: Course | None = order.memo["vitamin-d-course"]
    return course


def _read_course(order: Order, limits: Limits, clock: Clock) -> Course | None:
    record = order.record
    span = dosing.course(record, free_text=True)
    daily = daily_iu(order, clock)
    if span.start is None or span.start > clock.today:
        return None
    loading = _is_loading(daily, span.start, limits, clock)
    if not loading and (not daily.computable or daily.one_off):
        return None
    active = record.status == "active"
    ongoing = active and (span.end is None or span.end >= clock.today)
    return Course(
        order=order,
        start=span.start,
        end=span.end if span.end is None or active else min(span.end, clock.today),
        ongoing=ongoing or loading,
        elapsed_days=clock.age_days(span.start),
        acting=clock.age_days(span.start) >= limits.course_min_days,
        iu_per_day=round(daily.low) if daily.computable else 0,
        loading=loading,
    )


def _is_loading(daily: dosing.DailyAmount, start: datetime.date, limits: Limits, clock: Clock) -> bool:
    if limits.urgent_path != "loading14" or daily.single_dose_max is None:
        return False
    return daily.single_dose_max >= limits.loading_dose_iu and clock.age_days(start) >= limits.loading_dose_days
