"""Oral bisphosphonate ordered while serum calcium is low."""

from __future__ import annotations

from ...facts import Facts
from ...facts.requirements import SERUM_CALCIUM
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule


@rule(
    hooks=("order-select", "order-sign"),
    about=("oral-bisphosphonate",),
    requires=(SERUM_CALCIUM,),
    outcomes={"low": ("severe",), "low-uncorrected": ("severe",)},
    values=("calcium", "gap"),
)
def oral_bisphosphonate_hypocalcaemia(facts: Facts, parameters: Parameters) -> Findings:
    """Speaks while calcium is low; silent when it is not, and when none was measured."""
    orders = facts.orders("oral-bisphosphonate")
    if not orders:
        return
    calcium, gap = facts.calcium.serum_or_gap
    if calcium is None or not calcium.low:
        if gap is not None:
            yield Gap.of(gap)
        return
    outcome = "low" if calcium.corrected else "low-uncorrected"
    case = "severe" if calcium.severely_low else ""
    for order in orders:
        yield Finding(outcome, about=(order,), case=case, values={"calcium": calcium, "gap": gap})
