"""Calcium and vitamin D together where the urine holds, or may hold, too much calcium."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ...facts import Facts
from ...facts.conditions import Condition
from ...facts.measured import Measured, Threshold
from ...facts.orders import Order
from ...facts.requirements import CONDITIONS, MEDICATION_STATEMENTS, MEDICATIONS, PATIENT, URINE_CALCIUM
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ...terminology.products import VITAMIN_D
from ..rule import Finding, Findings, Gap, rule

Answer = TypeVar("Answer")

# Calcium by vein is an emergency's, and what a multivitamin holds of either is little.
_LEFT_OUT = frozenset({"calcium-parenteral", "multivitamin"})


@rule(
    hooks=("order-select", "order-sign"),
    about=(*VITAMIN_D, "calcium"),
    requires=(MEDICATIONS, MEDICATION_STATEMENTS, CONDITIONS, URINE_CALCIUM, PATIENT),
    outcomes={"risk": ("measured", "sex-not-known", "urine-normal")},
    values=("condition", "urine", "limit_female", "limit_male", "urine_unknown", "partner"),
    uses=("sex",),
)
def hypercalciuria_calcium_vitamin_d(facts: Facts, parameters: Parameters) -> Findings:
    """Speaks when an order makes calcium and vitamin D meet and stones or a high urine calcium are on record."""
    orders = tuple(o for o in facts.orders(*VITAMIN_D, "calcium") if _counted(o))
    if not orders:
        return
    gaps: list[DataUnavailable] = []
    together, partner = _together(facts, orders, gaps)
    if together:
        yield from _risk(facts, parameters, orders, partner, gaps)
    yield from (Gap.of(gap) for gap in gaps)


def _counted(order: Order) -> bool:
    return not order.product.classes & _LEFT_OUT


def _together(facts: Facts, orders: Sequence[Order], gaps: list[DataUnavailable]) -> tuple[bool, Order | None]:
    """Whether both are taken with these orders, and the medication that is the other half, where one order is not."""
    calcium = any("calcium" in o.product.classes for o in orders)
    vitamin_d = any(o.product.classes.intersection(VITAMIN_D) for o in orders)
    if calcium and vitamin_d:
        return True, None
    running = facts.medicines.running(*(VITAMIN_D if calcium else ("calcium",)))
    partner = next((e.order for e in running.entries if _counted(e.order)), None)
    if partner is None:
        gaps.extend(running.gaps)
    return partner is not None, partner


def _risk(
    facts: Facts,
    parameters: Parameters,
    orders: tuple[Order, ...],
    partner: Order | None,
    gaps: list[DataUnavailable],
) -> Findings:
    condition = _ask(lambda: facts.condition("stone-hypercalciuria"), gaps)
    urine = _ask(lambda: facts.laboratory.urine_calcium, gaps)
    female, male = parameters.urine_calcium_high_female, parameters.urine_calcium_high_male
    excretion = "" if urine is None else _excretion(facts, urine, female, male, gaps)
    if condition is None and excretion in ("", "normal"):
        return
    # Without urine nothing can calcify on the way; a graft makes urine again, and is no dialysis.
    disease = _ask(lambda: facts.kidneys.disease, gaps)
    if disease is not None and disease.stage == "dialysis":
        return
    yield Finding(
        "risk",
        about=orders,
        case=_case(condition, excretion),
        values={
            "condition": condition,
            "urine": urine,
            "limit_female": female[urine.family] if urine else None,
            "limit_male": male[urine.family] if urine else None,
            "urine_unknown": any(gap.key == URINE_CALCIUM.key for gap in gaps),
            "partner": partner,
        },
    )


def _case(condition: Condition | None, excretion: str) -> str:
    if excretion == "high":
        return "measured"
    if condition is None:
        return "sex-not-known"
    return "urine-normal" if excretion == "normal" else ""


def _excretion(facts: Facts, urine: Measured, female: Threshold, male: Threshold, gaps: list[DataUnavailable]) -> str:
    """high or normal; "between" where it depends on a sex that is not known; "" where a mere bound leaves it open."""
    by_sex = {"female": _against(urine, female), "male": _against(urine, male)}
    if by_sex["female"] == by_sex["male"]:
        return by_sex["female"]
    sex = _ask(lambda: facts.sex, gaps) or ""
    return by_sex.get(sex, "between" if "high" in by_sex.values() else "")


def _against(urine: Measured, limit: Threshold) -> str:
    if urine.above(limit):
        return "high"
    return "normal" if not urine.comparator or urine.below(limit) else ""


def _ask(question: Callable[[], Answer], gaps: list[DataUnavailable]) -> Answer | None:
    """An answer that is one of several ways to know; when it cannot be had, that is said beside the rest."""
    try:
        return question()
    except DataUnavailable as gap:
        gaps.append(gap)
        return None
