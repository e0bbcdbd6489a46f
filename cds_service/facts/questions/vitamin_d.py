"""Vitamin D: the correction state, what is taken and ordered, and why no more of it should be offered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from ...fhir import DataUnavailable, DataUnreadable
from .. import vitamin_d, vitamin_d_state, vitamin_d_supply
from ..measured import SAYS_NOTHING
from ..orders import Order
from ..requirements import VITAMIN_D
from ..results import Unusable
from ..vitamin_d import Level, LevelReading
from ..vitamin_d_state import Course, VitaminDState
from ..vitamin_d_supply import Obstacles, Regimen
from .basis import Basis, known
from .medicines import Medicines

NUTRITIONAL = "vitamin-d-nutritional"


class VitaminD:
    """Questions about vitamin D. ``obstacles`` are checks made elsewhere: a code, and what holds when it is true."""

    def __init__(
        self, basis: Basis, medicines: Medicines, obstacles: Callable[[], Sequence[tuple[str, bool | None]]]
    ) -> None:
        self._basis = basis
        self._medicines = medicines
        self._other_obstacles = obstacles

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
            courses=self._courses,
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

    def _courses(self) -> tuple[Sequence[Course], DataUnavailable | None]:
        found = self._medicines.on_record(NUTRITIONAL)
        courses = vitamin_d_state.find_courses(found.orders, self._basis.settings.vitamin_d, self._basis.clock)
        return courses, next(iter(found.gaps), None)

    def target(self, level: Level | None) -> str:
        """The level that counts as corrected, in the unit in which the level was reported."""
        return vitamin_d.target(self._basis.settings.bands, level)

    def supply(self, *, session: bool) -> tuple[Fraction, DataUnavailable | None]:
        """Nutritional vitamin D in IU a day that is certainly taken or ordered, with the session's orders or without;
        and what is missing of it, if a source could not be had.
        """
        found = self._medicines.of(NUTRITIONAL)
        entries = [e for e in found.entries if session or not e.order.session]
        return vitamin_d_supply.recorded_iu_day(entries, self._basis.clock), next(iter(found.gaps), None)

    def regimen(self, order: Order) -> Regimen:
        """What a vitamin D order amounts to: average IU a day, the largest single dose, how often, how long."""
        return vitamin_d_supply.regimen(order, self._basis.clock)

    @property
    def in_session(self) -> Order | None:
        """Vitamin D by itself among the orders of the session, if any."""
        entries = self._medicines.of(NUTRITIONAL).entries
        alone = (e.order for e in entries if e.order.session and e.counts == "yes" and vitamin_d_supply.is_alone(e))
        return next(alone, None)

    @property
    def obstacles(self) -> Obstacles:
        """Why no vitamin D may be offered: codes to be worded, none when it may."""
        return self._basis.memory.once("vitamin-d-obstacles", self._read_obstacles)

    def _read_obstacles(self) -> Obstacles:
        supply, missing = self.supply(session=True)
        limits, clock = self._basis.settings.supply, self._basis.clock
        alone = [e for e in self._medicines.of(NUTRITIONAL).entries if vitamin_d_supply.is_alone(e)]
        past = self._medicines.on_record(NUTRITIONAL).orders
        return vitamin_d_supply.obstacles(
            [
                ("not-checked", missing is not None),
                *self._other_obstacles(),
                ("vitamin-d-in-session", self.in_session is not None),
                ("repletion-ongoing", known(lambda: self.state.name == "being-corrected")),
                ("dose-unknown", vitamin_d_supply.dose_unknown(alone, clock)),
                ("loading-dose-recent", vitamin_d_supply.recently_loaded(past, limits, clock)),
                ("high-dose-already", supply + limits.offered_iu_day > limits.high_dose_iu_day),
            ]
        )
