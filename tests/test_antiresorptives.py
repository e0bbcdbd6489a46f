"""Facts the antiresorptive rules rest on: treatments, the latest level, T-scores, groups of diagnoses."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from cds_service.facts import Facts
from cds_service.facts.antiresorptives import antiresorptive_of
from cds_service.facts.clock import Clock
from cds_service.fhir import DataUnavailable, DataUnreadable
from cds_service.fhir.source import Source
from cds_service.manifest import load_catalogue

from .vignettes import NOW, ZONE

Json = dict[str, Any]
CATALOGUE = load_catalogue()
TODAY = NOW.astimezone(ZONE).date()
SUBJECT = {"reference": "Patient/p1"}
FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}


def day(days: int) -> str:
    return (TODAY + datetime.timedelta(days=days)).isoformat()


def order(text: str, id_: str, status: str = "draft", **members: Any) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": id_,
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": {"text": text},
        "subject": SUBJECT,
        **members,
    }


def result(code: str, value: Any, unit: str, days: int = -5) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"o{code}{days}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": SUBJECT,
        "effectiveDateTime": day(days),
        "valueQuantity": {"value": value, "unit": unit} if unit else {"value": value},
    }


def condition(code: Any, id_: str) -> Json:
    system = "http://hl7.org/fhir/sid/icd-10-cm"
    concept = {"coding": [{"system": system, "code": code}]} if isinstance(code, str) else code
    return {"resourceType": "Condition", "id": id_, "code": concept, "subject": SUBJECT}


def facts(*drafts: Json, **prefetch: Any) -> Facts:
    sent: Json = {"medications": None, "medication-statements": None}
    for name, value in prefetch.items():
        entries = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in value]}
        sent[name.replace("_", "-")] = entries if isinstance(value, list) else value
    return Facts(
        source=Source(sent, "p1", CATALOGUE.fhir, ZONE),
        fhir=CATALOGUE.fhir,
        terminology=CATALOGUE.terminology,
        clock=Clock(NOW, ZONE),
        settings=CATALOGUE.settings(TODAY),
        hook="order-sign",
        draft_orders={"resourceType": "Bundle", "entry": [{"resource": d} for d in drafts]},
    )


def seen(*drafts: Json, **prefetch: Any) -> list[tuple[str, str, str]]:
    found = facts(*drafts, **prefetch).medicines.antiresorptives()
    return [(t.drug, t.stage, t.day.isoformat() if t.day else "") for t in found.treatments]


@pytest.mark.parametrize(
    ("text", "drug"),
    [
        ("alendronate 70 mg / cholecalciferol 5600 UNT oral tablet", "alendronate"),
        ("Fosamax Plus D", "alendronate"),
        ("risedronate 35 mg / calcium carbonate 1250 mg tablets", "risedronate"),
        ("Reclast", "zoledronic acid"),
        ("Prolia", "denosumab"),
    ],
)
def test_vitamin_d_and_calcium_in_a_product_are_not_its_drug(text: str, drug: str) -> None:
    assert antiresorptive_of(CATALOGUE.terminology.medication((), (text,))) == drug


def test_the_day_of_a_treatment_is_what_the_order_tells() -> None:
    bounds = {"dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": {"start": day(-20)}}}}]}
    statement = {"resourceType": "MedicationStatement", "id": "s1", "status": "completed", "subject": SUBJECT}
    assert seen(
        order("Prolia", "d1", authoredOn=day(-3)),
        medications=[
            order("Aclasta", "a1", "completed", authoredOn=day(-100)),
            order("Actonel", "a2", "active", authoredOn=day(-50), **bounds),
            order("Evista raloxifene 60 mg", "a3", "active"),
        ],
        medication_statements=[
            {**statement, "medicationCodeableConcept": {"text": "Reclast"}, "effectiveDateTime": day(-300)}
        ],
    ) == [
        ("denosumab", "session", day(0)),
        ("risedronate", "active", day(-20)),
        ("raloxifene", "active", ""),
        ("zoledronic acid", "given", day(-100)),
        ("zoledronic acid", "given", day(-300)),
    ]


@pytest.mark.parametrize("status", ["stopped", "on-hold", "cancelled", "entered-in-error", "draft"])
def test_what_is_not_being_given_is_no_treatment(status: str) -> None:
    assert seen(medications=[order("Prolia", "a1", status, authoredOn=day(-10))]) == []


@pytest.mark.parametrize("status", ["active", "completed"])
def test_what_is_replaced_is_no_treatment_even_if_it_was_completed(status: str) -> None:
    draft = order("Prolia", "d1", priorPrescription={"reference": "MedicationRequest/a1"})
    assert seen(draft, medications=[order("Reclast", "a1", status, authoredOn=day(-10))]) == [
        ("denosumab", "session", day(0))
    ]


def test_a_list_that_failed_does_not_hide_the_other() -> None:
    found = facts(medications=FAILED, medication_statements=[]).medicines.antiresorptives()
    assert [gap.key for gap in found.gaps] == ["medications"]


def test_the_latest_level_is_corrected_only_when_nothing_puts_it_in_doubt() -> None:
    def latest(*results: Json) -> tuple[str, bool]:
        found = facts(vitamin_d=list(results)).vitamin_d.latest
        return str(found.level), found.corrected

    good, low = result("62292-8", 34, "ng/mL", -10), result("62292-8", 18, "ng/mL", -10)
    assert latest(good) == ("34 ng/mL", True)
    assert latest(low) == ("18 ng/mL", False)
    assert latest(good, result("62292-8", 40, "", -2)) == ("34 ng/mL", False)
    assert latest(result("62292-8", 34, "ng/mL", -365)) == ("34 ng/mL", True)
    assert latest(result("62292-8", 34, "ng/mL", -366)) == ("34 ng/mL", False)
    assert latest() == ("None", False)


def test_the_lowest_t_score_counts_and_a_density_is_none() -> None:
    scores = [result("38263-0", Decimal("-1.9"), "{T-score}"), result("38267-1", Decimal("-2.6"), "", -400)]
    density = result("38268-9", Decimal("-9"), "g/cm2")
    assert facts(dxa=[*scores, density]).laboratory.lowest_t_score == Decimal("-2.6")
    assert facts(dxa=[density]).laboratory.lowest_t_score is None
    assert facts(dxa=[]).laboratory.lowest_t_score is None
    with pytest.raises(DataUnavailable):
        _ = facts(dxa=FAILED).laboratory.lowest_t_score


def test_one_of_several_groups_is_found_although_a_part_of_the_list_cannot_be_read() -> None:
    paget, broken = condition("M88.9", "c1"), condition([1], "c2")
    assert facts(conditions=[paget, broken]).condition("osteoporosis", "paget") is not None
    with pytest.raises(DataUnreadable):
        facts(conditions=[paget, broken]).condition("osteoporosis", "onj")
    assert facts(conditions=[paget]).condition("osteoporosis", "onj") is None
