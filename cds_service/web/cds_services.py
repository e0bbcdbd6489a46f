"""The three endpoints of CDS Hooks: discovery, service call, feedback."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flask import Blueprint, Response

from .. import cdshooks
from ..catalogue import Catalogue, ServiceEntry, UnknownService
from ..cdshooks import Card
from ..clients import Client
from ..config import Config
from ..facts.clock import Clock
from ..records.entries import Call
from ..rules.rule import RuleResult
from ..service import NothingEvaluated, PreconditionFailed, answer
from . import entries, log, wire
from .application import asked
from .recording import Recording
from .trust import Gate

if TYPE_CHECKING:
    from ..fhir.fetching import Fetching


def endpoints(
    current: Callable[[], Catalogue],
    config: Config,
    gate: Gate,
    record: Recording,
    now: Callable[[], datetime.datetime],
) -> Blueprint:
    """The endpoints for what is in service now, for whom ``gate`` lets in; ``record`` is told of every call.

    ``now`` gives the instant (aware) at which a call is answered.
    """
    pages = Blueprint("cds-services", __name__)
    fetches = _fetches(gate, config)
    listed: tuple[Catalogue | None, bytes] = None, b""  # a catalogue, and what discovery says of it

    @pages.get("/cds-services", endpoint="discovery")
    def discover() -> Response:
        gate.discovery(asked().headers.get("Authorization"), "/cds-services")
        nonlocal listed
        catalogue = current()
        of, text = listed
        if of is not catalogue:
            text = wire.encoded({"services": [service.to_json() for service in catalogue.services]})
            listed = catalogue, text
        return wire.send(text)

    @pages.post("/cds-services/<service_id>", endpoint="call")
    def call(service_id: str) -> Response:
        begun, catalogue = time.monotonic(), current()
        client = _let_in(catalogue, service_id)
        body = wire.body(asked(), config.max_body)
        hook_request = cdshooks.parse_request(wire.parse(body))
        if len(body) >= entries.FEWEST_BYTES:
            entries.count(hook_request)
        entry = catalogue.find(service_id, hook_request.hook)
        log.tell_request(service_id, hook_request)
        cdshooks.refuse_other_patient(hook_request, entry.service.prefetch)
        fetching = fetches(client, hook_request, entry, catalogue, begun)
        at = now()
        clock = Clock(at, config.timezone)

        def note(status: int, results: Sequence[RuleResult], cards: Sequence[Card], unshown: Sequence[Card]) -> None:
            seconds = time.monotonic() - begun
            call = Call(hook_request, client.id, service_id, at, seconds, status, results, cards, unshown)
            record.call(call, catalogue, entry, clock.today)

        try:
            silent = catalogue.silent(entry, client.id)
            until = begun + config.budget_ms / 1000
            answered = answer(catalogue, entry, hook_request, clock, fetching, until, silent)
        except (PreconditionFailed, NothingEvaluated) as refused:
            log.tell_results(refused.results)
            note(412 if isinstance(refused, PreconditionFailed) else 500, refused.results, (), ())
            raise
        log.tell_results(answered.results)
        note(200, answered.results, answered.cards, answered.unshown)
        return wire.write(answered.to_json())

    @pages.post("/cds-services/<service_id>/feedback", endpoint="feedback")
    def feedback(service_id: str) -> Response:
        client = _let_in(current(), service_id, "/feedback")
        told = cdshooks.parse_feedback(wire.read(asked(), config.max_body))
        log.tell(service=service_id, entries=len(told))
        record.feedback(told, client.id, service_id, now())
        return wire.write({"received": len(told)})

    # Before the body is looked at: an address that does not exist is a 404 whatever was sent to it.
    def _let_in(catalogue: Catalogue, service_id: str, end: str = "") -> Client:
        if all(service.id != service_id for service in catalogue.services):
            raise UnknownService(service_id)
        return gate.client(asked().headers.get("Authorization"), f"/cds-services/{service_id}{end}", service_id)

    return pages


def _fetches(
    gate: Gate, config: Config
) -> Callable[[Client, cdshooks.Request, ServiceEntry, Catalogue, float], Fetching | None]:
    """What makes the fetching of one request; of a request that names no registered server, None."""
    if not gate.fhir_servers:
        return lambda *_: None
    # Only where there is a server to ask: requests and what belongs to it take a tenth of a second.
    from ..fhir.client import FhirServers
    from ..fhir.fetching import Fetching

    servers = FhirServers(gate.fhir_servers)

    # Only a server that is registered for this very client is asked, and only with the token lent for it.
    def fetching(
        client: Client, hook_request: cdshooks.Request, entry: ServiceEntry, catalogue: Catalogue, begun: float
    ) -> Fetching | None:
        server = client.fhir_server(hook_request.fhir_server)
        if server is None:
            return None
        lent = servers.client(server, hook_request.access_token, begun + config.deadline_ms / 1000)
        return Fetching(lent, hook_request.scope, entry.service.prefetch, hook_request.patient_id, catalogue.fhir)

    return fetching
