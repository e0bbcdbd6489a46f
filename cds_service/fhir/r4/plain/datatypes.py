"""FHIR's datatypes, with the elements that are commonly sent."""

from __future__ import annotations

from typing import Final

from .shapes import (
    BOOLEAN,
    CODE,
    DATE,
    DATE_TIME,
    DECIMAL,
    INTEGER,
    POSITIVE,
    TEXT,
    TIME,
    UNSIGNED,
    URI,
    element,
    many,
    shared,
)

# Extensions below the top of a resource: a value of the common kinds, or such extensions once more.
_VALUES = {
    "valueBoolean": BOOLEAN,
    "valueCode": CODE,
    "valueDate": DATE,
    "valueDateTime": DATE_TIME,
    "valueDecimal": DECIMAL,
    "valueInteger": INTEGER,
    "valueString": TEXT,
    "valueUri": URI,
}
_INNER_EXTENSION = element({"url": URI, **_VALUES}, ["url"], [tuple(_VALUES)])
_EXTENSION_DEFINED, _EXTENSION = shared(
    element({"url": URI, **_VALUES, "extension": many(_INNER_EXTENSION)}, ["url"], [tuple(_VALUES)]), "Extension"
)
OF_EVERY_ELEMENT = {"id": TEXT, "extension": many(_EXTENSION)}

CODING = element(
    {**OF_EVERY_ELEMENT, "system": URI, "version": TEXT, "code": CODE, "display": TEXT, "userSelected": BOOLEAN}
)
CONCEPT = element({**OF_EVERY_ELEMENT, "coding": many(CODING), "text": TEXT})
PERIOD = element({**OF_EVERY_ELEMENT, "start": DATE_TIME, "end": DATE_TIME})
QUANTITY = element(
    {**OF_EVERY_ELEMENT, "value": DECIMAL, "comparator": CODE, "unit": TEXT, "system": URI, "code": CODE}
)
RANGE = element({**OF_EVERY_ELEMENT, "low": QUANTITY, "high": QUANTITY})
RATIO = element({**OF_EVERY_ELEMENT, "numerator": QUANTITY, "denominator": QUANTITY})
_ASSIGNER = element({"reference": TEXT, "display": TEXT, "type": URI})
_IDENTIFIER_DEFINED, IDENTIFIER = shared(
    element(
        {
            **OF_EVERY_ELEMENT,
            "use": CODE,
            "type": CONCEPT,
            "system": URI,
            "value": TEXT,
            "period": PERIOD,
            "assigner": _ASSIGNER,
        }
    ),
    "Identifier",
)
REFERENCE = element({**OF_EVERY_ELEMENT, "reference": TEXT, "type": URI, "identifier": IDENTIFIER, "display": TEXT})
ANNOTATION = element(
    {**OF_EVERY_ELEMENT, "authorReference": REFERENCE, "authorString": TEXT, "time": DATE_TIME, "text": TEXT},
    required=["text"],
    one_of=[("authorReference", "authorString")],
)
_REPEAT = element(
    {
        **OF_EVERY_ELEMENT,
        "boundsDuration": QUANTITY,
        "boundsRange": RANGE,
        "boundsPeriod": PERIOD,
        "count": POSITIVE,
        "countMax": POSITIVE,
        "duration": DECIMAL,
        "durationMax": DECIMAL,
        "durationUnit": CODE,
        "frequency": POSITIVE,
        "frequencyMax": POSITIVE,
        "period": DECIMAL,
        "periodMax": DECIMAL,
        "periodUnit": CODE,
        "dayOfWeek": many(CODE),
        "timeOfDay": many(TIME),
        "when": many(CODE),
        "offset": UNSIGNED,
    },
    one_of=[("boundsDuration", "boundsRange", "boundsPeriod")],
)
TIMING = element({**OF_EVERY_ELEMENT, "event": many(DATE_TIME), "repeat": _REPEAT, "code": CONCEPT})
_DOSE_AND_RATE = element(
    {
        **OF_EVERY_ELEMENT,
        "type": CONCEPT,
        "doseRange": RANGE,
        "doseQuantity": QUANTITY,
        "rateRatio": RATIO,
        "rateRange": RANGE,
        "rateQuantity": QUANTITY,
    },
    one_of=[("doseRange", "doseQuantity"), ("rateRatio", "rateRange", "rateQuantity")],
)
DOSAGE = element(
    {
        **OF_EVERY_ELEMENT,
        "sequence": INTEGER,
        "text": TEXT,
        "additionalInstruction": many(CONCEPT),
        "patientInstruction": TEXT,
        "timing": TIMING,
        "asNeededBoolean": BOOLEAN,
        "asNeededCodeableConcept": CONCEPT,
        "site": CONCEPT,
        "route": CONCEPT,
        "method": CONCEPT,
        "doseAndRate": many(_DOSE_AND_RATE),
        "maxDosePerPeriod": RATIO,
        "maxDosePerAdministration": QUANTITY,
        "maxDosePerLifetime": QUANTITY,
    },
    one_of=[("asNeededBoolean", "asNeededCodeableConcept")],
)
NAME = element(
    {
        **OF_EVERY_ELEMENT,
        "use": CODE,
        "text": TEXT,
        "family": TEXT,
        "given": many(TEXT),
        "prefix": many(TEXT),
        "suffix": many(TEXT),
        "period": PERIOD,
    }
)
ADDRESS = element(
    {
        **OF_EVERY_ELEMENT,
        "use": CODE,
        "type": CODE,
        "text": TEXT,
        "line": many(TEXT),
        "city": TEXT,
        "district": TEXT,
        "state": TEXT,
        "postalCode": TEXT,
        "country": TEXT,
        "period": PERIOD,
    }
)
CONTACT_POINT = element(
    {**OF_EVERY_ELEMENT, "system": CODE, "value": TEXT, "use": CODE, "rank": POSITIVE, "period": PERIOD}
)

# What is built once and referred to.
DEFINITIONS: Final = [_EXTENSION_DEFINED, _IDENTIFIER_DEFINED]
