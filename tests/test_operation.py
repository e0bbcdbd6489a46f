"""Health and numbers: what a balancer and a Prometheus server read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from cds_service.config import Config
from cds_service.web import create_app

from . import ehr as bench
from .ehr import NOW, ZONE
from .test_records import DEFICIENT, ask
from .tokens import ORDER_SIGN, call, guarded, known, service, signer, written


@pytest.fixture
def caller() -> FlaskClient:
    return create_app(Config(timezone=ZONE, auth="off"), bench.catalogue_with({}), lambda: NOW).test_client()


def numbers(caller: FlaskClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = caller.get("/metrics").get_data(as_text=True)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def grown(before: dict[Any, float], after: dict[Any, float], name: str, **labels: str) -> float:
    key = name, tuple(sorted(labels.items()))
    return after.get(key, 0) - before.get(key, 0)


def test_a_service_that_runs_is_live_and_ready(caller: FlaskClient) -> None:
    assert caller.get("/health/live").get_json()["status"] == "live"
    ready = caller.get("/health/ready")
    assert (ready.status_code, ready.get_json()["status"]) == (200, "ready")


def test_a_service_that_can_look_up_used_tokens_is_ready(tmp_path: Path) -> None:
    assert service(guarded(tmp_path, written(tmp_path, known()))).get("/health/ready").status_code == 200


def test_a_service_that_cannot_look_up_used_tokens_is_live_and_not_ready(tmp_path: Path) -> None:
    caller = service(guarded(tmp_path, written(tmp_path, known())))
    for file in tmp_path.glob("tokens.sqlite*"):
        file.unlink()
    (tmp_path / "tokens.sqlite").mkdir()
    assert caller.get("/health/ready").status_code == 503
    assert caller.get("/health/live").status_code == 200


def test_calls_findings_and_gaps_are_counted(caller: FlaskClient) -> None:
    name = f"bone-health-{DEFICIENT.hook}"
    before = numbers(caller)
    ask(caller)
    ask(caller, prefetch={})
    after = numbers(caller)
    labels = {"endpoint": "cds-services.call", "service": name, "hook": DEFICIENT.hook}
    assert grown(before, after, "cds_requests_total", **labels, status="200") == 1
    assert grown(before, after, "cds_requests_total", **labels, status="412") == 1
    assert grown(before, after, "cds_findings_total", rule="iv-bisphosphonate-vitamin-d", outcome="deficient") == 1
    assert grown(before, after, "cds_gaps_total", key="vitamin-d", kind="withheld") == 1
    assert grown(before, after, "cds_request_seconds_count", service=name) == 2


def test_callers_that_are_not_let_in_are_counted_by_reason(tmp_path: Path) -> None:
    caller = service(guarded(tmp_path, written(tmp_path, known())))
    before = numbers(caller)
    call(caller, None)
    call(caller, signer("ES384", "a-stranger").token(ORDER_SIGN))
    after = numbers(caller)
    assert grown(before, after, "cds_refused_total", client="", reason="no-token") == 1
    assert grown(before, after, "cds_refused_total", client="ehr", reason="unknown-key") == 1


def test_no_number_has_a_label_that_a_request_can_make_up(caller: FlaskClient) -> None:
    ask(caller, hookInstance="canary-instance")
    caller.post("/cds-services/canary-service", json={})
    caller.get("/canary-path")
    caller.post(ORDER_SIGN, json={"hook": "canary-hook", "hookInstance": "x", "context": {"patientId": "canary-id"}})
    caller.open(ORDER_SIGN, method="CANARY")
    text = caller.get("/metrics").get_data(as_text=True)
    assert "canary" not in text.lower()
