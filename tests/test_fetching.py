"""What the EHR did not send is asked for on its FHIR server: the same findings, within the deadline, never a guess."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import REGISTRY

from cds_service import fhir
from cds_service.catalogue import Catalogue
from cds_service.cdshooks import parse_request
from cds_service.config import Config
from cds_service.exact_json import parse
from cds_service.facts.clock import Clock
from cds_service.fhir.client import FhirServer, FhirServers, Limits
from cds_service.fhir.fetching import Fetching
from cds_service.fhir.scopes import allows
from cds_service.service import Answer, PreconditionFailed, answer
from cds_service.web import create_app

from . import ehr as bench
from .ehr import Json
from .peers import fhir_server as peer
from .peers.fhir_server import TOKEN, Told, serving
from .vignettes import NOW, ZONE, Vignette, load, name_of, paths

pytestmark = [pytest.mark.loopback, pytest.mark.enable_socket]

R4: Any = fhir.version("4.0.1")
DEADLINE = 0.4
FAR_TOO_LATE = 8.0  # seconds a server may take in vain: an answer never waits for it


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Told]]:
    told = Told()
    with serving(told) as base:
        yield base, told


@pytest.fixture
def told(server: tuple[str, Told]) -> Told:
    """The server as it behaves unless a test says otherwise."""
    fresh = Told()
    for name in ("page_size", "delay", "includes"):
        setattr(server[1], name, getattr(fresh, name))
    server[1].failures.clear()
    server[1].requests.clear()
    server[1].tokens.clear()
    return server[1]


def fetched(
    vignette: Vignette,
    base: str,
    catalogue: Catalogue,
    *,
    send: frozenset[str] = frozenset(),
    scope: str = "",
    deadline: float = 5.0,
    servers: FhirServers | None = None,
    server: FhirServer | None = None,
) -> list[Answer]:
    """The answers of a service that is sent only some keys and may ask the server for the others."""
    answers = []
    for entry in catalogue.entries:
        if entry.service.hook != vignette.hook:
            continue
        body = bench.request({"prefetch": entry.service.prefetch}, vignette)
        body["prefetch"] = {key: value for key, value in body["prefetch"].items() if key in send}
        request = parse_request(parse(json.dumps(body).encode()))
        known = servers or FhirServers()
        client = known.client(server or FhirServer(base, private_network=True), TOKEN, time.monotonic() + deadline)
        fetching = Fetching(client, scope, entry.service.prefetch, request.patient_id, R4)
        answers.append(answer(catalogue, entry, request, Clock(NOW, ZONE), fetching))
    return answers


def findings(answers: list[Answer]) -> frozenset[tuple[str, str, str, str]]:
    return frozenset(
        (f["ruleId"], f["outcome"], f["indicator"], f.get("orderId", ""))
        for one in answers
        for card in one.cards
        for f in card.extension.get(bench.FINDINGS, ())
    )


ORDINARY = [p for p in paths() if not (v := load(p)).withhold and not v.failed and not v.unasked and v.status == 200]


# Every fifth: each is a dozen searches over a socket. One process talks to the server with the same connections.
SERVERS = FhirServers()


@pytest.mark.parametrize("path", ORDINARY[::5], ids=name_of)
def test_nothing_prefetched_and_everything_fetched_gives_the_same_findings(
    path: Path, server: tuple[str, Told], told: Told
) -> None:
    vignette = load(path)
    told.chart = vignette.chart
    told.page_size = 5
    answers = fetched(vignette, server[0], bench.catalogue_with(vignette.site, vignette.enable), servers=SERVERS)
    assert findings(answers) == bench.said(vignette)


DEFICIENT = next(load(p) for p in paths() if p.parent.name == "iv-bisphosphonate-vitamin-d" and "deficient" in p.stem)
KEYS = sorted(
    {key for e in bench.catalogue_with({}).entries if e.service.hook == DEFICIENT.hook for key in e.service.prefetch}
)
FAILURES: dict[str, peer.Failure] = {
    "refused with 401": peer.status(401),
    "refused with 403": peer.status(403),
    "not found": peer.status(404),
    "broken": peer.status(500),
    "unavailable": peer.status(503),
    "a login page": peer.html,
    "cut JSON": peer.truncated,
    "a cut connection": peer.cut_off,
    "pages without end": peer.endless,
    "a page that leads to itself": peer.same_page,
    "a redirect": peer.redirect("http://127.0.0.1:9/fhir"),
    "a next page elsewhere": peer.elsewhere("http://127.0.0.1:9/fhir/Observation?_page=2"),
    "too late": peer.slow(FAR_TOO_LATE),
    "byte by byte": peer.dripping,
    "without end": peer.huge,
}


def requirement_types() -> dict[str, str]:
    """The resource type behind each key."""
    entry = next(e for e in bench.catalogue_with({}).entries if e.service.hook == DEFICIENT.hook)
    return {key: template.partition("?")[0].partition("/")[0] for key, template in entry.service.prefetch.items()}


@pytest.mark.parametrize("key", KEYS)
def test_one_key_left_out_and_fetched_gives_the_same_findings(key: str, server: tuple[str, Told], told: Told) -> None:
    told.chart = DEFICIENT.chart
    sent = frozenset(KEYS) - {key}
    assert findings(fetched(DEFICIENT, server[0], bench.catalogue_with({}), send=sent)) == bench.said(DEFICIENT)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("key", KEYS)
def test_one_key_that_fails_is_answered_like_one_that_the_ehr_could_not_search(
    key: str, failure: peer.Failure, server: tuple[str, Told], told: Told
) -> None:
    told.chart = DEFICIENT.chart
    told.failures[requirement_types()[key]] = failure
    sent = frozenset(KEYS) - {key}
    begun = time.monotonic()
    answers = fetched(DEFICIENT, server[0], bench.catalogue_with({}), send=sent, deadline=DEADLINE)
    took = time.monotonic() - begun
    failed = dataclasses.replace(DEFICIENT, failed=frozenset({key}))
    assert findings(answers) == bench.said(failed)
    assert took < FAR_TOO_LATE / 2


def test_a_type_the_token_does_not_allow_is_not_asked_for(server: tuple[str, Told], told: Told) -> None:
    told.chart = DEFICIENT.chart
    with pytest.raises(PreconditionFailed) as missing:
        fetched(
            dataclasses.replace(DEFICIENT, chart=told.chart),
            server[0],
            bench.catalogue_with({}),
            scope="patient/Patient.read launch",
        )
    assert not [r for r in told.requests if "Observation" in r]
    assert "does not allow" in next(iter(missing.value.reasons.values()))


def test_the_token_goes_to_the_server_it_was_lent_for_and_nowhere_else(server: tuple[str, Told], told: Told) -> None:
    told.chart = DEFICIENT.chart
    other = Told()
    with serving(other) as elsewhere:
        told.failures["Observation"] = peer.elsewhere(f"{elsewhere}/Observation?_page=2")
        fetched(DEFICIENT, server[0], bench.catalogue_with({}))
        told.failures["Observation"] = peer.redirect(f"{elsewhere}/Observation")
        fetched(DEFICIENT, server[0], bench.catalogue_with({}))
    assert other.requests == []
    assert set(told.tokens) == {f"Bearer {TOKEN}"}


def test_medications_that_the_server_did_not_include_are_read_by_themselves(
    server: tuple[str, Told], told: Told
) -> None:
    vignette = load(next(p for p in ORDINARY if p.parent.name == "calcium-total-daily" and bench.said(load(p))))
    referring = tuple(one for resource in vignette.chart for one in with_medication_apart(resource))
    vignette = dataclasses.replace(vignette, chart=(*referring, *with_medication_apart(ACTIVE)))
    told.chart = vignette.chart
    told.includes = False
    answers = fetched(vignette, server[0], bench.catalogue_with(vignette.site))
    assert findings(answers) == bench.said(vignette)
    assert any(r.startswith(f"{peer.PATH}/Medication/") for r in told.requests)


ACTIVE: Json = {
    "resourceType": "MedicationRequest",
    "id": "on-record",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": {"text": "calcium carbonate 1250 mg tablet"},
    "subject": {"reference": "Patient/pat-1"},
    "dosageInstruction": [
        {
            "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
            "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
        }
    ],
}


def with_medication_apart(resource: Json) -> list[Json]:
    """An order and the Medication it refers to, where it named it itself."""
    if resource["resourceType"] != "MedicationRequest" or "medicationCodeableConcept" not in resource:
        return [resource]
    apart = {**resource, "medicationReference": {"reference": f"Medication/med-{resource['id']}"}}
    code = apart.pop("medicationCodeableConcept")
    return [apart, {"resourceType": "Medication", "id": f"med-{resource['id']}", "code": code}]


def test_keys_are_searched_side_by_side(server: tuple[str, Told], told: Told) -> None:
    told.chart = DEFICIENT.chart
    servers = FhirServers()
    fetched(DEFICIENT, server[0], bench.catalogue_with({}), servers=servers)
    told.delay, told.most = 0.3, 0
    fetched(DEFICIENT, server[0], bench.catalogue_with({}), servers=servers)
    assert told.most >= 4


def test_searches_go_by_post_where_the_site_says_so(server: tuple[str, Told], told: Told) -> None:
    told.chart = DEFICIENT.chart
    by_post = FhirServer(server[0], private_network=True, post_search=True)
    assert findings(fetched(DEFICIENT, server[0], bench.catalogue_with({}), server=by_post)) == bench.said(DEFICIENT)


def test_a_server_that_is_ill_is_left_alone_and_asked_again_later(server: tuple[str, Told], told: Told) -> None:
    told.chart = DEFICIENT.chart
    told.failures["*"] = peer.status(500)
    servers = FhirServers(limits=Limits(failures=3, rest_seconds=1))
    catalogue = bench.catalogue_with({})
    for _ in range(3):
        fetched(DEFICIENT, server[0], catalogue, servers=servers)
    assert list(servers.state().values()) == ["open"]
    asked = len(told.requests)
    fetched(DEFICIENT, server[0], catalogue, servers=servers)
    assert len(told.requests) == asked
    told.failures.clear()
    time.sleep(1.1)
    assert findings(fetched(DEFICIENT, server[0], catalogue, servers=servers)) == bench.said(DEFICIENT)
    assert list(servers.state().values()) == ["closed"]


def test_exchanges_are_counted_by_what_came_of_them_and_an_open_breaker_is_seen() -> None:
    told = Told(chart=DEFICIENT.chart)
    servers, catalogue = FhirServers(limits=Limits(failures=1, rest_seconds=1)), bench.catalogue_with({})
    with serving(told) as base:

        def count(result: str) -> float:
            return number("cds_fetches_total", server=base, result=result)

        fetched(DEFICIENT, base, catalogue, servers=servers)
        # A search that no rule waited for ends a moment later.
        assert soon(lambda: count("answered") == len(told.requests) > 0)
        assert number("cds_fetch_seconds_count", server=base) == len(told.requests)
        told.failures["*"] = peer.html
        fetched(DEFICIENT, base, catalogue, servers=servers)
        assert soon(lambda: count("answered") + count("failed") == len(told.requests))
        assert number("cds_breaker_open", server=base) == 0
        told.failures["*"] = peer.status(500)
        for _ in range(2):
            fetched(DEFICIENT, base, catalogue, servers=servers)
        assert count("ill") > 0
        assert count("left-alone") > 0
        assert number("cds_breaker_open", server=base) == 1
        told.failures.clear()
        time.sleep(1.1)
        fetched(DEFICIENT, base, catalogue, servers=servers)
        assert soon(lambda: number("cds_breaker_open", server=base) == 0)


def soon(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold within five seconds."""
    return any(holds() or time.sleep(0.05) for _ in range(100))


