"""The same request in the four dresses EHRs send it in; none of them changes what it means."""

from __future__ import annotations

import copy
import datetime
import re
from collections.abc import Callable, Iterator
from typing import Any

from .vignettes import ZONE, Json

EPIC_BASE = "https://ehr.example/api/FHIR/R4"

_OID = "urn:oid:1.2.840.114350.1.13.9999"  # a made-up instance under a vendor's root
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_DOSE_KINDS = ("calculated", "admin-amount", "ordered")
_COUNTED = {"tablet", "capsule"}
_UCUM = "http://unitsofmeasure.org"


def plain(request: Json) -> Json:
    """As the specification has it."""
    return copy.deepcopy(request)


def epic(request: Json) -> Json:
    """Medications by reference, three amounts for one dose, absolute references, instants in UTC, empty searches
    that say so in an OperationOutcome, and the vendor's own extensions."""
    dressed = copy.deepcopy(request)
    dressed["fhirServer"] = EPIC_BASE
    dressed["extension"] = {
        "com.epic.cdshooks.request.bpa-trigger-action": "20",
        "com.epic.cdshooks.request.cds-hooks-specification-version": "1.1",
        "internal.epic.cdshooks.request.epic-version": "11.3",
    }
    dressed["context"]["userId"] = "PractitionerRole/dr-role-1"
    if drafts := dressed["context"].get("draftOrders"):
        drafts["entry"] = [entry for draft in drafts["entry"] for entry in _epic_entries(draft, absolute=False)]
    for key, value in dressed["prefetch"].items():
        dressed["prefetch"][key] = _epic_answer(value)
    return dressed


def sandbox(request: Json) -> Json:
    """The public sandbox: no Bundle type, objects for lists, doses in {pill} without a unit, no encounter."""
    dressed = copy.deepcopy(request)
    context = dressed["context"]
    context["userId"] = "Practitioner/COREPRACTITIONER1"
    context.pop("encounterId", None)
    if drafts := context.get("draftOrders"):
        drafts.pop("type", None)
        for entry in drafts["entry"]:
            if entry["resource"]["resourceType"] == "MedicationRequest":
                _sandbox_order(entry["resource"])
    return dressed


def late_coding(request: Json) -> Json:
    """The useful code last among several: the EHR's own, a drug file's, a drug group's, then the one we know."""
    dressed = copy.deepcopy(request)
    for resource in _resources(dressed):
        for name in ("medicationCodeableConcept", "code"):
            if isinstance(concept := resource.get(name), dict) and concept.get("coding"):
                concept["coding"] = [*_LOCAL.get(resource["resourceType"], []), *concept["coding"]]
    return dressed


DRESSES: tuple[Callable[[Json], Json], ...] = (plain, epic, sandbox, late_coding)

_DRUG = [
    {"system": f"{_OID}.2.7.2.698288", "code": "900417"},
    {"system": "urn:oid:2.16.840.1.113883.6.208", "code": "999999"},
    {"system": "urn:oid:2.16.840.1.113883.6.68", "code": "99999999999999"},
]
_LOCAL: dict[str, list[Json]] = {
    "MedicationRequest": _DRUG,
    "MedicationStatement": _DRUG,
    "Medication": _DRUG,
    "Observation": [{"system": f"{_OID}.2.7.5.737384", "code": "900128"}],
    "Condition": [{"system": f"{_OID}.2.7.4.696784", "code": "900033"}],
    "ServiceRequest": [{"system": f"{_OID}.2.7.2.696580", "code": "900061"}],
}


def _resources(request: Json) -> Iterator[Json]:
    """Every resource of a request, contained ones too."""
    bundles = [request["context"].get("draftOrders"), *request["prefetch"].values()]
    for bundle in bundles:
        for entry in (bundle or {}).get("entry", []):
            yield entry["resource"]
            yield from entry["resource"].get("contained", [])


def _epic_answer(value: Any) -> Any:
    if not isinstance(value, dict) or value["resourceType"] == "OperationOutcome":
        return value
    if value["resourceType"] != "Bundle":
        return _epic_resource(value)
    if not value.get("entry"):
        return {**value, "total": 0, "entry": [_NOTHING_FOUND]}
    return {**value, "entry": [entry for one in value["entry"] for entry in _epic_entries(one, absolute=True)]}


