"""How much a request may hold and how long it may take: up to the limit it is answered, beyond it that is said."""

from __future__ import annotations

import copy
import datetime
import functools
import json
import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.config import Config, ConfigError, from_environment
from cds_service.examples import example
from cds_service.fhir.lengths import LONGEST_LIST, LONGEST_TEXT
from cds_service.fhir.r4 import models
from cds_service.web.entries import FEWEST_BYTES, MOST_ENTRIES
from cds_service.web.wire import NotJson, parse

from .protocol import ORDER_SIGN, client, is_outcome, post

TODAY = datetime.datetime.now(datetime.UTC).date()


@functools.cache
def caller() -> FlaskClient:
    return client(Config(auth="off", log_level="error"))


def call() -> dict[str, Any]:
    """The deficient patient with a tablet in the session beside the infusion."""
    body = copy.deepcopy(example("zoledronic-acid-deficient", TODAY))
    body["context"]["draftOrders"]["entry"].append({"resource": tablet()})
    return body


def tablet() -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": "d2",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/example"},
        "medicationCodeableConcept": {"text": "calcium carbonate 1250 mg tablet"},
        "dosageInstruction": [{"text": "2 tablets three times daily"}],
    }


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in resources]}


def told(body: dict[str, Any]) -> str:
    answer = post(caller(), ORDER_SIGN, body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return " | ".join(card["summary"] + card.get("detail", "") for card in answer.get_json()["cards"])


def nested(depth: int, kind: str) -> str:
    """JSON with so many containers inside each other, the outermost object included."""
    opening = {"lists": "[", "objects": '{"a":', "mixed": '[{"a":'}[kind]
    closing = {"lists": "]", "objects": "}", "mixed": "}]"}[kind]
    times = (depth - 1) // (2 if kind == "mixed" else 1)
    return '{"x":' + opening * times + "1" + closing * times + "}"


@pytest.mark.parametrize("more", ["", " " * 5000], ids=["short", "long"])
@pytest.mark.parametrize("kind", ["lists", "objects", "mixed"])
def test_nesting_is_read_up_to_its_limit_and_no_deeper(kind: str, more: str) -> None:
    """However long the text is: short and long ones are counted in different ways."""
    assert parse((nested(63, kind) + more).encode())
    assert parse((nested(64, "lists") + more).encode())
    empty = nested(64, "lists").replace("1", "{}")
    for text in (nested(65, "lists"), empty):
        with pytest.raises(NotJson, match=r"more than 64 deep"):
            parse((text + more).encode())
    assert parse((nested(63, "lists").replace("1", "[]") + more).encode())
    for depth in (67, 150, 300, 100_000):
        with pytest.raises(NotJson, match=r"deep"):
            parse(nested(depth, kind).encode())


@pytest.mark.parametrize(
    "text",
    ["{}],[{}", "{}],[", "],[{}", '{},{"a":1}', "{}]", "[{}", "]", "{}" + "]" * 136, "]" * 136 + "[" * 136, "1],[1"],
)
def test_no_text_can_close_the_lists_that_it_is_read_in(text: str) -> None:
    for padding in ("", " " * 5000):
        with pytest.raises(NotJson, match="not valid JSON"):
            parse((text + padding).encode())


def test_what_is_wrong_with_a_text_is_told_at_its_place_however_deep_it_is() -> None:
    deep = nested(100, "lists").replace("1", '"' + "x" * 5000 + '"')
    with pytest.raises(NotJson, match=rf"something follows its end \(line 1, column {len(deep) + 1}\)"):
        parse((deep + "x").encode())
    with pytest.raises(NotJson, match="not an object"):
        parse(deep[5:-1].encode())


@pytest.mark.parametrize("kind", ["lists", "objects", "mixed"])
def test_deep_nesting_inside_a_resource_is_a_400_that_says_why(kind: str) -> None:
    body = json.dumps(call()).replace(
        '"resourceType": "Patient"', f'"resourceType": "Patient", "x": {nested(500, kind)}'
    )
    answer = caller().post(ORDER_SIGN, data=body, content_type="application/json")
    assert answer.status_code == 400
    assert is_outcome(answer)
    assert "deep" in answer.get_json()["issue"][0]["diagnostics"]


def test_so_many_entries_are_read_and_one_more_is_a_413() -> None:
    body = call()
    used = sum(len(value["entry"]) for value in body["prefetch"].values() if value and "entry" in value)
    used += len(body["context"]["draftOrders"]["entry"])
    # Under a key that nobody reads: what is counted is counted wherever it lies, in Bundles inside Bundles too.
    inner = {"resource": {"resourceType": "Bundle", "entry": [{}] * (MOST_ENTRIES - used - 1)}}
    body["prefetch"]["mine"] = {"resourceType": "Bundle", "entry": [inner]}
    assert post(caller(), ORDER_SIGN, body).status_code == 200
    inner["resource"]["entry"].append({})
    answer = post(caller(), ORDER_SIGN, body)
    assert answer.status_code == 413
    assert is_outcome(answer)
    assert f"{MOST_ENTRIES} entries" in answer.get_json()["issue"][0]["diagnostics"]
    body["prefetch"].pop("mine")
    body["context"]["draftOrders"]["entry"] += [{}] * MOST_ENTRIES
    assert post(caller(), ORDER_SIGN, body).status_code == 413


def test_a_body_too_short_for_so_many_entries_has_not_so_many() -> None:
    """Such a body is not counted."""
    body = call()
    body["prefetch"]["mine"] = {"entry": [0] * (MOST_ENTRIES + 1)}
    assert len(json.dumps(body["prefetch"]["mine"]["entry"], separators=(",", ":"))) >= FEWEST_BYTES
    assert post(caller(), ORDER_SIGN, body).status_code == 413


def test_a_name_of_the_longest_length_is_read_and_a_longer_one_is_a_gap() -> None:
    body = call()
    concept = body["context"]["draftOrders"]["entry"][1]["resource"]["medicationCodeableConcept"]
    name = concept["text"]
    concept["text"] = name + " " * (LONGEST_TEXT - len(name) - 1) + "."
    assert "3,000 mg" in told(body)
    for size in (LONGEST_TEXT + 1, 1_000_000):
        concept["text"] = name + " " * (size - len(name) - 1) + "."
        said = told(body)
        assert "3,000 mg" not in said
        assert "not fully checked" in said


@pytest.mark.parametrize("size", [LONGEST_TEXT, LONGEST_TEXT + 1])
def test_a_dosage_text_is_read_up_to_the_longest_length_and_a_longer_one_never_counts_as_none(size: int) -> None:
    body = call()
    order = body["context"]["draftOrders"]["entry"][1]["resource"]
    order["dosageInstruction"][0]["text"] = "x" * size
    set_aside = [entry.path for entry in models.check("MedicationRequest", order).set_aside]
    assert set_aside == (["dosageInstruction[0].text"] if size > LONGEST_TEXT else [])
    said = told(body)
    assert "could not be computed" in said
    assert ("its dosage cannot be read" in said) == (size > LONGEST_TEXT)


def test_a_result_whose_unit_is_a_novel_is_unreadable_and_not_absent() -> None:
    body = call()
    quantity = body["prefetch"]["vitamin-d"]["entry"][0]["resource"]["valueQuantity"]
    quantity["unit"] = quantity["code"] = "ng/mL" + " " * 1_000_000 + "."
    said = told(body)
    assert "14 ng/mL" not in said
    assert "25(OH)D" in said


def test_a_photo_and_a_narrative_of_a_megabyte_are_let_pass() -> None:
    body = call()
    expected = told(body)
    body["prefetch"]["patient"]["photo"] = [{"contentType": "image/png", "data": "QUJD" * 250_000}]
    observation = body["prefetch"]["vitamin-d"]["entry"][0]["resource"]
    observation["text"] = {"status": "generated", "div": "<div>" + "x" * 1_000_000 + "</div>"}
    observation["note"] = [{"text": "x" * 1_000_000}]
    assert told(body) == expected


@pytest.mark.parametrize("size", [LONGEST_LIST, LONGEST_LIST + 1])
def test_a_list_is_read_up_to_its_longest_length(size: int) -> None:
    observation = call()["prefetch"]["vitamin-d"]["entry"][0]["resource"]
    observation["note"] = [{"text": "x"}] * size
    found = models.check("Observation", observation)
    assert [entry.path for entry in found.set_aside] == (["note"] if size > LONGEST_LIST else [])


def test_a_drug_may_have_fifty_names_and_with_more_it_is_unidentified() -> None:
    body = call()
    concept = body["context"]["draftOrders"]["entry"][1]["resource"]["medicationCodeableConcept"]
    concept["coding"] = [{"system": "urn:x", "code": str(number)} for number in range(49)]
    assert "3,000 mg" in told(body)
    concept["coding"].append({"system": "urn:x", "code": "y"})
    said = told(body)
    assert "3,000 mg" not in said
    assert "not fully checked" in said


TEXTS = ("a", " ", "9", "calcium ", "500 mg ", "1-2 tablets daily, ", "(", "/", "vitamin d3 1000 iu + ", "1 111 ", "\n")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    place=st.sampled_from(["text", "dosage", "unit", "date", "code", "display", "id", "condition", "birth", "subject"]),
    text=st.sampled_from(TEXTS) | st.text(min_size=1, max_size=4),
    size=st.sampled_from([LONGEST_TEXT - 1, LONGEST_TEXT + 1, 100_000]),
)
def test_a_text_of_any_length_anywhere_is_never_a_fault_and_never_long_to_read(
    place: str, text: str, size: int
) -> None:
    """SVC-087."""
    body = call()
    long = (text * (size // len(text) + 1))[:size]
    draft = body["context"]["draftOrders"]["entry"][1]["resource"]
    observation = body["prefetch"]["vitamin-d"]["entry"][0]["resource"]
    condition = {"resourceType": "Condition", "id": "c", "code": {"text": long}}
    change: dict[str, Any] = {
        "text": lambda: draft["medicationCodeableConcept"].update(text=long),
        "display": lambda: draft["medicationCodeableConcept"].update(coding=[{"code": "1", "display": long}]),
        "dosage": lambda: draft["dosageInstruction"][0].update(text=long),
        "unit": lambda: observation["valueQuantity"].update(unit=long, code=long),
        "date": lambda: observation.update(effectiveDateTime=long),
        "code": lambda: observation["code"].update(coding=[{"system": long, "code": long}], text=long),
        "id": lambda: draft.update(id=long),
        "condition": lambda: body["prefetch"].update(conditions=bundle(condition)),
        "birth": lambda: body["prefetch"]["patient"].update(birthDate=long),
        "subject": lambda: draft["subject"].update(reference=long),
    }
    change[place]()
    begun = time.thread_time()
    assert post(caller(), ORDER_SIGN, body).status_code < 500
    assert time.thread_time() - begun < 5


# -- time -------------------------------------------------------------------------------------------------------------


class Hurry:
    """A clock that jumps ahead once a resource of a type has been read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, type_name: str) -> None:
        self.late = 0.0
        begun = time.monotonic
        read = models.check

        def check(name: str, received: Any) -> Any:
            if name == type_name:
                self.late = 3600.0
            return read(name, received)

        monkeypatch.setattr(models, "check", check)
        monkeypatch.setattr(time, "monotonic", lambda: begun() + self.late)


@pytest.fixture(params=["MedicationRequest", "Observation"])
def hurry(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    caller()
    Hurry(monkeypatch, request.param)
    return str(request.param)


def test_what_is_not_checked_in_time_is_told_and_never_silent(hurry: str) -> None:
    answer = post(caller(), ORDER_SIGN, call())
    assert answer.status_code == 200
    cards = answer.get_json()["cards"]
    said = " ".join(card["summary"] + card.get("detail", "") for card in cards)
    assert "the time for an answer was used up" in said
    # An infusion is guarded: that its check was not made is a warning of its own where the order was read.
    assert all(not card.get("suggestions") for card in cards)


def test_a_guarded_order_that_was_not_checked_in_time_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    caller()
    Hurry(monkeypatch, "Observation")
    cards = post(caller(), ORDER_SIGN, call()).get_json()["cards"]
    warnings = [card for card in cards if card["indicator"] == "warning"]
    assert any("could not be evaluated" in card["summary"] for card in warnings), cards


def test_within_its_time_nothing_is_late() -> None:
    assert "used up" not in told(call())


@pytest.mark.parametrize(("text", "value"), [("10", 10), ("60000", 60_000), ("", 10_000)])
def test_the_time_for_an_answer_can_be_set(text: str, value: int) -> None:
    assert from_environment({"CDS_BUDGET_MS": text}).budget_ms == value


@pytest.mark.parametrize("text", ["9", "60001", "-1", "1.5", "x"])
def test_a_time_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="CDS_BUDGET_MS"):
        from_environment({"CDS_BUDGET_MS": text})
