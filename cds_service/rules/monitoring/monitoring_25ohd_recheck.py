"""Vitamin D ordered for a low level, and no 25(OH)D ordered to see what became of it."""

from __future__ import annotations

from ...facts import Facts
from ...facts.requirements import VITAMIN_D
from ...facts.vitamin_d import Level
from ...facts.vitamin_d_supply import Regimen
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, rule

# Vitamin D that is a part of something else is not ordered to correct a level.
_COMBINED = frozenset({"calcium", "oral-bisphosphonate", "multivitamin"})


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
    orders = tuple(o for o in facts.orders("vitamin-d-nutritional") if not o.product.classes & _COMBINED)
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
            case="repletion" if _is_repletion(regimen, parameters) else "",
            values={"level": level, "regimen": regimen, "dose_unknown": unknown},
        )


def _low_level(facts: Facts) -> Level | None:
    try:
        level = facts.vitamin_d.last_level
    except DataUnavailable:
        return None
    return level if level is not None and level.low and facts.vitamin_d.is_recent(level) else None


def _is_repletion(regimen: Regimen, parameters: Parameters) -> bool:
    """Whether a regimen is meant to fill the store rather than to keep it full."""
    daily, single = regimen.iu_day or 0, regimen.single_dose_iu or 0
    return bool(daily >= parameters.repletion_iu_day or single >= parameters.repletion_single_dose_iu)
