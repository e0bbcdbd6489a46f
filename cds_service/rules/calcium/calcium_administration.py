"""Calcium by mouth ordered with meals or away from them, a binder without meals, calcium together with phosphate."""

from __future__ import annotations

from ...facts import Facts
from ...facts.orders import Order
from ...facts.requirements import CONDITIONS, MEDICATION_STATEMENTS, MEDICATIONS
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

# Calcium that meals do not matter for here: what is taken for the stomach, and what has calcium beside much else.
_MEALS_NO_MATTER = frozenset({"calcium-parenteral", "calcium-binder", "calcium-antacid", "multivitamin"})
# With one of these on record calcium at meals may well be a binder, although the order does not say so.
_BINDER_LIKELY = ("ckd", "dialysis", "hyperphosphataemia")
_INTO_A_VEIN = frozenset({"iv", "im"})


@rule(
    hooks=("order-select", "order-sign"),
    about=("calcium", "phosphate"),
    requires=(MEDICATIONS, MEDICATION_STATEMENTS, CONDITIONS),
    outcomes={
        "with-meals": (),
        "between-meals": (),
        "binder-not-with-meals": (),
        "with-phosphate": ("intravenous",),
    },
    values=("calcium", "phosphate", "one_draft"),
)
def calcium_administration(facts: Facts, parameters: Parameters) -> Findings:
    """Looks at when calcium is taken and what it is taken with; the problem list is read last."""
    orders = facts.orders("calcium", "phosphate")
    if not orders:
        return
    yield from _with_phosphate(facts, orders)
    for order in orders:
        if "calcium-binder" in order.product.classes and order.is_scheduled and not order.meals & {"with", "before"}:
            yield Finding("binder-not-with-meals", about=(order,), values={})
    for order in orders:
        outcome = _against_advice(order, parameters.meal_advice)
        # Whether it may be a binder all the same is asked last, and of no other order.
        if outcome and facts.condition(*_BINDER_LIKELY) is None:
            yield Finding(outcome, about=(order,), values={})


def _against_advice(order: Order, advice: str) -> str:
    """The outcome where an order for calcium by mouth is tied to meals, or kept from them, against the advice."""
    classes, meals = order.product.classes, order.meals
    if "calcium" not in classes or classes & _MEALS_NO_MATTER or order.is_as_needed:
        return ""
    if advice == "salt-specific":
        return "between-meals" if meals == {"apart"} and "calcium carbonate" in order.product.ingredients else ""
    return "with-meals" if "with" in meals and "apart" not in meals else ""


def _with_phosphate(facts: Facts, judged: tuple[Order, ...]) -> Findings:
    """One finding for all pairs that meet in one vein, and one for those that meet in the gut."""
    found = facts.medicines.present("calcium", "phosphate")
    calcium = [e.order for e in found.entries if "phosphate" not in e.order.product.classes]
    phosphate = [e.order for e in found.entries if "calcium" not in e.order.product.classes]
    pairs = [(c, p) for c in calcium for p in phosphate if c in judged or p in judged]
    for case in ("intravenous", ""):
        alike = [pair for pair in pairs if _meet(*pair) == (case or "by-mouth")]
        if alike:
            about = tuple(o for o in judged if any(o in pair for pair in alike))
            # Which of two drafts to give up is not for us to say.
            values = {"calcium": alike[0][0], "phosphate": alike[0][1], "one_draft": len(about) == 1}
            yield Finding("with-phosphate", about=about, case=case, values=values)
    yield from (Gap.of(gap) for gap in found.gaps)


def _meet(calcium: Order, phosphate: Order) -> str:
    """Where the two meet: "intravenous", "by-mouth", or "" where they do not."""
    calcium_in_vein = "calcium-parenteral" in calcium.product.classes
    phosphate_in_vein = phosphate.product.route in _INTO_A_VEIN
    if calcium_in_vein and phosphate_in_vein:
        return "intravenous"
    unknown = phosphate.product.route == ""
    return "by-mouth" if not phosphate_in_vein and (unknown or not calcium_in_vein) else ""
