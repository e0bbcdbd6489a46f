"""The CDS Hooks vocabulary, to and from JSON."""

from __future__ import annotations

import pytest

from cds_service import schemas
from cds_service.cdshooks import Action, Card, Coding, Link, Service, Source, Suggestion, parse_request

from .protocol import order_select, order_sign

UUID = "0b0c7f0a-7c0c-4c0e-9d50-5b9d3a0f6a11"


@pytest.mark.parametrize(
    "sent", ["123", "Patient/123", " 123 ", "https://ehr.example/fhir/Patient/123", "Patient/123/_history/2"]
)
def test_a_patient_is_known_by_the_bare_id(sent: str) -> None:
    """CLI-014."""
    assert parse_request(order_sign(patientId=sent)).patient_id == "123"


@pytest.mark.parametrize("user", ["Practitioner/1", "PractitionerRole/2", "Patient/123", "1"])
def test_a_user_stays_as_sent(user: str) -> None:
    """CLI-014."""
    assert parse_request(order_sign(userId=user)).user_id == user


def test_selections_are_kept_and_none_are_none() -> None:
    """CLI-013."""
    assert parse_request(order_select(selections=["MedicationRequest/1", "2"])).selections == (
        "MedicationRequest/1",
        "2",
    )
    for nothing in ({}, {"selections": []}, {"selections": [" "]}):
        assert parse_request(order_select(**nothing)).selections is None


def test_a_server_loses_its_slash_and_keeps_its_token() -> None:
    """CLI-010."""
    body = {**order_sign(), "fhirServer": "https://ehr.example/fhir/", "fhirAuthorization": {"access_token": "secret"}}
    request = parse_request(body)
    assert (request.fhir_server, request.access_token) == ("https://ehr.example/fhir", "secret")


def test_a_token_without_a_server_and_an_empty_one_are_none() -> None:
    """SVC-055."""
    assert parse_request({**order_sign(), "fhirAuthorization": {"access_token": "secret"}}).access_token == ""
    body = {**order_sign(), "fhirServer": "https://ehr.example", "fhirAuthorization": {"access_token": " "}}
    assert parse_request(body).access_token == ""


def test_what_is_printed_of_a_request_tells_nothing_of_patient_or_token() -> None:
    """SVC-099, SVC-195."""
    body = order_sign(patientId="canary", userId="canary", draftOrders={"entry": [{"resource": {"id": "canary"}}]})
    body |= {"fhirServer": "https://a.b", "fhirAuthorization": {"access_token": "canary"}, "prefetch": {"x": "canary"}}
    assert "canary" not in repr(parse_request(body))


def test_one_entry_is_read_as_a_list_of_it() -> None:
    draft = {"entry": {"resource": {"id": "1"}}}
    assert parse_request(order_sign(draftOrders=draft)).draft_orders == {"entry": [{"resource": {"id": "1"}}]}


def test_what_is_empty_is_left_out_of_a_card() -> None:
    """SVC-002, SVC-003, SVC-126."""
    card = Card("Summary", "info", Source("Label"))
    assert card.to_json() == {"summary": "Summary", "indicator": "info", "source": {"label": "Label"}}


def test_a_whole_card_keeps_to_the_specification() -> None:
    """SVC-113 to SVC-150."""
    reason = Coding("a", "https://example.org/reasons", "A")
    actions = (
        Action("create", "Order it", resource={"resourceType": "ServiceRequest"}),
        Action("delete", "Stop it", resource_id="MedicationRequest/1"),
    )
    card = Card(
        summary="Summary",
        indicator="critical",
        source=Source("Label", "https://example.org", reason),
        detail="Detail",
        suggestions=(Suggestion("Do", UUID, actions, is_recommended=True),),
        override_reasons=(reason,),
        uuid=UUID,
        extension={"org.example": [1]},
        links=(Link("App", "https://example.org/launch", "smart", "x"),),
    )
    schemas.check({"cards": [card.to_json()]}, "response")
    written = card.to_json()
    assert written["selectionBehavior"] == "at-most-one"
    assert written["suggestions"][0]["isRecommended"] is True
    assert written["suggestions"][0]["actions"][1]["resourceId"] == "MedicationRequest/1"


def test_a_service_is_written_without_what_it_has_not() -> None:
    """SVC-003, SVC-013 to 018."""
    written = Service("a", "order-sign", "T", "D").to_json()
    assert written == {"hook": "order-sign", "id": "a", "title": "T", "description": "D"}
    full = Service("a", "order-sign", "T", "D", {"p": "Patient/{{context.patientId}}"}, "U", "2.0.1", "1.0")
    schemas.check({"services": [full.to_json()]}, "discovery")
