"""Value sets: sound FHIR, complete, and exact in what they hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from fhir.resources.R4B.valueset import ValueSet as FhirValueSet

import cds_service.terminology.value_sets as module
from cds_service.terminology import Terminology, TerminologyError
from cds_service.terminology.codes import ATC, ICD_10_CM, LOINC, NDC, RXNORM, SNOMED_CT, coding
from cds_service.terminology.value_sets import ValueSet, load_value_sets, read_value_sets

FOLDER = Path(module.__file__).parent / "value_sets"
FILES = sorted(FOLDER.rglob("*.json"))


@pytest.fixture(scope="module")
def sets() -> Mapping[str, ValueSet]:
    return load_value_sets()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
def test_every_file_is_a_valid_fhir_value_set_that_names_its_sources(file: Path) -> None:
    document = json.loads(file.read_text(encoding="utf-8"))
    read = FhirValueSet.model_validate(document)
    assert read.status == "active"
    assert document["purpose"]
    assert "compose" not in document or document["copyright"]


FOR_FACTS = """
    vitamin-d-25oh vitamin-d-25oh-d2 vitamin-d-25oh-d3 vitamin-d-1-25 calcium-total calcium-corrected
    calcium-ionised albumin creatinine creatinine-clearance egfr pth phosphate magnesium alp urine-calcium-24h
    dietary-calcium dietary-vitamin-d body-weight body-height dxa ckd ckd-g3 ckd-g4 ckd-g5 dialysis kidney-transplant
    osteoporosis osteomalacia-rickets vitamin-d-deficiency malabsorption bariatric-surgery oes-emptying oes-caution
    no-upright bone-cancer malignancy lymphoma paget onj hypoparathyroid primary-hpt secondary-hpt granulomatous
    hypercalcaemia hypocalcaemia stone-hypercalciuria pregnancy phosphate-wasting
