"""Whatever is sent, the answer is never a fault of ours."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.config import Config

from .protocol import (
    FEEDBACK,
    ORDER_SELECT,
    ORDER_SIGN,
    PATIENT_VIEW,
    client,
    order_select,
    order_sign,
    post,
    zoledronic,
)

POSTS = (ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW, FEEDBACK)
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

TEXTS = st.text(max_size=8) | st.sampled_from(
    ["", "MedicationRequest", "Bundle", "Patient", "Observation", "Patient/p1", "p1", "2026-13-45", "\x00", "1e999"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
NAMES = TEXTS | st.sampled_from(
    ["resourceType", "id", "entry", "resource", "patientId", "draftOrders", "selections", "status", "code", "coding"]
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


@functools.cache
def caller() -> FlaskClient:
    return client(Config(log_level="error"))


@functools.cache
def keys() -> tuple[str, ...]:
    return tuple(
        {key for service in caller().get("/cds-services").get_json()["services"] for key in service["prefetch"]}
    )


def assert_no_fault(status: int) -> None:
    assert status < 500


@pytest.mark.parametrize("path", POSTS)
@FUZZ
@given(body=st.binary(max_size=200))
def test_arbitrary_bytes_are_never_a_fault(path: str, body: bytes) -> None:
    """SVC-087."""
    assert_no_fault(caller().post(path, data=body, content_type="application/json").status_code)


@pytest.mark.parametrize("path", POSTS)
@FUZZ
@given(body=JSON)
def test_arbitrary_json_is_never_a_fault(path: str, body: Any) -> None:
    """SVC-087."""
    assert_no_fault(post(caller(), path, body).status_code)


@pytest.mark.parametrize("member", ["hook", "hookInstance", "context", "prefetch", "fhirServer", "fhirAuthorization"])
@FUZZ
@given(value=JSON)
def test_an_arbitrary_member_of_a_sound_request_is_never_a_fault(member: str, value: Any) -> None:
    """SVC-054, SVC-087."""
    assert_no_fault(post(caller(), ORDER_SIGN, {**order_sign(), member: value}).status_code)


@pytest.mark.parametrize("member", ["patientId", "userId", "encounterId", "selections", "draftOrders"])
@FUZZ
@given(value=JSON)
def test_an_arbitrary_member_of_the_context_is_never_a_fault(member: str, value: Any) -> None:
    """SVC-054, SVC-063, SVC-087."""
    assert_no_fault(post(caller(), ORDER_SELECT, order_select(**{member: value})).status_code)


@FUZZ
@given(data=st.data())
def test_arbitrary_prefetch_for_an_order_that_needs_it_is_never_a_fault(data: st.DataObject) -> None:
    """SVC-087, CLI-004, CLI-005, CLI-008."""
    prefetch = data.draw(st.dictionaries(st.sampled_from(sorted(keys())), JSON, max_size=7))
    assert_no_fault(post(caller(), ORDER_SIGN, zoledronic(prefetch=prefetch)).status_code)


@FUZZ
@given(entry=st.dictionaries(st.sampled_from(["card", "outcome", "outcomeTimestamp", "overrideReason"]), JSON))
def test_an_arbitrary_feedback_entry_is_never_a_fault(entry: dict[str, Any]) -> None:
    """SVC-087."""
    body = {"feedback": [{"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-11-23T01:33:02Z", **entry}]}
    assert_no_fault(post(caller(), FEEDBACK, body).status_code)


@FUZZ
@given(path=st.text(max_size=30), method=st.sampled_from(["GET", "POST", "PUT", "OPTIONS", "HEAD"]))
def test_an_arbitrary_path_is_never_a_fault(path: str, method: str) -> None:
    """SVC-087."""
    encoded = path.encode("utf-8", "replace").decode("latin-1")
    answer = caller().open("/", method=method, environ_overrides={"PATH_INFO": "/cds-services" + encoded})
    assert_no_fault(answer.status_code)


def test_five_megabytes_are_answered() -> None:
    """SVC-078."""
    filler = json.dumps({**order_sign(), "x": "x" * 4_900_000})
    assert caller().post(ORDER_SIGN, data=filler, content_type="application/json").status_code == 200
