"""Bisphosphonate or denosumab ordered on top of another antiresorptive drug, or before the next dose is due."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...facts import Facts
from ...facts.antiresorptives import BISPHOSPHONATES, Treatment
from ...facts.orders import SERVICE_REQUESTS
from ...facts.requirements import MEDICATION_STATEMENTS, MEDICATIONS
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

_TRIGGERS = (*BISPHOSPHONATES, "denosumab")
# Products of one drug that are not to be mixed, by their classes; a product of neither class counts as the first.
_PRODUCTS = {
    "zoledronic acid": ("zoledronic-acid-5mg", "zoledronic-acid-4mg"),
    "denosumab": ("denosumab-60", "denosumab-120"),
}
_ZOLEDRONIC, _DENOSUMAB, _IBANDRONATE = "zoledronic-acid-5mg", "denosumab-60", "ibandronate-iv"
_ORAL, _IV = "oral-bisphosphonate", "iv-bisphosphonate"
# Drugs with a source of their own for the same conclusion.
_CASES = ("denosumab", "ibandronate")


@dataclass(frozen=True, slots=True)
class Other:
    """What stands beside an order: the drug, what the record calls it, its day, and the days between the two."""

    drug: str
    label: str
    day: datetime.date | None
    days: int | None


@dataclass(frozen=True, slots=True)
class _Pair:
    """A draft and another treatment, and what is wrong with the two."""

    draft: Treatment
    other: Treatment
    outcome: str
    case: str

    @property
    def about(self) -> tuple[Treatment, ...]:
        """The orders to be judged."""
        return (self.draft, self.other) if self.other.stage == "session" and self.other.trigger else (self.draft,)

    def told(self) -> Other:
        other = self.other
        return Other(other.drug, other.label, other.day, _days(self.draft, other))


@rule(
    hooks=("order-select", "order-sign"),
    about=_TRIGGERS,
    requires=(MEDICATIONS, MEDICATION_STATEMENTS),
    outcomes={
        "two-classes": ("together", "given", "serm"),
        "same-ingredient": ("oral", *_CASES),
        "too-soon": _CASES,
    },
    values=("other", "others", "both", "together", "interval", "strength_not_stated"),
)
def duplicate_antiresorptive(facts: Facts, parameters: Parameters) -> Findings:
    """Holds each draft against every other antiresorptive that counts; an order that is replaced does not."""
    judged = facts.orders(*_TRIGGERS)
    if not judged:
        return
    found = facts.medicines.antiresorptives()
    drafts = [t for t in found.treatments if any(t.order is order for order in judged)]
    pairs = _without_mirrors([p for d in drafts for p in _pairs(d, found.treatments, parameters)])
    for kind in dict.fromkeys((p.draft.order.source, p.outcome, p.case) for p in pairs):
        alike = [p for p in pairs if (p.draft.order.source, p.outcome, p.case) == kind]
        yield _finding(alike, parameters)
    for gap in found.gaps:
        yield Gap.of(gap)


def _finding(pairs: Sequence[_Pair], parameters: Parameters) -> Finding:
    """One finding for everything that is wrong in the same way with one draft."""
    draft, first = pairs[0].draft, pairs[0]
    interval = _interval(draft, parameters)
    return Finding(
        first.outcome,
        about=tuple(dict.fromkeys(t.order for p in pairs for t in p.about)),
        case=first.case,
        values={
            "other": first.told(),
            "others": tuple(p.told() for p in pairs),
            "both": " and ".join(dict.fromkeys((draft.drug, *(p.other.drug for p in pairs)))),
            "together": any(p.other.stage == "session" for p in pairs),
            "interval": interval,
            "strength_not_stated": any(_strength_missing(t) for p in pairs for t in (p.draft, p.other)),
        },
    )


def _without_mirrors(pairs: Sequence[_Pair]) -> list[_Pair]:
    """Two drafts are one pair, whichever of them is looked at first."""
    kept: list[_Pair] = []
    for pair in pairs:
        if not any(k.draft.order is pair.other.order and k.other.order is pair.draft.order for k in kept):
            kept.append(pair)
    return kept


def _pairs(draft: Treatment, treatments: Sequence[Treatment], parameters: Parameters) -> Iterator[_Pair]:
    for other in treatments:
        if other.order is draft.order or _is_its_visit(draft, other):
            continue
        wrong = _wrong(draft, other, parameters)
        if wrong is not None:
            yield _Pair(draft, other, *wrong)


def _is_its_visit(draft: Treatment, other: Treatment) -> bool:
    """Whether one of two drafts is the visit for the infusion or injection that the other prescribes."""
    visits = [t.order.record.type in SERVICE_REQUESTS for t in (draft, other)]
    return other.stage == "session" and draft.drug == other.drug and visits[0] != visits[1]


def _wrong(draft: Treatment, other: Treatment, parameters: Parameters) -> tuple[str, str] | None:
    """Outcome and case of a draft beside another treatment, or None where nothing is wrong."""
    if other.drug != draft.drug:
        return ("two-classes", _how(other)) if _counts(draft, other, parameters) else None
    if draft.within((_ORAL,)) and other.within((_ORAL,)):
        orders = draft.order.record.type == other.order.record.type
        return ("same-ingredient", "oral") if orders and _counts(draft, other, parameters) else None
    case = draft.drug if draft.drug in _CASES else ""
    if _mixed(draft, other):
        return ("same-ingredient", case) if _counts(draft, other, parameters) else None
    days, interval = _days(draft, other), _interval(draft, parameters)
    same = _product(other) == _product(draft)
    return ("too-soon", case) if same and interval and days is not None and days < interval else None


def _how(other: Treatment) -> str:
    """How another drug comes to count: ordered with the draft, a dose that still acts, or as a running order."""
    if other.within(("serm",)):
        return "serm"
    if other.stage == "session":
        return "together"
    return "given" if other.day is not None and _lasting(other) else ""


def _counts(draft: Treatment, other: Treatment, parameters: Parameters) -> bool:
    """Whether the other treatment still acts when the draft is given: a single dose as long as its interval."""
    if other.stage == "given" and not _yearly(other):
        return False
    if not _lasting(other):
        return not (draft.day and other.end and other.end < draft.day) and not _is_over_before(draft, other)
    days = _days(draft, other)
    return days is None or days < (_interval(other, parameters) or parameters.single_dose_days)


def _is_over_before(draft: Treatment, other: Treatment) -> bool:
    return bool(not _lasting(draft) and draft.end and other.day and draft.end < other.day)


def _lasting(treatment: Treatment) -> bool:
    """Whether it is one dose that acts for a long time, whatever the order's own dates say."""
    return treatment.single or _yearly(treatment)


