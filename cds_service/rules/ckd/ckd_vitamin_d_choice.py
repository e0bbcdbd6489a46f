"""Active vitamin D ordered where the store of vitamin D is what is low, or where it is no routine treatment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...facts import Facts
from ...facts.questions.kidneys import KidneyDisease
from ...facts.requirements import (
    CONDITIONS,
    MEDICATION_STATEMENTS,
    MEDICATIONS,
    PATIENT,
    SERUM_CALCIUM,
    VITAMIN_D,
)
from ...facts.vitamin_d_state import VitaminDState
from ...fhir import DataUnreadable
from ...knowledge import Parameters
from ..rule import Finding, Findings, rule

_NOT_KNOWN = {"unknown": "unknown", "stale": "stale", "stale-low": "stale"}
# Active vitamin D is itself the treatment of these.
_INDICATIONS = ("hypoparathyroid", "phosphate-wasting", "vitamin-d-dependent-rickets")


@rule(
    hooks=("order-select", "order-sign"),
    about=("vitamin-d-active",),
    requires=(CONDITIONS, MEDICATIONS, MEDICATION_STATEMENTS, VITAMIN_D, SERUM_CALCIUM, PATIENT),
    outcomes={
        "active-without-nutritional": ("dialysis", "unknown", "unknown-dialysis", "stale", "stale-dialysis"),
        "not-routine": (),
        "active-for-deficiency": ("level-not-known",),
    },
    values=("disease", "condition", "level", "course", "unusable", "target", "deficient", "insufficient", "obstacles"),
    uses=("birth-date",),
)
def ckd_vitamin_d_choice(facts: Facts, parameters: Parameters) -> Findings:
    """Judges active vitamin D by kidney disease, the vitamin D state, and whether nutritional vitamin D is taken."""
    orders = facts.orders("vitamin-d-active")
    if not orders:
        return
    disease = facts.kidneys.disease
    if disease is None:
        found = _for_deficiency(facts)
    else:
        found = _without_nutritional(facts, disease) or _not_routine(facts, disease)
    if found is None:
        return
    outcome, case, values = found
    for order in orders:
        yield Finding(outcome, about=(order,), case=case, values=values)


_Found = tuple[str, str, Mapping[str, Any]] | None


def _without_nutritional(facts: Facts, disease: KidneyDisease) -> _Found:
    """In kidney disease: the level is low or not known, and no nutritional vitamin D is taken or ordered."""
    if _nutritional(facts):
        return None
    state = _state(facts)
    known = _NOT_KNOWN.get(state.name, "")
    if known and facts.ordered_in_session("vitamin-d-25oh"):
        return None
    if not known and not _low(state):
        return None
    case = "-".join(part for part in (known, "dialysis" if disease.stage == "dialysis" else "") if part)
    return "active-without-nutritional", case, {"disease": disease, **_values(facts, state)}


def _not_routine(facts: Facts, disease: KidneyDisease) -> _Found:
    if disease.stage != "g3" or facts.condition(*_INDICATIONS):
        return None
    return "not-routine", "", {"disease": disease}


def _for_deficiency(facts: Facts) -> _Found:
    """Without kidney disease: a deficiency on record that no level disproves, and nothing that fills the store."""
    deficiency = facts.condition("vitamin-d-deficiency")
    if deficiency is None or facts.kidneys.transplant or facts.condition(*_INDICATIONS) or _nutritional(facts):
        return None
    state = _state(facts)
    if not _low(state) and state.name not in _NOT_KNOWN:
        return None
    case = "" if _low(state) else "level-not-known"
    return "active-for-deficiency", case, {"condition": deficiency, **_values(facts, state)}


def _nutritional(facts: Facts) -> bool:
    """Whether nutritional vitamin D is certainly taken or ordered; "none" only from complete lists."""
    found = facts.medicines.running("vitamin-d-nutritional")
    if not found.entries and found.gaps:
        raise found.gaps[0]
    return bool(found.entries)


def _state(facts: Facts) -> VitaminDState:
    """The state; a sufficient level with a newer one that could not be used is no answer."""
    state = facts.vitamin_d.state
    if state.name == "newer-unusable":
        raise DataUnreadable(VITAMIN_D.key, "a newer result could not be used")
    return state


def _low(state: VitaminDState) -> bool:
    return state.recent_level is not None and state.recent_level.low and state.name != "being-corrected"


def _values(facts: Facts, state: VitaminDState) -> Mapping[str, Any]:
    """What the sentences need. Vitamin D may be on offer where a recent level is low and no course has ended since."""
    offered = _low(state) and state.course is None
    band = state.level.band if offered and state.level else ""
    return {
        "level": state.level,
        "course": state.course,
        "unusable": state.unusable,
        "target": facts.vitamin_d.target(state.level),
        "deficient": band == "deficient",
        "insufficient": band == "insufficient",
        "obstacles": facts.vitamin_d.obstacles if offered else None,
    }
