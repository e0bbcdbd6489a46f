"""What becomes of what was not sent, is empty, failed or cannot be read: five different answers, and no silence."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from cds_service.catalogue import Catalogue
from cds_service.config import Config
from cds_service.examples import example
from cds_service.facts import Facts
from cds_service.knowledge import Parameters
from cds_service.rules.rule import Findings
from cds_service.web import create_app

from .ehr import FINDINGS, NOW, ZONE, only

Json = dict[str, Any]
TODAY = NOW.astimezone(ZONE).date()
FAILURE = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
EMPTY = {"resourceType": "Bundle", "type": "searchset", "total": 0}


# What becomes of data is the same for every rule; it is shown on two.
TWO = only("iv-bisphosphonate-vitamin-d", "calcium-total-daily")


def post(body: Json, catalogue: Catalogue = TWO) -> Any:
    client = create_app(Config(timezone=ZONE, auth="off"), catalogue, lambda: NOW).test_client()
    return client.post(f"/cds-services/bone-health-{body['hook']}", json=json.loads(json.dumps(body)))


def infusion(**prefetch: Any) -> Json:
    """An order of zoledronic acid at signing, with keys of the prefetch replaced; None takes a key out."""
    body = example("zoledronic-acid-deficient", TODAY)
    for key, value in prefetch.items():
        name = key.replace("_", "-")
        if value is LEFT_OUT:
            del body["prefetch"][name]
        else:
            body["prefetch"][name] = value
    return body


LEFT_OUT = object()


def with_too_much_calcium(body: Json) -> Json:
    other = example("calcium-over-limit", TODAY)
    draft = other["context"]["draftOrders"]["entry"][0]
    draft["resource"]["id"] = "draft-2"
    body["context"]["draftOrders"]["entry"].append(draft)
    body["prefetch"]["medications"] = other["prefetch"]["medications"]
    return body


def said(answer: Any) -> list[tuple[str, str]]:
    return [
        (finding["outcome"], finding["indicator"])
        for card in answer.json["cards"]
        for finding in card.get("extension", {}).get(FINDINGS, [])
    ]


def test_a_value_is_told() -> None:
    answer = post(infusion())
    assert said(answer) == [("deficient", "critical")]
    card = answer.json["cards"][0]
    assert "14 ng/mL" in card["summary"]
    assert "30 ng/mL" in card["summary"]
    assert [s["actions"][0]["type"] for s in card["suggestions"]] == ["delete", "create", "create"]


@pytest.mark.parametrize("nothing", [None, EMPTY, {**EMPTY, "entry": []}, {"resourceType": "Bundle"}])
def test_known_to_be_none_is_no_result_on_file(nothing: Any) -> None:
    answer = post(infusion(vitamin_d=nothing))
    assert said(answer) == [("unknown", "warning")]
    assert answer.json["cards"][0]["summary"].startswith("No 25(OH)D result on file")


def test_a_failed_query_is_told_as_not_retrieved() -> None:
    answer = post(infusion(vitamin_d=FAILURE))
    assert said(answer) == [("data-unavailable", "warning")]
    assert "could not be retrieved" in answer.json["cards"][0]["summary"]
    assert len(answer.json["cards"]) == 1


def test_a_key_left_out_with_nothing_else_found_is_a_412_that_names_it() -> None:
    answer = post(infusion(vitamin_d=LEFT_OUT))
    assert answer.status_code == 412
    assert answer.json["resourceType"] == "OperationOutcome"
    assert [issue["expression"] for issue in answer.json["issue"]] == [["prefetch.vitamin-d"]]


def test_a_key_left_out_beside_another_finding_is_one_info_card() -> None:
    answer = post(with_too_much_calcium(infusion(vitamin_d=LEFT_OUT)))
    assert answer.status_code == 200
    assert [card["indicator"] for card in answer.json["cards"]] == ["warning", "info"]
    assert "25(OH)D" in answer.json["cards"][1]["summary"]
    assert said(answer) == [("over-limit", "warning")]


def test_several_gaps_are_one_card() -> None:
    answer = post(infusion(medications=FAILURE, medication_statements=LEFT_OUT, serum_calcium=FAILURE))
    cards = answer.json["cards"]
    assert [card["indicator"] for card in cards] == ["critical", "info"]
    for word in ("medication orders", "serum calcium"):
        assert word in cards[1]["detail"].lower()


def test_a_measured_deficiency_is_told_even_if_nothing_else_was_sent() -> None:
    body = infusion()
    body["prefetch"] = {"vitamin-d": body["prefetch"]["vitamin-d"]}
    answer = post(body)
    assert ("deficient", "critical") in said(answer)
    assert answer.json["cards"][-1]["indicator"] == "info"


def test_an_order_no_rule_speaks_of_needs_nothing() -> None:
    body = infusion()
    body["context"]["draftOrders"]["entry"][0]["resource"]["medicationCodeableConcept"] = {"text": "metformin 500 mg"}
    body["prefetch"] = {}
    answer = post(body)
    assert answer.status_code == 200
    assert answer.json == {"cards": []}


@pytest.mark.parametrize("key", ["serum-calcium", "medications", "medication-statements"])
def test_what_cannot_change_the_answer_may_be_missing(key: str) -> None:
    body = infusion()
    body["prefetch"]["vitamin-d"]["entry"][0]["resource"]["valueQuantity"]["value"] = 34
    del body["prefetch"][key]
    assert post(body).json == {"cards": []}


def test_an_unidentified_drug_is_left_alone_while_selecting_and_told_at_signing() -> None:
    body = infusion()
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    del order["medicationCodeableConcept"]
    order["medicationReference"] = {"reference": "Medication/elsewhere"}
    answer = post(body)
    assert [card["indicator"] for card in answer.json["cards"]] == ["info"]
    body["hook"] = "order-select"
    body["context"]["selections"] = ["MedicationRequest/draft-1"]
    assert post(body).json == {"cards": []}


def test_a_draft_that_cannot_be_read_is_never_silence() -> None:
    body = infusion()
    body["context"]["draftOrders"]["entry"][0] = {"fullUrl": "https://ehr.example/MedicationRequest/draft-1"}
    for hook in ("order-select", "order-sign"):
        answer = post({**body, "hook": hook})
        assert [card["indicator"] for card in answer.json["cards"]] == ["info"]


def test_an_order_about_another_patient_is_never_judged() -> None:
    body = infusion()
    body["context"]["draftOrders"]["entry"][0]["resource"]["subject"] = {"reference": "Patient/other"}
    answer = post(body)
    assert said(answer) == []
    assert [card["indicator"] for card in answer.json["cards"]] == ["info"]


def broken(catalogue: Catalogue, rule_id: str) -> Catalogue:
    """The catalogue with one rule whose function breaks, as a defect in it would."""

    def breaks(facts: Facts, parameters: Parameters) -> Findings:
        raise ZeroDivisionError("Ada Stubbington, 14 ng/mL")
        yield

    def swap(entry: Any) -> Any:
        rules = tuple(
            dataclasses.replace(r, rule=dataclasses.replace(r.rule, function=breaks)) if r.rule.id == rule_id else r
            for r in entry.rules
        )
        return dataclasses.replace(entry, rules=rules)

    return dataclasses.replace(catalogue, entries=tuple(map(swap, catalogue.entries)))


def test_a_rule_that_breaks_while_it_guards_an_infusion_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    answer = post(infusion(), broken(TWO, "iv-bisphosphonate-vitamin-d"))
    assert answer.status_code == 200
    loud = [card for card in answer.json["cards"] if card["indicator"] == "warning"]
    assert len(loud) == 1
    assert "could not be evaluated" in loud[0]["summary"]
    assert "zoledronic acid" in loud[0]["summary"]
    log = capsys.readouterr().out
    assert "ZeroDivisionError" in log
    assert "Stubbington" not in log + json.dumps(answer.json)


def test_a_rule_that_breaks_never_takes_the_others_with_it() -> None:
    body = with_too_much_calcium(infusion())
    answer = post(body, broken(TWO, "calcium-total-daily"))
    assert ("deficient", "critical") in said(answer)
    assert any("not fully checked" in card["summary"] for card in answer.json["cards"])


def test_when_every_rule_breaks_the_answer_is_our_fault() -> None:
    catalogue = only("iv-bisphosphonate-vitamin-d", "iv-bisphosphonate-onj")
    for rule in {r.rule.id for entry in catalogue.entries for r in entry.rules}:
        catalogue = broken(catalogue, rule)
    answer = post(infusion(), catalogue)
    assert answer.status_code == 500
    assert answer.json["resourceType"] == "OperationOutcome"


def test_a_chart_that_is_opened_is_told_of_active_orders_and_offered_no_deletion() -> None:
    answer = post(example("zoledronic-acid-active", TODAY))
    assert said(answer) == [("deficient", "critical")]
    types = [a["type"] for c in answer.json["cards"] for s in c["suggestions"] for a in s["actions"]]
    assert types
    assert set(types) == {"create"}


def test_what_is_only_worth_a_note_is_not_said_unasked() -> None:
    body = example("zoledronic-acid-active", TODAY)
    observation = body["prefetch"]["vitamin-d"]["entry"][0]["resource"]
    observation["valueQuantity"]["value"] = 35
    observation["effectiveDateTime"] = TODAY.replace(year=TODAY.year - 1).isoformat()
    assert post(body).json == {"cards": []}


def every_suggestion(answer: Any) -> list[Json]:
    return [suggestion for card in answer.json["cards"] for suggestion in card.get("suggestions", [])]


def accepted(body: Json, suggestion: Json) -> Json:
    """The session after a client applied a suggestion."""
    entries = copy.deepcopy(body["context"]["draftOrders"]["entry"])
    for number, action in enumerate(suggestion["actions"]):
        if action["type"] == "delete":
            entries = [e for e in entries if f"MedicationRequest/{e['resource']['id']}" != action["resourceId"]]
            continue
        resource = {"id": f"new-{number}", **action["resource"]}
        entries = [e for e in entries if e["resource"]["id"] != resource["id"]]
        entries.append({"resource": resource})
    changed = copy.deepcopy(body)
    changed["context"]["draftOrders"]["entry"] = entries
    return changed


@pytest.mark.parametrize("make", [infusion, lambda: example("calcium-over-limit", TODAY)])
def test_an_accepted_suggestion_is_not_warned_of(make: Callable[[], Json]) -> None:
    body = make()
    suggestions = every_suggestion(post(body))
    assert suggestions
    for suggestion in suggestions:
        after = post(accepted(body, suggestion))
        assert {loud for _, loud in said(after)} <= {"info"}, suggestion["label"]


def test_at_most_one_suggestion_of_a_card_is_recommended_and_deletes_come_after_creates() -> None:
    for suggestion in every_suggestion(post(infusion())):
        types = [action["type"] for action in suggestion["actions"]]
        assert types == sorted(types, key=["create", "update", "delete"].index)
    assert sum(s.get("isRecommended", False) for s in every_suggestion(post(infusion()))) == 1


def test_every_id_in_an_answer_is_new_and_given_once() -> None:
    def ids() -> list[str]:
        cards = post(with_too_much_calcium(infusion())).json["cards"]
        return [c["uuid"] for c in cards] + [s["uuid"] for c in cards for s in c.get("suggestions", [])]

    first, second = ids(), ids()
    assert len(set(first)) == len(first)
    assert not set(first) & set(second)
