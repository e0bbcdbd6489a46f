"""Denosumab ordered while calcium, vitamin D or the kidneys make severe hypocalcaemia likely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...facts import Facts
from ...facts.clearance import Estimate
from ...facts.orders import Order
from ...facts.questions.basis import ask
from ...facts.questions.kidneys import KidneyDisease
from ...facts.requirements import (
    CONDITIONS,
    MEDICATION_STATEMENTS,
    MEDICATIONS,
    PATIENT,
    RENAL,
    SERUM_CALCIUM,
    VITAMIN_D,
)
from ...facts.serum_calcium import SerumCalcium
from ...facts.vitamin_d_state import VitaminDState
from ...fhir import DataFailed, DataUnavailable, DataUnreadable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

_NO_RECENT_LEVEL = frozenset({"unknown", "stale", "stale-low", "newer-unusable"})
_CASE_WITHOUT_LEVEL = {"unknown": "", "stale": "stale", "stale-low": "stale-low", "newer-unusable": "newer-unusable"}


@rule(
    hooks=("order-select", "order-sign", "patient-view"),
    about=("denosumab",),
    requires=(SERUM_CALCIUM, VITAMIN_D, RENAL, CONDITIONS, PATIENT, MEDICATIONS, MEDICATION_STATEMENTS),
    outcomes={
        "low-calcium": ("uncorrected",),
        "advanced-ckd": ("clearance", "coded", "120", "clearance-120", "coded-120"),
        "kidney-unknown": (),
        "vitamin-d-deficient": ("course", "hypercalcaemia"),
        "vitamin-d-insufficient": ("course",),
        "vitamin-d-unknown": ("stale", "stale-low", "newer-unusable"),
        "calcium-unknown": (),
        "data-unavailable": ("vitamin-d",),
    },
    values=(
        "calcium",
        "estimate",
        "disease",
        "limit",
        "differs",
        "strength_not_stated",
        "level",
        "course",
        "unusable",
        "target",
        "obstacles",
        "gap",
        "days",
    ),
    uses=("birth-date", "sex"),
)
def denosumab_hypocalcaemia(facts: Facts, parameters: Parameters) -> Findings:
    """Looks at calcium, kidneys and vitamin D for each denosumab order; what is wrong with each is a finding."""
    orders = facts.orders("denosumab")
    if not orders:
        return
    yield from _calcium(facts, orders)
    yield from _kidneys(facts, parameters, orders)
    yield from _vitamin_d(facts, orders)


# -- calcium ----------------------------------------------------------------------------------------------------------


def _calcium(facts: Facts, orders: tuple[Order, ...]) -> Findings:
    try:
        calcium: SerumCalcium | None = facts.calcium.serum
    except (DataFailed, DataUnreadable) as failure:
        yield Finding("data-unavailable", about=orders, values={"gap": failure})
        yield Gap.of(failure)
        return
    except DataUnavailable as withheld:
        yield Gap.of(withheld)
        return
    if calcium is None:
        yield Finding("calcium-unknown", about=orders, values={"days": facts.settings.serum_calcium.lookback_days})
    elif calcium.low:
        case = "" if calcium.corrected else "uncorrected"
        yield Finding("low-calcium", about=orders, case=case, values={"calcium": calcium})


# -- kidneys ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Renal:
    """The filtration rate or, without one, the clearance; the disease on record; and what could not be had."""

    estimate: Estimate | None
    disease: KidneyDisease | None
    gaps: tuple[DataUnavailable, ...]


def _kidneys(facts: Facts, parameters: Parameters, orders: tuple[Order, ...]) -> Findings:
    renal = _renal(facts)
    limit = parameters.advanced_ckd_below
    by_number = renal.estimate is not None and renal.estimate.below(limit)
    if by_number or renal.disease is not None:
        for order in orders:
            yield Finding(
                "advanced-ckd",
                about=(order,),
                case=_ckd_case(renal, order, by_number=by_number),
                values={
                    "estimate": renal.estimate,
                    "disease": renal.disease,
                    "limit": limit,
                    "differs": renal.estimate is not None and not by_number,
                    "strength_not_stated": order.product.classes.isdisjoint(("denosumab-60", "denosumab-120")),
                },
            )
    elif renal.estimate is None and not renal.gaps:
        yield Finding("kidney-unknown", about=orders, values={"days": facts.settings.renal.stale_days})
    for gap in dict.fromkeys(renal.gaps):
        yield Gap.of(gap)


def _renal(facts: Facts) -> _Renal:
    gaps: list[DataUnavailable] = []
    disease = ask(lambda: facts.kidneys.advanced_disease, gaps)
    function = ask(lambda: facts.kidneys.function, gaps)
    filtration = ask(lambda: facts.kidneys.filtration, gaps)
    return _Renal(filtration or (function.estimate if function else None), disease, tuple(gaps))


def _ckd_case(renal: _Renal, order: Order, *, by_number: bool) -> str:
    basis = "" if by_number else "coded"
    if by_number and renal.estimate is not None and renal.estimate.kind != "egfr":
        basis = "clearance"
    strength = "120" if "denosumab-120" in order.product.classes else ""
    return "-".join(part for part in (basis, strength) if part)


# -- vitamin D --------------------------------------------------------------------------------------------------------


def _vitamin_d(facts: Facts, orders: tuple[Order, ...]) -> Findings:
    if ask(lambda: facts.vitamin_d.latest.corrected, []):
        return
    try:
        state: VitaminDState = facts.vitamin_d.state
    except (DataFailed, DataUnreadable) as failure:
        if failure.key != VITAMIN_D.key:
            raise
        yield Finding("data-unavailable", about=orders, case="vitamin-d", values={"gap": failure})
        yield Gap.of(failure)
        return
    found = _state_told(facts, state)
    if found is None:
        return
    outcome, case = found
    yield Finding(outcome, about=orders, case=case, values=_vitamin_d_values(facts, state))
    if state.gap is not None:
        yield Gap.of(state.gap)


def _state_told(facts: Facts, state: VitaminDState) -> tuple[str, str] | None:
    """Outcome and case for a vitamin D state; None where the level is recent and good enough."""
    level = state.recent_level
    if level is None or state.name in _NO_RECENT_LEVEL:
        return "vitamin-d-unknown", _CASE_WITHOUT_LEVEL.get(state.name, "stale")
    if not level.low:
        return None
    course = "course" if state.course is not None else ""
    if level.band == "insufficient":
        return "vitamin-d-insufficient", course
    return "vitamin-d-deficient", "hypercalcaemia" if _emergency(facts) else course


def _emergency(facts: Facts) -> bool:
    """Whether this is an emergency of hypercalcaemia; where that is not known, vitamin D is judged as usual."""
    return bool(ask(lambda: facts.calcium.emergency, []))


def _vitamin_d_values(facts: Facts, state: VitaminDState) -> Mapping[str, Any]:
    return {
        "level": state.level,
        "course": state.course,
        "unusable": state.unusable,
        "target": facts.vitamin_d.target(state.level),
        "obstacles": facts.vitamin_d.obstacles,
        "calcium": ask(lambda: facts.calcium.serum, []),
    }
