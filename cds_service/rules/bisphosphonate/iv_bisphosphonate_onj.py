"""Intravenous bisphosphonate ordered where the jaw is at risk: high doses, past osteonecrosis, dental surgery."""

from __future__ import annotations

from ...facts import Facts
from ...facts.orders import Order
from ...facts.questions.basis import ask
from ...facts.requirements import CONDITIONS, SERUM_CALCIUM, SERVICE_REQUESTS
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule


@rule(
    hooks=("order-select", "order-sign"),
    about=("iv-bisphosphonate",),
    requires=(CONDITIONS, SERVICE_REQUESTS, SERUM_CALCIUM),
    outcomes={"oncology-dose": (), "prior-onj": (), "dental-procedure": ()},
    values=("condition", "procedure", "dose_not_stated"),
)
def iv_bisphosphonate_onj(facts: Facts, parameters: Parameters) -> Findings:
    """Speaks of the jaw before each intravenous bisphosphonate; silent for osteoporosis doses without a risk."""
    orders = facts.orders("iv-bisphosphonate")
    if not orders:
        return
    gaps: list[DataUnavailable] = []
    past = ask(lambda: facts.condition("onj"), gaps)
    if past is not None:
        yield Finding("prior-onj", about=orders, values={"condition": past})
    procedure = ask(lambda: facts.planned("dental-invasive", parameters.planned_within_days), gaps)
    if procedure is not None:
        yield Finding("dental-procedure", about=orders, values={"procedure": procedure})
    for order in orders:
        if not _may_be_high(order, parameters):
            continue
        cancer = ask(lambda: facts.condition("bone-cancer"), gaps)
        if cancer is not None and ask(lambda: facts.calcium.emergency, gaps) is None:
            stated = order.product.dose_mg is not None
            yield Finding("oncology-dose", about=(order,), values={"condition": cancer, "dose_not_stated": not stated})
    for gap in gaps:
        yield Gap.of(gap)


def _may_be_high(order: Order, parameters: Parameters) -> bool:
    """Whether the order may be a dose for bone lesions: everything but what is known to be an osteoporosis dose."""
    product = order.product
    if "zoledronic-acid-5mg" in product.classes or "route-not-stated" in product.notes:
        return False
    return "ibandronate" not in product.ingredients or product.dose_mg != parameters.ibandronate_osteoporosis_mg
