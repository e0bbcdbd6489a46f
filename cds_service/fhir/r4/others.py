"""R4 conditions, patients and service requests as records."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from ..elements import Concept, ConditionRecord, PatientRecord, Period, RequestRecord
from ..errors import DataUnreadable
from ..resource import Resource, bare_id
from . import values
from .values import Fields, Unreadable

_SEX_FOR_CLINICAL_USE = "http://hl7.org/fhir/StructureDefinition/patient-sexParameterForClinicalUse"
_SEXES = {"female-typical": "female", "male-typical": "male", "female": "female", "male": "male"}
_ABATEMENTS = ("abatementDateTime", "abatementAge", "abatementPeriod", "abatementRange", "abatementString")


def condition_record(resource: Resource, zone: datetime.tzinfo | None = None) -> ConditionRecord:
    """A Condition; it has abated when any abatement is recorded that does not say "no"."""
    fields = Fields(resource.sound())
    clinical = fields.read("clinical_status", "clinicalStatus", values.code_of) or ""
    verification = fields.read("verification_status", "verificationStatus", values.code_of) or ""
    abated = fields.read("abated", "abatementBoolean", values.boolean) or any(
        fields.members.get(name) is not None for name in _ABATEMENTS
    )
    code = fields.read("code", "code", values.concept) or Concept()
    if fields.unreadable & {"clinical_status", "verification_status"}:
        fields.unreadable.add("status")
    return ConditionRecord(
        source=f"{resource.type}/{resource.id}",
        id=resource.id,
        code=code,
        clinical_status=clinical.lower(),
        verification_status=verification.lower(),
        abated=abated,
        unreadable=_with_modifier(fields, resource),
    )


def patient_record(resource: Resource, context_id: str | None = None) -> PatientRecord:
    """A Patient. Raises DataUnreadable when it is not the one of the context (``context_id``, if given)."""
    if context_id is not None and resource.id and resource.id != bare_id(context_id):
        raise DataUnreadable("patient", "other-patient")
    fields = Fields(resource.sound())
    birth_date = fields.read("birth_date", "birthDate", values.partial_date)
    gender = fields.text("sex", "gender").lower()
    sex = _clinical_sex(resource.raw)
    if sex is not None:
        fields.unreadable.discard("sex")
    return PatientRecord(
        id=resource.id,
        birth_date=birth_date,
        sex=gender if sex is None else sex,
        unreadable=frozenset(fields.unreadable),
    )


def request_record(resource: Resource, zone: datetime.tzinfo | None = None) -> RequestRecord:
    """A ServiceRequest (STU3: ProcedureRequest)."""
    fields = Fields(resource.sound())
    site = zone or datetime.UTC
    when = fields.choice(
        "occurrence",
        {
            "occurrenceDateTime": lambda value: Period(*[values.moment(value, site)] * 2),
            "occurrencePeriod": lambda value: values.period(value, site),
        },
    )
    return RequestRecord(
        source=f"{resource.type}/{resource.id}",
        id=resource.id,
        status=fields.text("status", "status"),
        intent=fields.text("intent", "intent"),
        code=fields.read("code", "code", values.concept) or Concept(),
        do_not_perform=fields.read("do_not_perform", "doNotPerform", values.boolean) or False,
        occurrence=when,
        unreadable=_with_modifier(fields, resource),
    )


def _with_modifier(fields: Fields, resource: Resource) -> frozenset[str]:
    return frozenset(fields.unreadable | ({"modifier"} if resource.raw.get("modifierExtension") else set()))


def _clinical_sex(raw: Mapping[str, Any]) -> str | None:
    """The sex for clinical use: None when not sent, "unknown" when it says neither or says both."""
    said = {_SEXES.get(code, "unknown") for code in _sex_codes(raw.get("extension"))}
    if not said:
        return None
    return said.pop() if len(said) == 1 else "unknown"


def _sex_codes(extensions: Any) -> Iterator[str]:
    for extension in _objects(extensions):
        if extension.get("url") == _SEX_FOR_CLINICAL_USE:
            for part in (extension, *_objects(extension.get("extension"))):
                concept = part.get("valueCodeableConcept")
                if concept is not None:
                    try:
                        yield values.code_of(concept)
                    except Unreadable:
                        yield ""


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
