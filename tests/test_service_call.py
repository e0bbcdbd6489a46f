"""The service call as clients really make it."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any

import pytest
import structlog

from cds_service import schemas
from cds_service.config import Config
from cds_service.facts import Facts
from cds_service.web import create_app

from .protocol import (
    FEEDBACK,
    ORDER_SELECT,
    ORDER_SIGN,
    PATIENT_VIEW,
    catalogue,
    client,
    is_outcome,
    order_select,
    order_sign,
    post,
    zoledronic,
)

SANDBOX = Path(__file__).parent.parent / "fixtures" / "requests" / "sandbox"
EXPECTED: dict[str, dict[str, Any]] = json.loads((SANDBOX / "expected.json").read_text(encoding="utf-8"))
URLS = {"order-select": ORDER_SELECT, "order-sign": ORDER_SIGN, "patient-view": PATIENT_VIEW, None: FEEDBACK}


def test_every_captured_request_has_its_expectation() -> None:
    assert {path.name for path in SANDBOX.glob("*.request.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_what_the_public_sandbox_sends_is_answered(name: str) -> None:
    body = json.loads((SANDBOX / name).read_text(encoding="utf-8"))
    response = post(client(), URLS[body.get("hook")], body)
    assert response.status_code == EXPECTED[name]["status"], EXPECTED[name]["why"]
    if response.status_code == 412:
        assert is_outcome(response, "bh-ada", "bh-ben", "bh-cyd")
    elif "hook" in body:
        assert response.get_json() == {"cards": []}


def test_nothing_to_say_is_200_with_no_cards() -> None:
    """SVC-050, SVC-063, SVC-110, SVC-111."""
    response = post(client(), ORDER_SIGN, order_sign())
    assert (response.status_code, response.get_json()) == (200, {"cards": []})


def test_missing_data_is_412_and_names_the_keys() -> None:
    """SVC-057, SVC-090, SVC-091: keys that nobody declared do not stand in for those that are."""
    response = post(client(), ORDER_SIGN, zoledronic(prefetch={"labs": None}))
    assert response.status_code == 412
    assert is_outcome(response, "zoledronic", "labs")
    assert "prefetch.vitamin-d" in [issue["expression"][0] for issue in response.get_json()["issue"]]


def test_an_answer_with_cards_keeps_to_the_specification() -> None:
    """SVC-092, SVC-110 to SVC-150: every search answered with null."""
    caller = client()
    services = caller.get("/cds-services").get_json()["services"]
    keys = next(s["prefetch"] for s in services if s["hook"] == "order-sign")
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": "1950-01-01", "gender": "female"}
    response = post(caller, ORDER_SIGN, zoledronic(prefetch={**dict.fromkeys(keys), "patient": patient}))
    assert response.status_code == 200
    assert response.get_json()["cards"]
    schemas.check(response.get_json(), "response")


@pytest.mark.parametrize(
    "extra",
    [
        {"prefetch": []},
        {"prefetch": None},
        {"fhirAuthorization": None},
        {"fhirAuthorization": []},
        {"fhirAuthorization": {"access_token": "t"}},
        {"fhirServer": "https://ehr.example/", "fhirAuthorization": {"access_token": "", "expires_in": "300"}},
        {"fhirServer": ""},
        {"extension": ["odd"], "unknown": {"a": [1]}},
        {"hookInstance": "NOT-A-UUID"},
    ],
)
def test_harmless_deviations_change_nothing(extra: dict[str, Any]) -> None:
    """SVC-055, SVC-056, SVC-058, CLI-001, CLI-002, CLI-009, CLI-010, CLI-027."""
    response = post(client(), ORDER_SIGN, {**order_sign(), **extra})
    assert (response.status_code, response.get_json()) == (200, {"cards": []})


@pytest.mark.parametrize(
    "context",
    [
        {"encounterId": ""},
        {"userId": None},
        {"patientId": "Patient/p1"},
        {"vendor": {"x": None}},
        {"draftOrders": {"entry": {"resource": {"resourceType": "MedicationRequest"}}}},
        {"draftOrders": {"resourceType": "Bundle", "entry": [{}]}},
    ],
)
def test_an_odd_context_with_one_meaning_is_answered(context: dict[str, Any]) -> None:
    """SVC-053, SVC-056, SVC-063, CLI-009, CLI-011, CLI-012, CLI-014."""
    assert post(client(), ORDER_SIGN, order_sign(**context)).status_code == 200


@pytest.mark.parametrize("nothing", [{}, {"selections": []}])
def test_order_select_without_orders_and_selections_has_nothing_to_say(nothing: dict[str, Any]) -> None:
    """The public sandbox sends this when its tab is clicked again; SVC-053 would allow a refusal."""
    response = post(client(), ORDER_SELECT, order_select(draftOrders=None, **nothing))
    assert (response.status_code, response.get_json()) == (200, {"cards": []})


def test_order_select_that_names_orders_must_send_them() -> None:
    """SVC-053."""
    response = post(client(), ORDER_SELECT, order_select(draftOrders=None, selections=["MedicationRequest/1"]))
    assert response.status_code == 400
    assert response.get_json()["issue"][0]["expression"] == ["context.draftOrders"]


@pytest.mark.parametrize("selections", ["MedicationRequest/1", [1], {"a": 1}])
def test_selections_of_another_type_are_refused(selections: Any) -> None:
    """SVC-054."""
    assert post(client(), ORDER_SELECT, order_select(selections=selections)).status_code == 400


def test_a_hook_the_service_is_not_offered_for_is_400() -> None:
    """SVC-052."""
    response = post(client(), ORDER_SELECT, order_sign())
    assert response.status_code == 400
    assert is_outcome(response)


def test_an_unknown_service_is_404_whatever_was_sent() -> None:
    """SVC-082."""
    assert client().post("/cds-services/nope", data=b"{").status_code == 404


def test_a_foreign_patient_is_refused_only_under_a_key_of_ours() -> None:
    """SVC-057, SVC-066."""
    other = {"resourceType": "Patient", "id": "p2"}
    refused = post(client(), ORDER_SIGN, {**order_sign(), "prefetch": {"patient": other}})
    assert refused.status_code == 422
    assert is_outcome(refused, "p2")
    for prefetch in ({"mother": other}, {"patient": {"resourceType": "Patient", "id": "p1"}}):
        assert post(client(), ORDER_SIGN, {**order_sign(), "prefetch": prefetch}).status_code == 200


def test_an_unexpected_authorization_header_is_ignored() -> None:
    """SVC-198, CLI-021."""
    response = post(client(), ORDER_SIGN, order_sign(), headers={"Authorization": "Bearer \x7f.garbage"})
    assert response.status_code == 200


def test_an_error_body_repeats_neither_token_nor_text() -> None:
    """SVC-085, SVC-099."""
    body = {**order_sign(patientId=["Canary Smith"]), "fhirAuthorization": {"access_token": "canary-token"}}
    response = post(client(), ORDER_SIGN, body)
    assert response.status_code == 400
    assert is_outcome(response, "Canary", "canary-token")


def test_one_line_is_logged_without_anything_about_the_patient(capsys: pytest.CaptureFixture[str]) -> None:
    """SVC-195, SVC-099."""
    body = zoledronic(fhirServer="https://ehr.example", fhirAuthorization={"access_token": "canary-token"})
    body["context"]["patientId"] = "canary-patient"
    body["context"]["draftOrders"]["entry"][0]["resource"]["subject"]["reference"] = "Patient/canary-patient"
    post(client(), ORDER_SIGN, body)
    lines = capsys.readouterr().out.splitlines()
    line = json.loads(lines[-1])
    assert len(lines) == 1
    assert (line["service"], line["hook"], line["status"]) == ("bone-health-order-sign", "order-sign", 412)
    assert line["hookInstance"] == body["hookInstance"]
    assert line["durationMs"] > 0
    assert "canary" not in lines[0]


def test_an_answered_call_logs_how_many_rules_had_nothing_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    post(client(), ORDER_SIGN, order_sign())
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    rules = next(len(entry.rules) for entry in catalogue().entries if entry.service.hook == "order-sign")
    assert (line["results"], line["nothingToSay"]) == ([], rules)


def test_a_call_logs_each_rule_that_spoke_or_could_not_be_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    post(client(), ORDER_SIGN, zoledronic(prefetch={"labs": None}))
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    told = {result["rule"]: result for result in line["results"]}
    assert told["iv-bisphosphonate-vitamin-d"]["status"] == "not-evaluated"
    assert {"key": "vitamin-d", "kind": "withheld"} in told["iv-bisphosphonate-vitamin-d"]["gaps"]
    assert "calcium-total-daily" not in told
    rules = next(len(entry.rules) for entry in catalogue().entries if entry.service.hook == "order-sign")
    assert len(told) + line["nothingToSay"] == rules


@pytest.mark.parametrize(
    "odd", ["a\nb", "\r\x00\x1b[2J", "\x85\u2028\u2029", "\u202e\u2066", "é😀", '"\\', "\ud800", "\x7f"]
)
def test_no_text_can_break_a_line_of_the_log(odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().warning("odd", text=odd, number=10**30, thing=object)
    written = capsys.readouterr().out
    assert written.isascii()
    assert written.endswith("\n")
    assert not any(ord(character) < 0x20 for character in written[:-1])
    line = json.loads(written)
    assert (line["text"], line["number"], line["level"]) == (odd, 10**30, "warning")
    assert "object" in line["thing"]


def test_a_fault_of_our_own_is_a_500_that_tells_only_where(capsys: pytest.CaptureFixture[str]) -> None:
    """SVC-085, SVC-086, SVC-089: and the next call is answered again."""
    broken = iter([True])

    def now() -> datetime.datetime:
        if next(broken, False):
            raise RuntimeError("canary-value")
        return datetime.datetime.now(datetime.UTC)

    caller = create_app(Config(auth="off"), catalogue(), now).test_client()
    response = post(caller, ORDER_SIGN, order_sign())
    assert response.status_code == 500
    assert is_outcome(response, "canary")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    log = capsys.readouterr().out
    assert "RuntimeError" in log
    assert "canary" not in log
    assert post(caller, ORDER_SIGN, order_sign()).status_code == 200


def test_a_call_in_which_every_rule_breaks_is_a_500(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("canary-value")

    monkeypatch.setattr(Facts, "orders", broken)
    whole = catalogue()
    entry = next(e for e in whole.entries if e.service.hook == "order-sign")
    one_rule = dataclasses.replace(entry, rules=entry.rules[:1])
    caller = create_app(Config(auth="off"), dataclasses.replace(whole, entries=(one_rule,))).test_client()
    response = post(caller, ORDER_SIGN, zoledronic())
    assert response.status_code == 500
    assert is_outcome(response, "canary")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("A.B:99", 200),
        ("[::1]:80", 200),
        ("x_y", 200),
        ("a" * 63, 200),
        ("a" * 64, 400),
        ("a..b", 400),
    ],
)
def test_a_call_is_answered_whatever_host_it_names_that_can_be_one(host: str, status: int) -> None:
    assert post(client(), ORDER_SIGN, order_sign(), headers={"Host": host}).status_code == status
