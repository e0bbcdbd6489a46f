"""What the protocol's tests share: the application with the shipped manifest, and requests that are sound."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.catalogue import Catalogue
from cds_service.config import Config
from cds_service.manifest import load_catalogue
from cds_service.web import create_app

Json = dict[str, Any]
ORDER_SELECT = "/cds-services/bone-health-order-select"
ORDER_SIGN = "/cds-services/bone-health-order-sign"
PATIENT_VIEW = "/cds-services/bone-health-patient-view"
FEEDBACK = f"{ORDER_SIGN}/feedback"
ENDPOINTS = ("/cds-services", ORDER_SIGN, FEEDBACK)


@functools.cache
def catalogue() -> Catalogue:
    """The shipped catalogue."""
    return load_catalogue()


def client(config: Config | None = None) -> FlaskClient:
    """A client of the real application, which asks nobody who it is."""
    return create_app(dataclasses.replace(config or Config(), auth="off"), catalogue()).test_client()


def order_sign(**context: Any) -> Json:
    """A sound order-sign request without any order; ``context`` replaces members of its context, None removes one."""
    base = {"userId": "Practitioner/1", "patientId": "p1", "draftOrders": {"resourceType": "Bundle", "entry": []}}
    merged = {name: value for name, value in {**base, **context}.items() if value is not None}
    return {"hook": "order-sign", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "context": merged}


def order_select(**context: Any) -> Json:
    """A sound order-select request."""
    return {**order_sign(**context), "hook": "order-select"}


def post(caller: FlaskClient, url: str, body: object, **options: Any) -> TestResponse:
    """Posts JSON."""
    return caller.post(url, data=json.dumps(body), **{"content_type": "application/json", **options})


def zoledronic(**more: Any) -> Json:
    """An order-sign request for an infusion that cannot be checked without data."""
    coding = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "77655", "display": "zoledronic acid"}
    order = {
        "resourceType": "MedicationRequest",
        "id": "o1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"coding": [coding], "text": "zoledronic acid 5 mg/100 mL injection"},
    }
    return {**order_sign(draftOrders={"resourceType": "Bundle", "entry": [{"resource": order}]}), **more}


def is_outcome(response: TestResponse, *canaries: str) -> bool:
    """Whether an answer is an OperationOutcome that repeats none of the canaries and shows nothing of the inside."""
    document = response.get_json()
    text = response.get_data(as_text=True)
    return bool(
        response.content_type == "application/json"
        and document["resourceType"] == "OperationOutcome"
        and all(issue["severity"] and issue["code"] and issue["diagnostics"] for issue in document["issue"])
        and not any(inside in text for inside in ("Traceback", ".py", "site-packages", *canaries))
    )