def number(name: str, **labels: str) -> float:
    """A metric of this process; 0 where it is not there yet."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_private_address_is_not_asked_unless_the_site_says_so(server: tuple[str, Told], told: Told) -> None:
    told.chart = DEFICIENT.chart
    fetched(DEFICIENT, server[0], bench.catalogue_with({}), server=FhirServer(server[0]))
    assert told.requests == []


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("", True),
        ("launch openid", True),
        ("patient/Observation.read", True),
        ("user/*.read", True),
        ("system/*.*", True),
        ("patient/Observation.rs", True),
        ("patient/Observation.cruds", True),
        ("patient/Observation.rs?category=laboratory", True),
        ("patient/Observation.r", False),
        ("patient/Observation.write", False),
        ("patient/Observation.cud", False),
        ("patient/Patient.read patient/Condition.rs", False),
    ],
)
def test_scopes_of_both_versions_are_understood(scope: str, allowed: bool) -> None:
    assert allows(scope, "Observation") is allowed


# -- over HTTP --------------------------------------------------------------------------------------------------------


def hospital(tmp_path: Path, *urls: str) -> FlaskClient:
    """A service that lets anybody call and may ask these FHIR servers."""
    servers = [{"url": url, "privateNetwork": True} for url in urls]
    file = tmp_path / "clients.json"
    file.write_text(json.dumps({"clients": [{"id": "the-lab", "anonymous": True, "fhirServers": servers}]}), "utf-8")
    config = Config(timezone=ZONE, auth="off", clients=file, deadline_ms=5000)
    return create_app(config, bench.catalogue_with({}), lambda: NOW).test_client()


def asking(base: str) -> Json:
    """The deficient patient's request without any prefetch."""
    body = bench.request({"prefetch": {}}, DEFICIENT)
    body["fhirServer"] = base
    body["fhirAuthorization"] = {
        "access_token": TOKEN,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.read",
        "subject": "cds-service",
    }
    return body


