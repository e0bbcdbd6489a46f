"""Laboratory results of one analyte each, and the day of the last bone densitometry."""

from __future__ import annotations

import datetime
from decimal import Decimal

from ...fhir.requirement import DataRequirement
from .. import measured
from ..measured import Measured
from ..requirements import DXA, PHOSPHATE, PTH, URINE_CALCIUM
from .basis import Basis


class Laboratory:
    """Questions about single laboratory results; each is the newest usable one in its look-back, or None."""

    def __init__(self, basis: Basis) -> None:
        self._basis = basis

    @property
    def pth(self) -> Measured | None:
        """Parathyroid hormone, intact: pg/mL or pmol/L."""
        return self._latest(PTH, "pth", self._basis.settings.laboratory.pth_lookback_days)

    @property
    def phosphate(self) -> Measured | None:
        """Serum phosphate: mg/dL or mmol/L."""
        return self._latest(PHOSPHATE, "phosphate", self._basis.settings.laboratory.phosphate_lookback_days)

    @property
    def alkaline_phosphatase(self) -> Measured | None:
        """Alkaline phosphatase: U/L."""
        return self._latest(PHOSPHATE, "alp", self._basis.settings.laboratory.phosphate_lookback_days)

    @property
    def urine_calcium(self) -> Measured | None:
        """Calcium excreted in 24 hours: mg/d or mmol/d."""
        days = self._basis.settings.laboratory.urine_calcium_lookback_days
        return self._latest(URINE_CALCIUM, "urine-calcium-24h", days)

    def _latest(self, requirement: DataRequirement, group: str, within_days: int) -> Measured | None:
        basis = self._basis
        return basis.memory.once(
            f"measured-{group}",
            lambda: measured.latest(
                basis.record.results(requirement), group, requirement.key, within_days, basis.clock
            ),
        )

    @property
    def last_densitometry(self) -> datetime.date | None:
        """The day of the newest result filed under a densitometry code, whatever it says; None when there is none."""
        return self._basis.memory.once("dxa", self._read_densitometry)

    @property
    def lowest_t_score(self) -> Decimal | None:
        """The lowest T-score among the newest densitometry results, however old; None when there is none."""
        return measured.lowest(self._basis.record.results(DXA), "dxa-t-score", DXA.key)

    def _read_densitometry(self) -> datetime.date | None:
        return measured.last_day(self._basis.record.results(DXA), DXA.key, self._basis.clock)
