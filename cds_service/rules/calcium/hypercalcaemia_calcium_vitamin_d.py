"""Calcium or vitamin D ordered while serum calcium is high, or may easily become so."""

from __future__ import annotations

from collections.abc import Sequence

from ...facts import Facts
from ...facts.conditions import Condition
from ...facts.orders import Order
from ...facts.requirements import CONDITIONS, SERUM_CALCIUM
from ...facts.serum_calcium import SerumCalcium
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ...terminology.products import VITAMIN_D
from ..rule import Finding, Findings, Gap, rule

# Diagnoses in which vitamin D raises calcium, or which explain a high one.
_CAUSES = ("granulomatous", "primary-hpt")


@rule(
    hooks=("order-select", "order-sign"),
    about=(*VITAMIN_D, "calcium"),
    requires=(SERUM_CALCIUM, CONDITIONS),
    outcomes={"high": ("severe", "known-cause", "by-vein", "by-vein-severe"), "at-risk": ()},
    values=("calcium", "condition", "ckd", "gap", "lookback_days"),
)
def hypercalcaemia_calcium_vitamin_d(facts: Facts, parameters: Parameters) -> Findings:
    """Speaks while calcium is high; where it is not, of vitamin D in diseases in which it raises calcium."""
    orders = facts.orders(*VITAMIN_D, "calcium")
    if not orders:
        return
    calcium, gap = facts.calcium.serum_or_gap
    if calcium is not None and (calcium.high or _above_ckd_limit(facts, calcium)):
        yield from _high(facts, orders, calcium, gap)
        return
    at_risk = [o for o in orders if o.product.classes.intersection(VITAMIN_D)]
    condition = facts.condition(*_CAUSES) if at_risk else None
    if condition is not None:
        for order in at_risk:
            yield Finding(
                "at-risk",
                about=(order,),
                values={
                    "calcium": calcium,
                    "condition": condition,
                    "gap": gap,
                    "lookback_days": facts.calcium.lookback_days,
                },
            )
    elif gap is not None:
        yield Gap.of(gap)


def _above_ckd_limit(facts: Facts, calcium: SerumCalcium) -> bool:
    return calcium.high_for_ckd and facts.kidneys.disease is not None


def _high(facts: Facts, orders: Sequence[Order], calcium: SerumCalcium, gap: DataUnavailable | None) -> Findings:
    cause: Condition | None = None
    try:
        cause = facts.condition(*_CAUSES)
    except DataUnavailable as unknown:
        yield Gap.of(unknown)
    for order in orders:
        yield Finding(
            "high",
            about=(order,),
            case=_case(order, calcium, cause),
            values={"calcium": calcium, "condition": cause, "ckd": None if calcium.high else True, "gap": gap},
        )


def _case(order: Order, calcium: SerumCalcium, cause: Condition | None) -> str:
    if "calcium-parenteral" in order.product.classes:
        return "by-vein-severe" if calcium.very_high else "by-vein"
    if calcium.very_high:
        return "severe"
    return "known-cause" if cause is not None else ""
