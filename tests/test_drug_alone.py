"""Orders of drugs that no rule knows are known by their drug alone; what else could matter calls for a full reading."""

from __future__ import annotations

import copy
import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.fhir import r4
from cds_service.fhir.resource import Resource

Json = dict[str, Any]

CONCEPT: Json = {
    "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "314076", "display": "lisinopril"}],
    "text": "lisinopril 10 MG Oral Tablet",
}
ORDER: Json = {
    "resourceType": "MedicationRequest",
    "id": "1",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": CONCEPT,
    "subject": {"reference": "Patient/1"},
    "dosageInstruction": [{"text": "1 daily", "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}],
    "dispenseRequest": {"numberOfRepeatsAllowed": 2},
}
MODIFIER = [{"url": "https://ehr.example/not", "valueBoolean": True}]


def resource(**changes: Any) -> Resource:
    raw = {**copy.deepcopy(ORDER), **changes}
    return Resource({name: value for name, value in raw.items() if value is not ...}, r4)


def read_in_full(order: Resource) -> Any:
    return r4.medication_record(order, lambda *_: None, datetime.UTC)


def test_an_ordinary_order_is_known_by_its_drug_alone() -> None:
    alone = r4.drug_alone(resource())
    assert alone is not None
    assert alone.medication is not None
    assert (alone.source, alone.status, alone.intent) == ("MedicationRequest/1", "active", "order")
    assert alone.medication.texts == ("lisinopril 10 MG Oral Tablet",)


@pytest.mark.parametrize(
    "changes",
    [
        {"priorPrescription": {"reference": "MedicationRequest/7"}},
        {"medicationReference": {"reference": "Medication/1"}},
        {"medicationCodeableConcept": ..., "medicationReference": {"reference": "Medication/1"}},
        {"medication": {"concept": CONCEPT}},
        {"doNotPerform": True},
        {"modifierExtension": MODIFIER},
        {"dosageInstruction": [{"text": "1 daily", "modifierExtension": MODIFIER}]},
        {"dosageInstruction": [{"timing": {"modifierExtension": MODIFIER}}]},
        {"status": ["active"]},
        {"intent": 1},
        {"medicationCodeableConcept": "lisinopril"},
        {"medicationCodeableConcept": {}},
        {"medicationCodeableConcept": {"text": " "}},
        {"medicationCodeableConcept": {"text": "x" * 2001}},
        {"medicationCodeableConcept": {"coding": [{"code": "1"}] * 201}},
        {"medicationCodeableConcept": {"coding": {"code": "1"}}},
        {"medicationCodeableConcept": {**CONCEPT, "extension": []}},
        {"resourceType": "MedicationOrder"},
        {"resourceType": "ServiceRequest"},
    ],
)
def test_whatever_else_could_matter_calls_for_a_full_reading(changes: Json) -> None:
    assert r4.drug_alone(resource(**changes)) is None


JUNK = st.sampled_from(
    [
        None,
        "",
        " ",
        "x",
        0,
        1,
        True,
        False,
        Decimal("1.5"),
        [],
        {},
        [{}],
        ["x"],
        {"x": 1},
        {"text": "x"},
        "draft",
        MODIFIER,
    ]
)
NAMES = st.sampled_from(
    [*ORDER, "doNotPerform", "priorPrescription", "modifierExtension", "extension", "basedOn", "category", "reasonCode"]
)


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, member in inside for place in [(*at, key), *_places(member, (*at, key))]]


@given(st.lists(st.tuples(st.sampled_from(_places(ORDER)), JUNK), max_size=3), st.dictionaries(NAMES, JUNK, max_size=2))
def test_an_order_known_by_its_drug_alone_says_no_more_when_it_is_read_in_full(
    spoilt: list[tuple[tuple[Any, ...], Any]], added: Json
) -> None:
    raw = {**copy.deepcopy(ORDER), **added}
    for place, junk in spoilt:
        holder: Any = raw
        try:
            for step in place[:-1]:
                holder = holder[step]
            holder[place[-1]] = junk
        except (TypeError, KeyError, IndexError):
            continue
    order = Resource(raw, r4)
    alone = r4.drug_alone(order)
    if alone is None:
        return
    full = read_in_full(order)
    assert full.medication == alone.medication
    assert (full.source, full.type, full.id) == (alone.source, alone.type, alone.id)
    assert full.status in ("", alone.status)
    assert full.intent in ("", alone.intent)
    assert not full.do_not_perform
    assert not full.unknown_modifier
    assert not full.unresolved
    assert full.prior_prescription is None
    assert "medication" not in full.unreadable
