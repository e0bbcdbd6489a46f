"""The kidneys: renal function with the precedence of its sources, and kidney disease as the problem list has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...fhir import DataUnavailable, DataUnreadable
from .. import renal
from ..conditions import Condition
from ..patient import Age
from ..renal import Estimate, Estimates, Rise
from ..requirements import RENAL
from .basis import Basis

# Stages by severity: the code of the stage and the group of diagnoses.
_STAGES = (("dialysis", "dialysis"), ("g5", "ckd-g5"), ("g4", "ckd-g4"), ("g3", "ckd-g3"))
_ADVANCED = frozenset({"dialysis", "g5", "g4"})


@dataclass(frozen=True, slots=True)
class KidneyDisease:
    """Chronic kidney disease on the problem list: ``stage`` is "dialysis", "g5", "g4", "g3" or "" (not stated)."""

    stage: str
    condition: Condition

    def __str__(self) -> str:
        return str(self.condition)

    @property
    def advanced(self) -> bool:
        """Stage 4 or 5, or dialysis."""
        return self.stage in _ADVANCED


@dataclass(frozen=True, slots=True)
class RenalFunction:
    """``name`` says what it rests on: "dialysis", "measured" (a recent clearance), "surrogate" (only a recent
    filtration rate), "coded" (stage 4 or 5 on the problem list, no recent number), "stale" or "unknown".

    ``estimate`` is the number that counts ("measured", "surrogate") or the last one ("stale"); ``other`` a second
    method of the same day; ``missing`` why creatinine on file gave no clearance; ``gap`` is set when the problem list
    could not be had and the function is told without it.
    """

    name: str
    estimate: Estimate | None = None
    other: Estimate | None = None
    disease: KidneyDisease | None = None
    creatinine: object = None
    missing: tuple[str, ...] = ()
    rise: Rise | None = None
    gap: DataUnavailable | None = None


class Kidneys:
    """Questions about the kidneys."""

    def __init__(
        self,
        basis: Basis,
        condition: Callable[[str], Condition | None],
        age: Callable[[], Age | None],
        sex: Callable[[], str],
    ) -> None:
        self._basis = basis
        self._condition = condition
        self._age = age
        self._sex = sex

    @property
    def transplant(self) -> Condition | None:
        """A kidney transplant on record that has not failed."""
        found = self._condition("kidney-transplant")
        return None if found is not None and self._condition("kidney-transplant-failure") else found

    @property
    def disease(self) -> KidneyDisease | None:
        """Chronic kidney disease of the patient's own kidneys, the gravest stage on record; None after a transplant."""
        return self._basis.memory.once("kidney-disease", self._read_disease)

    def _read_disease(self) -> KidneyDisease | None:
        for stage, group in (*_STAGES, ("", "ckd")):
            found = self._condition(group)
            if found is not None:
                return None if self.transplant else KidneyDisease(stage, found)
        return None

    @property
    def advanced_disease(self) -> KidneyDisease | None:
        """Stage 4 or 5 or dialysis, as the problem list has it."""
        disease = self.disease
        return disease if disease is not None and disease.advanced else None

    @property
    def filtration(self) -> Estimate | None:
        """The newest reported filtration rate within the longer look-back; a computed clearance is none."""
        return self._estimates.filtration

    @property
    def function(self) -> RenalFunction:
        """Renal function by the precedence of its sources.

        Raises DataUnavailable when results could not be had and no diagnosis decides.
        """
        return self._basis.memory.once("renal-function", self._read_function)

    def _read_function(self) -> RenalFunction:
        disease, gap = self._advanced_or_gap()
        if disease is not None and disease.stage == "dialysis":
            return RenalFunction("dialysis", disease=disease)
        try:
            found = self._estimates
        except DataUnavailable:
            if disease is not None:
                return RenalFunction("coded", disease=disease)
            raise
        if found.recent is None and disease is not None:
            return RenalFunction("coded", estimate=found.last, disease=disease, rise=found.rise)
        if found.newer_unusable or not found.complete:
            raise DataUnreadable(RENAL.key, "a result could not be read")
        if found.recent is not None:
            name = "surrogate" if found.recent.kind == renal.SURROGATE else "measured"
            return RenalFunction(
                name, found.recent, found.other, disease, found.creatinine, found.missing, found.rise, gap
            )
        name = "stale" if found.last is not None else "unknown"
        return RenalFunction(name, found.last, None, None, found.creatinine, found.missing, found.rise, gap)

    def _advanced_or_gap(self) -> tuple[KidneyDisease | None, DataUnavailable | None]:
        try:
            return self.advanced_disease, None
        except DataUnavailable as gap:
            return None, gap

    @property
    def _estimates(self) -> Estimates:
        basis = self._basis
        return basis.memory.once(
            "renal-estimates",
            lambda: renal.read_estimates(
                basis.record.results(RENAL), self._age(), self._sex(), basis.settings.renal, basis.clock
            ),
        )
