"""Oral bisphosphonate ordered before vitamin D is known to be corrected."""

from __future__ import annotations

from typing import Any

from ...facts import Facts
from ...facts.orders import Order
from ...facts.requirements import (
    CONDITIONS,
    MEDICATION_STATEMENTS,
    MEDICATIONS,
    PATIENT,
    SERUM_CALCIUM,
    VITAMIN_D,
)
from ...facts.vitamin_d_state import VitaminDState
from ...fhir import DataFailed, DataUnavailable, DataUnreadable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

# What is told, more quietly, while treatment goes on as well; everything else is told before a start only.
_TOLD_AT_RENEWAL = frozenset({"deficient", "stale-low"})
_OFFERING = frozenset({"deficient", "insufficient"})
_SILENT = frozenset({"sufficient", "high", "toxic", "ageing"})


@rule(
    hooks=("order-select", "order-sign"),
    about=("oral-bisphosphonate",),
    requires=(VITAMIN_D, MEDICATIONS, MEDICATION_STATEMENTS, SERUM_CALCIUM, CONDITIONS, PATIENT),
    outcomes={
        "deficient": ("renewal",),
        "stale-low": ("renewal",),
        "insufficient": (),
        "being-corrected": (),
        "completed-no-recheck": (),
        "stale": (),
        "unknown": ("unusable",),
        "newer-unusable": (),
        "data-unavailable": (),
    },
    values=(
        "level",
        "course",
        "unusable",
        "target",
        "gap",
        "renewal_unknown",
        "obstacles",
        "vitamin_d_ordered",
        "maintenance",
        "recheck_in_days",
    ),
    uses=("birth-date",),
)
def oral_bisphosphonate_vitamin_d(facts: Facts, parameters: Parameters) -> Findings:
    """Judges each oral bisphosphonate by the vitamin D state; while treatment goes on only a deficiency is told."""
    orders = facts.orders("oral-bisphosphonate")
    if not orders:
        return
    state: VitaminDState | None = None
    failure: DataUnavailable | None = None
    try:
        state = facts.vitamin_d.state
    except (DataFailed, DataUnreadable) as unavailable:
        if unavailable.key != VITAMIN_D.key:
            raise
        failure = unavailable
    outcome = state.name if state is not None else "data-unavailable"
    if outcome in _SILENT:
        return
    if state is not None and state.gap is not None:
        yield Gap.of(state.gap)
    for order in orders:
        renewal, unknown = _renewal(facts, order, parameters)
        if unknown is not None:
            yield Gap.of(unknown)
        if renewal and outcome not in _TOLD_AT_RENEWAL:
            if failure is not None:
                yield Gap.of(failure)
            continue
        if outcome == "unknown" and not facts.vitamin_d.intake.surely_below(_maintenance(facts)):
            continue
        values = {
            **_of_state(facts, state),
            "gap": failure or (state.gap if state else None),
            "renewal_unknown": unknown,
            "obstacles": facts.vitamin_d.obstacles if outcome in _OFFERING else None,
            "vitamin_d_ordered": facts.vitamin_d.in_session,
            "maintenance": _maintenance(facts),
        }
        yield Finding(outcome, about=(order,), case=_case(state, renewal=renewal), values=values)


def _renewal(facts: Facts, order: Order, parameters: Parameters) -> tuple[bool, DataUnavailable | None]:
    """Whether treatment goes on; where that cannot be told it counts as a start, and the gap is told beside it."""
    try:
        within: int = parameters.renewal_days
        return facts.medicines.renews(order, "oral-bisphosphonate", within_days=within), None
    except DataUnavailable as gap:
        return False, gap


def _maintenance(facts: Facts) -> int:
    return facts.settings.vitamin_d.maintenance_iu_day


def _case(state: VitaminDState | None, *, renewal: bool) -> str:
    if renewal:
        return "renewal"
    return "unusable" if state is not None and state.name == "unknown" and state.unusable is not None else ""


def _of_state(facts: Facts, state: VitaminDState | None) -> dict[str, Any]:
    """What the cards show of the state."""
    level = state.level if state else None
    return {
        "level": level,
        "course": state.course if state else None,
        "unusable": state.unusable if state else None,
        "target": facts.vitamin_d.target(level),
        "recheck_in_days": _recheck(facts, state),
    }


def _recheck(facts: Facts, state: VitaminDState | None) -> int:
    """Days until the level is worth measuring again: at the end of a running course, else now."""
    course = state.course if state else None
    if course is None or not course.ongoing:
        return 0
    length = course.length_days or facts.settings.vitamin_d.course_failed_days
    return max(0, length - course.elapsed_days)
