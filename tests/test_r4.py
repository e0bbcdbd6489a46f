"""R4: queries within what every client understands, and elements read for what they say and no more."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cds_service.fhir import DataUnreadable, version
from cds_service.fhir.elements import MedicationRecord, ObservationRecord, PartialDate, Period, Quantity
from cds_service.fhir.reading import Resource
from cds_service.fhir.requirement import DataRequirement
from cds_service.terminology.codes import LOINC, Coding

R4 = version("4.0.1")
CHICAGO = ZoneInfo("America/Chicago")
SETS = {"egfr": (Coding(LOINC, "98979-8"), Coding(LOINC, "62292-8")), "more": (Coding(LOINC, "98979-8"),), "none": ()}


def query(*arguments: Any, **more: Any) -> str:
    text: str = R4.query(DataRequirement("key", *arguments, **more), SETS.__getitem__)
    return text


def medication(**elements: Any) -> MedicationRecord:
    raw = {"resourceType": "MedicationRequest", "id": "m1", "status": "active", "intent": "order", **elements}
    before = copy.deepcopy(raw)
    record: MedicationRecord = R4.medication_record(Resource(raw, R4), lambda reference, holder: None, CHICAGO)
    assert raw == before
    return record


def observations(**elements: Any) -> tuple[ObservationRecord, ...]:
    raw = {"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "x"}, **elements}
    found: tuple[ObservationRecord, ...] = R4.observation_records(Resource(raw, R4), CHICAGO)
    return found


def observation(**elements: Any) -> ObservationRecord:
    (found,) = observations(**elements)
    return found


# -- queries --------------------------------------------------------------------------------------------------------


def test_the_patient_is_read_by_id() -> None:
    assert query("Patient", by_id=True) == "Patient/{{context.patientId}}"


def test_results_are_searched_by_code_and_the_newest_come_first() -> None:
    assert query("Observation", ("egfr", "more"), newest=20) == (
        "Observation?patient={{context.patientId}}&code=http://loinc.org|98979-8,http://loinc.org|62292-8"
        "&_sort=-date&_count=20"
    )


def test_medications_come_with_the_drug_they_refer_to() -> None:
    found = query("MedicationRequest", status=("active", "on-hold"), include=("MedicationRequest:medication",))
    assert found == (
        "MedicationRequest?patient={{context.patientId}}&status=active,on-hold&_include=MedicationRequest:medication"
    )
    assert query("Condition") == "Condition?patient={{context.patientId}}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "Binary"},
        {"type": "Observation", "by_id": True},
        {"type": "Patient", "by_id": True, "newest": 1},
        {"type": "Observation", "newest": 0},
        {"type": "Observation", "value_sets": ("none",)},
        {"type": "Observation", "status": ("final amended",)},
        {"type": "Observation", "status": ("final&_format=xml",)},
        {"type": "MedicationRequest", "include": ("MedicationRequest:requester",)},
        {"type": "Observation", "include": ("MedicationRequest:medication",)},
    ],
)
def test_what_not_every_client_understands_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="key"):
        query(**wrong)


def test_a_version_we_do_not_speak_is_named_with_those_we_do() -> None:
    with pytest.raises(ValueError, match=r"5\.0\.0.*4\.0\.1"):
        version("5.0.0")


# -- repair and setting aside ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elements", "fields"),
    [
        ({"medicationCodeableConcept": 5}, {"medication"}),
        ({"medicationCodeableConcept": {"text": "x"}, "medicationReference": {"display": "x"}}, {"medication"}),
        ({"medication": {"concept": {"text": "x"}}}, {"medication"}),
        ({"status": ""}, {"status"}),
        ({"status": 7}, {"status"}),
        ({"authoredOn": 5}, {"authored"}),
        ({"authoredOn": "2020-02-30"}, {"authored"}),
        ({"dosageInstruction": ["x"]}, {"dosages"}),
        ({"doNotPerform": "maybe"}, {"do_not_perform"}),
        ({"dispenseRequest": {"expectedSupplyDuration": {"value": 3, "unit": "packs"}}}, {"supply_days"}),
        ({"dispenseRequest": {"numberOfRepeatsAllowed": -1.5}}, {"repeats_allowed"}),
    ],
)
def test_what_cannot_be_read_is_named_and_nothing_else_is_lost(elements: dict[str, Any], fields: set[str]) -> None:
    record = medication(**{"priorPrescription": {"reference": "MedicationRequest/0"}, **elements})
    assert record.unreadable == fields
    assert record.prior_prescription is not None


@pytest.mark.parametrize("missing", ["status", "intent"])
def test_a_draft_without_a_required_element_is_sound(missing: str) -> None:
    raw = {"resourceType": "MedicationRequest", "id": "m1", "status": "draft", "intent": "order"}
    del raw[missing]
    resource = Resource(raw, R4)
    record = R4.medication_record(resource, lambda reference, holder: None, CHICAGO)
    assert getattr(record, missing) == ""
    assert (record.unreadable, resource.set_aside) == (frozenset(), ())


def test_a_fault_hidden_behind_a_missing_element_is_still_found() -> None:
    raw = {"resourceType": "Observation", "code": {"text": "x"}, "valueString": "a", "valueInteger": 1}
    resource = Resource(raw, R4)
    resource.sound()
    assert {entry.path for entry in resource.set_aside} == {"valueString", "valueInteger"}


@pytest.mark.parametrize(
    "hostile",
    [
        {"contained": [{"resourceType": "Foo"}]},
        {"note": [{"authorReference": {"reference": 10**5000}}]},
        {"reasonReference": {"a": [[[[[[]]]]]]}},
        {"resourceType": "MedicationRequest", "supportingInformation": [None, 1, "{}", [[]]]},
    ],
)
def test_a_model_that_breaks_takes_nothing_else_with_it(hostile: dict[str, Any]) -> None:
    assert medication(medicationCodeableConcept={"text": "x"}, **hostile).medication is not None


def test_nesting_without_end_does_not_raise() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    raw = {"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "x"}, "valueQuantity": deep}
    (record,) = R4.observation_records(Resource(raw, R4), CHICAGO)
    assert (record.code.label, record.unreadable) == ("x", {"value"})


# -- medication -----------------------------------------------------------------------------------------------------


def test_a_stu3_rate_beside_the_dosage_is_read() -> None:
    (dosage,) = medication(dosageInstruction=[{"rateQuantity": {"value": 100, "unit": "mL/h"}}]).dosages
    assert dosage.doses[0].rate == Quantity(Decimal(100), "mL/h")


def test_as_needed_of_r5_does_not_become_a_schedule() -> None:
    (dosage,) = medication(dosageInstruction=[{"asNeeded": True}]).dosages
    assert dosage.as_needed


def test_a_modifier_inside_a_dosage_is_unknown_too() -> None:
    assert medication(dosageInstruction=[{"modifierExtension": [{"url": "u"}]}]).unknown_modifier
    assert not medication(dosageInstruction=[{"modifierExtension": []}]).unknown_modifier


@pytest.mark.parametrize(("unit", "days"), [("d", 28), ("wk", 196), ("Weeks", 196), ("mo", 840)])
def test_supply_is_counted_in_days(unit: str, days: int) -> None:
    duration = {"value": 28, "unit": unit}
    assert medication(dispenseRequest={"expectedSupplyDuration": duration}).supply_days == days


def test_an_unreadable_contained_drug_is_unreadable_and_not_unnamed() -> None:
    raw = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "contained": [{"resourceType": "Medication", "id": "d", "code": 5}],
        "medicationReference": {"reference": "#d"},
    }
    holder = Resource(raw, R4)
    follow: Callable[..., Any] = lambda reference, resource: resource.contained(reference.reference[1:])  # noqa: E731
    record = R4.medication_record(holder, follow, CHICAGO)
    assert (record.medication, record.unresolved, record.unreadable) == (None, False, {"medication"})


# -- observations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "day"),
    [
        ("2026-03-01T05:59:59Z", PartialDate(2026, 2, 28)),
        ("2026-03-01T06:00:00Z", PartialDate(2026, 3, 1)),
        ("2026-03-01T06:00Z", PartialDate(2026, 3, 1)),
        ("2026-03-01T23:30:00-06:00", PartialDate(2026, 3, 1)),
        ("2026-03-01", PartialDate(2026, 3, 1)),
        ("2026-03-01T05:00:00", PartialDate(2026, 3, 1)),
        ("2026-03-01 05:00", PartialDate(2026, 3, 1)),
        ("2026-03", PartialDate(2026, 3)),
        ("2026", PartialDate(2026)),
    ],
)
def test_a_moment_is_a_day_in_the_sites_zone_and_a_date_stays_a_date(sent: str, day: PartialDate) -> None:
    effective = observation(effectiveDateTime=sent).effective
    assert effective is not None
    assert effective.date == day


@pytest.mark.parametrize("sent", ["2026-13-01", "2026-02-29", "0000-01-01", "yesterday", "03/01/2026", 20260301, {}])
def test_a_day_that_does_not_exist_is_unreadable(sent: Any) -> None:
    record = observation(effectiveDateTime=sent)
    assert record.effective is None
    assert "effective" in record.unreadable or sent == {}


@pytest.mark.parametrize(
    ("value", "quantity", "text"),
    [
        ({"valueInteger": 17}, Quantity(Decimal(17)), ""),
        ({"valueString": " 32,5 nmol/L "}, None, "32,5 nmol/L"),
        ({"valueCodeableConcept": {"coding": [{"code": "Q"}], "text": "QNS"}}, None, "QNS"),
        ({"valueBoolean": False}, None, "false"),
        ({"valueQuantity": {"value": Decimal("30.0"), "unit": "ng/mL"}}, Quantity(Decimal("30.0"), "ng/mL"), ""),
    ],
)
def test_every_readable_kind_of_value_is_read(value: dict[str, Any], quantity: Quantity | None, text: str) -> None:
    record = observation(**value)
    assert (record.value, record.value_text, record.unreadable) == (quantity, text, frozenset())


def test_decimals_are_kept_exactly_as_sent() -> None:
    record = observation(valueQuantity={"value": Decimal("30.00"), "unit": "ng/mL"})
    assert record.value is not None
    assert str(record.value.value) == "30.00"


@pytest.mark.parametrize(
    "value",
    [
        {"valueRange": {"low": {"value": 1}}},
        {"valueDecimal": Decimal("1.5")},
        {"valueQuantity": {}},
        {"valueQuantity": {"value": "1,250", "unit": "mg"}},
        {"valueQuantity": {"value": True, "unit": "mg"}},
        {"valueQuantity": {"value": Decimal("NaN"), "unit": "mg"}},
        {"valueQuantity": {"value": 1, "unit": 5}},
        {"valueQuantity": {"value": 1, "unit": "mg", "comparator": "~"}},
        {"valueString": ""},
    ],
)
def test_a_value_that_was_sent_and_has_no_reading_is_unreadable_not_absent(value: dict[str, Any]) -> None:
    record = observation(**value)
    assert (record.value, record.value_text, record.unreadable) == (None, "", {"value"})


def test_a_panel_is_read_as_its_components_and_an_empty_result_as_itself() -> None:
    component = {"code": {"text": "c"}, "valueInteger": 1}
    assert [r.code.label for r in observations(component=[component, component])] == ["c", "c"]
    assert [r.code.label for r in observations(component=[component], valueInteger=2)] == ["x", "c"]
    assert observations(hasMember=[{"reference": "Observation/2"}]) == ()
    assert [r.code.label for r in observations()] == ["x"]


def test_an_unknown_modifier_of_an_observation_is_inherited_by_its_components() -> None:
    modifier = [{"url": "https://vendor.example/x"}]
    assert "modifier" in observation(modifierExtension=modifier, valueInteger=1).unreadable
    assert "modifier" in observations(modifierExtension=modifier, component=[{"valueInteger": 1}])[0].unreadable


def test_an_open_period_counts_from_its_start_and_a_broken_end_is_unreadable() -> None:
    started = observation(effectivePeriod={"start": "2026-01-02"}).effective
    assert started is not None
    assert started.date == PartialDate(2026, 1, 2)
    assert "effective" in observation(effectivePeriod={"start": "2026-01-02", "end": "soon"}).unreadable


# -- conditions, patients, and what is sent -------------------------------------------------------------------------


def condition(**elements: Any) -> Any:
    return R4.condition_record(Resource({"resourceType": "Condition", "id": "c1", **elements}, R4), CHICAGO)


def test_a_condition_says_its_status_in_r4_and_in_stu3() -> None:
    assert condition(clinicalStatus={"coding": [{"code": "active"}]}).clinical_status == "active"
    assert condition(clinicalStatus="active").clinical_status == "active"
    assert condition(clinicalStatus=5).unreadable == {"clinical_status", "status"}


def test_a_condition_has_abated_when_it_says_so() -> None:
    assert condition(abatementDateTime="2020").abated
    assert not condition(abatementBoolean=False).abated
    assert not condition().abated


def patient(**elements: Any) -> Any:
    return R4.patient_record(Resource({"resourceType": "Patient", "id": "p1", **elements}, R4), "Patient/p1")


def test_another_patient_is_refused() -> None:
    with pytest.raises(DataUnreadable, match="other-patient"):
        patient(id="p2")


def test_a_sex_for_clinical_use_wins_over_gender() -> None:
    url = "http://hl7.org/fhir/StructureDefinition/patient-sexParameterForClinicalUse"
    code = {"url": "value", "valueCodeableConcept": {"coding": [{"code": "male-typical"}]}}
    assert patient(gender="female").sex == "female"
    assert patient(gender="female", extension=[{"url": url, "extension": [code]}]).sex == "male"


@pytest.mark.parametrize(
    ("sent", "read"),
    [("1951-05", PartialDate(1951, 5)), ("1951-05-17T00:00:00Z", PartialDate(1951, 5, 17)), ("x", None)],
)
def test_a_birth_date_is_the_day_written(sent: str, read: PartialDate | None) -> None:
    assert patient(birthDate=sent).birth_date == read


def test_a_statement_taken_once_has_no_known_end() -> None:
    raw = {"resourceType": "MedicationStatement", "id": "s1", "status": "active", "effectiveDateTime": "2026-01-02"}
    record = R4.medication_record(Resource(raw, R4), lambda reference, holder: None, CHICAGO)
    assert isinstance(record.effective, Period)
    assert record.effective.end is None


def test_what_we_send_is_held_to_the_model_and_what_we_give_back_only_to_our_own_changes() -> None:
    sound = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/1"},
    }
    assert R4.validate(sound) == []
    assert R4.validate({**sound, "intent": None}) != []
    assert R4.validate({"resourceType": "Foo"}) != []
    received = {"resourceType": "MedicationRequest", "status": "draft", "category": {"text": "community"}}
    assert R4.validate({**received, "note": [{"text": "x"}]}, received) == []
    assert any("priority" in error for error in R4.validate({**received, "priority": 5}, received))


def test_a_first_look_finds_codes_in_any_shape() -> None:
    coding = {"system": LOINC, "code": "62292-8"}
    assert R4.codes({"code": {"coding": coding}}).codings == (Coding(LOINC, "62292-8"),)
    assert R4.codes({"component": {"code": {"coding": [coding]}}}).codings == (Coding(LOINC, "62292-8"),)
    assert R4.codes({"code": 5, "component": [None, "x"], "medicationReference": []}).codings == ()
