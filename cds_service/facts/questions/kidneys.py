"""The kidneys: renal function with the precedence of its sources, and kidney disease as the problem list has it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ...fhir import DataUnavailable, DataUnreadable
from .. import clearance, renal
from ..clearance import Estimate
from ..conditions import Condition
from ..creatinine import Creatinine, Rise
from ..patient import Age
from ..renal import Estimates
from ..requirements import RENAL
from ..results import Unusable
from .basis import Basis

# Stages by severity: the code of the stage and the group of diagnoses.
_STAGES = (("dialysis", "dialysis"), ("g5", "ckd-g5"), ("g4", "ckd-g4"), ("g3", "ckd-g3"), ("", "ckd"))
_ADVANCED = frozenset({"dialysis", "g5", "g4"})


class KidneyDisease(Struct, frozen=True):
    """Chronic kidney disease on the problem list: ``stage`` is "dialysis", "g5", "g4", "g3" or "" (not stated)."""

    stage: str
    condition: Condition

    def __str__(self) -> str:
        return str(self.condition)

    @property
    def advanced(self) -> bool:
        """Stage 4 or 5, or dialysis."""
        return self.stage in _ADVANCED


class RenalFunction(Struct, frozen=True):
    """``name`` says what it rests on: "dialysis", "measured" (a recent clearance), "surrogate" (only a recent
    filtration rate), "coded" (stage 4 or 5 on the problem list, no recent number), "stale" or "unknown".

    ``estimate`` is the number that counts ("measured", "surrogate") or the last one ("stale", "coded"); ``other``
    another result of the same day. ``missing`` says why the newest ``creatinine`` gave no clearance: "no-age",
    "child", "no-weight", "weight-unusable". ``unread`` is set when a result that may be newer could not be had or
    read, so that the estimate may not be the latest; ``gap`` when the problem list could not be had, or not all of it.
    """

    name: str
    estimate: Estimate | None = None
    other: Estimate | None = None
    disease: KidneyDisease | None = None
    creatinine: Creatinine | None = None
    missing: str = ""
    rise: Rise | None = None
    unread: DataUnavailable | None = None
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
        """Chronic kidney disease of the patient's own kidneys, the gravest stage on record; None after a transplant.

        A stage that is on record counts although a part of the problem list could not be read.
        """
        found, gap = self._disease
        if found is None and gap is not None:
            raise gap
        return found

    @property
    def advanced_disease(self) -> KidneyDisease | None:
        """Stage 4 or 5 or dialysis, as the problem list has it."""
        found, gap = self._disease
        if found is not None and found.advanced:
            return found
        if gap is not None:
            raise gap
        return None

    @property
    def _disease(self) -> tuple[KidneyDisease | None, DataUnavailable | None]:
        return self._basis.memory.once("kidney-disease", self._read_disease)

    def _read_disease(self) -> tuple[KidneyDisease | None, DataUnavailable | None]:
        gap: DataUnavailable | None = None
        for stage, group in _STAGES:
            try:
                found = self._condition(group)
            except DataUnavailable as unavailable:
                gap = unavailable
                continue
            if found is None:
                continue
            try:
                return (None, None) if self.transplant else (KidneyDisease(stage, found), gap)
            except DataUnavailable as unavailable:
                return KidneyDisease(stage, found), unavailable
        return None, gap

    @property
    def filtration(self) -> Estimate | None:
        """The newest reported filtration rate within the longer look-back; a computed clearance is none."""
        return self._basis.memory.once("filtration", self._read_filtration)

    def _read_filtration(self) -> Estimate | None:
        basis = self._basis
        newest, doubtful = renal.read_filtration(basis.record.results(RENAL), basis.clock, basis.settings.renal)
        if doubtful:
            raise DataUnreadable(RENAL.key, "a filtration rate could not be read")
        return newest

    @property
    def function(self) -> RenalFunction:
        """Renal function by the precedence of its sources.

        Raises DataUnavailable when results that could change it could not be had or read, unless a diagnosis decides.
        """
        found = self.function_as_read
        if found.unread is not None and found.name != "coded":
            raise found.unread
        return found

    @property
    def function_as_read(self) -> RenalFunction:
        """The same from what could be read, although it may not be the latest: ``unread`` then says so.

        Raises DataUnavailable when there is nothing to tell.
        """
        return self._basis.memory.once("renal-function", self._read_function)

    def _read_function(self) -> RenalFunction:
        disease, gap = self._disease
        if disease is not None and disease.stage == "dialysis":
            return RenalFunction("dialysis", disease=disease, gap=gap)
        coded = disease is not None and disease.advanced
        try:
            found, unread = self._estimates
        except DataUnavailable as unavailable:
            if not coded:
                raise
            return RenalFunction("coded", disease=disease, unread=unavailable, gap=gap)
        if found.doubt is not None or not found.complete:
            unread = DataUnreadable(RENAL.key, "a result could not be read")
        name = _name(found, coded)
        if name == "unknown" and unread is not None:
            raise unread
        return RenalFunction(
            name=name,
            estimate=found.counting,
            other=found.other,
            disease=disease,
            creatinine=found.creatinine,
            missing=found.missing,
            rise=found.rise,
            unread=unread,
            gap=gap,
        )

    @property
    def unusable(self) -> Unusable | None:
        """A result that cannot be used and may be newer than what counts; None also where no result could be had."""
        try:
            return self._estimates[0].doubt
        except DataUnavailable:
            return None

    @property
    def _estimates(self) -> tuple[Estimates, DataUnavailable | None]:
        """The estimates; and why age and sex could not be had, where that may have cost the newest of them."""
        return self._basis.memory.once("renal-estimates", self._read_estimates)

    def _read_estimates(self) -> tuple[Estimates, DataUnavailable | None]:
        basis = self._basis
        results, settings = basis.record.results(RENAL), basis.settings
        age, sex, gap = None, "", None
        try:
            age, sex = self._age(), self._sex()
        except DataUnavailable as unavailable:
            gap = unavailable
        found = renal.read_estimates(
            results, age, sex, basis.clock, settings.renal, settings.clearance, settings.creatinine
        )
        counting, newest = found.recent, found.creatinine
        outdone = counting is not None and counting.kind == clearance.REPORTED and newest and newest.day < counting.day
        return found, gap if newest is not None and not outdone else None


def _name(found: Estimates, coded: bool) -> str:
    if found.recent is not None:
        return "surrogate" if found.recent.surrogate else "measured"
    if coded:
        return "coded"
    return "unknown" if found.last is None else "stale"
