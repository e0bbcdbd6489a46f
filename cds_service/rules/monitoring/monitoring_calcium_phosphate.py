"""Calcium and phosphate that were not measured lately in a patient whose order moves them."""

from __future__ import annotations

from collections.abc import Callable

from ...facts import Facts
from ...facts.orders import Order
from ...facts.questions.basis import known
from ...facts.requirements import CONDITIONS, PHOSPHATE, SERUM_CALCIUM
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

_ALWAYS = ("vitamin-d-active", "calcium-binder")
_IN_KIDNEY_DISEASE = ("vitamin-d-nutritional",)
_CALCIUM_TESTS = ("calcium-total", "calcium-corrected", "calcium-ionised")


@rule(
    hooks=("order-select", "order-sign"),
    about=(*_ALWAYS, *_IN_KIDNEY_DISEASE),
    requires=(CONDITIONS, SERUM_CALCIUM, PHOSPHATE),
    outcomes={"due": ("calcium", "phosphate")},
    values=("calcium_days", "phosphate_days"),
)
def monitoring_calcium_phosphate(facts: Facts, parameters: Parameters) -> Findings:
    """Reminds of what is neither recent nor ordered.

    Results that could not be had are a gap: these drugs are steered by them. That nobody can tell whether vitamin D
    is ordered in kidney disease is none.
    """
    orders = _orders(facts)
    if not orders:
        return
    missing: list[str] = []
    gaps: list[DataUnavailable] = []
    if not any(facts.ordered_in_session(test) for test in _CALCIUM_TESTS):
        _look("calcium", lambda: facts.calcium.serum, missing, gaps)
    if not facts.ordered_in_session("phosphate"):
        _look("phosphate", lambda: facts.laboratory.phosphate, missing, gaps)
    yield from (Gap.of(gap) for gap in gaps)
    if missing:
        values = {
            "calcium_days": facts.settings.serum_calcium.lookback_days,
            "phosphate_days": facts.settings.laboratory.phosphate_lookback_days,
        }
        yield Finding("due", about=orders, case="" if len(missing) > 1 else missing[0], values=values)


def _orders(facts: Facts) -> tuple[Order, ...]:
    orders = facts.orders(*_ALWAYS, *_IN_KIDNEY_DISEASE)
    if all(order.product.classes.intersection(_ALWAYS) for order in orders):
        return orders
    if known(lambda: facts.kidneys.disease):
        return orders
    return tuple(order for order in orders if order.product.classes.intersection(_ALWAYS))


def _look(test: str, question: Callable[[], object], missing: list[str], gaps: list[DataUnavailable]) -> None:
    try:
        if question() is None:
            missing.append(test)
    except DataUnavailable as gap:
        gaps.append(gap)
