"""Oral bisphosphonate ordered while renal function is below the limit of its label."""

from __future__ import annotations

from ...facts import Facts
from ...facts.orders import Order
from ...facts.questions.kidneys import RenalFunction
from ...facts.requirements import CONDITIONS, PATIENT, RENAL
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule


@rule(
    hooks=("order-select", "order-sign"),
    about=("oral-bisphosphonate",),
    requires=(RENAL, CONDITIONS, PATIENT),
    outcomes={"below-threshold": ("old", "diagnosis")},
    values=("function", "estimate", "limit", "recent_days"),
    uses=("birth-date", "sex"),
)
def oral_bisphosphonate_renal(facts: Facts, parameters: Parameters) -> Findings:
    """Judges each oral bisphosphonate by the last renal function; one that is not known is no reason to speak."""
    orders = facts.orders("oral-bisphosphonate")
    if not orders:
        return
    function = facts.kidneys.function_as_read
    for order in orders:
        limit = _limit(order, parameters)
        if limit is not None and _is_below(function, limit):
            values = {
                "function": function,
                "estimate": function.estimate,
                "limit": limit,
                "recent_days": facts.settings.renal.lookback_days,
            }
            yield Finding("below-threshold", (order,), values, _CASES.get(function.name, ""))
    for gap in (function.gap, function.unread):
        if gap is not None:
            yield Gap.of(gap)


_CASES = {"dialysis": "diagnosis", "coded": "diagnosis", "stale": "old"}


def _is_below(function: RenalFunction, limit: int) -> bool:
    """Whether the value, or a diagnosis that stands in for one, certainly lies below the limit."""
    if function.name in ("dialysis", "coded"):
        return True
    return function.estimate is not None and function.estimate.below(limit)


def _limit(order: Order, parameters: Parameters) -> int | None:
    """The limit of the drug's label in mL/min; None for a drug of which none is known."""
    return next((limit for drug, limit in parameters.limits.items() if drug in order.product.ingredients), None)
