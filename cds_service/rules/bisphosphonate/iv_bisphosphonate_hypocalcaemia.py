"""Intravenous bisphosphonate ordered while serum calcium is low, or not known."""

from __future__ import annotations

from ...facts import Facts
from ...facts.conditions import Condition
from ...facts.requirements import CONDITIONS, MEDICATIONS, SERUM_CALCIUM
from ...facts.serum_calcium import SerumCalcium
from ...fhir import DataUnavailable, DataWithheld
from ...knowledge import Parameters
from ..rule import Finding, Findings, rule

_PREDISPOSING = ("hypoparathyroid", "malabsorption")


@rule(
    hooks=("order-select", "order-sign", "patient-view"),
    about=("iv-bisphosphonate",),
    requires=(SERUM_CALCIUM, CONDITIONS, MEDICATIONS),
    outcomes={
        "low": ("severe",),
        "low-uncorrected": (),
        "unknown": (),
        "predisposed": (),
        "data-unavailable": (),
    },
    values=("calcium", "condition", "gap", "lookback_days", "route_not_stated"),
)
def iv_bisphosphonate_hypocalcaemia(facts: Facts, parameters: Parameters) -> Findings:
    """Judges each intravenous bisphosphonate by serum calcium; silent when it is known and not low."""
    orders = facts.orders("iv-bisphosphonate")
    if not orders:
        return
    calcium, gap = facts.calcium.serum_or_gap
    if isinstance(gap, DataWithheld):
        raise gap
    outcome = _outcome(calcium, gap)
    condition = _predisposition(facts, calcium) if not outcome else None
    if not outcome and condition is None:
        return
    severe = outcome == "low" and calcium is not None and calcium.severely_low
    for order in orders:
        yield Finding(
            outcome or "predisposed",
            about=(order,),
            case="severe" if severe else "",
            values={
                "calcium": facts.calcium.last if outcome == "unknown" else calcium,
                "condition": condition,
                "gap": gap,
                "lookback_days": facts.calcium.lookback_days,
                "route_not_stated": "route-not-stated" in order.product.notes,
            },
        )


def _outcome(calcium: SerumCalcium | None, gap: DataUnavailable | None) -> str:
    """What serum calcium says; "" when it is known and not low. A low one counts although a newer is unreadable."""
    if calcium is not None and calcium.low:
        return "low" if calcium.corrected else "low-uncorrected"
    if gap is not None:
        return "data-unavailable"
    return "unknown" if calcium is None else ""


def _predisposition(facts: Facts, calcium: SerumCalcium | None) -> Condition | None:
    """What makes calcium fall easily; of no interest while it is high, nor where no note is told."""
    if facts.hook == "patient-view" or (calcium is not None and calcium.high):
        return None
    return facts.condition(*_PREDISPOSING)
