"""Bisphosphonate ordered while osteomalacia or rickets is active."""

from __future__ import annotations

from ...facts import Facts
from ...facts.antiresorptives import BISPHOSPHONATES
from ...facts.orders import Order
from ...facts.questions.basis import ask
from ...facts.requirements import CONDITIONS, PHOSPHATE, SERUM_CALCIUM, VITAMIN_D
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule


@rule(
    hooks=("order-select", "order-sign"),
    about=BISPHOSPHONATES,
    requires=(CONDITIONS, VITAMIN_D, SERUM_CALCIUM, PHOSPHATE),
    outcomes={"untreated-osteomalacia": ("oral",)},
    values=("condition", "level", "calcium", "phosphate", "alkaline_phosphatase", "corrected", "route_not_stated"),
)
def bisphosphonate_osteomalacia(facts: Facts, _parameters: Parameters) -> Findings:
    """Speaks for each bisphosphonate while bone does not mineralise; the results are told beside it where there are."""
    orders = facts.orders(*BISPHOSPHONATES)
    condition = facts.condition("osteomalacia-rickets") if orders else None
    if condition is None:
        return
    gaps: list[DataUnavailable] = []
    latest = ask(lambda: facts.vitamin_d.latest, gaps)
    values = {
        "condition": condition,
        "level": latest.level if latest else None,
        "corrected": latest is not None and latest.corrected,
        "calcium": ask(lambda: facts.calcium.serum, gaps),
        "phosphate": ask(lambda: facts.laboratory.phosphate, gaps),
        "alkaline_phosphatase": ask(lambda: facts.laboratory.alkaline_phosphatase, gaps),
    }
    for order in orders:
        case = "" if _by_vein(order) else "oral"
        missing_route = "route-not-stated" in order.product.notes
        yield Finding(
            "untreated-osteomalacia", about=(order,), case=case, values={**values, "route_not_stated": missing_route}
        )
    for gap in gaps:
        yield Gap.of(gap)


def _by_vein(order: Order) -> bool:
    return "iv-bisphosphonate" in order.product.classes or order.product.route == "iv"