"""


@pytest.mark.parametrize("set_id", FOR_FACTS.split())
def test_a_value_set_that_facts_rely_on_holds_something(sets: Mapping[str, ValueSet], set_id: str) -> None:
    assert sets[set_id].concepts or sets[set_id].prefixes


@pytest.mark.parametrize(
    ("set_id", "code", "inside"),
    [
        ("ckd-g3", "N18.3", True), ("ckd-g3", "N18.32", True), ("ckd-g3", "N18.4", False),
        ("ckd-g4", "N18.4", True), ("ckd-g5", "N18.5", True), ("ckd-g5", "N18.6", False),
        ("dialysis", "N18.6", True), ("dialysis", "Z99.2", True), ("ckd", "N18.9", True), ("ckd", "N19", False),
        ("osteomalacia-rickets", "E55.0", True), ("osteomalacia-rickets", "E55.9", False),
        ("osteomalacia-rickets", "E64.3", False),
        ("malignancy", "C00.0", True), ("malignancy", "C7A.00", True), ("malignancy", "C96.9", True),
        ("malignancy", "C97", False), ("malignancy", "D05.1", False), ("malignancy", "D12.6", False),
        ("lymphoma", "C81.9", True), ("lymphoma", "C87", False), ("lymphoma", "C88.0", True),
        ("kidney-transplant", "Z94.0", True), ("kidney-transplant", "Z94.1", False),
        ("hypoparathyroid", "E83.81", True), ("hypoparathyroid", "E83.52", False),
        ("primary-hpt", "E21.0", True), ("primary-hpt", "E21.1", False), ("secondary-hpt", "N25.81", True),
        ("hyperparathyroidism", "E21.3", True), ("hyperparathyroidism", "E21.4", False),
        ("pregnancy", "O9A.2", True), ("pregnancy", "Z33.1", True), ("pregnancy", "Z33.2", False),
        ("oes-caution", "K21.0", True), ("oes-caution", "K21.9", False), ("oes-emptying", "K22.3", False),
        ("no-upright", "Z74.01", True), ("no-upright", "Z74.09", False), ("no-upright", "R53.2", True),
        ("onj", "M87.180", True), ("onj", "M87.10", False), ("hypercalcaemia", "E83.52", True),
        ("osteoporosis", "M80.08XA", True), ("osteoporosis", "M85.80", False),
    ],
)  # fmt: skip
def test_a_diagnosis_is_in_its_group_and_its_neighbour_is_not(
    sets: Mapping[str, ValueSet], set_id: str, code: str, inside: bool
) -> None:
    assert (coding(ICD_10_CM, code) in sets[set_id]) is inside


def test_a_failed_transplant_does_not_count_as_a_working_kidney(sets: Mapping[str, ValueSet]) -> None:
    failed = coding(ICD_10_CM, "T86.12")
    assert failed not in sets["kidney-transplant"]
    assert failed in sets["kidney-transplant-failure"]


def test_an_active_hormone_or_a_goal_is_no_25_hydroxyvitamin_d(sets: Mapping[str, ValueSet]) -> None:
    accepted = sets["vitamin-d-25oh"].codes(LOINC)
    assert {"62292-8", "1989-3", "14635-7", "68438-1", "35365-6"} <= set(accepted)
    assert not {"62290-2", "1649-3", "86918-0", "1990-1", "49054-0"} & set(accepted)
    assert set(sets["vitamin-d-25oh-d3"].codes(LOINC)) == {"1989-3", "14635-7"}


def test_a_clearance_per_body_surface_is_not_among_the_clearances(sets: Mapping[str, ValueSet]) -> None:
    assert "35591-7" in sets["creatinine-clearance"].codes(LOINC)
    assert "35592-5" not in sets["creatinine-clearance"].codes(LOINC)


def test_a_code_counts_only_in_its_own_system(sets: Mapping[str, ValueSet]) -> None:
    assert coding(LOINC, "62292-8") in sets["vitamin-d-25oh"]
    assert coding(SNOMED_CT, "62292-8") not in sets["vitamin-d-25oh"]
    assert coding("", "62292-8") not in sets["vitamin-d-25oh"]
    assert "62292-8" not in sets["vitamin-d-25oh"]


def test_a_site_can_leave_out_licensed_terminologies() -> None:
    without = load_value_sets(frozenset())
    assert without.keys() == load_value_sets().keys()
    assert not any({SNOMED_CT, ATC} & value_set.concepts.keys() for value_set in without.values())
    with_snomed = load_value_sets(frozenset({"snomed"}))
    assert coding(SNOMED_CT, "64859006") in with_snomed["osteoporosis"]
    assert coding(ICD_10_CM, "M81.0") in without["osteoporosis"]


def test_ten_digits_of_an_ndc_count_when_one_reading_is_listed(sets: Mapping[str, ValueSet]) -> None:
    assert coding(NDC, "0078043561") in sets["zoledronic-acid"]
    assert coding(NDC, "0078-0435-61") in sets["zoledronic-acid"]
    assert coding(NDC, "0000000000") not in sets["zoledronic-acid"]


def test_two_listed_readings_of_an_ndc_leave_it_open() -> None:
    both = ValueSet("x", "x", {NDC: {"01234567890": "", "12345067890": ""}})
    assert coding(NDC, "1234567890") not in both
    assert coding(NDC, "12345067890") in both


def test_an_unconfirmed_name_states_no_strength(sets: Mapping[str, ValueSet]) -> None:
    names = [name for s in sets.values() for name in s.concepts.get(RXNORM, {}).values() if "not confirmed" in name]
    assert names
    assert not any(character.isdigit() for name in names for character in name.replace("D3", ""))


def test_membership_is_asked_by_id(sets: Mapping[str, ValueSet]) -> None:
    terminology = Terminology.load()
    assert terminology.member("dialysis", [coding(LOINC, "1-8"), coding(ICD_10_CM, "Z992")])
    assert not terminology.member("dialysis", [])
    with pytest.raises(TerminologyError, match="value set no-such-set"):
        terminology.value_set("no-such-set")


def _document(**changes: object) -> dict[str, object]:
    document: dict[str, object] = {
        "resourceType": "ValueSet",
        "id": "x",
        "url": "https://bone-health-cds.org/fhir/ValueSet/x",
        "title": "X",
        "status": "active",
        "compose": {"include": [{"system": LOINC, "concept": [{"code": "1-8"}]}]},
    }
    document.update(changes)
    return document


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"resourceType": "CodeSystem"}, "resourceType: expected ValueSet"),
        ({"id": "y"}, "id: expected x"),
        ({"url": "http://elsewhere/x"}, "url: expected"),
        ({"title": ""}, "title: expected a text"),
        ({"compose": []}, "compose: expected an object"),
        ({"compose": {"include": {}}}, "compose.include: expected a list"),
        ({"compose": {"include": [{"concept": []}]}}, r"compose.include\[0\].system: expected a text"),
        ({"compose": {"include": [{"system": LOINC}]}}, r"compose.include\[0\]: expected either concept or filter"),
        (
            {"compose": {"include": [{"system": LOINC, "concept": [{"code": 1}]}]}},
            r"concept\[0\].code: expected a text",
        ),
        ({"compose": {"include": [], "exclude": []}}, "compose.exclude: expected none"),
        (
            {
                "compose": {
                    "include": [{"system": LOINC, "filter": [{"property": "code", "op": "regex", "value": "N.*"}]}]
                }
            },
            "exactly one filter, on",
        ),
        (
            {
                "compose": {
                    "include": [{"system": ICD_10_CM, "filter": [{"property": "code", "op": "=", "value": "N.*"}]}]
                }
            },
            "op regex",
        ),
        (
            {
                "compose": {
                    "include": [{"system": ICD_10_CM, "filter": [{"property": "code", "op": "regex", "value": "N[1]"}]}]
                }
            },
            "a value like",
        ),
    ],
)
def test_a_malformed_file_is_refused_with_its_name_and_place(
    tmp_path: Path, changes: dict[str, object], place: str
) -> None:
    (tmp_path / "x.json").write_text(json.dumps(_document(**changes)), encoding="utf-8")
    with pytest.raises(TerminologyError, match=place) as error:
        read_value_sets(tmp_path)
    assert "x.json" in str(error.value)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{", encoding="utf-8")
    with pytest.raises(TerminologyError, match=r"x\.json: expected a JSON document"):
        read_value_sets(tmp_path)


def test_optional_rows_need_their_core_set(tmp_path: Path) -> None:
    (tmp_path / "snomed").mkdir()
    (tmp_path / "snomed" / "x.json").write_text(json.dumps(_document()), encoding="utf-8")
    with pytest.raises(TerminologyError, match=r"expected a core value set x\.json"):
        read_value_sets(tmp_path)


def test_an_unknown_optional_terminology_is_refused() -> None:
    with pytest.raises(TerminologyError, match="got gtin"):
        load_value_sets(frozenset({"gtin"}))
