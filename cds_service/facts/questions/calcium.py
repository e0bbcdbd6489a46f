"""Calcium: the serum value that counts, whether it is an emergency, and the daily intake from all sources."""

from __future__ import annotations

from collections.abc import Callable

from ...fhir import DataUnavailable, DataUnreadable
from .. import calcium_intake, diet, serum_calcium
from ..calcium_intake import CalciumIntake
from ..conditions import Condition
from ..requirements import DIETARY_CALCIUM, SERUM_CALCIUM
from ..serum_calcium import CalciumReading, SerumCalcium
from .basis import Basis
from .medicines import Medicines


class Calcium:
    """Questions about calcium in blood and calcium taken."""

    def __init__(self, basis: Basis, medicines: Medicines, condition: Callable[[str], Condition | None]) -> None:
        self._basis = basis
        self._medicines = medicines
        self._condition = condition

    @property
    def serum(self) -> SerumCalcium | None:
        """The serum calcium that counts, or None when there is none in the look-back."""
        reading = self._reading
        if reading.newer_unusable or not reading.complete:
            raise DataUnreadable(SERUM_CALCIUM.key, "a result could not be read")
        return self._recent

    @property
    def serum_or_gap(self) -> tuple[SerumCalcium | None, DataUnavailable | None]:
        """The serum calcium that counts; or the newest one that could be used, and why it may not be the last.

        With a gap it is good for a "yes" (it is low, it is high), not for a "no".
        """
        try:
            return self.serum, None
        except DataUnavailable as gap:
            return self._usable, gap

    @property
    def last(self) -> SerumCalcium | None:
        """The last serum calcium that could be used, however old."""
        return self._reading.calcium

    @property
    def lookback_days(self) -> int:
        """How old a serum calcium may be and still count."""
        return self._basis.settings.serum_calcium.lookback_days

    @property
    def _recent(self) -> SerumCalcium | None:
        calcium = self._reading.calcium
        recent = calcium is not None and calcium.age_days <= self.lookback_days
        return calcium if recent else None

    @property
    def _usable(self) -> SerumCalcium | None:
        """The newest usable one in the look-back; None where there was no answer that could be read."""
        try:
            return self._recent
        except DataUnavailable:
            return None

    @property
    def _reading(self) -> CalciumReading:
        basis = self._basis
        return basis.memory.once(
            "calcium-reading",
            lambda: serum_calcium.read_calcium(
                basis.record.results(SERUM_CALCIUM), basis.settings.serum_calcium, basis.clock
            ),
        )

    @property
    def last_is_high(self) -> bool:
        """Whether the last serum calcium is high, however old it is; a newer one nobody could read is no comfort."""
        last = self.serum or self.last
        return last is not None and last.high_for_ckd

    @property
    def emergency(self) -> SerumCalcium | None:
        """The calcium that makes this an emergency of hypercalcaemia, else None.

        Either recent and at the emergency limit by itself, or recent and above the upper limit with both a
        malignancy and hypercalcaemia coded. Nothing weaker qualifies.
        """
        calcium, limits = self.serum, self._basis.settings.serum_calcium
        if calcium is None or calcium.age_days > limits.emergency_days:
            return None
        if self._reading.emergency is not None:
            return self._reading.emergency
        if calcium.high and self._condition("malignancy") and self._condition("hypercalcaemia"):
            return calcium
        return None

    @property
    def intake(self) -> CalciumIntake:
        """Elemental calcium a day from everything ordered, taken and eaten, with what could not be had."""
        return self._basis.memory.once("calcium-intake", self._read_intake)

    def _read_intake(self) -> CalciumIntake:
        basis = self._basis
        calcium = self._medicines.of("calcium")
        gaps = list(calcium.gaps)
        eaten = None
        try:
            eaten = diet.read_diet(basis.record.results(DIETARY_CALCIUM), basis.settings.diet, basis.clock)
        except DataUnavailable as gap:
            gaps.append(gap)
        return calcium_intake.total(calcium.entries, eaten, basis.settings.calcium_intake, basis.clock, gaps=gaps)
