"""CDS Hooks requests of a wanted size: one patient, orders, and a record that grows in all its parts alike."""

from __future__ import annotations

import datetime
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal

Json = dict[str, Any]
Kind = Literal["unspoken", "complete", "told", "missing"]

# An order no rule speaks of; zoledronic acid with nothing to say, with a low 25(OH)D, and with results withheld.
KINDS: tuple[Kind, ...] = ("unspoken", "complete", "told", "missing")

PATIENT = "6f2c1b9e-bench"
USER = "Practitioner/4417"
TODAY = "2026-11-20"
_INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
_LOINC, _UCUM = "http://loinc.org", "http://unitsofmeasure.org"
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_ICD, _SNOMED = "http://hl7.org/fhir/sid/icd-10-cm", "http://snomed.info/sct"

# Key, LOINC code, its name, a value in range, its unit, and the normal range.
_RESULTS = (
    ("vitamin-d", "1989-3", "25-hydroxyvitamin D3 [Mass/volume] in Serum or Plasma", 38, "ng/mL", 30, 100),
    ("renal", "2160-0", "Creatinine [Mass/volume] in Serum or Plasma", 0.8, "mg/dL", 0.5, 1.1),
    ("serum-calcium", "17861-6", "Calcium [Mass/volume] in Serum or Plasma", 9.4, "mg/dL", 8.6, 10.2),
    ("renal", "29463-7", "Body weight", 68, "kg", 45, 110),
    ("dxa", "38263-0", "DXA Femur - right [T-score] Bone density", -2.6, "{T-score}", -1, 4),
    ("dietary-calcium", "9045-6", "Calcium intake 24 hour", 1250, "mg/(24.h)", 700, 1500),
    ("renal", "98979-8", "Glomerular filtration rate [CKD-EPI 2021]", 78, "mL/min/{1.73_m2}", 60, 120),
    ("serum-calcium", "1751-7", "Albumin [Mass/volume] in Serum or Plasma", 4.2, "g/dL", 3.5, 5.0),
    ("phosphate", "2777-1", "Phosphate [Mass/volume] in Serum or Plasma", 3.4, "mg/dL", 2.5, 4.5),
    ("pth", "2731-8", "Parathyrin.intact [Mass/volume] in Serum or Plasma", 44, "pg/mL", 15, 65),
)
# What an older woman takes: vitamin D once, and much that is nothing to the skeleton. Name, RxNorm code, dose,
# directions.
_VITAMIN_D = ("cholecalciferol 1000 UNT Oral Tablet", "199362", 1, "1 tablet daily")
_DRUGS = (
    ("lisinopril 10 MG Oral Tablet", "314076", 1, "1 tablet every morning"),
    ("atorvastatin 20 MG Oral Tablet", "617310", 1, "1 tablet at bedtime"),
    ("metformin hydrochloride 500 MG Oral Tablet", "861007", 1, "1 tablet twice daily with meals"),
    ("amlodipine 5 MG Oral Tablet", "197361", 1, "1 tablet daily"),
    ("levothyroxine sodium 0.05 MG Oral Tablet", "966247", 1, "1 tablet daily on an empty stomach"),
    ("acetaminophen 500 MG Oral Tablet", "198440", 2, "2 tablets every 6 hours as needed for pain"),
)
_CONDITIONS = (
    ("M81.0", "64859006", "Age-related osteoporosis without current pathological fracture"),
    ("I10", "38341003", "Essential (primary) hypertension"),
    ("E03.9", "40930008", "Hypothyroidism, unspecified"),
)
# Of every 33 resources: results, orders, problems.
_SHARES = (20, 10, 3)
# Spread, but with results first: so the smallest record has all that is asked for. Each with how many came before it.
_FIRST = (0, 2.6, 0.9)
_SPREAD = sorted(
    ((index + _FIRST[which]) / _SHARES[which], which, index) for which in range(3) for index in range(_SHARES[which])
)
_TURNS = tuple((which, index) for _, which, index in _SPREAD)
_EMPTY_KEYS = ("medication-statements", "service-requests", "urine-calcium")


@cache
def body(kind: Kind, size: int, today: str = TODAY) -> bytes:
    """A request of ``kind`` as JSON of about ``size`` bytes: at most so many, and with one resource more it had more.

    Its dates are counted from ``today``. The smallest has one resource, whatever ``size`` is.
    """
    return encoded(document(kind, resources(kind, size, today), today))


