"""What a request asks for, by code, by panel and by name, and whether it is still to come."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.facts import Facts
from cds_service.facts.clock import Clock
from cds_service.facts.orders import TestOrder
from cds_service.fhir import DataUnavailable
from cds_service.fhir.source import Source
from cds_service.manifest import load_catalogue
from cds_service.terminology.codes import LOINC, SNOMED_CT, Coding
from cds_service.terminology.requests import asked_for

from .vignettes import NOW, ZONE

CATALOGUE = load_catalogue()
MEMBER = CATALOGUE.terminology.member
TODAY = NOW.astimezone(ZONE).date()
DENTAL = "dental-invasive"
WITHIN = 60


def by_name(name: str) -> frozenset[str]:
    return asked_for((), (name,), MEMBER)


@pytest.mark.parametrize(
    ("coding", "groups"),
    [
        (Coding(LOINC, "62292-8"), {"vitamin-d-25oh"}),
        (Coding(LOINC, "17861-6"), {"calcium-total"}),
        (Coding(LOINC, "2731-8"), {"pth"}),
        (Coding(LOINC, "24323-8"), {"calcium-total", "albumin", "creatinine", "alp"}),
        (Coding(LOINC, "51990-0"), {"calcium-total", "creatinine"}),
        (Coding(LOINC, "24362-6"), {"calcium-total", "albumin", "creatinine", "phosphate"}),
        (Coding(SNOMED_CT, "55162003"), {DENTAL}),
        (Coding(LOINC, "718-7", "Hemoglobin"), set()),
        (Coding("", "62292-8"), set()),
    ],
)
def test_a_code_says_what_is_asked_for(coding: Coding, groups: set[str]) -> None:
    assert asked_for((coding,), (), MEMBER) == groups


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("25-hydroxyvitamin D", {"vitamin-d-25oh"}),
        ("  Comprehensive   Metabolic Panel ", {"calcium-total", "albumin", "creatinine", "alp"}),
        ("CMP", {"calcium-total", "albumin", "creatinine", "alp"}),
        ("basic metabolic panel (BMP)", {"calcium-total", "creatinine"}),
        ("Renal function panel", {"calcium-total", "albumin", "creatinine", "phosphate"}),
        ("DXA hip and spine", {"dxa"}),
        ("bone density study", {"dxa"}),
        ("1,25-dihydroxyvitamin D", set()),
        ("Hepatic panel", set()),
        ("", set()),
    ],
)
def test_a_name_says_what_is_asked_for(name: str, groups: set[str]) -> None:
    assert by_name(name) == groups


@pytest.mark.parametrize(
    "name",
    [
        "Tooth extraction",
        "Dental extractions x 4",
        "Extraction of tooth 36",
        "extraction, erupted tooth or exposed root",
        "Surgical removal of impacted wisdom teeth",
        "removal of third molars",
        "Dental implant placement",
        "Implantation into jaw",
        "Referral to oral surgery for tooth extraction",
        "Orthognathic surgery",
        "Periodontal surgery, lower right",
        "Apicoectomy",
        "Full mouth extractions",
        "osteotomy of the mandible",
    ],
)
def test_a_procedure_that_opens_the_jaw_is_known_by_its_name(name: str) -> None:
    assert by_name(name) == {DENTAL}
    assert by_name(name.upper()) == {DENTAL}


@pytest.mark.parametrize(
    "name",
    [
        "Dental cleaning",
        "Dental examination",
        "Dental plaque removal",
        "Removal of calculus from teeth",
        "tooth stain removal",
        "Dental crown removal",
        "Removal of dental prosthesis",
        "Suture removal after tooth extraction",
        "X-ray of jaw after dental extraction",
        "CT mandible, implant planning",
        "Follow-up dental implant",
        "Removal of breast implant",
        "Cochlear implant",
        "Cataract extraction",
        "DNA extraction",
        "Tooth whitening",
        "Molar pregnancy ultrasound",
    ],
)
def test_other_care_of_teeth_and_other_extractions_are_none(name: str) -> None:
    assert by_name(name) == frozenset()


@given(st.text(max_size=200), st.text(max_size=20))
def test_any_name_is_read(name: str, code: str) -> None:
    asked_for((Coding(LOINC, code, name),), (name,), MEMBER)


def request(id_: str = "s1", **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "id": id_,
        "status": "active",
        "intent": "order",
        "code": {"text": "Tooth extraction"},
        "subject": {"reference": "Patient/p1"},
        **members,
    }


def day(days: int) -> str:
    return (TODAY + datetime.timedelta(days=days)).isoformat()


def planned(on_record: Any, *drafts: dict[str, Any]) -> TestOrder | None:
    if isinstance(on_record, list):
        on_record = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in on_record]}
    facts = Facts(
        source=Source({"service-requests": on_record} if on_record != "withheld" else {}, "p1", CATALOGUE.fhir, ZONE),
        fhir=CATALOGUE.fhir,
        terminology=CATALOGUE.terminology,
        clock=Clock(NOW, ZONE),
        settings=CATALOGUE.settings(TODAY),
        hook="order-sign",
        draft_orders={"resourceType": "Bundle", "entry": [{"resource": d} for d in drafts]},
    )
    return facts.planned(DENTAL, WITHIN)


@pytest.mark.parametrize(
    ("when", "ahead"),
    [
        ({}, True),
        ({"occurrenceDateTime": day(0)}, True),
        ({"occurrenceDateTime": day(WITHIN)}, True),
        ({"occurrenceDateTime": day(WITHIN + 1)}, False),
        ({"occurrenceDateTime": day(-1)}, False),
        ({"occurrenceDateTime": TODAY.isoformat()[:7]}, True),
        ({"occurrenceDateTime": "2020"}, False),
        ({"occurrencePeriod": {"start": day(-10), "end": day(5)}}, True),
        ({"occurrencePeriod": {"start": day(-10), "end": day(-1)}}, False),
        ({"occurrencePeriod": {"start": day(-10)}}, True),
        ({"occurrencePeriod": {"end": day(3)}}, True),
        ({"occurrencePeriod": {"start": day(WITHIN + 1), "end": day(WITHIN + 9)}}, False),
        ({"occurrenceDateTime": "soon"}, True),
    ],
)
def test_a_request_counts_while_it_may_still_happen_soon(when: dict[str, Any], ahead: bool) -> None:
    assert (planned([request(**when)]) is not None) is ahead
    assert (planned([], request(status="draft", **when)) is not None) is ahead


@pytest.mark.parametrize("change", [{"status": "revoked"}, {"status": "completed"}, {"doNotPerform": True}])
def test_what_no_longer_stands_is_not_planned(change: dict[str, Any]) -> None:
    assert planned([request(**change)]) is None
    assert planned([], request(**change)) is None


def test_a_past_request_does_not_hide_one_that_is_to_come() -> None:
    found = planned([request("s1", occurrenceDateTime=day(-30)), request("s2", occurrenceDateTime=day(30))])
    assert found is not None
    assert found.source == "ServiceRequest/s2"


def test_the_session_is_enough_to_say_yes_and_the_record_is_needed_to_say_no() -> None:
    failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
    assert planned("withheld", request(status="draft")) is not None
    for missing in ("withheld", failed, [request(code=[1])]):
        with pytest.raises(DataUnavailable):
            planned(missing)
