"""Vitamin D: the correction state, what is taken and ordered, and why no more of it should be offered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from msgspec import Struct

from ...fhir import DataUnavailable, DataUnreadable
from .. import vitamin_d, vitamin_d_regimen, vitamin_d_state, vitamin_d_supply
from ..measured import SAYS_NOTHING
from ..orders import Order
from ..requirements import VITAMIN_D
from ..results import Unusable
from ..vitamin_d import Level, LevelReading
from ..vitamin_d_regimen import Regimen
from ..vitamin_d_state import Course, VitaminDState
from ..vitamin_d_supply import Obstacles, VitaminDIntake
from .basis import Basis, known
from .medicines import Medicines

NUTRITIONAL = "vitamin-d-nutritional"


class LatestLevel(Struct, frozen=True):
    """The latest usable level, and the newest result that is newer and could not be used; ``corrected`` when the level
    is recent and reaches the target, and nothing newer puts it in doubt.
    """

    level: Level | None
    unusable: Unusable | None
    corrected: bool


class VitaminD:
    """Questions about vitamin D. ``obstacles`` are checks made elsewhere: a code, and what holds when it is true."""

    def __init__(
        self, basis: Basis, medicines: Medicines, obstacles: Callable[[], Sequence[tuple[str, bool | None]]]
    ) -> None:
        self._basis = basis
        self._medicines = medicines
        self._other_obstacles = obstacles

    @property
    def latest(self) -> LatestLevel:
        """The latest usable level, whatever is done about it. Raises DataUnavailable when it cannot be told."""
        return self._basis.memory.once("vitamin-d-latest", self._read_latest)

    def _read_latest(self) -> LatestLevel:
        reading = self._reading
        if not reading.complete:
            raise DataUnreadable(VITAMIN_D.key, "a result could not be read")
        level, unusable = reading.level, next(iter(reading.unusable), None)
        recent = level is not None and self.is_recent(level)
        return LatestLevel(level, unusable, corrected=recent and unusable is None and not (level and level.low))

    @property
    def state(self) -> VitaminDState:
        """The vitamin D correction state; vitamin D ordered in this session does not change it."""
        return self._basis.memory.once("vitamin-d-state", self._read_state)

    def _read_state(self) -> VitaminDState:
        basis = self._basis
        return vitamin_d_state.read_state(
            self._reading,
            basis.settings.vitamin_d,
            basis.clock,
            courses=lambda: self.courses,
            supply=lambda: self.supply(session=False),
        )

    @property
    def _reading(self) -> LevelReading:
        basis = self._basis
        return basis.memory.once(
            "vitamin-d-reading",
            lambda: vitamin_d.read_level(basis.record.results(VITAMIN_D), basis.settings.bands, basis.clock),
        )

    @property
    def last_level(self) -> Level | None:
        """The latest 25(OH)D, however old, whatever was done about it; None when there is none.

        Raises DataUnreadable when a newer one could not be used, or when not everything was readable.
        """
        reading = self._reading
        if not reading.complete or any(u.reason not in SAYS_NOTHING for u in reading.unusable):
            raise DataUnreadable(VITAMIN_D.key, "a result could not be read")
        return reading.level

    def is_recent(self, level: Level) -> bool:
        """Whether a level is recent enough to count."""
        return bool(level.age_days <= self._basis.settings.vitamin_d.lookback_days)

    @property
    def excess(self) -> Level | None:
        """The latest level in the look-back where it is above the upper limit; medications are not looked at for it.

        It is told although a newer result could not be used. Raises DataUnreadable where one leaves the question open.
        """
        reading, clock = self._reading, self._basis.clock
        within = self._basis.settings.vitamin_d.lookback_days
        level = reading.level
        if level is not None and level.too_high and level.age_days <= within:
            return level
        open_ = [u for u in reading.unusable if u.reason not in SAYS_NOTHING]
        if not reading.complete or any(u.day is None or clock.age_days(u.day) <= within for u in open_):
            raise DataUnreadable(VITAMIN_D.key, "a result could not be read")
        return None

    def exceeded(self, level: Level) -> str:
        """The upper limit that a level is above, in the unit in which it was reported."""
        return vitamin_d.exceeded(self._basis.settings.bands, level)

    @property
    def newer_unusable(self) -> Unusable | None:
        """The newest result that could not be used and is newer than the level."""
        return next(iter(self._reading.unusable), None)

    @property
    def courses(self) -> tuple[Sequence[Course], DataUnavailable | None]:
        """Nutritional vitamin D outside the session with a known start, of any dose; and what is missing of it."""
        found = self._medicines.on_record(NUTRITIONAL)
        courses = vitamin_d_state.find_courses(found.orders, self._basis.settings.vitamin_d, self._basis.clock)
        return courses, next(iter(found.gaps), None)

    def target(self, level: Level | None) -> str:
        """The level that counts as corrected, in the unit in which the level was reported."""
        return vitamin_d.target(self._basis.settings.bands, level)

    def course_minimum(self, level: Level) -> int:
        """The average IU a day from which vitamin D counts as treatment of a level that is low."""
        return vitamin_d_state.course_minimum(level, self._basis.settings.vitamin_d)

    @property
    def intake(self) -> VitaminDIntake:
        """Nutritional vitamin D a day from everything ordered and taken, the session's orders among it."""
        return self._basis.memory.once("vitamin-d-intake", lambda: self._read_intake(session=True))

    def _read_intake(self, *, session: bool) -> VitaminDIntake:
        found, basis = self._medicines.of(NUTRITIONAL), self._basis
        entries = [e for e in found.entries if session or not e.order.session]
        later = basis.settings.calcium_intake.starts_later_days
        return vitamin_d_supply.intake(entries, self.regimen, later, basis.clock, gaps=found.gaps)

    def supply(self, *, session: bool) -> tuple[Fraction, DataUnavailable | None]:
        """Nutritional vitamin D in IU a day that is certainly taken or ordered, with the session's orders or without;
        and what is missing of it, if a source could not be had.
        """
        found = self.intake if session else self._read_intake(session=False)
        return found.exact, next(iter(found.gaps), None)

    def regimen(self, order: Order) -> Regimen:
        """What a vitamin D order amounts to: average IU a day, the largest single dose, how often, how long."""
        return vitamin_d_regimen.regimen(order, self._basis.settings.regimens, self._basis.clock)

    @property
    def recently_loaded(self) -> bool:
        """Whether a single high dose on record was given so recently that no level shows it yet."""
        past = self._medicines.on_record(NUTRITIONAL).orders
        return vitamin_d_supply.recently_loaded(past, self._basis.settings.supply, self._basis.clock)

    def judged_alone(self) -> tuple[Order, ...]:
        """The orders to be judged that are for vitamin D itself, not for a tablet it is a part of."""
        return tuple(order for order in self._medicines.judged(NUTRITIONAL) if vitamin_d_supply.is_alone(order))

    @property
    def in_session(self) -> Order | None:
        """Vitamin D by itself among the orders of the session, if any."""
        counted = (e.order for e in self._medicines.of(NUTRITIONAL).entries if e.order.session and e.counts == "yes")
        return next((order for order in counted if vitamin_d_supply.is_alone(order)), None)

    @property
    def obstacles(self) -> Obstacles:
        """Why no vitamin D may be offered: codes to be worded, none when it may."""
        return self._basis.memory.once("vitamin-d-obstacles", self._read_obstacles)

    def _read_obstacles(self) -> Obstacles:
        supply, missing = self.supply(session=True)
        limits, clock = self._basis.settings.supply, self._basis.clock
        alone = [e for e in self._medicines.of(NUTRITIONAL).entries if vitamin_d_supply.is_alone(e.order)]
        return vitamin_d_supply.obstacles(
            [
                ("not-checked", missing is not None),
                *self._other_obstacles(),
                ("vitamin-d-in-session", self.in_session is not None),
                ("repletion-ongoing", known(lambda: self.state.name == "being-corrected")),
                ("dose-unknown", vitamin_d_supply.dose_unknown(alone, clock)),
                ("loading-dose-recent", self.recently_loaded),
                ("high-dose-already", supply + limits.offered_iu_day > limits.high_dose_iu_day),
            ]
        )