@cache
def resources(kind: Kind, size: int, today: str = TODAY) -> int:
    """How many resources beside the patient the body of this size holds."""
    day = datetime.date.fromisoformat(today)
    length, counted = len(encoded(document(kind, 0, today))), Counter[str]()
    for number in itertools.count():
        key, resource = _resource(number, kind, day)
        if key not in _withheld(kind):
            counted[key] += 1
            comma, digits = counted[key] > 1, len(str(counted[key])) - len(str(counted[key] - 1))
            length += len(encoded(_entry(resource))) + comma + digits
        if length > size:
            return max(1, number)
    raise AssertionError  # there is always one more


def encoded(request: Mapping[str, Any]) -> bytes:
    """JSON as an EHR sends it: no space between its members."""
    return json.dumps(request, separators=(",", ":")).encode()


def document(kind: Kind, resources: int, today: str = TODAY) -> Json:
    """A request whose record holds so many resources beside the patient."""
    day = datetime.date.fromisoformat(today)
    record: dict[str, list[Json]] = {key: [] for key in (*_EMPTY_KEYS, *(row[0] for row in _RESULTS))}
    record |= {"medications": [], "conditions": []}
    for number in range(resources):
        key, resource = _resource(number, kind, day)
        record[key].append(resource)
    prefetch: Json = {"patient": _patient()}
    prefetch |= {key: _searchset(found) for key, found in record.items()}
    for key in _withheld(kind):
        del prefetch[key]
    return {
        "hook": "order-sign",
        "hookInstance": _INSTANCE,
        "context": {
            "userId": USER,
            "patientId": PATIENT,
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": list(_drafts(kind, day))},
        },
        "prefetch": prefetch,
    }


def without_prefetch(request: Mapping[str, Any], server: str, token: str) -> tuple[Json, Json]:
    """The same request with its record left on a FHIR server, and that record by prefetch key."""
    asked = {name: value for name, value in request.items() if name != "prefetch"}
    lent = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.read",
        "subject": "bone-health",
        "patient": PATIENT,
    }
    return {**asked, "fhirServer": server, "fhirAuthorization": lent}, request["prefetch"]


def _resource(number: int, kind: Kind, today: datetime.date) -> tuple[str, Json]:
    """The resource of this number, and its key: of every 33, twenty results, ten orders, three problems."""
    round_, place = divmod(number, len(_TURNS))
    which, before = _TURNS[place]
    counted = round_ * _SHARES[which] + before
    if which == 0:
        return _result(kind, counted, today)
    return (_order if which == 1 else _problem)(counted, today)


def _result(kind: Kind, number: int, today: datetime.date) -> tuple[str, Json]:
    key, code, name, value, unit, low, high = _RESULTS[number % len(_RESULTS)]
    day = _day(today, 3 + 5 * number)
    if kind == "told" and key == "vitamin-d":
        value = 14
    coding = {"system": _LOINC, "code": code, "display": name}
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
    quantity = {"unit": unit, "system": _UCUM, "code": unit}
    return key, {
        "resourceType": "Observation",
        "id": f"obs-{number}",
        "meta": {"versionId": "1", "lastUpdated": f"{day}T11:20:00Z"},
        "identifier": [{"system": "https://ehr.example/results", "value": f"R{880000 + number}"}],
        "status": "final",
        "category": [{"coding": [{**category, "display": "Laboratory"}], "text": "Laboratory"}],
        "code": {"coding": [coding], "text": name},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "effectiveDateTime": f"{day}T08:10:00Z",
        "issued": f"{day}T11:20:00Z",
        "valueQuantity": {"value": value, **quantity},
        "referenceRange": [{"low": {"value": low, **quantity}, "high": {"value": high, **quantity}}],
    }


