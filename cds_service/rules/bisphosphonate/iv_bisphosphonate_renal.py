"""Intravenous bisphosphonate ordered while renal function is too low, not stable or not known."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ...facts import Facts
from ...facts.dosing import stated_mg
from ...facts.orders import Order
from ...facts.questions.kidneys import RenalFunction
from ...facts.requirements import CONDITIONS, MEDICATIONS, PATIENT, RENAL, SERUM_CALCIUM
from ...facts.serum_calcium import SerumCalcium
from ...fhir import DataFailed, DataUnavailable, DataUnreadable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

BELOW, UNAVAILABLE = "below-threshold", "data-unavailable"


@rule(
    hooks=("order-select", "order-sign", "patient-view"),
    about=("iv-bisphosphonate",),
    requires=(RENAL, CONDITIONS, PATIENT, SERUM_CALCIUM, MEDICATIONS),
    outcomes={
        BELOW: ("diagnosis", "not-excluded", "hypercalcaemia", "hypercalcaemia-diagnosis"),
        "label-band": (),
        "surrogate-near-threshold": (),
        "unstable": (),
        "stale": ("reassuring", "low"),
        "unknown": ("not-computed",),
        "dose-band": (),
        UNAVAILABLE: ("unreadable",),
    },
    values=(
        "function",
        "estimate",
        "unusable",
        "creatinine_recent",
        "limit",
        "label_limit",
        "surrogate_limit",
        "recent_days",
        "stale_days",
        "calcium",
        "calcium_unknown",
        "bone_disease",
        "labelled_dose",
        "ordered_dose",
        "full_dose_above",
        "strength_not_stated",
        "route_not_stated",
        "test_ordered",
        "gap",
    ),
    uses=("birth-date", "sex"),
)
def iv_bisphosphonate_renal(facts: Facts, parameters: Parameters) -> Findings:
    """Judges each intravenous bisphosphonate by the clearance; silent only when a recent one passes its limit."""
    orders = facts.orders("iv-bisphosphonate")
    if not orders:
        return
    try:
        function = facts.kidneys.function_as_read
    except (DataFailed, DataUnreadable) as failure:
        if failure.key != RENAL.key:
            raise
        for order in orders:
            yield _unavailable(order, _common(None, facts, parameters), failure)
        return
    common = _common(function, facts, parameters)
    outcome, case = _judged(function, parameters)
    if outcome == BELOW:
        yield from _below(orders, case, common, facts)
    else:
        for order in orders:
            yield from _short_of(order, outcome, case, function, common, facts, parameters)
    if function.rise is not None:
        for order in orders:
            yield Finding("unstable", (order,), {**common, **_of_order(order)})
    numbers_decide = outcome == BELOW and case != "diagnosis"
    if function.gap is not None and not numbers_decide:
        yield Gap.of(function.gap)
    if function.unread is not None:
        yield Gap.of(function.unread)


def _judged(function: RenalFunction, parameters: Parameters) -> tuple[str, str]:
    """Outcome and case as far as they are the same for every drug; "" where renal function passes the general limit."""
    estimate = function.estimate
    if function.name in ("dialysis", "coded"):
        return BELOW, "diagnosis"
    creatinine = function.creatinine
    uncomputed = creatinine is not None and function.missing
    if estimate is None:
        return "unknown", "not-computed" if uncomputed else ""
    if function.name == "stale":
        if creatinine is not None and uncomputed and creatinine.day > estimate.day:
            return "unknown", "not-computed"
        if estimate.below(parameters.min_clearance):
            return "stale", "low"
        return "stale", "" if estimate.may_be_below(parameters.reassuring_clearance) else "reassuring"
    if estimate.below(parameters.min_clearance):
        return BELOW, ""
    if estimate.may_be_below(parameters.min_clearance):
        return BELOW, "not-excluded"
    if function.name == "surrogate" and estimate.may_be_below(parameters.surrogate_limit):
        return "surrogate-near-threshold", ""
    return "", ""


def _below(orders: tuple[Order, ...], case: str, common: dict[str, Any], facts: Facts) -> Findings:
    """The infusion is not recommended; in an emergency of hypercalcaemia that is weighed against the other danger."""
    calcium, gap = _emergency(facts)
    if gap is not None:
        yield Gap.of(gap)
    if calcium is not None and case != "not-excluded":
        case = f"hypercalcaemia-{case}" if case else "hypercalcaemia"
    for order in orders:
        yield Finding(BELOW, (order,), {**common, **_of_order(order), "calcium": calcium, "calcium_unknown": gap}, case)


def _short_of(
    order: Order,
    outcome: str,
    case: str,
    function: RenalFunction,
    common: dict[str, Any],
    facts: Facts,
    parameters: Parameters,
) -> Findings:
    """What is to be said of one order short of the general limit."""
    estimate = function.estimate
    passes = outcome == "" and function.name == "measured" and estimate is not None
    if passes and _needs_label_limit(order) and estimate is not None and estimate.may_be_below(parameters.label_limit):
        outcome = "label-band"
    if function.unread is not None and outcome not in ("label-band", "surrogate-near-threshold"):
        # What counts may not be the latest: all that can be said is that this could not be checked.
        if function.unread.key == RENAL.key and function.unread.kind != "withheld":
            yield _unavailable(order, common, function.unread)
    elif outcome:
        yield Finding(outcome, (order,), {**common, **_of_order(order)}, case)
    elif passes:
        yield from _dose_band(order, function, common, facts, parameters)


def _dose_band(
    order: Order, function: RenalFunction, common: dict[str, Any], facts: Facts, parameters: Parameters
) -> Findings:
    """Zoledronic acid 4 mg for bone lesions has a smaller labelled dose where the clearance is reduced."""
    labelled = _labelled_dose(function, parameters)
    ordered = stated_mg(order.record.dosages) or order.product.dose_mg
    if labelled is None or "zoledronic-acid-4mg" not in order.product.classes:
        return
    if ordered is not None and ordered <= labelled:
        return
    disease = facts.condition("bone-cancer", "bone-marrow-metastases")
    if disease is None:
        return
    calcium, gap = _emergency(facts)
    if calcium is not None:
        return
    if gap is not None:
        yield Gap.of(gap)
    yield Finding(
        "dose-band",
        (order,),
        {
            **common,
            **_of_order(order),
            "bone_disease": disease,
            "labelled_dose": labelled,
            "ordered_dose": ordered,
            "full_dose_above": parameters.full_dose_above,
            "calcium_unknown": gap,
        },
    )


def _labelled_dose(function: RenalFunction, parameters: Parameters) -> Decimal | None:
    """The reduced dose in mg that the label of the 4 mg product has for this clearance; None for the full one."""
    estimate = function.estimate
    if estimate is None or estimate.comparator or estimate.value > parameters.full_dose_above:
        return None
    steps: Iterator[Decimal] = (s["dose_mg"] for s in parameters.dose_steps if estimate.value < s["below"])
    reduced: Decimal = parameters.reduced_dose_mg
    return next(steps, reduced)


def _needs_label_limit(order: Order) -> bool:
    """Zoledronic acid, unless it is known to be the 4 mg product: a strength that is not stated may be 5 mg."""
    product = order.product
    return "zoledronic acid" in product.ingredients and "zoledronic-acid-4mg" not in product.classes


def _emergency(facts: Facts) -> tuple[SerumCalcium | None, DataUnavailable | None]:
    """The calcium that makes this an emergency of hypercalcaemia, or why that could not be told."""
    try:
        return facts.calcium.emergency, None
    except DataUnavailable as gap:
        return None, gap


def _unavailable(order: Order, common: dict[str, Any], failure: DataUnavailable) -> Finding:
    case = "unreadable" if failure.kind == "unreadable" else ""
    return Finding(UNAVAILABLE, (order,), {**common, **_of_order(order), "gap": failure}, case)


def _of_order(order: Order) -> dict[str, Any]:
    product = order.product
    return {
        "route_not_stated": "route-not-stated" in product.notes,
        "strength_not_stated": _needs_label_limit(order) and "zoledronic-acid-5mg" not in product.classes,
    }


def _common(function: RenalFunction | None, facts: Facts, parameters: Parameters) -> dict[str, Any]:
    """The values that are the same for every order."""
    settings = facts.settings.renal
    creatinine = function.creatinine if function else None
    return {
        "function": function,
        "estimate": function.estimate if function else None,
        "unusable": facts.kidneys.unusable if function is None or function.unread else None,
        "creatinine_recent": creatinine is not None and creatinine.age_days <= settings.lookback_days,
        "limit": parameters.min_clearance,
        "label_limit": parameters.label_limit,
        "surrogate_limit": parameters.surrogate_limit,
        "recent_days": settings.lookback_days,
        "stale_days": settings.stale_days,
        "test_ordered": facts.ordered_in_session("creatinine"),
    }
