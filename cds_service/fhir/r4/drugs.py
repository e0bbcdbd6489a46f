"""What an order is for, for whom the drug does not matter: known without a look at the rest of it."""

from __future__ import annotations

from typing import Any

from ..elements import MedicationRecord
from ..lengths import LONGEST_LIST, LONGEST_TEXT
from ..resource import Resource
from . import values
from .medication import is_modified

_ORDERS = frozenset({"MedicationRequest", "MedicationStatement"})
# What changes the meaning of other orders, or of this one, whatever drug it is for.
_TELLING = frozenset({"medicationReference", "medication", "priorPrescription", "doNotPerform"})
_CONCEPT = frozenset({"coding", "text"})
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
    if type(status) is not str or type(intent) is not str or not _is_plain(sent) or is_modified(raw):
        return None
    return MedicationRecord(
        source=f"{resource.type}/{resource.id}",
        type=resource.type,
        id=resource.id,
        status=status.strip(),
        intent=intent.strip(),
        medication=values.concept(sent),
    )


def _is_plain(concept: dict[str, Any]) -> bool:
    """Whether a concept holds nothing but texts of ordinary length where texts should be."""
    codings = concept.get("coding", [])
    if not concept.keys() <= _CONCEPT or type(codings) is not list or len(codings) > LONGEST_LIST:
        return False
    said = [concept["text"]] if "text" in concept else []
    for coding in codings:
        if type(coding) is not dict or not coding.keys() <= _CODING:
            return False
        said += coding.values()
    for text in said:
        if type(text) is not str or not 0 < len(text) <= LONGEST_TEXT or text.isspace():
            return False
    return bool(said)
