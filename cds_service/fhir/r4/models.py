"""What the R4 models say about the structure of a resource, without ever raising."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

from ..repair import Fault, Kind, Sound, sound, spelled
from . import plain

# R4B is R4 for these: the models of R4B have R4's element names.
TYPES = frozenset(
    {
        "AllergyIntolerance",
        "CarePlan",
        "Condition",
        "DiagnosticReport",
        "Medication",
        "MedicationAdministration",
        "MedicationDispense",
        "MedicationRequest",
        "MedicationStatement",
        "NutritionOrder",
        "Observation",
        "Patient",
        "Procedure",
        "ServiceRequest",
        "Task",
    }
)

# One of each with the elements we read: a model is built when it first meets an element of that kind.
_CONCEPT = {"coding": [{"code": "x"}]}
_QUANTITY = {"value": 1}
_DOSAGE = {
    "timing": {"repeat": {"boundsPeriod": {"start": "2000"}}, "code": _CONCEPT},
    "route": _CONCEPT,
    "doseAndRate": [{"type": _CONCEPT, "doseQuantity": _QUANTITY}, {"doseRange": {"low": _QUANTITY}}],
    "maxDosePerPeriod": {"numerator": _QUANTITY, "denominator": _QUANTITY},
}
_SUBJECT = {"reference": "Patient/x"}
_WARM: dict[str, dict[str, Any]] = {
    "Condition": {"subject": _SUBJECT, "code": _CONCEPT, "clinicalStatus": _CONCEPT},
    "Medication": {"code": _CONCEPT, "ingredient": [{"itemCodeableConcept": _CONCEPT}]},
    "MedicationRequest": {
        "subject": _SUBJECT,
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": _CONCEPT,
        "dosageInstruction": [_DOSAGE],
        "dispenseRequest": {"expectedSupplyDuration": _QUANTITY},
    },
    "MedicationStatement": {
        "subject": _SUBJECT,
        "status": "active",
        "medicationCodeableConcept": _CONCEPT,
        "dosage": [_DOSAGE],
    },
    "Observation": {
        "status": "final",
        "code": _CONCEPT,
        "subject": _SUBJECT,
        "valueQuantity": _QUANTITY,
        "referenceRange": [{"low": _QUANTITY}],
        "component": [{"code": _CONCEPT, "valueQuantity": _QUANTITY}],
    },
    "Patient": {"gender": "unknown", "name": [{"text": "x"}], "identifier": [{"value": "x"}]},
    "ServiceRequest": {"subject": _SUBJECT, "status": "draft", "intent": "order", "code": _CONCEPT},
}

# Models are built when they are first met, and two threads must not build one at once.
_one_at_a_time = threading.RLock()

_NAMES = re.compile(r"'(\w+)'")
_TIMES = re.compile(r"(?:DateTime|Date|Instant|Time) value string")


@cache
def _model(type_name: str) -> Any:
    return getattr(importlib.import_module(f"fhir.resources.R4B.{type_name.lower()}"), type_name)


@cache
def _validation_error() -> type[Exception]:
    error: type[Exception] = importlib.import_module("pydantic").ValidationError
    return error


def warm() -> None:
    """Load and build the models of the resources we read, so that no request pays for it.

    A request that needs one meanwhile waits for the one being built.
    """
    plain.warm()
    for type_name, example in _WARM.items():
        faults(type_name, {"resourceType": type_name, **example})


def faults(type_name: str, candidate: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Everything the model of this type refuses in ``candidate`` at first sight; () when it is sound."""
    try:
        with _one_at_a_time:
            _model(type_name).model_validate(candidate)
    except _validation_error() as error:
        return tuple(_fault(item) for item in _errors(error))
    except Exception:
        return _crashing(type_name, candidate)
    return ()


def check(type_name: str, received: Mapping[str, Any]) -> Sound:
    """What of a resource of this type may be read. A type we have no model for is left as it is."""
    if type_name not in TYPES or plain.is_plain(type_name, received):
        return Sound(received)
    return sound(received, lambda candidate: faults(type_name, candidate))


def validate(resource: Mapping[str, Any], received: Mapping[str, Any] | None = None) -> list[str]:
    """What is wrong with a resource we are about to send, each as "where: what"; [] when it is valid R4.

    Where the resource is an edited copy of what the EHR sent (``received``), the EHR's own faults are not held against
    it, since an edit has to give everything else back as it came.
    """
    type_name = resource.get("resourceType")
    if not isinstance(type_name, str) or type_name not in TYPES:
        return [f"resourceType: must be one of {', '.join(sorted(TYPES))}"]
    found = () if plain.is_plain(type_name, resource) else faults(type_name, dict(resource))
    if not found or received is None:
        return [f"{spelled(fault.path) or type_name}: {fault.why}" for fault in found]
    ours, theirs = check(type_name, resource), check(type_name, received)
    known = {entry.path for entry in theirs.set_aside} | set(theirs.repaired) | set(theirs.missing)
    return (
        [f"{entry.path}: {entry.why}" for entry in ours.set_aside if entry.path not in known]
        + [f"{path}: wrong shape" for path in ours.repaired if path not in known]
        + [f"{path}: required" for path in ours.missing if path not in known]
    )


def _errors(error: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = error.errors(include_url=False, include_context=False, include_input=False)
    return found


def _fault(item: Mapping[str, Any]) -> Fault:
    path = tuple(item["loc"])
    if path and path[-1] == "root":
        path = path[:-1]
    message = str(item["msg"])
    kind = _kind(str(item["type"]), message)
    names = tuple(_NAMES.findall(message)) if kind == "choice" else ()
    return Fault(path, kind, names, _why(kind, message))


def _kind(error_type: str, message: str) -> Kind:
    if error_type == "extra_forbidden":
        return "unknown"
    if error_type == "model_field_validation.missing":
        return "missing"
    if error_type == "missing":
        return "missing-object"
    if error_type == "list_type":
        return "list"
    if "but got multiple" in message:
        return "choice"
    if "Expect any of field value" in message:
        return "missing-choice"
    return "time" if _TIMES.search(message) else "other"


def _why(kind: Kind, message: str) -> str:
    """The model's own words, which name types and patterns and never a value, cut to a line."""
    return message.removeprefix("Value error, ").split("\n")[0][:120] if kind != "unknown" else "unknown element"


def _crashing(type_name: str, candidate: Mapping[str, Any]) -> tuple[Fault, ...]:
    """The elements on which the model does not even complain but breaks; each is tried alone."""
    found = []
    for name, value in candidate.items():
        if name == "resourceType":
            continue
        try:
            with _one_at_a_time:
                _model(type_name).model_validate({"resourceType": type_name, name: value})
        except _validation_error():
            continue
        except Exception as error:
            found.append(Fault((name,), "other", (), f"cannot be checked ({type(error).__name__})"))
    return tuple(found) or (Fault((), "other", (), "cannot be checked"),)
