"""The three endpoints of CDS Hooks: discovery, service call, feedback."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

from flask import Blueprint, Response, request

from .. import cdshooks
from ..catalogue import Catalogue, ServiceEntry, UnknownService
from ..clients import Client
from ..config import Config
from ..facts.clock import Clock
from ..fhir.client import FhirServers
from ..fhir.fetching import Fetching
from ..service import answer
from . import entries, log, wire
from .trust import Gate


def endpoints(catalogue: Catalogue, config: Config, gate: Gate, now: Callable[[], datetime.datetime]) -> Blueprint:
    """The endpoints for what is in service, for whom ``gate`` lets in.

    ``now`` gives the instant (aware) at which a call is answered.
    """
    pages = Blueprint("cds-services", __name__)
    ids = frozenset(service.id for service in catalogue.services)
    servers = FhirServers(gate.fhir_servers)
    discovery = {"services": [service.to_json() for service in catalogue.services]}

    @pages.get("/cds-services", endpoint="discovery")
    def discover() -> Response:
        gate.discovery(request.headers.get("Authorization"), "/cds-services")
        return wire.write(discovery)

    @pages.post("/cds-services/<service_id>", endpoint="call")
    def call(service_id: str) -> Response:
        begun = time.monotonic()
        client = _let_in(service_id)
        hook_request = cdshooks.parse_request(wire.read(request, config.max_body))
        entries.count(hook_request)
        entry = catalogue.find(service_id, hook_request.hook)
        log.tell_request(service_id, hook_request)
        cdshooks.refuse_other_patient(hook_request, entry.service.prefetch)
        fetching = _fetching(client, hook_request, entry, begun)
        until = begun + config.budget_ms / 1000
        answered = answer(catalogue, entry, hook_request, Clock(now(), config.timezone), fetching, until)
        log.tell_results(answered.results)
        return wire.write(answered.to_json())

    @pages.post("/cds-services/<service_id>/feedback", endpoint="feedback")
    def feedback(service_id: str) -> Response:
        _let_in(service_id, "/feedback")
        told = cdshooks.parse_feedback(wire.read(request, config.max_body))
        log.tell(service=service_id, entries=len(told))
        return wire.write({"received": len(told)})

    # Before the body is looked at: an address that does not exist is a 404 whatever was sent to it.
    def _let_in(service_id: str, end: str = "") -> Client:
        if service_id not in ids:
            raise UnknownService(service_id)
        return gate.client(request.headers.get("Authorization"), f"/cds-services/{service_id}{end}", service_id)

    # Only a server that is registered for this very client is asked, and only with the token lent for it.
    def _fetching(client: Client, asked: cdshooks.Request, entry: ServiceEntry, begun: float) -> Fetching | None:
        server = client.fhir_server(asked.fhir_server)
        if server is None:
            return None
        lent = servers.client(server, asked.access_token, begun + config.deadline_ms / 1000)
        return Fetching(lent, asked.scope, entry.service.prefetch, asked.patient_id, catalogue.fhir)

    return pages
