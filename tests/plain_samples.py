"""One resource of each type with nothing but the essentials, and one with what hospital systems add to them."""

from __future__ import annotations

from decimal import Decimal

from .made import Json

SUBJECT = {"reference": "Patient/p1"}
OBSERVATION: Json = {"resourceType": "Observation", "status": "final", "code": {"text": "Calcium"}, "subject": SUBJECT}
ORDER: Json = {
    "resourceType": "MedicationRequest",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": {"text": "alendronic acid"},
    "subject": SUBJECT,
}
CONDITION: Json = {"resourceType": "Condition", "subject": SUBJECT}
PATIENT: Json = {"resourceType": "Patient", "id": "p1"}
STATEMENT: Json = {
    "resourceType": "MedicationStatement",
    "status": "active",
    "medicationReference": {"reference": "#m"},
    "subject": SUBJECT,
}
REQUEST: Json = {"resourceType": "ServiceRequest", "status": "draft", "intent": "order", "subject": SUBJECT}
MEDICATION: Json = {"resourceType": "Medication", "code": {"text": "zoledronic acid"}}
SMALLEST = (OBSERVATION, ORDER, CONDITION, PATIENT, STATEMENT, REQUEST, MEDICATION)

# With what hospital systems add to the essentials.
_CONCEPT = {
    "coding": [{"system": "http://loinc.org", "code": "1-8", "display": "A", "userSelected": True}],
    "text": "A",
}
_NOTE = [{"authorString": "Dr Example", "time": "2026-03-01T08:00:00Z", "text": "twice\na day"}]
_IDENTIFIER = [{"use": "usual", "type": _CONCEPT, "system": "urn:oid:1.2", "value": "7", "assigner": {"display": "E"}}]
_QUANTITY = {"value": Decimal("1.50"), "unit": "µg", "system": "http://unitsofmeasure.org", "code": "ug"}
_ACTOR = {"reference": "Practitioner/7", "type": "Practitioner", "identifier": _IDENTIFIER[0], "display": "Example, E."}
_DOSAGE = {
    "sequence": 1,
    "text": "1.5 µg  daily",
    "additionalInstruction": [_CONCEPT],
    "patientInstruction": "with water",
    "timing": {
        "repeat": {
            "boundsPeriod": {"start": "2026-03-01", "end": "2026-09-30T23:59:59+02:00"},
            "frequency": 1,
            "period": Decimal("1.0"),
            "periodUnit": "d",
            "timeOfDay": ["08:00:00"],
            "dayOfWeek": ["mon"],
        },
        "code": _CONCEPT,
    },
    "asNeededBoolean": False,
    "route": _CONCEPT,
    "method": _CONCEPT,
    "doseAndRate": [
        {
            "extension": [{"url": "http://e.example/dose", "extension": [{"url": "kind", "valueCode": "given"}]}],
            "type": _CONCEPT,
            "doseQuantity": _QUANTITY,
            "rateRatio": {"numerator": _QUANTITY, "denominator": {"value": 1, "unit": "h"}},
        }
    ],
    "maxDosePerPeriod": {"numerator": _QUANTITY, "denominator": {"value": 1, "unit": "d"}},
}
COMMON: tuple[Json, ...] = (
    {
        **OBSERVATION,
        "identifier": _IDENTIFIER,
        "basedOn": [{"reference": "ServiceRequest/1"}],
        "category": [_CONCEPT],
        "encounter": {"reference": "Encounter/1"},
        "effectiveDateTime": "2026-03-01T08:00:00.000+01:00",
        "issued": "2026-03-01T09:00:00.1234567Z",
        "performer": [_ACTOR],
        "valueQuantity": {**_QUANTITY, "comparator": "<"},
        "interpretation": [_CONCEPT],
        "note": _NOTE,
        "specimen": {"reference": "Specimen/1"},
        "referenceRange": [{"low": _QUANTITY, "high": _QUANTITY, "type": _CONCEPT, "text": "1 - 2"}],
        "component": [{"code": _CONCEPT, "valueQuantity": _QUANTITY}, {"code": _CONCEPT, "valueString": "positive"}],
        "text": {"div": 5},
        "_effectiveDateTime": {"extension": [{"url": "x"}]},
    },
    {
        **ORDER,
        "identifier": _IDENTIFIER,
        "category": [_CONCEPT],
        "priority": "routine",
        "reportedBoolean": False,
        "encounter": {"reference": "Encounter/1"},
        "authoredOn": "2026-03-01",
        "requester": _ACTOR,
        "recorder": _ACTOR,
        "reasonCode": [_CONCEPT],
        "courseOfTherapyType": _CONCEPT,
        "note": _NOTE,
        "dosageInstruction": [_DOSAGE],
        "dispenseRequest": {
            "validityPeriod": {"start": "2026-03-01", "end": "2027-03-01"},
            "numberOfRepeatsAllowed": 0,
            "quantity": _QUANTITY,
            "expectedSupplyDuration": {"value": 90, "unit": "d"},
            "performer": _ACTOR,
        },
        "substitution": {"allowedCodeableConcept": _CONCEPT, "reason": _CONCEPT},
    },
    {**STATEMENT, "effectivePeriod": {"start": "2026"}, "informationSource": _ACTOR, "dosage": [_DOSAGE]},
    {
        **CONDITION,
        "clinicalStatus": _CONCEPT,
        "category": [_CONCEPT],
        "onsetDateTime": "2020-05",
        "abatementString": "resolved",
        "recordedDate": "2026-03-01",
        "asserter": _ACTOR,
        "bodySite": [_CONCEPT],
    },
    {
        **PATIENT,
        "extension": [{"url": "http://e.example/race"}],
        "identifier": _IDENTIFIER,
        "active": True,
        "name": [{"use": "official", "family": "Example", "given": ["Ruth", "A."], "prefix": ["Ms"]}],
        "telecom": [{"system": "phone", "value": "555 0100", "use": "home", "rank": 1}],
        "gender": "female",
        "birthDate": "1955-03-14",
        "deceasedBoolean": False,
        "address": [
            {
                "extension": [{"url": "geo", "extension": [{"url": "latitude", "valueDecimal": Decimal("42.1")}]}],
                "line": ["1 Example Street"],
                "city": "Springfield",
                "period": {"start": "2000"},
            }
        ],
        "maritalStatus": _CONCEPT,
        "contact": [{"relationship": [_CONCEPT], "name": {"text": "Ben"}}],
        "communication": [{"language": _CONCEPT, "preferred": True}],
        "generalPractitioner": [_ACTOR],
        "_birthDate": {"extension": [{"url": "http://e.example/time", "valueDateTime": "1955-03-14T01:00:00Z"}]},
    },
    {**REQUEST, "code": _CONCEPT, "occurrencePeriod": {"start": "2026-03-01"}, "performer": [_ACTOR], "note": _NOTE},
    {
        **MEDICATION,
        "form": _CONCEPT,
        "ingredient": [{"itemCodeableConcept": _CONCEPT, "strength": {"numerator": _QUANTITY}}],
        "batch": {"lotNumber": "7", "expirationDate": "2027-01-31"},
    },
)
