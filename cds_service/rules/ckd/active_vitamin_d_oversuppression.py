"""Active vitamin D ordered in kidney disease while parathyroid hormone is low already, or was not measured."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from ...facts import Facts
from ...facts.measured import Measured
from ...facts.questions.kidneys import KidneyDisease
from ...facts.requirements import CONDITIONS, PHOSPHATE, PTH, SERUM_CALCIUM, VITAMIN_D
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ...terminology import units
from ..rule import Finding, Findings, Gap, rule

Answer = TypeVar("Answer")


@rule(
    hooks=("order-select", "order-sign"),
    about=("vitamin-d-active",),
    requires=(CONDITIONS, PTH, SERUM_CALCIUM, PHOSPHATE, VITAMIN_D),
    outcomes={"pth-low": ("calcium-high",), "pth-unknown": ()},
    values=(
        "disease",
        "pth",
        "limit",
        "stage_not_stated",
        "pth_days",
        "calcium",
        "calcium_missing",
        "phosphate",
        "phosphate_missing",
        "level",
        "level_missing",
    ),
)
def active_vitamin_d_oversuppression(facts: Facts, parameters: Parameters) -> Findings:
    """Holds parathyroid hormone against the limit of the stage.

    Silent in hypoparathyroidism: there the hormone is low by disease, and active vitamin D is its treatment.
    """
    orders = facts.orders("vitamin-d-active")
    if not orders:
        return
    disease = facts.kidneys.disease
    if disease is None or facts.condition("hypoparathyroid"):
        return
    pth = facts.laboratory.pth
    if pth is None:
        if facts.ordered_in_session("pth"):
            return
    elif not pth.below(_limit(pth, disease, parameters)):
        return
    gaps: list[DataUnavailable] = []
    calcium, calcium_missing = _listed(lambda: facts.calcium.serum, gaps)
    phosphate, phosphate_missing = _listed(lambda: facts.laboratory.phosphate, gaps)
    level, level_missing = _listed(lambda: facts.vitamin_d.last_level, gaps)
    yield from (Gap.of(gap) for gap in gaps)
    values: dict[str, Any] = {
        "disease": disease,
        "calcium": calcium,
        "calcium_missing": calcium_missing,
        "phosphate": phosphate,
        "phosphate_missing": phosphate_missing,
        "level": level,
        "level_missing": level_missing,
    }
    if pth is None:
        values["pth_days"] = facts.settings.laboratory.pth_lookback_days
    else:
        values["pth"] = pth
        values["limit"] = f"{_limit(pth, disease, parameters)} {units.native_unit('pth', pth.family)}"
        values["stage_not_stated"] = disease.stage == ""
    case = "calcium-high" if pth is not None and calcium is not None and calcium.high_for_ckd else ""
    for order in orders:
        yield Finding("pth-unknown" if pth is None else "pth-low", about=(order,), case=case, values=values)


def _limit(pth: Measured, disease: KidneyDisease, parameters: Parameters) -> Decimal:
    """The limit of the stage; where no stage is known to which one belongs, the laboratory's own, if it gave one."""
    if not disease.stage and pth.low_limit is not None:
        return pth.low_limit
    limit: Decimal = parameters.pth_low[disease.stage or "other"][pth.family]
    return limit


def _listed(question: Callable[[], Answer | None], gaps: list[DataUnavailable]) -> tuple[Answer | None, str]:
    """A value to be listed, or the code of why there is none."""
    try:
        answer = question()
    except DataUnavailable as gap:
        gaps.append(gap)
        return None, "not-retrieved"
    return answer, "" if answer is not None else "not-available"
