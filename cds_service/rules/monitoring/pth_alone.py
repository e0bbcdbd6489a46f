"""Parathyroid hormone ordered without the results it is read with."""

from __future__ import annotations

from collections.abc import Callable

from ...facts import Facts
from ...facts.measured import Measured
from ...facts.requirements import PHOSPHATE, SERUM_CALCIUM, VITAMIN_D
from ...facts.serum_calcium import SerumCalcium
from ...facts.vitamin_d import Level
from ...fhir import DataUnavailable, DataWithheld
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

Result = SerumCalcium | Measured | Level | None

_CALCIUM_TESTS = ("calcium-total", "calcium-corrected", "calcium-ionised")


@rule(
    hooks=("order-select", "order-sign"),
    about=(),
    requires=(SERUM_CALCIUM, PHOSPHATE, VITAMIN_D),
    outcomes={"companions-missing": ()},
    values=("missing", "calcium_missing", "phosphate_missing", "vitamin_d_missing", "recent_days"),
)
def pth_alone(facts: Facts, parameters: Parameters) -> Findings:
    """Names what is neither recent nor ordered.

    A result that could not be had is not called missing. A query that failed is a gap; that a site does not send some
    results is none: nothing is given or stopped on this answer.
    """
    tests = facts.tests("pth")
    if not tests:
        return
    days = parameters.recent_days
    gaps: list[DataUnavailable] = []
    calcium = _missing(facts, _CALCIUM_TESTS, lambda: facts.calcium.serum, days, gaps)
    phosphate = _missing(facts, ("phosphate",), lambda: facts.laboratory.phosphate, days, gaps)
    vitamin_d = _missing(facts, ("vitamin-d-25oh",), lambda: facts.vitamin_d.last_level, days, gaps)
    yield from (Gap.of(gap) for gap in gaps if not isinstance(gap, DataWithheld))
    names = [("calcium", calcium), ("phosphate", phosphate), ("vitamin-d", vitamin_d)]
    missing = "-".join(name for name, is_missing in names if is_missing)
    if not missing:
        return
    values = {
        "missing": f"without-{missing}",
        "calcium_missing": calcium,
        "phosphate_missing": phosphate,
        "vitamin_d_missing": vitamin_d,
        "recent_days": days,
    }
    for test in tests:
        yield Finding("companions-missing", about=(test,), values=values)


def _missing(
    facts: Facts,
    ordered: tuple[str, ...],
    question: Callable[[], Result],
    within_days: int,
    gaps: list[DataUnavailable],
) -> bool:
    """Whether a companion is certainly neither ordered in the session nor recent."""
    if any(facts.ordered_in_session(test) for test in ordered):
        return False
    try:
        result = question()
    except DataUnavailable as gap:
        gaps.append(gap)
        return False
    return result is None or result.age_days > within_days