def test_a_service_fetches_from_the_server_that_is_registered(
    server: tuple[str, Told], told: Told, tmp_path: Path
) -> None:
    told.chart = DEFICIENT.chart
    body = asking(f"{server[0]}/")
    answered = hospital(tmp_path, server[0]).post(f"/cds-services/bone-health-{DEFICIENT.hook}", json=body)
    assert answered.status_code == 200
    assert "deficient" in [f["outcome"] for card in answered.json["cards"] for f in bench.findings(card)]


@pytest.mark.parametrize(
    "named",
    [
        "{base}x",
        "{base}/../fhir",
        "{base}?x=1",
        "{base}#x",
        "http://user@{host}/fhir",
        "http://{host}:80/fhir",
        "http://{host}@127.0.0.1/fhir",
        "https://{host}/fhir",
        "HTTP://{host}/FHIR",
        "http://2130706433/fhir",
        "http://0x7f.0.0.1/fhir",
        "http://0177.0.0.1/fhir",
        "http://[::ffff:127.0.0.1]/fhir",
        "http://localhost/fhir",
        "http://127.1/fhir",
        "http://127.0.0.1/fhir",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "{base}%00",
    ],
)
def test_no_other_server_is_asked_whatever_the_request_names(
    named: str, server: tuple[str, Told], told: Told, tmp_path: Path
) -> None:
    told.chart = DEFICIENT.chart
    host = server[0].removeprefix("http://").removesuffix("/fhir")
    body = asking(named.format(base=server[0], host=host))
    answered = hospital(tmp_path, server[0]).post(f"/cds-services/bone-health-{DEFICIENT.hook}", json=body)
    assert answered.status_code in (400, 412)
    assert told.requests == []