def _yearly(treatment: Treatment) -> bool:
    return _product(treatment) == _ZOLEDRONIC


def _mixed(draft: Treatment, other: Treatment) -> bool:
    """Whether two products of one drug do not belong together: two strengths, or by mouth and by vein."""
    strengths = _PRODUCTS.get(draft.drug)
    if strengths is None:
        routes = [t.order.product.classes & {_ORAL, _IV} for t in (draft, other)]
        return all(routes) and routes[0] != routes[1] and not any(map(_route_missing, (draft, other)))
    stated = [t.order.product.classes.intersection(strengths) for t in (draft, other)]
    return all(stated) and stated[0] != stated[1]


def _product(treatment: Treatment) -> str:
    """The product that has an interval of its own, "" for all others."""
    strengths = _PRODUCTS.get(treatment.drug)
    if strengths is not None:
        return "" if treatment.within(strengths[1:]) else strengths[0]
    by_vein = treatment.within((_IV,)) and not _route_missing(treatment)
    return _IBANDRONATE if by_vein and treatment.drug == "ibandronate" else ""


def _interval(treatment: Treatment, parameters: Parameters) -> int | None:
    """Days that should lie between two doses of the product, where the knowledge has a number for it."""
    product = _product(treatment)
    days: int | None = {
        _ZOLEDRONIC: parameters.zoledronic_acid_5mg_days,
        _DENOSUMAB: parameters.denosumab_60mg_days,
        _IBANDRONATE: parameters.ibandronate_iv_days,
    }.get(product)
    other_dose = treatment.order.product.dose_mg not in (None, parameters.ibandronate_iv_mg)
    return None if product == _IBANDRONATE and other_dose else days


def _strength_missing(treatment: Treatment) -> bool:
    strengths = _PRODUCTS.get(treatment.drug)
    return strengths is not None and not treatment.within(strengths)


def _route_missing(treatment: Treatment) -> bool:
    return "route-not-stated" in treatment.order.product.notes


def _days(draft: Treatment, other: Treatment) -> int | None:
    """Days between the two, whichever comes first; None where a day is not known."""
    return abs((draft.day - other.day).days) if draft.day and other.day else None
