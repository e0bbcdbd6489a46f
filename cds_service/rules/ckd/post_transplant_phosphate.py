"""Orders after a kidney transplant that bear on a low phosphate."""

from __future__ import annotations

from ...facts import Facts
from ...facts.orders import Order
from ...facts.requirements import CONDITIONS, PHOSPHATE
from ...knowledge import Parameters
from ...terminology import units
from ..rule import Finding, Findings, rule

_BINDERS = frozenset({"phosphate-binder", "calcium-binder"})
_ANTIRESORPTIVES = frozenset({"iv-bisphosphonate", "oral-bisphosphonate", "other-bisphosphonate", "denosumab"})
_MINERALS = frozenset({"calcium", "vitamin-d-nutritional", "vitamin-d-active"})


@rule(
    hooks=("order-select", "order-sign"),
    about=(*sorted(_BINDERS), *sorted(_ANTIRESORPTIVES), *sorted(_MINERALS)),
    requires=(CONDITIONS, PHOSPHATE),
    outcomes={"binder-with-low": (), "low": ("antiresorptive", "vitamin-d"), "unknown": ()},
    values=("transplant", "phosphate", "limit", "own_limit", "phosphate_days"),
)
def post_transplant_phosphate(facts: Facts, parameters: Parameters) -> Findings:
    """Judges each order by the phosphate after a transplant; a missing value matters before an antiresorptive only."""
    orders = facts.orders(*_BINDERS, *_ANTIRESORPTIVES, *_MINERALS)
    if not orders:
        return
    transplant = facts.kidneys.transplant
    if transplant is None:
        return
    phosphate = facts.laboratory.phosphate
    if phosphate is None:
        if not facts.ordered_in_session("phosphate"):
            days = facts.settings.laboratory.phosphate_lookback_days
            for order in orders:
                if _is_antiresorptive(order):
                    values = {"transplant": transplant, "phosphate_days": days}
                    yield Finding("unknown", about=(order,), values=values)
        return
    limit = phosphate.low_limit or parameters.phosphate_low[phosphate.family]
    if not phosphate.below(limit):
        return
    values = {
        "transplant": transplant,
        "phosphate": phosphate,
        "limit": f"{limit} {units.native_unit('phosphate', phosphate.family)}",
        "own_limit": phosphate.low_limit,
    }
    for order in orders:
        outcome, case = _meaning(order)
        yield Finding(outcome, about=(order,), case=case, values=values)


def _meaning(order: Order) -> tuple[str, str]:
    """What a low phosphate means for an order: outcome and case."""
    if order.product.classes & _BINDERS:
        return "binder-with-low", ""
    if _is_antiresorptive(order):
        return "low", "antiresorptive"
    return "low", "" if "calcium" in order.product.classes else "vitamin-d"


def _is_antiresorptive(order: Order) -> bool:
    return bool(order.product.classes & _ANTIRESORPTIVES)
