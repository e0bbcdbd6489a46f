"""25(OH)D that is older than a year in a patient with a lasting reason to look at it."""

from __future__ import annotations

from ...facts import Facts
from ...facts.requirements import CONDITIONS, VITAMIN_D
from ...facts.vitamin_d import Level
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, rule

_ORDERS = ("vitamin-d-nutritional", "vitamin-d-active", "calcium", "oral-bisphosphonate")
_REASONS = ("ckd", "dialysis", "malabsorption", "osteoporosis")


@rule(
    hooks=("order-select", "order-sign"),
    about=_ORDERS,
    requires=(CONDITIONS, VITAMIN_D),
    outcomes={"due": ()},
    values=("level", "condition"),
)
def monitoring_25ohd_annual(facts: Facts, parameters: Parameters) -> Findings:
    """Reminds where there is a level and it is too old; one that was never measured is for the drug's own checks.

    Results or diagnoses that could not be had leave no gap here: the checks of the same orders that need them tell it.
    """
    orders = facts.orders(*_ORDERS)
    if not orders or facts.ordered_in_session("vitamin-d-25oh"):
        return
    try:
        level, condition = _old_level(facts), facts.condition(*_REASONS)
    except DataUnavailable:
        return
    if level is not None and condition is not None:
        yield Finding("due", about=orders, values={"level": level, "condition": condition})


def _old_level(facts: Facts) -> Level | None:
    level = facts.vitamin_d.last_level
    return level if level is not None and not facts.vitamin_d.is_recent(level) else None
