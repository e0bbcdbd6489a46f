"""Intravenous bisphosphonate ordered before vitamin D is known to be corrected."""

from __future__ import annotations

from ...facts import Facts
from ...facts.requirements import (
    CONDITIONS,
    MEDICATION_STATEMENTS,
    MEDICATIONS,
    PATIENT,
    SERUM_CALCIUM,
    VITAMIN_D,
)
from ...facts.serum_calcium import SerumCalcium
from ...facts.vitamin_d_state import VitaminDState
from ...fhir import DataFailed, DataUnavailable, DataUnreadable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

EMERGENCY = "hypercalcaemia"
_WITHOUT_LEVEL = {"unknown": "hypercalcaemia-no-level", "data-unavailable": "hypercalcaemia-no-level"}


@rule(
    hooks=("order-select", "order-sign", "patient-view"),
    about=("iv-bisphosphonate",),
    requires=(VITAMIN_D, MEDICATIONS, MEDICATION_STATEMENTS, SERUM_CALCIUM, CONDITIONS, PATIENT),
    outcomes={
        "deficient": (EMERGENCY,),
        "insufficient": (EMERGENCY,),
        "unknown": ("hypercalcaemia-no-level", "unusable"),
        "stale": (EMERGENCY,),
        "stale-low": (EMERGENCY,),
        "being-corrected": (EMERGENCY, "early-deficient", "early-insufficient", "deficient", "insufficient", "loading"),
        "completed-no-recheck": (EMERGENCY, "deficient", "insufficient"),
        "ageing": (EMERGENCY,),
        "newer-unusable": (EMERGENCY,),
        "data-unavailable": ("hypercalcaemia-no-level",),
    },
    values=(
        "level",
        "course",
        "unusable",
        "calcium",
        "target",
        "gap",
        "calcium_unknown",
        "emergency_unknown",
        "obstacles",
        "test_ordered",
        "vitamin_d_ordered",
        "route_not_stated",
        "recheck_in_days",
    ),
    uses=("birth-date",),
)
def iv_bisphosphonate_vitamin_d(facts: Facts, parameters: Parameters) -> Findings:
    """Judges each intravenous bisphosphonate by the vitamin D state; silent only when the level is sufficient."""
    orders = facts.orders("iv-bisphosphonate")
    if not orders:
        return
    state, failure = _state(facts)
    outcome = "data-unavailable" if state is None else state.name
    if state is not None and state.corrected:
        return
    calcium, emergency, calcium_gap = _calcium(facts)
    if state is not None and state.gap is not None:
        yield Gap.of(state.gap)
    if calcium_gap is not None:
        yield Gap.of(calcium_gap)
    level = state.level if state else None
    for order in orders:
        yield Finding(
            outcome,
            about=(order,),
            case=_case(outcome, state, emergency),
            values={
                "level": level,
                "course": state.course if state else None,
                "unusable": state.unusable if state else None,
                "calcium": emergency or calcium,
                "target": facts.vitamin_d.target(level),
                "gap": state.gap if state else failure,
                "calcium_unknown": calcium_gap if calcium is None else None,
                "emergency_unknown": calcium_gap if calcium is not None else None,
                "obstacles": facts.vitamin_d.obstacles,
                "test_ordered": facts.ordered_in_session("vitamin-d-25oh"),
                "vitamin_d_ordered": facts.vitamin_d.in_session,
                "route_not_stated": "route-not-stated" in order.product.notes,
                "recheck_in_days": _recheck(state, parameters.recheck_days),
            },
        )


def _state(facts: Facts) -> tuple[VitaminDState | None, DataUnavailable | None]:
    """The state, or the failure that keeps it from us; data that was never sent stays a gap."""
    try:
        return facts.vitamin_d.state, None
    except (DataFailed, DataUnreadable) as failure:
        if failure.key != VITAMIN_D.key:
            raise
        return None, failure


def _calcium(facts: Facts) -> tuple[SerumCalcium | None, SerumCalcium | None, DataUnavailable | None]:
    """The serum calcium, the same if it is an emergency, and why neither could be had."""
    calcium: SerumCalcium | None = None
    try:
        calcium = facts.calcium.serum
        return calcium, facts.calcium.emergency, None
    except DataUnavailable as gap:
        return calcium, None, gap


def _case(outcome: str, state: VitaminDState | None, emergency: SerumCalcium | None) -> str:
    if emergency is not None:
        return _WITHOUT_LEVEL.get(outcome, EMERGENCY)
    if state is None:
        return ""
    if outcome == "unknown":
        return "unusable" if state.unusable else ""
    band = state.level.band if state.level else ""
    if outcome == "being-corrected" and state.course is not None:
        if state.course.loading:
            return "loading"
        return band if state.course.acting else f"early-{band}"
    return band if outcome == "completed-no-recheck" else ""


def _recheck(state: VitaminDState | None, recheck_days: int) -> int:
    """Days until the level is worth measuring again: at the end of a running course, else now."""
    if state is None or state.course is None or not state.course.ongoing:
        return 0
    length = state.course.length_days or recheck_days
    return max(0, length - state.course.elapsed_days)