_NOTHING_FOUND: Json = {
    "fullUrl": "urn:uuid:00000000-0000-4101-8000-000000000000",
    "resource": {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "warning",
                "code": "processing",
                "details": {"coding": [{"system": f"{_OID}.2.657369", "code": "4101"}], "text": "No results."},
                "diagnostics": "The search returned no results.",
            }
        ],
    },
    "search": {"mode": "outcome"},
}


def _epic_entries(entry: Json, *, absolute: bool) -> list[Json]:
    """One entry, and after it the Medication its order now refers to."""
    resource = entry["resource"]
    if resource["resourceType"] != "MedicationRequest" or "medicationCodeableConcept" not in resource:
        return [_epic_entry(entry, resource)]
    concept = resource.pop("medicationCodeableConcept")
    medication = {"resourceType": "Medication", "id": f"med-{resource['id']}", "code": concept}
    reference = f"Medication/{medication['id']}"
    resource["medicationReference"] = {"reference": f"{EPIC_BASE}/{reference}" if absolute else reference}
    if text := concept.get("text"):
        resource["medicationReference"]["display"] = text
    own: Json = {"fullUrl": f"{EPIC_BASE}/{reference}", "resource": medication}
    if "search" in entry:
        own["search"] = {"mode": "include"}
    return [_epic_entry(entry, resource), own]


def _epic_entry(entry: Json, resource: Json) -> Json:
    kept = {"search": entry["search"]} if "search" in entry else {}
    address = f"{EPIC_BASE}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": address, "resource": _epic_resource(resource), **kept}


def _epic_resource(resource: Json) -> Json:
    kind = resource["resourceType"]
    if kind == "MedicationRequest":
        resource["category"] = resource.get("category") or {
            "coding": [{"system": f"{_OID}.2.7.10.798268.7595", "code": "1", "display": "Outpatient"}],
            "text": "Outpatient",
        }
    for dosage in resource.get("dosageInstruction", []):
        _epic_dosage(dosage)
    for name in ("effectiveDateTime", "authoredOn"):
        if _DAY.fullmatch(resource.get(name, "")):
            resource[name] = _noon(resource[name])
    absolute: Json = _absolute(resource)
    return absolute


def _epic_dosage(dosage: Json) -> None:
    if route := dosage.get("route"):
        local = {"system": f"{_OID}.2.7.4.698288.7025", "code": "11", "display": route["text"]}
        dosage["route"] = {"coding": [local], "text": route["text"]}
    amounts = dosage.get("doseAndRate", [])
    if len(amounts) == 1 and "type" not in amounts[0]:
        kinds = ({"coding": [{"system": f"{_OID}.dose-rate-type", "code": kind}], "text": kind} for kind in _DOSE_KINDS)
        dosage["doseAndRate"] = [{"type": kind, **copy.deepcopy(amounts[0])} for kind in kinds]


def _noon(day: str) -> str:
    """Noon of the day where the site is, written in UTC."""
    noon = datetime.datetime.combine(datetime.date.fromisoformat(day), datetime.time(12), ZONE)
    return noon.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(item) for item in value]
    if not isinstance(value, dict):
        return value
    # A draft's Medication lies beside it in the same Bundle and is referred to as it came.
    return {
        name: f"{EPIC_BASE}/{item}"
        if name == "reference" and isinstance(item, str) and _RELATIVE.fullmatch(item) and "Medication/" not in item
        else _absolute(item)
        for name, item in value.items()
    }


def _sandbox_order(order: Json) -> None:
    category = order.get("category") or [
        {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/medicationrequest-category",
                    "code": "outpatient",
                    "display": "Outpatient",
                }
            ]
        }
    ]
    order["category"] = category[0]
    if len(reasons := order.get("reasonCode", [])) == 1:
        order["reasonCode"] = reasons[0]
    if "medicationCodeableConcept" not in order and "medicationReference" not in order:
        order.pop("intent", None)  # the form was opened and nothing chosen yet
    for dosage in order.get("dosageInstruction", []):
        for amount in dosage.get("doseAndRate", []):
            if amount.get("doseQuantity", {}).get("unit") in _COUNTED:
                amount["doseQuantity"] = {"value": amount["doseQuantity"]["value"], "system": _UCUM, "code": "{pill}"}
