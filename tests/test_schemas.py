"""Schemas: what an error says, and what our own answers may look like."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cds_service import schemas
from cds_service.schemas import Invalid

UUID = "0b0c7f0a-7c0c-4c0e-9d50-5b9d3a0f6a11"


def card(**changes: Any) -> dict[str, Any]:
    """A card with everything on it; a change to None leaves a member out."""
    suggestion = {
        "label": "Order 25(OH)D",
        "uuid": UUID,
        "isRecommended": True,
        "actions": [{"type": "create", "description": "Order it", "resource": {"resourceType": "ServiceRequest"}}],
    }
    base = {
        "uuid": UUID,
        "summary": "25(OH)D is 14 ng/mL",
        "detail": "Measured **three weeks** ago.",
        "indicator": "warning",
        "source": {"label": "Label", "url": "https://example.org/a", "topic": {"code": "a", "system": "https://b.c"}},
        "suggestions": [suggestion],
        "selectionBehavior": "at-most-one",
        "overrideReasons": [{"code": "a", "system": "https://b.c", "display": "A"}],
        "links": [{"label": "More", "url": "https://example.org/b", "type": "absolute"}],
        "extension": {"org.example": [{"a": 1}]},
    }
    return {name: value for name, value in {**copy.deepcopy(base), **changes}.items() if value is not None}


def action(**members: Any) -> dict[str, Any]:
    return card(suggestions=[{"label": "L", "uuid": UUID, "actions": [{"description": "D", **members}]}])


def sound(document: dict[str, Any]) -> bool:
    return not schemas.problems({"cards": [document]}, "response")


def test_an_error_says_where_what_was_expected_and_what_kind_came() -> None:
    with pytest.raises(Invalid) as caught:
        schemas.check({"patientId": "p", "draftOrders": {"entry": ["Smith"]}}, "context-order-sign", at="context")
    assert caught.value.path == "context.draftOrders.entry[0]"
    assert str(caught.value) == "context.draftOrders.entry[0]: expected an object with a resource, got a text"


def test_a_missing_member_is_named_with_its_path() -> None:
    with pytest.raises(Invalid, match=r"^context\.patientId: expected the FHIR id of the patient, got nothing$"):
        schemas.check({"draftOrders": {"entry": []}}, "context-order-sign", at="context")


def test_all_problems_of_a_file_are_told_at_once() -> None:
    found = schemas.problems({"hook": 1, "hookInstance": "i", "context": []}, "request")
    assert [problem.path for problem in found] == ["context", "hook"]


def test_a_schema_that_does_not_exist_is_an_error_of_the_caller() -> None:
    with pytest.raises(KeyError, match="there is no schema 'nope'"):
        schemas.check({}, "nope")


def test_a_card_with_everything_is_sound() -> None:
    """SVC-110 to SVC-150."""
    schemas.check({"cards": [card()]}, "response")
    schemas.check({"cards": []}, "response")


@pytest.mark.parametrize("length", [1, 139])
def test_a_summary_of_up_to_139_characters_is_sound(length: int) -> None:
    """SVC-115."""
    assert sound(card(summary="x" * length))


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(card(summary="x" * 140), id="SVC-115 140 characters"),
        pytest.param(card(summary="  "), id="SVC-115 blank"),
        pytest.param(card(summary="a\nb"), id="SVC-116 two lines"),
        pytest.param(card(summary="a\n"), id="SVC-116 line end"),
        pytest.param(card(detail="see <b>this</b>"), id="SVC-118 HTML"),
        pytest.param(card(detail="[x](javascript:x)"), id="SVC-118 script"),
        pytest.param(card(indicator="hard-stop"), id="SVC-119"),
        pytest.param(card(source={"url": "https://a.b"}), id="SVC-120 no label"),
        pytest.param(card(source={"label": "a", "url": "/a"}), id="SVC-121 relative"),
        pytest.param(card(source={"label": "a", "url": "https://a.b/\n"}), id="SVC-121 line end"),
        pytest.param(card(source={"label": "a", "icon": "a.png"}), id="SVC-122"),
        pytest.param(card(source={"label": "a", "topic": {"code": "a"}}), id="SVC-123"),
        pytest.param(card(suggestions=[{"uuid": UUID}]), id="SVC-124"),
        pytest.param(card(selectionBehavior=None), id="SVC-125"),
        pytest.param(card(selectionBehavior="all"), id="SVC-125 unknown"),
        pytest.param(card(suggestions=None), id="SVC-126"),
        pytest.param(card(overrideReasons=[{"code": "a", "system": "b"}]), id="SVC-127 no display"),
        pytest.param(card(overrideReasons=[{"code": "a", "display": "b"}]), id="SVC-127 no system"),
        pytest.param(card(links=[{"label": "", "url": "https://a.b", "type": "absolute"}]), id="SVC-129"),
        pytest.param(card(links=[{"label": "a", "url": "ftp://a.b", "type": "absolute"}]), id="SVC-130"),
        pytest.param(card(links=[{"label": "a", "url": "https://a.b", "type": "web"}]), id="SVC-131"),
        pytest.param(
            card(links=[{"label": "a", "url": "https://a.b", "type": "absolute", "appContext": "x"}]), id="SVC-132"
        ),
        pytest.param(card(suggestions=[{"label": "a", "uuid": "1"}]), id="SVC-135"),
        pytest.param(
            card(suggestions=[{"label": "a", "uuid": UUID, "isRecommended": True}] * 2), id="SVC-136 two recommended"
        ),
        pytest.param(card(suggestions=[{"label": "a", "uuid": UUID, "actionSelectionBehavior": "any"}]), id="SVC-138"),
        pytest.param(action(type="Create", resource={"resourceType": "Task"}), id="SVC-139"),
        pytest.param(action(type="create", description="", resource={"resourceType": "Task"}), id="SVC-140"),
        pytest.param(action(type="create"), id="SVC-141 no resource"),
        pytest.param(action(type="create", resource="{}"), id="SVC-141 text"),
        pytest.param(action(type="update", resource={"resourceType": "Task"}), id="SVC-142 no id"),
        pytest.param(action(type="delete"), id="SVC-143 no resourceId"),
        pytest.param(action(type="delete", resourceId="1"), id="SVC-143 bare id"),
        pytest.param(action(type="delete", resourceId="Task/1", resource={"resourceType": "Task"}), id="SVC-143 both"),
        pytest.param(card(uuid=None), id="SVC-150"),
        pytest.param(card(uuid="abc"), id="SVC-113"),
        pytest.param(card(color="red"), id="SVC-147"),
        pytest.param(card(links=[]), id="SVC-003 empty list"),
        pytest.param(card(detail=""), id="SVC-003 empty text"),
        pytest.param(card(extension=[]), id="SVC-210 list"),
        pytest.param(card(extension={"a": {"b": None}}), id="SVC-002 null inside"),
        pytest.param(action(type="create", resource={"resourceType": "Task", "note": []}), id="SVC-003 inside"),
    ],
)
def test_a_card_that_breaks_the_specification_is_refused(document: dict[str, Any]) -> None:
    assert not sound(document)


@pytest.mark.parametrize(
    "document",
    [
        action(type="delete", resourceId="MedicationRequest/1"),
        action(type="update", resource={"resourceType": "MedicationRequest", "id": "1"}),
        card(links=[{"label": "a", "url": "https://a.b", "type": "smart", "appContext": "x"}]),
        card(detail="5 < 6, and see <https://example.org>"),
        card(suggestions=None, selectionBehavior=None, overrideReasons=None, uuid=None),
    ],
)
def test_what_the_specification_allows_is_sound(document: dict[str, Any]) -> None:
    assert sound(document)
