"""One request's data: four kinds of not having it, references followed, and a note of what was amiss."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.fhir import DataFailed, DataUnreadable, DataWithheld, version
from cds_service.fhir.elements import Reference
from cds_service.fhir.reading import NONE, Problem, Resource
from cds_service.fhir.requirement import DataRequirement
from cds_service.fhir.source import Source

R4 = version("4.0.1")
PATIENT = DataRequirement("patient", "Patient", by_id=True)
MEDICATIONS = DataRequirement("medications", "MedicationRequest", include=("MedicationRequest:medication",))
OURS = {"reference": "Patient/p1"}
DRUG = {"resourceType": "Medication", "id": "d1", "code": {"text": "zoledronic acid"}}


def order(name: str = "m1", **more: Any) -> dict[str, Any]:
    return {"resourceType": "MedicationRequest", "id": name, "status": "draft", "subject": OURS, **more}


def source(**prefetch: Any) -> Source:
    return Source(prefetch, "p1", R4)


def test_a_key_that_was_not_sent_is_withheld() -> None:
    with pytest.raises(DataWithheld) as gap:
        source().obtain(PATIENT)
    assert (gap.value.kind, gap.value.key) == ("withheld", "patient")
    with pytest.raises(DataWithheld):
        Source(None, "p1", R4).obtain(PATIENT)


def test_an_error_in_its_place_is_failed() -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "diagnostics": "timeout"}]}
    with pytest.raises(DataFailed, match="patient: timeout") as gap:
        source(patient=outcome).obtain(PATIENT)
    assert gap.value.kind == "failed"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"resourceType": "Patient", "id": "p2"}, "other-patient"),
        ({"resourceType": "Patient"}, "other-patient"),
        ({"resourceType": "Person", "id": "p1"}, "other-type"),
    ],
)
def test_another_patient_in_place_of_ours_is_unreadable(sent: Any, reason: str) -> None:
    with pytest.raises(DataUnreadable, match=reason) as gap:
        source(patient=sent).obtain(PATIENT)
    assert gap.value.kind == "unreadable"


def test_null_is_known_to_be_none_and_no_gap() -> None:
    assert source(medications=None).obtain(MEDICATIONS).state == NONE


def test_a_key_is_read_once() -> None:
    one = source(medications=order())
    assert one.obtain(MEDICATIONS) is one.obtain(MEDICATIONS)


def test_the_context_may_name_the_patient_with_its_type() -> None:
    one = Source({"patient": {"resourceType": "Patient", "id": "p1"}}, "Patient/p1", R4)
    assert one.obtain(PATIENT).resources[0].id == "p1"


@pytest.mark.parametrize(
    "bundle",
    [
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order()}]},
        {"entry": [{"fullUrl": "urn:uuid:9", "resource": order()}]},
        {"entry": {"resource": order()}},
        {"resourceType": "Bundle", "entry": [order()]},
        [order()],
        [{"resource": order()}],
        order(),
        {"resourceType": "Bundle", "entry": [{"resource": order()}, {"resource": DRUG}]},
    ],
)
def test_draft_orders_are_found_in_every_wrapping(bundle: Any) -> None:
    one = source()
    assert [draft.id for draft in one.drafts(bundle)] == ["m1"]
    assert one.unreadable_drafts(bundle) == 0


@pytest.mark.parametrize("bundle", [None, {}, [], {"resourceType": "Bundle"}, {"entry": []}, {"entry": {}}])
def test_no_drafts_are_no_unreadable_drafts(bundle: Any) -> None:
    one = source()
    assert (one.drafts(bundle), one.unreadable_drafts(bundle)) == ((), 0)


@pytest.mark.parametrize("bad", ["x", 5, {"resource": "x"}, {"fullUrl": "x"}, {"resource": order(subject=7)}])
def test_a_draft_that_cannot_be_read_is_counted_and_the_others_stand(bad: Any) -> None:
    one = source()
    bundle = {"resourceType": "Bundle", "entry": [bad, {"resource": order()}]}
    assert ([draft.id for draft in one.drafts(bundle)], one.unreadable_drafts(bundle)) == (["m1"], 1)


def test_drafts_keep_the_order_they_were_sent_in() -> None:
    drafts = [order("b"), {"resourceType": "ServiceRequest", "id": "a", "subject": OURS}, order("c")]
    assert [draft.id for draft in source().drafts(drafts)] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("address", "full_url"),
    [
        ("Medication/d1", ""),
        ("Medication/d1/_history/2", ""),
        ("https://ehr.example/fhir/Medication/d1", "https://ehr.example/fhir/Medication/d1"),
        ("https://ehr.example/fhir/Medication/d1", ""),
        ("urn:uuid:77", "urn:uuid:77"),
        ("urn:uuid:d1", ""),
    ],
)
@pytest.mark.parametrize("place", ["beside it", "under another key"])
def test_a_reference_is_followed_to_whatever_was_sent_along(address: str, full_url: str, place: str) -> None:
    drug = {"resource": DRUG, "fullUrl": full_url}
    own = [{"resource": order()}, *([drug] if place == "beside it" else [])]
    one = source(medications={"resourceType": "Bundle", "entry": [drug] if place != "beside it" else []})
    holder = one.drafts(own)[0]
    type_name, _, name = address.partition("/_history")[0].rpartition("/")
    reference = Reference(address, type_name.rpartition("/")[2], name)
    found = one.resolve(reference, holder)
    assert found is not None
    assert found.raw is DRUG


@pytest.mark.parametrize(
    "reference", [Reference(), Reference("#x"), Reference("Medication/d2", "Medication", "d2"), Reference("urn:uuid:2")]
)
def test_a_reference_that_leads_nowhere_is_none(reference: Reference) -> None:
    one = source(medications={"resourceType": "Bundle", "entry": [{"resource": DRUG}]})
    assert one.resolve(reference, one.drafts([order()])[0]) is None


def test_a_full_address_wins_over_the_same_id() -> None:
    other = {**DRUG, "code": {"text": "another"}}
    entries = [
        {"fullUrl": "https://b.example/Medication/d1", "resource": other},
        {"fullUrl": "https://a.example/Medication/d1", "resource": DRUG},
    ]
    one = source(medications={"resourceType": "Bundle", "entry": entries})
    reference = Reference("https://a.example/Medication/d1", "Medication", "d1")
    found = one.resolve(reference, one.drafts([order()])[0])
    assert found is not None
    assert found.raw is DRUG


def test_problems_say_where_and_never_what() -> None:
    sent = order(intent="order", note="secret", category={"text": "secret"}, dosageInstruction=[{"sequence": "secret"}])
    one = source(medications=sent)
    resource: Resource = one.obtain(MEDICATIONS).resources[0]
    assert one.problems == {}
    resource.sound()
    found = one.problems["medications"]
    assert Problem("set-aside", "dosageInstruction[0].sequence") in [Problem(p.kind, p.path.lstrip(".")) for p in found]
    assert "secret" not in repr(found)
