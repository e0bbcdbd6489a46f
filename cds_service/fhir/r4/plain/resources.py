"""The resources that are read, with the elements that are commonly sent."""

from __future__ import annotations

from typing import Final

from pydantic_core.core_schema import CoreSchema

from .datatypes import (
    ADDRESS,
    ANNOTATION,
    CONCEPT,
    CONTACT_POINT,
    DOSAGE,
    IDENTIFIER,
    NAME,
    OF_EVERY_ELEMENT,
    PERIOD,
    QUANTITY,
    RANGE,
    RATIO,
    REFERENCE,
    TIMING,
)
from .shapes import (
    BOOLEAN,
    CODE,
    DATE,
    DATE_TIME,
    INSTANT,
    INTEGER,
    TEXT,
    UNSIGNED,
    element,
    literal,
    many,
    part,
    resource,
)

_REFERENCE_RANGE = many(
    element(
        {
            **OF_EVERY_ELEMENT,
            "low": QUANTITY,
            "high": QUANTITY,
            "type": CONCEPT,
            "appliesTo": many(CONCEPT),
            "age": RANGE,
            "text": TEXT,
        }
    )
)
_RESULT = {
    "valueQuantity": QUANTITY,
    "valueCodeableConcept": CONCEPT,
    "valueString": TEXT,
    "valueBoolean": BOOLEAN,
    "valueInteger": INTEGER,
    "valueRange": RANGE,
    "valueRatio": RATIO,
    "valueDateTime": DATE_TIME,
    "valuePeriod": PERIOD,
}
_MEASURED = {
    "code": CONCEPT,
    **_RESULT,
    "dataAbsentReason": CONCEPT,
    "interpretation": many(CONCEPT),
    "referenceRange": _REFERENCE_RANGE,
}
_MEDICATION_CHOICE = ("medicationCodeableConcept", "medicationReference")
_SUPPLY = element(
    {
        **OF_EVERY_ELEMENT,
        "initialFill": element({**OF_EVERY_ELEMENT, "quantity": QUANTITY, "duration": QUANTITY}),
        "dispenseInterval": QUANTITY,
        "validityPeriod": PERIOD,
        "numberOfRepeatsAllowed": UNSIGNED,
        "quantity": QUANTITY,
        "expectedSupplyDuration": QUANTITY,
        "performer": REFERENCE,
    }
)
_SUBSTITUTION = element(
    {**OF_EVERY_ELEMENT, "allowedBoolean": BOOLEAN, "allowedCodeableConcept": CONCEPT, "reason": CONCEPT},
    exactly_one_of=[("allowedBoolean", "allowedCodeableConcept")],
)
# Of a laboratory result that stands: what it is of, and when it was taken.
TAKEN_RESULT: Final = part(
    {
        "resourceType": literal("Observation"),
        "status": literal("final", "amended", "corrected"),
        "code": CONCEPT,
        "effectiveDateTime": DATE_TIME,
    }
)
RESOURCES: Final[dict[str, CoreSchema]] = {
    "Observation": resource(
        "Observation",
        {
            "identifier": many(IDENTIFIER),
            "basedOn": many(REFERENCE),
            "partOf": many(REFERENCE),
            "status": CODE,
            "category": many(CONCEPT),
            "subject": REFERENCE,
            "encounter": REFERENCE,
            "effectiveDateTime": DATE_TIME,
            "effectivePeriod": PERIOD,
            "effectiveInstant": INSTANT,
            "issued": INSTANT,
            "performer": many(REFERENCE),
            **_MEASURED,
            "note": many(ANNOTATION),
            "bodySite": CONCEPT,
            "method": CONCEPT,
            "specimen": REFERENCE,
            "hasMember": many(REFERENCE),
            "derivedFrom": many(REFERENCE),
            "component": many(element({**OF_EVERY_ELEMENT, **_MEASURED}, ["code"], [tuple(_RESULT)])),
        },
        required=["status", "code"],
        one_of=[("effectiveDateTime", "effectivePeriod", "effectiveInstant"), tuple(_RESULT)],
    ),
    "MedicationRequest": resource(
        "MedicationRequest",
        {
            "identifier": many(IDENTIFIER),
            "status": CODE,
            "statusReason": CONCEPT,
            "intent": CODE,
            "category": many(CONCEPT),
            "priority": CODE,
            "doNotPerform": BOOLEAN,
            "reportedBoolean": BOOLEAN,
            "reportedReference": REFERENCE,
            "medicationCodeableConcept": CONCEPT,
            "medicationReference": REFERENCE,
            "subject": REFERENCE,
            "encounter": REFERENCE,
            "supportingInformation": many(REFERENCE),
            "authoredOn": DATE_TIME,
            "requester": REFERENCE,
            "performer": REFERENCE,
            "performerType": CONCEPT,
            "recorder": REFERENCE,
            "reasonCode": many(CONCEPT),
            "reasonReference": many(REFERENCE),
            "basedOn": many(REFERENCE),
            "groupIdentifier": IDENTIFIER,
            "courseOfTherapyType": CONCEPT,
            "note": many(ANNOTATION),
            "dosageInstruction": many(DOSAGE),
            "dispenseRequest": _SUPPLY,
            "substitution": _SUBSTITUTION,
            "priorPrescription": REFERENCE,
        },
        required=["status", "intent", "subject"],
        one_of=[("reportedBoolean", "reportedReference")],
        exactly_one_of=[_MEDICATION_CHOICE],
    ),
    "MedicationStatement": resource(
        "MedicationStatement",
        {
            "identifier": many(IDENTIFIER),
            "basedOn": many(REFERENCE),
            "partOf": many(REFERENCE),
            "status": CODE,
            "statusReason": many(CONCEPT),
            "category": CONCEPT,
            "medicationCodeableConcept": CONCEPT,
            "medicationReference": REFERENCE,
            "subject": REFERENCE,
            "context": REFERENCE,
            "effectiveDateTime": DATE_TIME,
            "effectivePeriod": PERIOD,
            "dateAsserted": DATE_TIME,
            "informationSource": REFERENCE,
            "derivedFrom": many(REFERENCE),
            "reasonCode": many(CONCEPT),
            "reasonReference": many(REFERENCE),
            "note": many(ANNOTATION),
            "dosage": many(DOSAGE),
        },
        required=["status", "subject"],
        one_of=[("effectiveDateTime", "effectivePeriod")],
        exactly_one_of=[_MEDICATION_CHOICE],
    ),
    "Condition": resource(
        "Condition",
        {
            "identifier": many(IDENTIFIER),
            "clinicalStatus": CONCEPT,
            "verificationStatus": CONCEPT,
            "category": many(CONCEPT),
            "severity": CONCEPT,
            "code": CONCEPT,
            "bodySite": many(CONCEPT),
            "subject": REFERENCE,
            "encounter": REFERENCE,
            "onsetDateTime": DATE_TIME,
            "onsetAge": QUANTITY,
            "onsetPeriod": PERIOD,
            "onsetString": TEXT,
            "abatementDateTime": DATE_TIME,
            "abatementAge": QUANTITY,
            "abatementPeriod": PERIOD,
            "abatementString": TEXT,
            "recordedDate": DATE_TIME,
            "recorder": REFERENCE,
            "asserter": REFERENCE,
            "note": many(ANNOTATION),
        },
        required=["subject"],
        one_of=[
            ("onsetDateTime", "onsetAge", "onsetPeriod", "onsetString"),
            ("abatementDateTime", "abatementAge", "abatementPeriod", "abatementString"),
        ],
    ),
    "Patient": resource(
        "Patient",
        {
            "identifier": many(IDENTIFIER),
            "active": BOOLEAN,
            "name": many(NAME),
            "telecom": many(CONTACT_POINT),
            "gender": CODE,
            "birthDate": DATE,
            "deceasedBoolean": BOOLEAN,
            "deceasedDateTime": DATE_TIME,
            "address": many(ADDRESS),
            "maritalStatus": CONCEPT,
            "multipleBirthBoolean": BOOLEAN,
            "multipleBirthInteger": INTEGER,
            "contact": many(
                element(
                    {
                        **OF_EVERY_ELEMENT,
                        "relationship": many(CONCEPT),
                        "name": NAME,
                        "telecom": many(CONTACT_POINT),
                        "address": ADDRESS,
                        "gender": CODE,
                        "organization": REFERENCE,
                        "period": PERIOD,
                    }
                )
            ),
            "communication": many(
                element({**OF_EVERY_ELEMENT, "language": CONCEPT, "preferred": BOOLEAN}, required=["language"])
            ),
            "generalPractitioner": many(REFERENCE),
            "managingOrganization": REFERENCE,
        },
        one_of=[
            ("deceasedBoolean", "deceasedDateTime"),
            ("multipleBirthBoolean", "multipleBirthInteger"),
        ],
    ),
    "ServiceRequest": resource(
        "ServiceRequest",
        {
            "identifier": many(IDENTIFIER),
            "basedOn": many(REFERENCE),
            "requisition": IDENTIFIER,
            "status": CODE,
            "intent": CODE,
            "category": many(CONCEPT),
            "priority": CODE,
            "doNotPerform": BOOLEAN,
            "code": CONCEPT,
            "orderDetail": many(CONCEPT),
            "quantityQuantity": QUANTITY,
            "subject": REFERENCE,
            "encounter": REFERENCE,
            "occurrenceDateTime": DATE_TIME,
            "occurrencePeriod": PERIOD,
            "occurrenceTiming": TIMING,
            "asNeededBoolean": BOOLEAN,
            "authoredOn": DATE_TIME,
            "requester": REFERENCE,
            "performerType": CONCEPT,
            "performer": many(REFERENCE),
            "locationCode": many(CONCEPT),
            "reasonCode": many(CONCEPT),
            "reasonReference": many(REFERENCE),
            "supportingInfo": many(REFERENCE),
            "specimen": many(REFERENCE),
            "bodySite": many(CONCEPT),
            "note": many(ANNOTATION),
            "patientInstruction": TEXT,
        },
        required=["status", "intent", "subject"],
        one_of=[("occurrenceDateTime", "occurrencePeriod", "occurrenceTiming")],
    ),
    "Medication": resource(
        "Medication",
        {
            "identifier": many(IDENTIFIER),
            "code": CONCEPT,
            "status": CODE,
            "manufacturer": REFERENCE,
            "form": CONCEPT,
            "amount": RATIO,
            "ingredient": many(
                element(
                    {
                        **OF_EVERY_ELEMENT,
                        "itemCodeableConcept": CONCEPT,
                        "itemReference": REFERENCE,
                        "isActive": BOOLEAN,
                        "strength": RATIO,
                    },
                    exactly_one_of=[("itemCodeableConcept", "itemReference")],
                )
            ),
            "batch": element({**OF_EVERY_ELEMENT, "lotNumber": TEXT, "expirationDate": DATE_TIME}),
        },
    ),
}
