"""Vitamin D by mouth for a patient who may not absorb it."""

from __future__ import annotations

from ...facts import Facts
from ...facts.orders import Order
from ...facts.requirements import CONDITIONS, MEDICATION_STATEMENTS, MEDICATIONS, VITAMIN_D
from ...facts.vitamin_d import Level
from ...facts.vitamin_d_state import Course
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

_CONDITIONS = ("malabsorption", "bariatric-surgery")
_PARENTERAL = frozenset({"im", "iv", "sc"})
_LOW = frozenset({"deficient", "insufficient", "being-corrected", "completed-no-recheck"})
_CASES = {"unknown": "unknown", "stale": "stale", "stale-low": "stale"}


@rule(
    hooks=("order-select", "order-sign"),
    about=("vitamin-d-nutritional",),
    requires=(CONDITIONS, VITAMIN_D, MEDICATIONS, MEDICATION_STATEMENTS),
    outcomes={"oral-failed": (), "higher-dose-or-parenteral": ("unknown", "stale")},
    values=("condition", "level", "course", "weeks", "unusable"),
)
def malabsorption_vitamin_d(facts: Facts, parameters: Parameters) -> Findings:
    """Judges each order for vitamin D by mouth; silent when the level is good or vitamin D is given by injection."""
    orders = tuple(order for order in facts.vitamin_d.judged_alone() if order.product.route not in _PARENTERAL)
    if not orders:
        return
    condition = facts.condition(*_CONDITIONS)
    if condition is None:
        return
    state = facts.vitamin_d.state
    if state.name not in _LOW and state.name not in _CASES:
        return
    running = facts.medicines.running("vitamin-d-nutritional")
    if any(entry.order.product.route in _PARENTERAL for entry in running.entries):
        return
    yield from (Gap.of(gap) for gap in running.gaps)
    values = {"condition": condition, "level": state.level, "unusable": state.unusable}
    recent = state.recent_level
    if recent is not None:
        courses, _ = facts.vitamin_d.courses
        failed = [course for course in courses if _failed(facts, course, recent, parameters)]
        if failed:
            course = min(failed, key=lambda c: c.start)
            more = {"course": course, "weeks": _days(course, recent) // 7}
            yield Finding("oral-failed", about=orders, values={**values, **more})
            return
    for order in orders:
        if _is_usual(facts, order):
            yield Finding("higher-dose-or-parenteral", about=(order,), case=_CASES.get(state.name, ""), values=values)


def _failed(facts: Facts, course: Course, level: Level, parameters: Parameters) -> bool:
    """Whether vitamin D by mouth in a treatment dose had run long enough, and lately enough, to show in the level."""
    limits = facts.settings.vitamin_d
    by_mouth = course.order.product.route not in _PARENTERAL and not course.loading
    if not by_mouth or course.iu_per_day < limits.course_min_iu_day_deficient:
        return False
    if course.end is None and not course.ongoing:
        return False  # nobody knows when it ended
    if (level.day - course.start).days < limits.course_failed_days or _days(course, level) < limits.course_failed_days:
        return False
    return course.end is None or (level.day - course.end).days <= parameters.ended_within_days


def _days(course: Course, level: Level) -> int:
    """For how many days it had run when the level was drawn, first and last day counted in."""
    until = level.day if course.end is None else min(course.end, level.day)
    return (until - course.start).days + 1


def _is_usual(facts: Facts, order: Order) -> bool:
    """Whether its dose is known, and the total leaves room for a higher one."""
    known = facts.vitamin_d.regimen(order).average is not None
    return known and facts.vitamin_d.intake.low < facts.settings.supply.high_dose_iu_day
