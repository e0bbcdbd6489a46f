"""Vitamin D ordered for a low level, and no 25(OH)D ordered to see what became of it."""

from __future__ import annotations

from ...facts import Facts
from ...facts.requirements import VITAMIN_D
from ...facts.vitamin_d import Level
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, rule


@rule(
    hooks=("order-select", "order-sign"),
    about=("vitamin-d-nutritional",),
    requires=(VITAMIN_D,),
    outcomes={"recheck-not-ordered": ("repletion",)},
    values=("level", "regimen", "dose_unknown"),
)
def monitoring_25ohd_recheck(facts: Facts, parameters: Parameters) -> Findings:
    """Reminds once the dose is known.

    A level that could not be had leaves no gap here: the checks of dose and toxicity judge the same orders and tell it.
    """
    orders = facts.vitamin_d.judged_alone()
    if not orders or facts.ordered_in_session("vitamin-d-25oh"):
        return
    level = _low_level(facts)
    if level is None:
        return
    for order in orders:
        regimen = facts.vitamin_d.regimen(order)
        unknown = regimen.iu_day is None and regimen.single_dose_iu is None
        if unknown and facts.hook == "order-select":
            continue
        yield Finding(
            "recheck-not-ordered",
            about=(order,),
            case="repletion" if regimen.repletion else "",
            values={"level": level, "regimen": regimen, "dose_unknown": unknown},
        )


def _low_level(facts: Facts) -> Level | None:
    try:
        level = facts.vitamin_d.last_level
    except DataUnavailable:
        return None
    return level if level is not None and level.low and facts.vitamin_d.is_recent(level) else None
