"""Orders, results and diagnoses combined at random: no answer offers what it, or the record, speaks against."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import hypothesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from cds_service import schemas
from cds_service.manifest import load_catalogue
from cds_service.terminology import Terminology
from cds_service.terminology.codes import Coding

from . import ehr as bench
from .ehr import Json, Response
from .vignettes import NOW, Vignette, expand

LOUD = frozenset({"warning", "critical"})
COMBINATIONS = 2000
TERMINOLOGY: Terminology = load_catalogue().terminology

# -- what is combined -------------------------------------------------------------------------------------------------


def dosage(times: int, period: int, unit: str, dose: float, dose_unit: str, **more: Any) -> Json:
    repeat = {"frequency": times, "period": period, "periodUnit": unit}
    return {"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": {"value": dose, "unit": dose_unit}}], **more}


MEDICATIONS: dict[str, Json | None] = {
    "zoledronic acid 5 mg/100 mL IV infusion (Reclast)": dosage(1, 1, "a", 5, "mg"),
    "zoledronic acid 4 mg/100 mL IV infusion (Zometa)": dosage(1, 4, "wk", 4, "mg"),
    "pamidronate 90 mg IV infusion": dosage(1, 4, "wk", 90, "mg"),
    "ibandronate 3 mg/3 mL IV injection": dosage(1, 3, "mo", 3, "mg"),
    "ibandronate 150 mg tablet": dosage(1, 1, "mo", 1, "tablet"),
    "alendronate 70 mg tablet": dosage(1, 1, "wk", 1, "tablet"),
    "risedronate 35 mg tablet": dosage(1, 1, "wk", 1, "tablet"),
    "alendronate 70 mg / cholecalciferol 5600 IU tablet": dosage(1, 1, "wk", 1, "tablet"),
    "denosumab 60 mg/mL SC syringe (Prolia)": dosage(1, 6, "mo", 60, "mg"),
    "denosumab 120 mg/1.7 mL SC (Xgeva)": dosage(1, 4, "wk", 120, "mg"),
    "cholecalciferol 1000 IU tablet": dosage(1, 1, "d", 1, "tablet"),
    "ergocalciferol 50,000 IU capsule": dosage(1, 1, "wk", 1, "capsule"),
    "cholecalciferol 50,000 IU capsule": dosage(1, 1, "d", 1, "capsule"),
    "vitamin D3 5000 IU softgel": None,
    "calcitriol 0.25 mcg capsule": dosage(1, 1, "d", 1, "capsule"),
    "paricalcitol 1 mcg capsule": dosage(1, 1, "d", 1, "capsule"),
    "calcium carbonate 1250 mg tablet": dosage(3, 1, "d", 1, "tablet"),
    "calcium carbonate 1500 mg tablet": dosage(4, 1, "d", 1, "tablet", text="with meals"),
    "calcium carbonate 600 mg / vitamin D3 400 IU tablet": dosage(2, 1, "d", 1, "tablet"),
    "calcium citrate 950 mg tablet": None,
    "calcium acetate 667 mg capsule": dosage(3, 1, "d", 2, "capsule"),
    "sevelamer carbonate 800 mg tablet": dosage(3, 1, "d", 1, "tablet"),
    "potassium phosphate / sodium phosphate 250 mg tablet": dosage(4, 1, "d", 1, "tablet"),
    "levothyroxine 100 mcg tablet": dosage(1, 1, "d", 1, "tablet"),
    "ciprofloxacin 500 mg tablet": dosage(2, 1, "d", 1, "tablet"),
    "prednisone 10 mg tablet": dosage(1, 1, "d", 1, "tablet"),
    "atorvastatin 20 mg tablet": dosage(1, 1, "d", 1, "tablet"),
}

# LOINC code, values, unit
RESULTS: dict[str, tuple[str, tuple[float, ...], str]] = {
    "vitamin-d": ("62292-8", (8, 15, 24, 34, 120, 180), "ng/mL"),
    "vitamin-d-molar": ("62292-8", (30, 49.9, 74, 80, 400), "nmol/L"),
    "calcium": ("17861-6", (6.9, 8.1, 9.4, 10.4, 11.2, 12.6), "mg/dL"),
    "albumin": ("1751-7", (2.8, 4.0), "g/dL"),
    "creatinine": ("2160-0", (0.8, 1.6, 2.4, 5.5), "mg/dL"),
    "weight": ("29463-7", (48, 70), "kg"),
    "egfr": ("98979-8", (12, 28, 40, 75), "mL/min/{1.73_m2}"),
    "phosphate": ("2777-1", (1.8, 3.4, 6.2), "mg/dL"),
    "pth": ("2731-8", (20, 100, 700), "pg/mL"),
    "urine-calcium": ("6874-2", (180, 420), "mg/d"),
    "diet": ("81137-2", (300, 1100), "mg/d"),
}

CONDITIONS = (
    *("M81.0", "C79.51", "E83.52", "C50.911", "N18.3", "N18.4", "N18.5", "N18.6", "Z99.2", "Z94.0", "K22.0", "K21.00"),
    *("Z74.01", "M83.9", "E55.0", "E55.9", "K90.0", "Z98.84", "E20.9", "E21.0", "D86.0", "C81.90", "N20.0", "R82.994"),
    *("Z33.1", "M87.180"),
)

AGES = ("{T-70y}", "{T-82y}", "{T-40y}", "{T-15y}", "{T-4y}", "")


def medication(number: int, text: str, status: str, written: int) -> Json:
    order: Json = {
        "resourceType": "MedicationRequest",
        "id": f"m{number}-{status}",
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": {"text": text},
        "subject": {"reference": "Patient/pat-1"},
        "authoredOn": f"{{T-{written}d}}",
    }
    if (instruction := MEDICATIONS[text]) is not None:
        order["dosageInstruction"] = [instruction]
    return order


def test_request(number: int, code: str, text: str) -> Json:
    return {
        "resourceType": "ServiceRequest",
        "id": f"s{number}",
        "status": "draft",
        "intent": "order",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}], "text": text},
        "subject": {"reference": "Patient/pat-1"},
    }


test_request.__test__ = False  # type: ignore[attr-defined]  # it builds one, it is none


def observation(name: str, value: float, days: int) -> Json:
    code, _, unit = RESULTS[name]
    return {
        "resourceType": "Observation",
        "id": f"{name}-{days}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/pat-1"},
        "effectiveDateTime": f"{{T-{days}d}}",
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


def condition(code: str) -> Json:
    return {
        "resourceType": "Condition",
        "id": f"c-{code}",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}], "text": code},
        "subject": {"reference": "Patient/pat-1"},
    }


@st.composite
def cases(draw: st.DrawFn) -> Vignette:
    """A chart and a session nobody thought of."""
    texts = st.sampled_from(sorted(MEDICATIONS))
    drafts = [medication(n, t, "draft", 0) for n, t in enumerate(draw(st.lists(texts, min_size=1, max_size=3)))]
    if draw(st.integers(0, 9)) == 0:
        drafts.append(test_request(0, "2731-8", "PTH intact"))
    active = draw(st.lists(st.tuples(texts, st.sampled_from((3, 40, 200, 400))), max_size=3))
    chart = [medication(n, text, "active", written) for n, (text, written) in enumerate(active)]
    for name in draw(st.lists(st.sampled_from(sorted(RESULTS)), unique=True, max_size=9)):
        value = draw(st.sampled_from(RESULTS[name][1]))
        chart.append(observation(name, value, draw(st.sampled_from((2, 10, 10, 80, 100, 200, 300, 400)))))
    chart += [condition(code) for code in draw(st.lists(st.sampled_from(CONDITIONS), unique=True, max_size=3))]
    patient: Json = {"resourceType": "Patient", "id": "pat-1", "gender": draw(st.sampled_from(("female", "male")))}
    if birth := draw(st.sampled_from(AGES)):
        patient["birthDate"] = birth
    failed = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=1)) if draw(st.integers(0, 7)) == 0 else []
    return Vignette(
        name="random",
        rule="",
        title="",
        why="",
        hook=draw(st.sampled_from(("order-select", "order-sign"))),
        chart=tuple(expand([patient, *chart], NOW)),
        orders=tuple(expand(drafts, NOW)),
        selections=None,
        unasked={},
        withhold=frozenset(),
        failed=frozenset(failed),
        site={},
        findings=(),
        silent=frozenset(),
    )


KEYS = ("conditions", "medications", "serum-calcium", "renal", "vitamin-d", "medication-statements", "phosphate")

# -- what must hold ---------------------------------------------------------------------------------------------------

# What a finding speaks against, as a reader understands it: by rule and outcome ("*": any) the kinds of order.
AGAINST: dict[str, dict[str, frozenset[str]]] = {
    "vitamin-d-toxicity": {"*": frozenset({"vitamin-d-nutritional", "vitamin-d-active", "calcium"})},
    "hypercalcaemia-calcium-vitamin-d": {"*": frozenset({"vitamin-d-nutritional", "vitamin-d-active", "calcium"})},
    "hypercalciuria-calcium-vitamin-d": {"*": frozenset({"vitamin-d-nutritional", "calcium"})},
    "calcium-total-daily": {"over-limit": frozenset({"calcium"})},
    "vitamin-d-upper-limit": {
        "frequency-error": frozenset({"vitamin-d-nutritional"}),
        "above-10000": frozenset({"vitamin-d-nutritional"}),
    },
    "bisphosphonate-pregnancy-paediatric": {
        "*": frozenset({"vitamin-d-nutritional", "calcium", "iv-bisphosphonate", "oral-bisphosphonate", "denosumab"})
    },
    "iv-bisphosphonate-vitamin-d": {"deficient": frozenset({"iv-bisphosphonate"})},
    "iv-bisphosphonate-hypocalcaemia": {"low": frozenset({"iv-bisphosphonate"})},
    "iv-bisphosphonate-renal": {"below-threshold": frozenset({"iv-bisphosphonate", "denosumab"})},
    "oral-bisphosphonate-oesophageal": {
        "contraindicated": frozenset({"oral-bisphosphonate"}),
        "cannot-sit-upright": frozenset({"oral-bisphosphonate"}),
    },
    "denosumab-hypocalcaemia": {
        "low-calcium": frozenset({"denosumab", "iv-bisphosphonate"}),
        "advanced-ckd": frozenset({"denosumab"}),
    },
    "bisphosphonate-osteomalacia": {"*": frozenset({"iv-bisphosphonate", "oral-bisphosphonate"})},
}


def spoken_against(findings: list[Json]) -> frozenset[str]:
    found: set[str] = set()
    for finding in findings:
        table = AGAINST.get(finding["ruleId"], {})
        found |= table.get("*", frozenset()) | table.get(finding["outcome"], frozenset())
    return frozenset(found)


def offered(response: Response) -> Iterator[tuple[Json, frozenset[str]]]:
    """Every medication order a response offers to create, with its drug classes."""
    for action in response.actions:
        resource = action.get("resource", {})
        if action["type"] == "create" and resource.get("resourceType") == "MedicationRequest":
            concept = resource["medicationCodeableConcept"]
            codings = [Coding(c["system"], c["code"]) for c in concept.get("coding", [])]
            yield action, TERMINOLOGY.medication(codings, [concept["text"]]).classes


def accepted(case: Vignette, suggestion: Json) -> Vignette:
    """The same chart with the session as it is once a suggestion is applied."""
    orders = {f"{o['resourceType']}/{o['id']}": o for o in case.orders}
    for number, action in enumerate(suggestion["actions"]):
        if action["type"] == "delete":
            orders.pop(action["resourceId"], None)
        else:
            resource = {"id": f"offered-{number}", **action["resource"]}
            orders[f"{resource['resourceType']}/{resource['id']}"] = resource
    return Vignette(
        **{name: getattr(case, name) for name in Vignette.__dataclass_fields__ if name not in ("orders", "hook")},
        orders=tuple(orders.values()),
        hook="order-sign",
    )


def loud(responses: list[Response]) -> set[tuple[str, str]]:
    return {(f["ruleId"], f["outcome"]) for r in responses for f in r.findings if f["indicator"] in LOUD}


@settings(
    max_examples=COMBINATIONS,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@hypothesis.given(cases())
def test_no_answer_offers_what_it_speaks_against(case: Vignette) -> None:
    ehr = bench.hospital()
    (response,) = ehr.call(case)
    assert response.status in (200, 412), response.body
    if response.status == 412:
        return
    schemas.check(response.body, "response")
    drafts = {f"{o['resourceType']}/{o['id']}" for o in case.orders}
    against = spoken_against(response.findings)
    for action, classes in offered(response):
        assert not classes & against, (action, sorted(against))
    for action in response.actions:
        if action["type"] == "delete":
            assert action["resourceId"] in drafts
    now = loud([response])
    for suggestion in (s for card in response.cards for s in card.get("suggestions", [])):
        if any(orders_a_drug(action) for action in suggestion["actions"]):
            after = ehr.call(accepted(case, suggestion))
            assert loud(after) <= now, (suggestion["label"], json.dumps(sorted(loud(after) - now)))


def orders_a_drug(action: Json) -> bool:
    return action["type"] != "delete" and action["resource"]["resourceType"] == "MedicationRequest"


@settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@hypothesis.given(cases())
def test_an_answer_has_at_most_six_cards_unless_more_of_them_are_loud(case: Vignette) -> None:
    (response,) = bench.hospital().call(case)
    shouting = sum(card["indicator"] in LOUD for card in response.cards)
    assert len(response.cards) <= max(6, shouting + 2)  # beside them one card of notes and one of gaps
