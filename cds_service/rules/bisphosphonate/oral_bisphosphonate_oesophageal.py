"""Oral bisphosphonate ordered for a gullet that does not empty, or for somebody who cannot sit up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...facts import Facts
from ...facts.clearance import Estimate
from ...facts.creatinine import Rise
from ...facts.questions.basis import ask
from ...facts.questions.kidneys import KidneyDisease, RenalFunction
from ...facts.questions.vitamin_d import LatestLevel
from ...facts.requirements import CONDITIONS, PATIENT, RENAL, VITAMIN_D
from ...facts.vitamin_d import Level
from ...fhir import DataUnavailable
from ...knowledge import Parameters
from ..rule import Finding, Findings, Gap, rule

_OUTCOMES = (("contraindicated", "oes-emptying"), ("cannot-sit-upright", "no-upright"))


@dataclass(frozen=True, slots=True)
class IvRoute:
    """What is known about the way out, an infusion: what of kidneys and vitamin D stands in its way, or is not known.

    Of the clearances one at most is set: ``open_clearance`` stands in nobody's way, ``low_clearance`` rules every
    infusion out, ``limited_clearance`` zoledronic acid 5 mg only; ``filtration`` is a rate that decides nothing.
    """

    open_clearance: Estimate | None = None
    low_clearance: Estimate | None = None
    limited_clearance: Estimate | None = None
    filtration: Estimate | None = None
    rise: Rise | None = None
    disease: KidneyDisease | None = None
    renal_unknown: bool = False
    level: Level | None = None
    level_corrected: bool = False

    @property
    def open(self) -> bool:
        """Whether nothing stands in its way."""
        return self.level_corrected and (self.open_clearance or self.limited_clearance) is not None


@rule(
    hooks=("order-select", "order-sign"),
    about=("oral-bisphosphonate",),
    requires=(CONDITIONS, RENAL, PATIENT, VITAMIN_D),
    outcomes={"contraindicated": (), "cannot-sit-upright": (), "caution": ()},
    values=("condition", "minutes", "iv", "min_clearance", "zoledronic_min_clearance"),
    uses=("birth-date", "sex"),
)
def oral_bisphosphonate_oesophageal(facts: Facts, parameters: Parameters) -> Findings:
    """Speaks for each oral bisphosphonate; an infusion is named only with what is known of kidneys and vitamin D."""
    orders = facts.orders("oral-bisphosphonate")
    if not orders:
        return
    found = [(outcome, c) for outcome, group in _OUTCOMES if (c := facts.condition(group)) is not None]
    if not found and (careful := facts.condition("oes-caution")) is not None:
        found = [("caution", careful)]
    if not found:
        return
    gaps: list[DataUnavailable] = []
    iv = _iv_route(facts, parameters, gaps)
    for outcome, condition in found:
        for order in orders:
            yield Finding(
                outcome,
                about=(order,),
                values={
                    "condition": condition,
                    "minutes": _minutes(order.product.ingredients, parameters),
                    "iv": iv,
                    "min_clearance": parameters.iv_min_clearance,
                    "zoledronic_min_clearance": parameters.zoledronic_min_clearance,
                },
            )
    for gap in gaps:
        yield Gap.of(gap)


def _minutes(ingredients: Iterable[str], parameters: Parameters) -> int:
    """Minutes upright after the drug: the longest known for its ingredients, else the longest of all."""
    known = parameters.upright_minutes
    minutes: int = max((known[name] for name in ingredients if name in known), default=max(known.values()))
    return minutes


def _iv_route(facts: Facts, parameters: Parameters, gaps: list[DataUnavailable]) -> IvRoute:
    renal: RenalFunction | None = ask(lambda: facts.kidneys.function, gaps)
    latest: LatestLevel | None = ask(lambda: facts.vitamin_d.latest, gaps)
    if renal is not None and renal.gap is not None:
        gaps.append(renal.gap)
    level = latest.level if latest else None
    corrected = latest is not None and latest.corrected
    if renal is not None and renal.name in ("dialysis", "coded"):
        return IvRoute(disease=renal.disease, level=level, level_corrected=corrected)
    if renal is not None and renal.rise is not None:
        return IvRoute(rise=renal.rise, level=level, level_corrected=corrected)
    estimate = renal.estimate if renal is not None and renal.name in ("measured", "surrogate") else None
    if estimate is None:
        return IvRoute(renal_unknown=True, level=level, level_corrected=corrected)
    return replace(_by_estimate(estimate, parameters), level=level, level_corrected=corrected)


def _by_estimate(estimate: Estimate, parameters: Parameters) -> IvRoute:
    if estimate.kind == "egfr":
        return IvRoute(filtration=estimate)
    if estimate.may_be_below(parameters.iv_min_clearance):
        return IvRoute(low_clearance=estimate)
    if estimate.may_be_below(parameters.zoledronic_min_clearance):
        return IvRoute(limited_clearance=estimate)
    return IvRoute(open_clearance=estimate)