def _order(number: int, today: datetime.date) -> tuple[str, Json]:
    name, code, dose, words = _DRUGS[number % len(_DRUGS)] if number else _VITAMIN_D
    return "medications", {
        "resourceType": "MedicationRequest",
        "id": f"med-{number}",
        "meta": {"versionId": "2", "lastUpdated": f"{_day(today, 79)}T07:00:00Z"},
        "identifier": [{"use": "usual", "system": "https://ehr.example/orders", "value": f"{710000 + number}"}],
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": _RXNORM, "code": code, "display": name}], "text": name},
        "subject": {"reference": f"Patient/{PATIENT}", "display": "Example, Ruth"},
        "authoredOn": _day(today, 90 + number),
        "requester": {"reference": USER, "display": "Example, MD"},
        "dosageInstruction": [
            {
                "text": words,
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}, "code": {"text": words}},
                "doseAndRate": [{"doseQuantity": {"value": dose, "unit": "tablet"}}],
            }
        ],
        "dispenseRequest": {"numberOfRepeatsAllowed": 3, "quantity": {"value": 90, "unit": "tablet"}},
    }


def _problem(number: int, today: datetime.date) -> tuple[str, Json]:
    icd, snomed, words = _CONDITIONS[number % len(_CONDITIONS)]
    terms = "http://terminology.hl7.org/CodeSystem/"
    return "conditions", {
        "resourceType": "Condition",
        "id": f"cond-{number}",
        "clinicalStatus": {"coding": [{"system": f"{terms}condition-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{terms}condition-ver-status", "code": "confirmed"}]},
        "category": [{"coding": [{"system": f"{terms}condition-category", "code": "problem-list-item"}]}],
        "code": {
            "coding": [
                {"system": _ICD, "code": icd, "display": words},
                {"system": _SNOMED, "code": snomed, "display": words},
            ],
            "text": words,
        },
        "subject": {"reference": f"Patient/{PATIENT}"},
        "recordedDate": _day(today, 400 + number % 3000),
    }


def _drafts(kind: Kind, today: datetime.date) -> Iterator[Json]:
    yield _draft(
        "draft-2", "amoxicillin 500 MG Oral Capsule", "308191", "1 capsule three times daily for 7 days", 3, today
    )
    if kind == "unspoken":
        yield _draft("draft-1", "ibuprofen 400 MG Oral Tablet", "197805", "1 tablet every 8 hours as needed", 3, today)
    else:
        name = "100 ML zoledronic acid 0.05 MG/ML Injection"
        infusion = _draft("draft-1", name, "705824", "5 mg intravenously once, over 15 minutes", 1, today)
        dosage = infusion["resource"]["dosageInstruction"][0]
        dosage["route"] = {"coding": [{"system": _SNOMED, "code": "47625008", "display": "Intravenous route"}]}
        dosage["doseAndRate"] = [{"doseQuantity": {"value": 5, "unit": "mg", "system": _UCUM, "code": "mg"}}]
        dosage["timing"] = {"repeat": {"count": 1}}
        yield infusion


def _draft(name: str, drug: str, code: str, words: str, frequency: int, today: datetime.date) -> Json:
    return {
        "resource": {
            "resourceType": "MedicationRequest",
            "id": name,
            "status": "draft",
            "intent": "order",
            "medicationCodeableConcept": {"coding": [{"system": _RXNORM, "code": code, "display": drug}], "text": drug},
            "subject": {"reference": f"Patient/{PATIENT}"},
            "authoredOn": str(today),
            "requester": {"reference": USER},
            "dosageInstruction": [
                {
                    "text": words,
                    "timing": {"repeat": {"frequency": frequency, "period": 1, "periodUnit": "d"}},
                    "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "capsule"}}],
                }
            ],
        }
    }


def _patient() -> Json:
    return {
        "resourceType": "Patient",
        "id": PATIENT,
        "meta": {"versionId": "7", "lastUpdated": "2025-10-02T09:00:00Z"},
        "identifier": [{"use": "usual", "system": "https://ehr.example/patients", "value": "204417"}],
        "active": True,
        "name": [{"use": "official", "family": "Example", "given": ["Ruth"]}],
        "gender": "female",
        "birthDate": "1955-03-14",
        "address": [{"use": "home", "city": "Springfield", "postalCode": "00000", "country": "US"}],
    }


def _searchset(found: list[Json]) -> Json:
    entries = [_entry(resource) for resource in found]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def _entry(resource: Json) -> Json:
    url = f"https://ehr.example/fhir/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": url, "resource": resource, "search": {"mode": "match"}}


def _withheld(kind: Kind) -> tuple[str, ...]:
    """The keys of prefetch that are not sent."""
    return ("vitamin-d", "serum-calcium") if kind == "missing" else ()


def _day(today: datetime.date, before: int) -> str:
    """The day so many days before."""
    return str(today - datetime.timedelta(days=before))
