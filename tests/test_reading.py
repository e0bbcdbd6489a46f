"""Prefetch values of any shape: what came, what did not, and never another patient's."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.fhir import version
from cds_service.fhir.reading import ABSENT, DATA, FAILED, MISSING, NONE, Reading, Resource, read
from cds_service.fhir.requirement import DataRequirement

R4 = version("4.0.1")
RESULTS = DataRequirement("results", "Observation")
NEWEST = DataRequirement("results", "Observation", newest=2)
PATIENT = DataRequirement("patient", "Patient", by_id=True)
ALL = (
    RESULTS,
    NEWEST,
    PATIENT,
    DataRequirement("medications", "MedicationRequest", include=("MedicationRequest:medication",)),
    DataRequirement("medication-statements", "MedicationStatement"),
    DataRequirement("conditions", "Condition"),
    DataRequirement("requests", "ServiceRequest"),
)


def observation(name: str = "o1", patient: Any = "Patient/p1", **more: Any) -> dict[str, Any]:
    subject = {"reference": patient}
    return {"resourceType": "Observation", "id": name, "status": "final", "subject": subject, "code": {}, **more}


def bundle(*entries: Any, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "entry": [{"resource": entry} for entry in entries], **more}


def of(value: Any, requirement: DataRequirement = RESULTS) -> Reading:
    return read(value, requirement, "p1", R4)


def kinds(reading: Reading) -> list[str]:
    return [problem.kind for problem in reading.problems]


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "entry": []},
        {"resourceType": "Bundle", "entry": {}},
        {"resourceType": "Bundle", "entry": None, "total": 0},
        {"resourceType": "Bundle", "entry": [None, {}]},
        {"entry": []},
        {"resource": None},
        {"response": {"status": "200 OK"}, "resource": {"resourceType": "Bundle", "total": 0}},
    ],
)
def test_every_way_of_saying_nothing_found_is_none(value: Any) -> None:
    assert (of(value).state, of(value).incomplete) == (NONE, False)


@pytest.mark.parametrize("value", [MISSING, "123", 5, True, Decimal("1.5"), [], [observation()], {}, {"response": 1}])
def test_what_is_no_resource_is_absent(value: Any) -> None:
    assert of(value).state == ABSENT


@pytest.mark.parametrize(
    "value",
    [
        {"resourceType": "OperationOutcome"},
        {"resource": {"resourceType": "OperationOutcome", "issue": []}},
        {"response": {"status": "404 Not Found"}, "resource": None},
        {"response": {"status": "200", "outcome": {"resourceType": "OperationOutcome"}}},
    ],
)
def test_an_error_is_failed_and_neither_none_nor_absent(value: Any) -> None:
    assert of(value).state == FAILED


def test_the_text_of_an_error_is_kept_and_shortened() -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "diagnostics": "no\n" + "x" * 999}]}
    assert of(outcome).reason.startswith("no x")
    assert len(of(outcome).reason) == 200


@pytest.mark.parametrize(
    "value",
    [
        observation(),
        bundle(observation()),
        {"entry": {"resource": observation()}},
        {"resourceType": "Bundle", "entry": [observation()]},
        {"resourceType": "Bundle", "entry": [{"resource": {"resource": observation()}}]},
        {"response": bundle(observation())},
        bundle(bundle(observation())),
        bundle(observation(patient="https://ehr.example/fhir/Patient/p1/_history/4")),
        bundle(observation(patient="p1")),
        bundle(observation(patient="urn:uuid:p1")),
        bundle(observation(subject="Patient/p1")),
        bundle(observation(subject={"display": "our patient"})),
    ],
)
def test_one_observation_is_found_in_every_wrapping(value: Any) -> None:
    reading = of(value)
    assert (reading.state, [r.id for r in reading.resources], reading.complete) == (DATA, ["o1"], True)


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        ({"reference": "Patient/p2"}, "other-patient"),
        ({"reference": "Group/p1"}, "other-patient"),
        ({"reference": "https://ehr.example/fhir/Patient/p11"}, "other-patient"),
        ([{"reference": "Patient/p1"}, {"reference": "Patient/p2"}], "other-patient"),
        ({"reference": 5}, "subject-unreadable"),
        (5, "subject-unreadable"),
    ],
)
def test_an_entry_about_somebody_else_is_never_used_and_never_overlooked(subject: Any, kind: str) -> None:
    reading = of(bundle(observation("o2", subject=subject)))
    assert (reading.state, reading.resources, reading.incomplete, kinds(reading)) == (DATA, (), True, [kind])


@pytest.mark.parametrize("entry", ["x", 5, [], {"fullUrl": "x"}, {"resource": 5}, {"resource": {"id": "1"}}])
def test_an_entry_that_cannot_be_read_leaves_the_others_and_makes_the_reading_incomplete(entry: Any) -> None:
    reading = of({"resourceType": "Bundle", "entry": [entry, {"resource": observation()}]})
    assert ([r.id for r in reading.resources], reading.incomplete) == (["o1"], True)


@pytest.mark.parametrize(
    ("severity", "incomplete"),
    [("fatal", True), ("error", True), (None, True), ("warning", False), ("information", False)],
)
def test_an_outcome_beside_the_results_matters_when_it_is_an_error(severity: str | None, incomplete: bool) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": severity}]}
    assert of(bundle(observation(), outcome)).incomplete is incomplete


def test_a_next_page_matters_unless_only_the_newest_were_asked_for() -> None:
    page = bundle(observation(), link=[{"relation": "next", "url": "https://ehr.example/2"}], total=9)
    assert of(page).incomplete
    assert of(page, NEWEST).complete
    assert of({"resourceType": "Bundle", "total": 9}, NEWEST).incomplete


def test_of_two_copies_the_newer_counts_once_where_both_say_their_version() -> None:
    old, new = observation(meta={"versionId": "9"}), observation(meta={"versionId": "10"}, status="amended")
    assert [r.raw["status"] for r in of(bundle(old, new)).resources] == ["amended"]
    assert [r.raw["status"] for r in of(bundle(new, old)).resources] == ["amended"]
    assert [r.raw["status"] for r in of(bundle(observation(), new)).resources] == ["final"]


def test_resources_without_an_id_are_never_copies_of_each_other() -> None:
    nameless = {key: value for key, value in observation().items() if key != "id"}
    assert len(of(bundle(nameless, nameless)).resources) == 2


def test_orders_under_the_name_of_an_older_version_are_not_no_orders() -> None:
    reading = of(bundle({"resourceType": "MedicationOrder", "id": "1"}), ALL[3])
    assert (reading.state, reading.incomplete) == (DATA, True)


NUMBERS = st.integers() | st.decimals() | st.just(10**4000)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=8)
NAME_LIST = (
    "resourceType id subject patient reference status code coding system value valueQuantity valueString unit text "
    "component entry resource response link relation url total search mode issue severity medicationCodeableConcept "
    "medicationReference dosageInstruction dosage doseAndRate doseQuantity timing repeat frequency period contained "
    "extension modifierExtension effectiveDateTime effectivePeriod birthDate clinicalStatus referenceRange low meta "
    "versionId taken asNeeded category"
)
NAMES = st.sampled_from(NAME_LIST.split())
WORD_LIST = (
    "Bundle Observation MedicationRequest MedicationStatement Patient Condition ServiceRequest Medication "
    "OperationOutcome ProcedureRequest p1 p2 Patient/p1 Patient/p2 #a final 2020-01-01 next error Foo"
)
WORDS = st.sampled_from(WORD_LIST.split())
JSON = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)


def resources_of(type_name: str) -> st.SearchStrategy[Any]:
    subject = st.sampled_from(["Patient/p1", "Patient/p2"]).map(lambda reference: {"reference": reference})
    body = st.dictionaries(NAMES, JSON, max_size=6)
    return st.tuples(body, subject | JSON).map(lambda pair: {**pair[0], "resourceType": type_name, "subject": pair[1]})


def convert(resource: Resource, requirement: DataRequirement) -> None:
    zone = ZoneInfo("America/Chicago")
    {
        "Observation": lambda: R4.observation_records(resource, zone),
        "MedicationRequest": lambda: R4.medication_record(resource, lambda reference, holder: None, zone),
        "MedicationStatement": lambda: R4.medication_record(resource, lambda reference, holder: None, zone),
        "Condition": lambda: R4.condition_record(resource, zone),
        "ServiceRequest": lambda: R4.request_record(resource, zone),
        "Patient": lambda: R4.patient_record(resource, "p1"),
    }[requirement.type]()
    R4.codes(resource.raw)


@pytest.mark.parametrize("requirement", ALL, ids=lambda requirement: requirement.type)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_arbitrary_json_neither_raises_nor_changes_nor_mixes_patients(
    requirement: DataRequirement, data: st.DataObject
) -> None:
    entries = st.lists(resources_of(requirement.type) | JSON, max_size=3)
    value = data.draw(JSON | resources_of(requirement.type) | entries.map(lambda found: bundle(*found)))
    before = copy.deepcopy(value)
    reading = of(value, requirement)
    for resource in reading.resources:
        assert resource.type == requirement.type
        assert resource.id == "p1" or requirement.type != "Patient"
        for name in ("subject", "patient"):
            sent = resource.raw.get(name)
            assert not (isinstance(sent, dict) and sent.get("reference") == "Patient/p2")
        convert(resource, requirement)
    assert repr(value) == repr(before)
