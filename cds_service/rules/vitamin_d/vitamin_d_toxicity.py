"""Vitamin D or calcium ordered while 25(OH)D is too high."""

from __future__ import annotations

from ...facts import Facts
from ...facts.requirements import SERUM_CALCIUM, VITAMIN_D
from ...knowledge import Parameters
from ...terminology.products import VITAMIN_D as VITAMIN_D_CLASSES
from ..rule import Finding, Findings, rule


@rule(
    hooks=("order-select", "order-sign"),
    about=(*VITAMIN_D_CLASSES, "calcium"),
    requires=(VITAMIN_D, SERUM_CALCIUM),
    outcomes={"toxic": (), "high": ()},
    values=("level", "limit", "unusable", "calcium", "gap", "lookback_days"),
)
def vitamin_d_toxicity(facts: Facts, parameters: Parameters) -> Findings:
    """Speaks while the latest recent level is above the upper limit; looks at serum calcium only then.

    Calcium by vein is left to the rule about serum calcium: a vitamin D level must not stand in an emergency's way.
    """
    orders = [o for o in facts.orders(*VITAMIN_D_CLASSES, "calcium") if "calcium-parenteral" not in o.product.classes]
    if not orders:
        return
    level = facts.vitamin_d.excess
    if level is None:
        return
    calcium, gap = facts.calcium.serum_or_gap
    for order in orders:
        yield Finding(
            "toxic" if level.band == "toxic" else "high",
            about=(order,),
            values={
                "level": level,
                "limit": facts.vitamin_d.exceeded(level),
                "unusable": facts.vitamin_d.newer_unusable,
                "calcium": calcium,
                "gap": gap,
                "lookback_days": facts.calcium.lookback_days,
            },
        )
