"""Diagnoses: which stand, which group they belong to, and what the words of an uncoded one say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.facts import conditions
from cds_service.facts.condition_words import names
from cds_service.fhir.elements import Concept, ConditionRecord
from cds_service.terminology import Terminology
from cds_service.terminology.codes import ICD_10_CM, SNOMED_CT, Coding

TERMINOLOGY = Terminology.load()


def record(*codings: Coding, text: str = "", clinical: str = "active", verification: str = "") -> ConditionRecord:
    return ConditionRecord(
        source="Condition/c",
        id="c",
        code=Concept(codings, (text,) if text else ()),
        clinical_status=clinical,
        verification_status=verification,
    )


def found(group: str, *records: ConditionRecord) -> conditions.Condition | None:
    return conditions.Standing(records).in_group(group, TERMINOLOGY)


@pytest.mark.parametrize(
    "text",
    [
        "Achalasia",
        "ACHALASIA (type II)",
        "achalasia of cardia",
        "Achalasia, no dysphagia",
        "Achalasia with no weight loss",
        "Suspected achalasia",
        "possible pseudoachalasia",
        "Cricopharyngeal achalasia",
        "Lower esophageal sphincter achalasia",
        "Family history of gastric cancer; achalasia",
        "No reflux but achalasia",
        "History of stroke, achalasia",
        "Oesophageal stricture",
        "Esophageal strictures s/p dilation 2019",
        "Peptic stricture of the distal esophagus",
        "Esophageal peptic stricture",
        "esophageal  stenosis",
        "History of caustic ingestion with esophageal stricture",
        "Ruled out cancer; esophageal obstruction",
    ],
)
def test_a_gullet_that_does_not_empty_is_known_by_its_name(text: str) -> None:
    assert names(text, "oes-emptying")


@pytest.mark.parametrize(
    "text",
    [
        "No achalasia",
        "no evidence of achalasia",
        "No dysphagia, achalasia, or reflux",
        "Denies reflux, esophageal stricture or achalasia",
        "Achalasia ruled out",
        "Achalasia - ruled out",
        "Achalasia (resolved)",
        "Achalasia, history of",
        "Achalasia has been excluded",
        "Achalasia: no",
        "r/o achalasia",
        "rule out achalasia",
        "History of achalasia",
        "H/o esophageal stricture",
        "s/p esophageal stricture dilation",
        "Family history of achalasia",
        "FH: achalasia",
        "Mother with achalasia",
        "At risk for esophageal stricture",
        "Screening for achalasia",
        "Anal achalasia",
        "Achalasia of the anal sphincter",
        "Internal anal sphincter achalasia",
        "Urethral stricture",
        "Esophageal reflux",
        "Esophageal varices",
        "",
    ],
)
def test_a_name_that_is_denied_remembered_or_of_another_organ_does_not_count(text: str) -> None:
    assert not names(text, "oes-emptying")


@pytest.mark.parametrize(
    "text",
    [
        "Bedbound",
        "bed-bound status",
        "Patient is bed bound",
        "Bedridden since 2019",
        "Confined to bed",
        "Bed confinement status",
        "Unable to sit",
        "unable to sit up",
        "Not able to sit upright",
        "cannot sit upright for 30 minutes",
        "Can not sit upright",
        "can\u2019t remain upright",
        "Cannot stand or sit upright",
        "Unable to stay upright",
        "History of stroke, now bedbound",
        "H/o multiple sclerosis, bedbound",
        "History of stroke with bedbound status",
        "Quadriplegia - bedbound",
        "Bedbound, no caregiver",
        "No caregiver, bedbound",
        "Bedbound without pressure ulcers",
    ],
)
def test_who_cannot_sit_up_is_known_by_the_words(text: str) -> None:
    assert names(text, "no-upright")


@pytest.mark.parametrize(
    "text",
    [
        "Not bedbound",
        "not currently bedbound",
        "No longer bedbound",
        "Never bedbound",
        "Previously bedbound",
        "Bedbound: no",
        "Bedbound (resolved)",
        "Bedbound? No",
        "At risk of becoming bedbound",
        "Physiotherapy to prevent being bedbound",
        "Not unable to sit",
        "Unable to sit still (akathisia)",
        "Bed rest for 2 days",
        "Able to sit upright",
        "Wheelchair bound",
        "Husband confined to wheelchair",
    ],
)
def test_words_that_only_sound_like_it_do_not_count(text: str) -> None:
    assert not names(text, "no-upright")


def test_the_words_of_a_coded_diagnosis_are_not_read() -> None:
    reflux = Coding(ICD_10_CM, "K21.9", "Reflux, was thought to be achalasia")
    assert found("oes-emptying", record(reflux, text="Achalasia")) is None
    other = Coding("urn:oid:1.2.3", "42", "Achalasia")
    assert found("oes-emptying", record(other)) is not None


@pytest.mark.parametrize(
    ("clinical", "verification", "stands"),
    [
        ("active", "confirmed", True),
        ("", "", True),
        ("relapse", "", True),
        ("active", "provisional", True),
        ("resolved", "confirmed", False),
        ("inactive", "", False),
        ("remission", "", False),
        ("active", "refuted", False),
        ("active", "entered-in-error", False),
    ],
)
def test_what_is_over_or_was_never_true_does_not_stand(clinical: str, verification: str, stands: bool) -> None:
    coded = record(Coding(ICD_10_CM, "K22.0"), clinical=clinical, verification=verification)
    named = record(text="Achalasia", clinical=clinical, verification=verification)
    assert (found("oes-emptying", coded) is not None) is stands
    assert (found("oes-emptying", named) is not None) is stands


def test_what_happened_once_stays_true() -> None:
    assert found("kidney-transplant", record(Coding(ICD_10_CM, "Z94.0"), clinical="resolved")) is not None


def test_a_confirmed_diagnosis_goes_before_a_tentative_one() -> None:
    tentative = record(Coding(SNOMED_CT, "45564002", "Achalasia of esophagus"), verification="differential")
    confirmed = record(Coding(ICD_10_CM, "K22.2", "Esophageal obstruction"), verification="confirmed")
    chosen = found("oes-emptying", tentative, confirmed)
    assert chosen is not None
    assert (str(chosen), chosen.tentative) == ("Esophageal obstruction", False)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert names(text, "osteoporosis") is False
    names(text, "oes-emptying")
    names(text, "no-upright")


FILLER = st.sampled_from(["", "chronic ", "severe ", "Patient: ", "known "])
NAME = st.sampled_from(["achalasia", "Oesophageal stricture", "stenosis of the esophagus"])
TAKEN_BACK = st.sampled_from(
    ["no {}", "denies {}", "Without {}", "history of {}", "{} ruled out", "{}, resolved", "FH: {}"]
)
LEFT_ALONE = st.sampled_from(["{}", "{}, no dysphagia", "{}; no reflux", "GERD; {}", "{} (type II)", "reflux and {}"])


@given(FILLER, NAME, TAKEN_BACK)
def test_a_word_that_takes_a_name_back_does_so_whatever_stands_between(filler: str, name: str, frame: str) -> None:
    assert not names(frame.format(filler + name), "oes-emptying")
    assert not names(frame.format(filler + name).upper(), "oes-emptying")


@given(FILLER, NAME, LEFT_ALONE)
def test_a_name_that_nothing_takes_back_counts(filler: str, name: str, frame: str) -> None:
    assert names(frame.format(filler + name), "oes-emptying")


@given(NAME, TAKEN_BACK, NAME, LEFT_ALONE)
def test_one_mention_that_stands_is_enough(denied: str, back: str, named: str, alone: str) -> None:
    assert names(f"{back.format(denied)}; {alone.format(named)}", "oes-emptying")
