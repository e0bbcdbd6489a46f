"""Hard cases: what must not be said, not be offered, and not be passed over in silence."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from cds_service.config import Config
from cds_service.web import create_app

from .ehr import FINDINGS, NOW, ZONE, only

Json = dict[str, Any]
RULES = only(
    "iv-bisphosphonate-vitamin-d",
    "iv-bisphosphonate-hypocalcaemia",
    "calcium-total-daily",
    "vitamin-d-toxicity",
    "hypercalcaemia-calcium-vitamin-d",
)
CLIENT = create_app(Config(timezone=ZONE, auth="off"), RULES, lambda: NOW).test_client()
TODAY = NOW.astimezone(ZONE).date()
UCUM = "http://unitsofmeasure.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
COURSE = {"1367410", "705728", "199362"}


def ago(days: int) -> str:
    return (TODAY - datetime.timedelta(days=days)).isoformat()


def result(code: str | None, value: Any, unit: str, days: int, text: str = "", **more: Any) -> Json:
    concept: Json = {"coding": [{"system": "http://loinc.org", "code": code}]} if code else {}
    quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit} if unit else {"value": value}
    return {
        "resourceType": "Observation",
        "id": f"o-{code}-{days}",
        "status": "final",
        "code": {**concept, **({"text": text} if text else {})},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": ago(days),
        "valueQuantity": quantity,
        **more,
    }


def level(value: Any, days: int = 10, unit: str = "ng/mL", **more: Any) -> Json:
    return result("62292-8", value, unit, days, **more)


def calcium(value: Any, days: int = 5, unit: str = "mg/dL") -> Json:
    return result("17861-6", value, unit, days)


def albumin(value: Any, days: int = 5, unit: str = "g/dL") -> Json:
    return result("1751-7", value, unit, days)


def medication(
    text: str, id_: str = "d1", status: str = "draft", times: int = 1, dose: Any = None, **more: Any
) -> Json:
    dosage: Json = {"timing": {"repeat": {"frequency": times, "period": 1, "periodUnit": "d"}}}
    dosage["doseAndRate"] = [{"doseQuantity": dose or {"value": 1, "unit": "tablet"}}]
    return {
        "resourceType": "MedicationRequest",
        "id": id_,
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": {"text": text},
        "subject": {"reference": "Patient/p1"},
        "authoredOn": ago(0 if status == "draft" else 100),
        "dosageInstruction": [dosage],
        **more,
    }


def infusion(**more: Any) -> Json:
    timing = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "a"}}
    dosage = {"timing": timing, "doseAndRate": [{"doseQuantity": {"value": 5, "unit": "mg", "code": "mg"}}]}
    order = medication("zoledronic acid 5 mg/100 mL IV (Reclast)")
    return {**order, "dosageInstruction": [dosage], **more}


def condition(code: str | None, text: str) -> Json:
    coding = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]} if code else {}
    concept = {**coding, "text": text}
    return {"resourceType": "Condition", "id": f"c-{text}", "code": concept, "subject": {"reference": "Patient/p1"}}


def bundle(*resources: Json, **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources], **more}


NORMAL_CALCIUM = (calcium(9.4, 10), albumin(4.0, 10))


def ask(*drafts: Json, hook: str = "order-sign", selections: list[str] | None = None, **prefetch: Any) -> Any:
    """Posts a session; keys not given are known to be empty; a woman of 70 with a normal calcium."""
    patient = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1957-02-01"}
    keys = ("medications", "medication-statements", "conditions", "vitamin-d", "dietary-calcium")
    sent: Json = {"patient": patient, **dict.fromkeys(keys), "serum-calcium": bundle(*NORMAL_CALCIUM)}
    for name, value in prefetch.items():
        sent[name.replace("_", "-")] = bundle(*value) if isinstance(value, list) else value
    context: Json = {"userId": "Practitioner/1", "patientId": "p1"}
    if hook != "patient-view":
        context["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": d} for d in drafts]}
    if selections is not None:
        context["selections"] = selections
    body = {"hook": hook, "hookInstance": "a", "context": context, "prefetch": sent}
    answer = CLIENT.post(f"/cds-services/bone-health-{hook}", data=json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.json
    return answer.json["cards"]


def said(cards: Any) -> list[tuple[str, str]]:
    return [(f["outcome"], f["indicator"]) for card in cards for f in card.get("extension", {}).get(FINDINGS, [])]


def actions(cards: Any) -> list[Json]:
    return [action for card in cards for s in card.get("suggestions", []) for action in s["actions"]]


def vitamin_d_is_offered(cards: Any) -> bool:
    return any(a.get("resource", {}).get("resourceType") == "MedicationRequest" for a in actions(cards))


def is_gap(card: Json) -> bool:
    return "not fully checked" in card["summary"]


# -- what would do harm -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "results",
    [
        [calcium("9.4"), albumin("4.0", unit="g/L")],
        [calcium(94), albumin(4)],
        [calcium("13.0"), albumin(40)],
        [calcium("3.2")],
    ],
)
def test_a_unit_that_was_mixed_up_never_turns_a_stop_into_go(results: list[Json]) -> None:
    results = json.loads(json.dumps(results).replace('"value": "', '"value": ').replace('", "unit"', ', "unit"'))
    cards = ask(infusion(), vitamin_d=[level(14)], serum_calcium=results)
    assert ("deficient", "critical") in said(cards)
    assert "do not delay" not in json.dumps(cards)


def test_a_newer_calcium_nobody_can_read_is_told_and_nothing_is_offered_on_the_older_one() -> None:
    unreadable = {**calcium(13.5, 1), "valueQuantity": {"value": 13.5}}
    cards = ask(infusion(), vitamin_d=[level(14)], serum_calcium=[calcium(9.4, 30), unreadable])
    assert ("data-unavailable", "warning") in said(cards)
    assert "13.5" in json.dumps(cards)
    assert not vitamin_d_is_offered(cards)


WEEKLY = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}}


@pytest.mark.parametrize(
    "prefetch",
    [
        {"medications": FAILED},
        {"medication_statements": FAILED},
        {"conditions": FAILED},
        {"serum_calcium": FAILED},
        {"medications": [medication("ergocalciferol 50,000 UNT capsule", "a1", "active", dosageInstruction=[])]},
        {"medications": [medication("cholecalciferol 5000 UNT tablet", "a1", "active", authoredOn=ago(700))]},
        {
            "medications": [
                medication(
                    "cholecalciferol 300000 UNT/ML injection",
                    "a1",
                    "completed",
                    authoredOn=ago(3),
                    dosageInstruction=[
                        {
                            "timing": {"repeat": {"count": 1}},
                            "doseAndRate": [{"doseQuantity": {"value": 300000, "unit": "IU"}}],
                        }
                    ],
                )
            ]
        },
        {"conditions": [condition("E83.52", "Hypercalcemia")]},
        {"conditions": [condition("D86.0", "Sarcoidosis of lung")]},
        {"conditions": [condition(None, "Sarcoidosis")]},
        {"serum_calcium": [calcium(12.9, 100)]},
    ],
    ids=lambda p: f"{next(iter(p))}-{str(p)[:60]}",
)
def test_vitamin_d_is_not_offered_where_it_could_do_harm(prefetch: Json) -> None:
    cards = ask(infusion(), vitamin_d=[level(14, 5)], **prefetch)
    assert any("deficient" in card["summary"] or "repletion" in card["summary"].lower() for card in cards)
    assert not vitamin_d_is_offered(cards)


def test_vitamin_d_is_offered_where_nothing_speaks_against_it() -> None:
    cards = ask(infusion(), vitamin_d=[level(14)], serum_calcium=[calcium(9.4), albumin(4.0)])
    assert vitamin_d_is_offered(cards)
    taken = [medication("cholecalciferol 1000 UNT tablet", "a1", "active", authoredOn=ago(300))]
    assert vitamin_d_is_offered(ask(infusion(), vitamin_d=[level(14)], medications=taken))


CARBONATE = "calcium carbonate 1250 mg oral tablet"


def test_no_dose_of_calcium_is_on_offer_while_serum_calcium_is_high_or_not_known() -> None:
    for results in ([calcium(10.9), albumin(4.0)], FAILED):
        cards = ask(medication(CARBONATE, times=5), serum_calcium=results)
        assert {a["resource"]["resourceType"] for a in actions(cards) if a["type"] != "delete"} <= {"ServiceRequest"}
    offered = ask(medication(CARBONATE, times=5), serum_calcium=[calcium(9.4), albumin(4.0)])
    assert "update" in {a["type"] for a in actions(offered)}


def request(text: str, *codings: Json, **more: Any) -> Json:
    code = {"text": text, **({"coding": list(codings)} if codings else {})}
    subject = {"reference": "Patient/p1"}
    base = {"resourceType": "ServiceRequest", "id": "s1", "status": "draft", "intent": "order"}
    return {**base, "code": code, "subject": subject, **more}


@pytest.mark.parametrize(
    "talk",
    [
        request("Consult: discuss zoledronic acid vs denosumab"),
        request("DXA - on Zometa"),
        request("Creatinine pre zoledronic acid infusion"),
        request("25-OH vitamin D (pre-Reclast)", {"system": "http://loinc.org", "code": "62292-8"}),
        request("Calcium"),
        request("Calcium, ionized"),
    ],
    ids=lambda r: r["code"]["text"],
)
def test_what_only_talks_about_a_drug_is_no_infusion(talk: Json) -> None:
    assert ask(talk, vitamin_d=[level(14)]) == []


@pytest.mark.parametrize(
    "visit",
    [
        request("Zoledronic acid 5 mg IV infusion"),
        request(
            "Infusion visit", {"system": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "code": "J3489"}
        ),
    ],
    ids=lambda r: r["code"]["text"],
)
def test_an_infusion_ordered_as_a_procedure_is_judged(visit: Json) -> None:
    assert said(ask(visit, vitamin_d=[level(14)])) == [("deficient", "critical")]


@pytest.mark.parametrize("id_", ["temp_1", "x" * 70, "urn:uuid:123"])
def test_an_id_that_cannot_be_named_costs_the_deletion_and_nothing_else(id_: str) -> None:
    card = ask(infusion(id=id_), vitamin_d=[level(14)])[0]
    assert card["detail"]
    assert card["overrideReasons"]
    assert {a["type"] for a in actions([card])} == {"create"}


@pytest.mark.parametrize("text", ["javascript:alert(1)", "not done (data: see scan)", "vbscript:x"])
def test_a_text_of_the_record_never_disarms_its_card(text: str) -> None:
    odd = {**level(None, 2), "valueString": text}
    odd.pop("valueQuantity")
    card = ask(infusion(), vitamin_d=[level(14, 20), odd])[0]
    assert card["detail"]
    assert card["suggestions"]


def test_a_running_order_that_is_signed_again_is_judged_but_not_offered_for_deletion() -> None:
    cards = ask(infusion(status="active"), vitamin_d=[level(14)])
    assert said(cards) == [("deficient", "critical")]
    assert "delete" not in {a["type"] for a in actions(cards)}


@pytest.mark.parametrize(
    "more",
    [
        {"note": [{"text": "take 5 times a day"}]},
        {"dispenseRequest": {"quantity": {"value": 150, "unit": "tablet"}}},
        {"extension": [{"url": "http://example.org/rendered", "valueString": "5 times a day"}]},
    ],
    ids=lambda m: next(iter(m)),
)
def test_a_schedule_is_not_changed_where_something_else_tells_the_old_one(more: Json) -> None:
    cards = ask(medication(CARBONATE, times=5, **more), serum_calcium=[calcium(9.4), albumin(4.0)])
    assert said(cards) == [("over-limit", "warning")]
    assert "update" not in {a["type"] for a in actions(cards)}


def test_a_changed_draft_keeps_everything_that_was_sent() -> None:
    order = medication(CARBONATE, times=5, dispenseRequest={"numberOfRepeatsAllowed": 2}, priority="routine")
    update = next(a for a in actions(ask(order, serum_calcium=[calcium(9.4), albumin(4.0)])) if a["type"] == "update")
    changed = update["resource"]
    assert changed["id"] == "d1"
    assert changed["dosageInstruction"][0]["timing"]["repeat"]["frequency"] == 4
    for name in ("medicationCodeableConcept", "subject", "dispenseRequest", "priority", "status", "intent"):
        assert changed[name] == order[name]


# -- silence that would be a lie --------------------------------------------------------------------------------------


def test_a_child_s_overdose_is_told_although_the_problem_list_failed() -> None:
    child = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": ago(14 * 366)}
    cards = ask(medication(CARBONATE, times=10), conditions=FAILED, patient=child)
    assert ("over-limit", "critical") in said(cards)
    assert any(is_gap(card) for card in cards)


def test_a_note_is_still_made_when_kidney_disease_could_not_be_looked_up() -> None:
    binder = medication("calcium acetate 667 mg oral capsule", "a1", "active", times=9)
    cards = ask(medication("elemental calcium 400 mg oral tablet"), medications=[binder], conditions=FAILED)
    assert said(cards) == [("approaching", "info")]
    assert any(is_gap(card) for card in cards)


@pytest.mark.parametrize("name", ["25-OH Vitamin D", "Vitamin D 25-Hydroxy"])
def test_a_result_without_a_known_code_is_read_by_its_name(name: str) -> None:
    by_name = result(None, 8, "ng/mL", 1, name)
    assert said(ask(infusion(), vitamin_d=[by_name])) == [("deficient", "critical")]
    local = {**by_name, "code": {"coding": [{"system": "urn:local", "code": "VD", "display": name}]}}
    assert said(ask(infusion(), vitamin_d=[local, level(40, 30)])) == [("deficient", "critical")]


def test_a_result_that_nothing_names_is_no_reason_to_say_that_there_is_none() -> None:
    nameless = result(None, 8, "ng/mL", 1, "Test 4711")
    assert said(ask(infusion(), vitamin_d=[nameless])) == [("data-unavailable", "warning")]


def test_the_hormone_form_of_vitamin_d_is_not_the_stores() -> None:
    hormone = result(None, 40, "pg/mL", 1, "1,25-dihydroxyvitamin D")
    assert said(ask(infusion(), vitamin_d=[hormone])) == [("unknown", "warning")]


def test_a_statement_without_a_status_counts_in_the_high_estimate() -> None:
    statement = {**medication("calcium carbonate 1500 mg oral tablet", "m1", "", times=3), "id": "m1"}
    statement["resourceType"] = "MedicationStatement"
    statement["dosage"] = statement.pop("dosageInstruction")
    for name in ("status", "intent", "authoredOn"):
        statement.pop(name)
    cards = ask(medication(CARBONATE), medication_statements=[statement])
    assert said(cards) == [("possible-over", "info")]


def test_a_page_that_is_not_newest_first_is_not_the_newest_few() -> None:
    more = {"link": [{"relation": "next", "url": "https://ehr.example/page2"}]}
    oldest_first = bundle(level(40, 120), level(41, 60), **more)
    assert said(ask(infusion(), vitamin_d=oldest_first)) == [("data-unavailable", "warning")]
    newest_first = bundle(level(41, 60), level(40, 120), **more)
    assert ask(infusion(), vitamin_d=newest_first) == []


def test_a_birth_date_nobody_can_read_is_told() -> None:
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": "17.03.2012"}
    cards = ask(medication(CARBONATE, times=3), patient=patient)
    assert any(is_gap(card) for card in cards)


def test_a_date_too_coarse_to_be_told_older_is_mentioned() -> None:
    coarse = {**level(8), "effectiveDateTime": str(TODAY.year), "id": "coarse"}
    cards = ask(infusion(), vitamin_d=[coarse, level(40, 60)])
    assert said(cards) == [("newer-unusable", "info")]


def test_a_draft_with_a_modifier_nobody_understands_is_not_passed_over() -> None:
    modified = infusion(modifierExtension=[{"url": "http://example.org/not", "valueBoolean": True}])
    cards = ask(modified, vitamin_d=[level(14)])
    assert said(cards) == []
    assert [is_gap(card) for card in cards] == [True]


# -- cards that should not have been shown ----------------------------------------------------------------------------


def test_a_single_dose_beside_an_order_as_directed_is_no_reason_to_speak() -> None:
    directed = medication(
        "calcium carbonate 1250 mg oral tablet", "a1", "active", dosageInstruction=[{"text": "as directed"}]
    )
    single = {
        "timing": {"repeat": {"count": 1}},
        "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "g", "code": "g"}}],
    }
    gluconate = medication("calcium gluconate 10% injection", dosageInstruction=[single])
    assert ask(gluconate, medications=[directed]) == []
    unfinished = medication("calcium carbonate oral tablet", dosageInstruction=[])
    assert ask(unfinished, hook="order-select", medications=[directed]) == []


def test_an_infusion_order_of_unknown_age_is_left_alone_when_a_chart_is_opened() -> None:
    undated = infusion(status="active", id="a1")
    undated.pop("authoredOn")
    assert ask(hook="patient-view", medications=[undated], vitamin_d=[level(14)]) == []


def test_a_finished_order_nobody_can_name_is_no_gap() -> None:
    nameless = medication(
        "", "a1", "completed", medicationCodeableConcept={"coding": [{"system": "urn:x", "code": "1"}]}
    )
    assert ask(hook="patient-view", medications=[nameless]) == []


@pytest.mark.parametrize(
    "draft",
    [
        {"resourceType": "DeviceRequest", "id": "x", "subject": {"reference": "Location/1"}},
        {"resourceType": "VisionPrescription", "id": "x", "patient": {"reference": "Patient/other"}},
        {"resourceType": "CommunicationRequest", "id": "x"},
    ],
    ids=lambda d: d["resourceType"],
)
def test_an_order_of_a_kind_no_rule_speaks_of_gives_nothing(draft: Json) -> None:
    assert ask(draft) == []


def test_ibandronate_counted_in_tablets_is_no_infusion() -> None:
    assert ask(medication("ibandronate"), vitamin_d=[level(14)]) == []


def test_nothing_is_recommended_on_a_guess_of_the_route() -> None:
    vague = medication("Boniva", dosageInstruction=[])
    card = ask(vague, vitamin_d=[level(14)])[0]
    assert "route" in card["detail"]
    assert not any(s.get("isRecommended") for s in card["suggestions"])


@pytest.mark.parametrize("gone", [{"status": "cancelled"}, {"doNotPerform": True}])
def test_vitamin_d_that_was_withdrawn_is_not_in_the_session(gone: Json) -> None:
    withdrawn = {**medication("ergocalciferol 50,000 UNT oral capsule", "d2"), **gone}
    cards = ask(infusion(), withdrawn, vitamin_d=[level(14)])
    assert vitamin_d_is_offered(cards)
    assert "among the orders of this session" not in cards[0]["detail"]


@pytest.mark.parametrize(
    "selection",
    ["d2", "MedicationRequest/d2", "https://ehr.example/fhir/MedicationRequest/d2", "MedicationRequest/d2/_history/3"],
)
def test_only_what_is_selected_is_judged_however_it_is_named(selection: str) -> None:
    other = medication("metformin 500 mg oral tablet", "d2")
    cards = ask(infusion(), other, hook="order-select", selections=[selection], vitamin_d=[level(14)])
    assert cards == []


# -- what is told is true ---------------------------------------------------------------------------------------------


def test_the_unit_that_counted_is_the_unit_that_is_shown() -> None:
    disagreeing = level(40)
    disagreeing["valueQuantity"] = {"value": 40, "unit": "ng/mL", "system": UCUM, "code": "nmol/L"}
    card = ask(infusion(), vitamin_d=[disagreeing])[0]
    assert "40 nmol/L" in card["summary"]
    assert "40 ng/mL" not in card["summary"]


def test_a_calcium_that_is_known_is_not_called_unknown_because_the_problem_list_failed() -> None:
    card = ask(infusion(), vitamin_d=[level(14)], serum_calcium=[calcium(11.0), albumin(4.0)], conditions=FAILED)[0]
    assert "Serum calcium could not be looked up" not in card["detail"]
    assert "11.0 mg/dL" in card["detail"]
    assert "problem list was not available" in card["detail"]


def test_an_order_entered_in_error_is_not_listed_as_taken() -> None:
    error = medication("Os-Cal 500", "a1", "entered-in-error", times=2)
    cards = ask(medication(CARBONATE, times=3), medications=[error])
    assert "Os-Cal" not in json.dumps(cards)


def test_an_absurd_dose_is_an_error_even_where_a_high_one_is_meant() -> None:
    absurd = medication("Caltrate 600 oral tablet", times=8, dose={"value": 10, "unit": "tablet"})
    cards = ask(absurd, conditions=[condition("E20.9", "Hypoparathyroidism")])
    assert said(cards) == [("over-limit", "critical")]


# -- what belongs together, and what does not -------------------------------------------------------------------------


def test_an_emergency_is_not_hidden_by_an_ionised_calcium_of_the_same_day() -> None:
    corrected = result("29265-6", 3.7, "mmol/L", 1)
    ionised = result("1995-0", 2.0, "mmol/L", 1)
    cards = ask(infusion(), vitamin_d=[level(14)], serum_calcium=[corrected, ionised])
    assert said(cards) == [("deficient", "info")]
    assert "do not delay" in cards[0]["summary"]


@pytest.mark.parametrize("intent", ["proposal", "plan", "option"])
def test_a_plan_is_no_repletion_course(intent: str) -> None:
    plan = medication("ergocalciferol 50,000 UNT capsule", "a1", "active", intent=intent, authoredOn=ago(20))
    assert said(ask(infusion(), vitamin_d=[level(14, 30)], medications=[plan])) == [("deficient", "critical")]


def test_a_course_whose_end_is_told_in_words_has_ended() -> None:
    words = [{"text": "Take 1 capsule by mouth weekly for 8 weeks"}]
    course = medication(
        "ergocalciferol 50,000 UNT oral capsule", "a1", "active", authoredOn=ago(150), dosageInstruction=words
    )
    cards = ask(infusion(), vitamin_d=[level(14, 160)], medications=[course])
    assert said(cards) == [("completed-no-recheck", "warning")]


def diet(value: Any, days: int = 30, **quantity: Any) -> Json:
    found = result("9046-4", value, "mg/d", days)
    found["valueQuantity"].update(quantity)
    return found


@pytest.mark.parametrize(
    "recorded",
    [[diet(-1500)], [diet(99999)], [diet(500, 5, comparator="<"), diet(1500, 60)], [{**diet(1), "valueQuantity": {}}]],
)
def test_a_recorded_diet_that_cannot_be_used_neither_hides_nor_makes_an_alarm(recorded: list[Json]) -> None:
    cards = ask(medication("elemental calcium 2500 mg oral tablet"), dietary_calcium=recorded)
    assert said(cards) == [("over-limit", "warning")]
    assert "2,500" in cards[0]["summary"]
    assert any(is_gap(card) for card in cards)


TABLET = "elemental calcium 1500 mg oral tablet"


@pytest.mark.parametrize(
    ("draft", "recorded"),
    [
        ({"basedOn": [{"reference": "CarePlan/1"}]}, {"id": "1"}),
        ({"basedOn": [{"reference": "ServiceRequest/1"}]}, {"id": "1"}),
        ({"priorPrescription": {"reference": "MedicationStatement/1"}}, {"id": "1"}),
    ],
)
def test_a_reference_to_something_else_joins_no_medications(draft: Json, recorded: Json) -> None:
    active = {**medication(TABLET, "a1", "active"), **recorded}
    assert said(ask(medication(TABLET, **draft), medications=[active])) == [("over-limit", "warning")]


def test_a_link_between_different_drugs_makes_them_no_one_order() -> None:
    citrate = medication("calcium citrate 950 mg oral tablet", "dc", times=5)
    carbonate = medication(CARBONATE, "a1", "active", times=3, basedOn=[{"reference": "MedicationRequest/dc"}])
    assert said(ask(citrate, medications=[carbonate])) == [("over-limit", "warning")]


def test_a_statement_recorded_twice_is_possible_and_not_certain() -> None:
    statement = medication("calcium citrate 950 mg oral tablet", "s1", "active", times=6)
    statement["resourceType"] = "MedicationStatement"
    statement["dosage"] = statement.pop("dosageInstruction")
    for name in ("intent", "authoredOn"):
        statement.pop(name)
    cards = ask(medication(CARBONATE), medication_statements=[statement, {**statement, "id": "s2"}])
    assert said(cards) == [("possible-over", "info")]


def test_a_total_overrules_a_fraction_of_the_same_day() -> None:
    total = level(40, 10, effectiveDateTime=f"{ago(10)}T08:00:00Z")
    fraction = result("1989-3", 12, "ng/mL", 10)
    assert ask(infusion(), vitamin_d=[total, fraction]) == []


def test_vitamin_d_of_the_session_does_not_make_an_old_level_young() -> None:
    draft = medication("cholecalciferol 2000 UNT oral tablet", "d2")
    assert said(ask(infusion(), draft, vitamin_d=[level(34, 287)])) == [("ageing", "info")]


@pytest.mark.parametrize("status", ["revoked", "completed", "entered-in-error"])
def test_a_test_that_no_longer_stands_is_offered_again(status: str) -> None:
    test = request("25-OH vitamin D", {"system": "http://loinc.org", "code": "62292-8"}, status=status)
    assert "create" in {a["type"] for a in actions(ask(infusion(), test, vitamin_d=None))}
    standing = {**test, "status": "draft"}
    assert "create" not in {a["type"] for a in actions(ask(infusion(), standing, vitamin_d=None))}


# -- too much, though not everything could be read --------------------------------------------------------------------


def test_a_toxic_level_is_told_although_another_result_could_not_be_read() -> None:
    nameless = result(None, 40, "ng/mL", 3)
    cards = ask(medication("cholecalciferol 1000 UNT tablet"), vitamin_d=[level(160), nameless])
    assert ("toxic", "critical") in said(cards)


def test_a_level_that_is_not_too_high_is_not_vouched_for_while_another_could_not_be_read() -> None:
    bare = {**level(40, 3), "valueQuantity": {"value": 180}}
    for doubtful in (bare, result(None, 180, "ng/mL", 3)):
        cards = ask(medication("cholecalciferol 1000 UNT tablet"), vitamin_d=[level(40, 60), doubtful])
        assert any(is_gap(card) for card in cards)


def test_a_high_calcium_is_told_although_another_result_could_not_be_read() -> None:
    cards = ask(medication(CARBONATE), serum_calcium=[calcium(11.2), albumin(4.0), result(None, 9.4, "mg/dL", 3)])
    assert ("high", "warning") in said(cards)
    assert "may be more recent" in json.dumps(cards)
