"""FHIR R4: every element name and search parameter that belongs to it, behind functions with version-free results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..repair import Sound
from . import models
from .drugs import drug_alone
from .legacy import modernized, type_meant
from .medication import medication_record, medication_references
from .models import validate, warm
from .observation import observation_records, plainly_taken
from .others import condition_record, patient_record, request_record
from .query import query
from .triage import coded_alike, codes, subjects
from .writing import can_change_schedule, with_daily_doses

__all__ = [
    "can_change_schedule",
    "coded_alike",
    "codes",
    "condition_record",
    "drug_alone",
    "medication_record",
    "medication_references",
    "observation_records",
    "patient_record",
    "plainly_taken",
    "query",
    "request_record",
    "sound",
    "subjects",
    "type_meant",
    "validate",
    "warm",
    "with_daily_doses",
]


def sound(raw: Mapping[str, Any]) -> Sound:
    """What of a received resource may be read; older shapes are spelled as R4, faults repaired or set aside."""
    sent = raw.get("resourceType")
    type_name = type_meant(sent) if isinstance(sent, str) else ""
    current, notes = modernized(type_name, raw)
    found = models.check(type_name, current)
    return Sound(found.view, found.set_aside, notes + found.repaired, found.missing) if notes else found
