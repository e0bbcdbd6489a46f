"""What an order is for, for whom the drug does not matter: known without a look at the rest of it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..elements import Concept, MedicationRecord
from ..lengths import LONGEST_LIST, LONGEST_TEXT
from ..resource import Resource
from . import values
from .medication import is_modified

_ORDERS = frozenset({"MedicationRequest", "MedicationStatement"})
# What changes the meaning of other orders, or of this one, whatever drug it is for.
_TELLING = frozenset({"medicationReference", "medication", "priorPrescription", "doNotPerform"})
_CONCEPT = frozenset({"coding", "text"})
_USUAL_CODINGS, _USUAL_TEXT = 4, 200  # of what is remembered: it must not fill the memory
_CODING = frozenset({"system", "version", "code", "display"})


def drug_alone(resource: Resource) -> MedicationRecord | None:
    """What an order or statement is for, and nothing else of it but its state, for whom the drug does not matter.

    Only where it names the drug in the plainest way and says nothing else that could matter whatever the drug is: no
    reference to a drug, no prescription that it replaces, no modifier. None calls for a closer look.
    """
    raw = resource.raw
    sent, status, intent = raw.get("medicationCodeableConcept"), raw.get("status", ""), raw.get("intent", "")
    if resource.type not in _ORDERS or type(sent) is not dict or not raw.keys().isdisjoint(_TELLING):
        return None
    if type(status) is not str or type(intent) is not str or is_modified(raw):
        return None
    medication = _drug(sent)
    if medication is None:
        return None
    return MedicationRecord(
        source=f"{resource.type}/{resource.id}",
        type=resource.type,
        id=resource.id,
        status=status.strip(),
        intent=intent.strip(),
        medication=medication,
    )


def _drug(concept: dict[str, Any]) -> Concept | None:
    """What a concept names; None where it holds anything but texts of ordinary length where texts should be."""
    codings = concept.get("coding", [])
    if type(codings) is not list or len(codings) > LONGEST_LIST or not concept.keys() <= _CONCEPT:
        return None
    try:
        said = tuple([tuple(coding.items()) for coding in codings])
        usual = len(said) <= _USUAL_CODINGS and all(len(value) <= _USUAL_TEXT for one in said for _, value in one)
        known = _known_drug if usual and len(concept.get("text", "")) <= _USUAL_TEXT else _known_drug.__wrapped__
        return known(said, concept.get("text"), "text" in concept)
    except (AttributeError, TypeError):  # a coding that is no object, or holds one
        return None


@lru_cache(maxsize=2048)
def _known_drug(codings: tuple[tuple[tuple[str, Any], ...], ...], text: Any, has_text: bool) -> Concept | None:
    """The same of its members; of a drug it is remembered."""
    concept = {"coding": [dict(coding) for coding in codings], **({"text": text} if has_text else {})}
    return values.concept(concept) if _is_plain(concept) else None


def _is_plain(concept: dict[str, Any]) -> bool:
    """Whether a concept holds nothing but texts of ordinary length where texts should be."""
    codings = concept["coding"]
    said = [concept["text"]] if "text" in concept else []
    for coding in codings:
        if not coding.keys() <= _CODING:
            return False
        said += coding.values()
    for text in said:
        if type(text) is not str or not 0 < len(text) <= LONGEST_TEXT or text.isspace():
            return False
    return bool(said)
