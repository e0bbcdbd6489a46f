"""Codings and code systems, as records spell them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.terminology.codes import (
    ATC,
    HCPCS,
    ICD_10_CM,
    LOINC,
    NDC,
    RXNORM,
    SNOMED_CT,
    UCUM,
    Coding,
    canonical_system,
    coding,
    ndc_candidates,
)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("urn:oid:2.16.840.1.113883.6.88", RXNORM),
        ("2.16.840.1.113883.6.88", RXNORM),
        ("https://www.nlm.nih.gov/research/umls/rxnorm/", RXNORM),
        ("http://WWW.NLM.NIH.GOV/research/umls/RxNorm", RXNORM),
        ("urn:oid:2.16.840.1.113883.6.1", LOINC),
        (" https://loinc.org/ ", LOINC),
        ("http://snomed.info/sct/731000124108/version/20260301", SNOMED_CT),
        ("URN:OID:2.16.840.1.113883.6.96", SNOMED_CT),
        ("http://snomed.info/sct|http://snomed.info/sct/731000124108", SNOMED_CT),
        ("http://hl7.org/fhir/sid/icd-10", ICD_10_CM),
        ("urn:oid:2.16.840.1.113883.6.90", ICD_10_CM),
        ("https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", HCPCS),
        ("urn:oid:2.16.840.1.113883.6.285", HCPCS),
        ("http://terminology.hl7.org/CodeSystem/HCPCS", HCPCS),
        ("http://www.whocc.no/atc", ATC),
        ("http://hl7.org/fhir/sid/ndc", NDC),
        ("http://unitsofmeasure.org/", UCUM),
    ],
)
def test_a_system_is_known_under_every_address_it_is_sent_with(sent: str, meant: str) -> None:
    assert canonical_system(sent) == meant


def test_an_unknown_system_stays_as_it_was_sent() -> None:
    assert (
        canonical_system(" urn:oid:1.2.840.114350.1.13.0.1.7.4.696580 ") == "urn:oid:1.2.840.114350.1.13.0.1.7.4.696580"
    )


def test_a_system_that_only_begins_like_another_is_not_that_one() -> None:
    assert canonical_system("http://loinc.org.example") != LOINC
    assert canonical_system("http://snomed.info/sctx") != SNOMED_CT


def test_a_coding_without_a_system_keeps_none() -> None:
    assert coding("", " 1234 ", " name ") == Coding("", "1234", "name")


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("N184", "N18.4"), ("N18.4", "N18.4"), ("n18.4 ", "N18.4"), ("N18", "N18"), ("N18.", "N18"), ("N18.-", "N18"),
     ("M8000XA", "M80.00XA"), ("C7A00", "C7A.00"), ("O9A.2", "O9A.2")],
)  # fmt: skip
def test_a_diagnosis_gets_its_dot(sent: str, meant: str) -> None:
    assert coding(ICD_10_CM, sent).code == meant


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("0078-0435-61", "00078043561"),  # 4-4-2
        ("50090-359-30", "50090035930"),  # 5-3-2
        ("50090-3593-0", "50090359300"),  # 5-4-1
        ("00078-0435-61", "00078043561"),  # 5-4-2
        ("00078043561", "00078043561"),
        (" 0078-0435-61 ", "00078043561"),
    ],
)
def test_an_ndc_is_padded_where_its_form_says(sent: str, meant: str) -> None:
    assert coding(NDC, sent).code == meant


def test_a_form_that_no_ndc_has_is_left_alone() -> None:
    assert coding(NDC, "0078-435-6").code == "0078-435-6"


def test_ten_digits_without_hyphens_have_three_readings() -> None:
    assert coding(NDC, "0078043561").code == "0078043561"
    assert ndc_candidates("0078043561") == ("00078043561", "00780043561", "00780435601")
    assert ndc_candidates("00078043561") == ("00078043561",)


@given(st.sampled_from([RXNORM, LOINC, SNOMED_CT, ICD_10_CM, ATC, HCPCS, NDC, "urn:x"]), st.text(max_size=20))
def test_what_is_canonical_stays_as_it_is(system: str, code: str) -> None:
    once = coding(system, code)
    assert coding(once.system, once.code) == once
