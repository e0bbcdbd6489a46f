"""A service that is sent little or nothing and fetches the rest: what it answers for a vignette."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable
from concurrent.futures import wait
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from cds_service import fhir
from cds_service.catalogue import Catalogue, ServiceEntry
from cds_service.cdshooks import parse_request
from cds_service.config import Config
from cds_service.exact_json import parse
from cds_service.facts.clock import Clock
from cds_service.fhir.client import FhirServers
from cds_service.fhir.fetching import Fetching
from cds_service.fhir.server import FhirServer
from cds_service.service import Answer, answer
from cds_service.web import create_app

from . import ehr as bench
from .ehr import Json
from .peers.fhir_server import TOKEN
from .vignettes import NOW, ZONE, Vignette, load, paths

R4: Any = fhir.version("4.0.1")

# Vignettes whose whole data a search can find: nothing withheld, no failed search, no stray in an answer.
ORDINARY = [p for p in paths() if not (v := load(p)).withhold and not v.failed and not v.unasked and v.status == 200]
OF_RULE = {rule: [p for p in ORDINARY if p.parent.name == rule] for rule in sorted({p.parent.name for p in ORDINARY})}


def fetched(
    vignette: Vignette, base: str, catalogue: Catalogue, *, send: Collection[str] = (), **how: Any
) -> list[Answer]:
    """The answers of every service of the hook that is sent only some keys and may ask the server for the others."""
    answers = []
    for entry in catalogue.entries:
        if entry.service.hook == vignette.hook:
            templates = {key: query for key, query in entry.service.prefetch.items() if key in send}
            answers.append(answer_to(entry, bench.request({"prefetch": templates}, vignette), base, catalogue, **how))
    return answers


def answer_to(
    entry: ServiceEntry,
    body: Json,
    base: str,
    catalogue: Catalogue,
    *,
    scope: str = "",
    deadline: float = 5.0,
    servers: FhirServers | None = None,
    server: FhirServer | None = None,
    token: str = TOKEN,
) -> Answer:
    """The answer to one request of a service that may ask the server."""
    request = parse_request(parse(json.dumps(body).encode()))
    known = servers or FhirServers()
    client = known.client(server or FhirServer(base, private_network=True), token, time.monotonic() + deadline)
    fetching = Fetching(client, scope, entry.service.prefetch, request.patient_id, R4)
    answered = answer(catalogue, entry, request, Clock(NOW, ZONE), fetching)
    wait(fetching._begun.values(), deadline)  # those as well that no rule waited for
    return answered


def findings(answers: Iterable[Answer]) -> frozenset[tuple[str, str, str, str]]:
    """What the cards rest on, as ``ehr.said`` tells it of prefetched data."""
    return frozenset(
        (f["ruleId"], f["outcome"], f["indicator"], f.get("orderId", ""))
        for one in answers
        for card in one.cards
        for f in card.extension.get(bench.FINDINGS, ())
    )


def with_medication_apart(resource: Json) -> list[Json]:
    """An order and the Medication it refers to, where it named it itself."""
    if resource["resourceType"] != "MedicationRequest" or "medicationCodeableConcept" not in resource:
        return [resource]
    apart = {**resource, "medicationReference": {"reference": f"Medication/med-{resource['id']}"}}
    code = apart.pop("medicationCodeableConcept")
    return [apart, {"resourceType": "Medication", "id": f"med-{resource['id']}", "code": code}]


def hospital(folder: Path, url: str, deadline_ms: int = 5000) -> FlaskClient:
    """A service over HTTP that lets anybody call and may ask this FHIR server."""
    servers = [{"url": url, "privateNetwork": True}]
    file = folder / "clients.json"
    file.write_text(json.dumps({"clients": [{"id": "the-lab", "anonymous": True, "fhirServers": servers}]}), "utf-8")
    config = Config(timezone=ZONE, auth="off", clients=file, deadline_ms=deadline_ms)
    return create_app(config, bench.catalogue_with({}), lambda: NOW).test_client()


def asking(vignette: Vignette, base: str, send: Collection[str] = ()) -> Json:
    """A vignette's request with these keys of prefetch, and a token for the server."""
    entry = next(e for e in bench.catalogue_with({}).entries if e.service.hook == vignette.hook)
    body = bench.request(
        {"prefetch": {key: entry.service.prefetch[key] for key in entry.service.prefetch if key in send}}, vignette
    )
    body["fhirServer"] = base
    body["fhirAuthorization"] = {
        "access_token": TOKEN,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.read",
        "subject": "cds-service",
    }
    return body


DEFICIENT = next(load(p) for p in paths() if p.parent.name == "iv-bisphosphonate-vitamin-d" and "deficient" in p.stem)
