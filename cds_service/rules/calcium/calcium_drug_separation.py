"""Calcium by mouth together with a drug whose absorption it blocks."""

from __future__ import annotations

from collections.abc import Mapping

from ...facts import Facts
from ...facts.orders import Order
from ...facts.requirements import MEDICATION_STATEMENTS, MEDICATIONS
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

_DRUGS = ("levothyroxine", "fluoroquinolone", "tetracycline", "dolutegravir", "oral-bisphosphonate")
_NOT_SWALLOWED = frozenset({"iv", "im", "sc", "topical"})


@rule(
    hooks=("order-select", "order-sign"),
    about=("calcium", *_DRUGS),
    requires=(MEDICATIONS, MEDICATION_STATEMENTS),
    outcomes={"separate": (*_DRUGS, "ibandronate")},
    values=("other", "calcium", "hours", "before", "after", "least", "most", "minutes"),
)
def calcium_drug_separation(facts: Facts, parameters: Parameters) -> Findings:
    """One finding for each drug that meets calcium in the gut, when one of the two is ordered now.

    A renewal is told like a start: as a note on the card about calcium, once for each drug. Where the directions of
    the drug, or those of all the calcium, already say to keep the two apart, nothing is said.
    """
    judged = [order for order in facts.orders("calcium", *_DRUGS) if _is_swallowed(order)]
    if not judged:
        return
    found = facts.medicines.present("calcium", *_DRUGS)
    taken = [e.order for e in found.entries if _is_swallowed(e.order)]
    calcium = [order for order in taken if "calcium" in order.product.classes and not _kind(order)]
    said: set[tuple[str, str]] = set()
    for order in taken:
        kind = _kind(order)
        if not kind or not calcium or (kind, order.drug) in said or _not_bound(order, parameters):
            continue
        about = tuple(o for o in (*calcium, order) if o in judged)
        if not about or _already_apart(order, kind, calcium):
            continue
        said.add((kind, order.drug))
        case = "ibandronate" if "ibandronate" in order.product.ingredients else kind
        values = {"other": order.drug, "calcium": calcium[0], **_apart(case, parameters)}
        yield Finding("separate", about=about, case=case, values=values)
    yield from (Gap.of(gap) for gap in found.gaps)


def _is_swallowed(order: Order) -> bool:
    product = order.product
    return "calcium-parenteral" not in product.classes and product.route not in _NOT_SWALLOWED


def _kind(order: Order) -> str:
    """The class by which calcium blocks it; none for calcium, nor for a pack that holds both."""
    return next((kind for kind in _DRUGS if kind in order.product.classes), "")


def _not_bound(order: Order, parameters: Parameters) -> bool:
    return not set(order.product.ingredients).isdisjoint(parameters.not_bound)


def _already_apart(order: Order, kind: str, calcium: list[Order]) -> bool:
    names = (*order.product.ingredients, *([order.product.brand] if order.product.brand else []))
    return order.keeps_apart_from("calcium", ()) or all(o.keeps_apart_from(kind, names) for o in calcium)


def _apart(case: str, parameters: Parameters) -> Mapping[str, int]:
    """How far apart, in the terms of the drug's own label: hours or minutes."""
    hours: Mapping[str, Mapping[str, int]] = {
        "levothyroxine": {"hours": parameters.levothyroxine_hours},
        "fluoroquinolone": parameters.fluoroquinolone_hours,
        "tetracycline": parameters.tetracycline_hours,
        "dolutegravir": parameters.dolutegravir_hours,
        "oral-bisphosphonate": {"minutes": parameters.bisphosphonate_minutes},
        "ibandronate": {"minutes": parameters.ibandronate_minutes},
    }
    return hours[case]
