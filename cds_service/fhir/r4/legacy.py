"""Shapes of earlier FHIR versions (and one of R5) that have exactly one R4 meaning, spelled as R4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DOSES = ("doseQuantity", "doseRange", "rateQuantity", "rateRange", "rateRatio")
_DOSAGES = {"MedicationRequest": "dosageInstruction", "MedicationStatement": "dosage"}
_TYPES = {"ProcedureRequest": "ServiceRequest"}


def type_meant(type_name: str) -> str:
    """The R4 name of a resource type: ServiceRequest for STU3's ProcedureRequest, any other as it is."""
    return _TYPES.get(type_name, type_name)


def modernized(type_name: str, received: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The resource with old shapes spelled as R4, and where; the very same mapping when there were none."""
    changed: dict[str, Any] = {}
    notes: list[str] = []
    if type_name in _DOSAGES:
        _modernize_dosages(_DOSAGES[type_name], received, changed, notes)
        _modernize_reason(received, changed, notes)
    if type_name == "MedicationStatement" and received.get("taken") == "n":
        changed["status"] = "not-taken"
        notes.append("taken")
    if type_name == "Condition":
        for name in ("clinicalStatus", "verificationStatus"):
            status = received.get(name)
            if isinstance(status, str) and status.strip():
                changed[name] = {"coding": [{"code": status.strip()}]}
                notes.append(name)
    if received.get("resourceType") != type_name:
        changed["resourceType"] = type_name
    return ({**received, **changed}, tuple(notes)) if changed else (received, ())


def _modernize_reason(received: Mapping[str, Any], changed: dict[str, Any], notes: list[str]) -> None:
    reason = received.get("reasonCodeableConcept")
    if reason is not None and "reasonCode" not in received:
        changed["reasonCode"] = reason if isinstance(reason, list) else [reason]
        notes.append("reasonCodeableConcept")


def _modernize_dosages(name: str, received: Mapping[str, Any], changed: dict[str, Any], notes: list[str]) -> None:
    sent = received.get(name)
    dosages = sent if isinstance(sent, list) else [sent]
    if not any(isinstance(dosage, dict) and _is_old(dosage) for dosage in dosages):
        return
    changed[name] = [_dosage(dosage) if isinstance(dosage, dict) else dosage for dosage in dosages]
    notes.append(name)


def _is_old(dosage: Mapping[str, Any]) -> bool:
    return ("doseAndRate" not in dosage and any(name in dosage for name in _DOSES)) or _is_new_as_needed(dosage)


def _is_new_as_needed(dosage: Mapping[str, Any]) -> bool:
    """R5 renamed "as needed"; overlooking it would make a scheduled dose of it."""
    return bool(dosage.get("asNeeded") or dosage.get("asNeededFor")) and not any(
        name in dosage for name in ("asNeededBoolean", "asNeededCodeableConcept")
    )


def _dosage(dosage: dict[str, Any]) -> dict[str, Any]:
    meant = dict(dosage)
    if "doseAndRate" not in dosage:
        moved = {name: meant.pop(name) for name in _DOSES if name in dosage}
        if moved:
            meant["doseAndRate"] = [moved]
    if _is_new_as_needed(dosage):
        meant["asNeededBoolean"] = True
    return meant
