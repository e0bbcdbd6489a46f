"""What the EHR did not send is asked for on its FHIR server: the same findings, within the deadline, never a guess."""

from __future__ import annotations

import dataclasses
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import cache
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from werkzeug.test import TestResponse

from cds_service.fhir.client import FhirServers, Limits
from cds_service.fhir.scopes import allows
from cds_service.fhir.server import FhirServer
from cds_service.service import PreconditionFailed

from . import ehr as bench
from .ehr import Json
from .fetched import DEFICIENT, OF_RULE, asking, fetched, findings, hospital, with_medication_apart
from .peers import fhir_server as peer
from .peers.fhir_server import TOKEN, Told, serving
from .vignettes import FIXTURES, load, name_of

pytestmark = [pytest.mark.loopback, pytest.mark.enable_socket]

DEADLINE = 0.2
GRACE = 0.1  # seconds an answer may take beside what it waits for
FAR_TOO_LATE = 8.0  # seconds a server may take in vain: an answer never waits for it


@pytest.fixture
def server() -> Iterator[tuple[str, Told]]:
    """A server of one test alone: a search that the test before no longer waits for may still be under way."""
    told = Told()
    with serving(told) as base:
        yield base, told


@pytest.fixture
def told(server: tuple[str, Told]) -> Told:
    """How the server behaves."""
    return server[1]


# One of each rule; tests/test_fetching_all.py has them all.
@pytest.mark.parametrize("path", [of_rule[0] for of_rule in OF_RULE.values()], ids=name_of)
def test_nothing_prefetched_and_everything_fetched_gives_the_same_findings(
    path: Path, server: tuple[str, Told], told: Told
) -> None:
    vignette = load(path)
    told.chart = vignette.chart
    told.page_size = 5
    answers = fetched(vignette, server[0], bench.catalogue_with(vignette.site, vignette.enable))
    assert findings(answers) == bench.said(vignette)


# For each key a case whose answer it decides.
DECIDED = {
    key: load(FIXTURES / "vignettes" / f"{name}.json")
    for key, name in {
        "conditions": "malabsorption-vitamin-d/74-nmol-per-litre-after-ten-weeks-by-mouth",
        "dietary-calcium": "vitamin-d-maintenance/a-good-level-and-no-maintenance-dose",
        "dxa": "monitoring-dxa/denosumab-with-a-dxa-of-900-days-ago",
        "medication-statements": "ckd-vitamin-d-choice/calcitriol-on-dialysis-with-25-oh-d-of-18",
        "medications": "calcium-drug-separation/levothyroxine-for-a-patient-on-calcium",
        "patient": "hypercalciuria-calcium-vitamin-d/urine-calcium-of-251-mg-a-day-in-a-woman",
        "phosphate": "post-transplant-phosphate/phosphate-of-90-days-ago",
        "pth": "active-vitamin-d-oversuppression/low-pth-of-180-days-ago",
        "renal": "oral-bisphosphonate-renal/alendronate-with-a-computed-clearance-of-30-2",
        "serum-calcium": "denosumab-hypocalcaemia/denosumab-with-a-severely-low-calcium",
        "service-requests": "iv-bisphosphonate-onj/metastases-an-affected-jaw-and-an-extraction",
        "urine-calcium": "hypercalciuria-calcium-vitamin-d/urine-calcium-of-301-mg-a-day-in-a-man",
        "vitamin-d": "vitamin-d-toxicity/25-oh-d-of-375-nmol-l-while-vitamin-d-is-ordered",
    }.items()
}
KEYS = sorted(DECIDED)
HANGING: dict[str, peer.Failure] = {
    "too late": peer.slow(FAR_TOO_LATE),
    "byte by byte": peer.dripping,
    "without end": peer.huge,
    "pages without end": peer.endless,
    "a small file that grows": peer.gzipped_bomb,
}
FAILURES: dict[str, peer.Failure | None] = {
    "no connection": None,
    "refused with 401": peer.status(401),
    "refused with 403": peer.status(403),
    "not found": peer.status(404),
    "gone": peer.status(410),
    "too often": peer.status(429, **{"Retry-After": "60"}),
    "broken": peer.status(500),
    "unavailable": peer.status(503, **{"Retry-After": "60"}),
    "a login page": peer.html,
    "cut JSON": peer.truncated,
    "a cut connection": peer.cut_off,
    "a page that leads to itself": peer.same_page,
    "a redirect": peer.redirect("http://127.0.0.1:9/fhir"),
    "a next page elsewhere": peer.elsewhere("http://127.0.0.1:9/fhir/Observation?_page=2"),
    "a next page nowhere": peer.elsewhere("http://[::1/fhir/Observation?_page=2"),
    "an OperationOutcome that says 200": peer.says('{"resourceType": "OperationOutcome", "issue": []}'),
    "an empty object": peer.says("{}"),
    "another resource": peer.says('{"resourceType": "CapabilityStatement"}'),
    "entries that are none": peer.says('{"resourceType": "Bundle", "entry": "none"}'),
    "null": peer.says("null"),
    "nothing at all": peer.says(""),
    **HANGING,
}


def type_of(key: str) -> str:
    """The resource type behind a key."""
    queries = {k: query for e in bench.catalogue_with({}).entries for k, query in e.service.prefetch.items()}
    assert sorted(queries) == KEYS
    return queries[key].partition("?")[0].partition("/")[0]


def others(key: str) -> frozenset[str]:
    return frozenset(KEYS) - {key}


@cache
def said_without(key: str) -> frozenset[tuple[str, str, str, str]]:
    """What is said where the EHR could not search for a key; it is not what is said with it."""
    without = bench.said(dataclasses.replace(DECIDED[key], failed=frozenset({key})))
    assert without != bench.said(DECIDED[key])
    return without


@pytest.mark.parametrize("key", KEYS)
def test_one_key_left_out_and_fetched_gives_the_same_findings(key: str, server: tuple[str, Told], told: Told) -> None:
    told.chart = DECIDED[key].chart
    answers = fetched(DECIDED[key], server[0], bench.catalogue_with({}), send=others(key))
    assert findings(answers) == bench.said(DECIDED[key])
    assert [r.removeprefix(f"{peer.PATH}/").startswith(type_of(key)) for r in told.requests] == [True]


@pytest.fixture(scope="module")
def closed() -> Iterator[str]:
    """The base URL of a server that is not there."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{nobody.getsockname()[1]}{peer.PATH}"


def answered(
    folder: Path, base: str, key: str, deadline: float, monkeypatch: pytest.MonkeyPatch
) -> tuple[TestResponse, float]:
    """What is answered when one key is left out, and in how many seconds at most.

    That is until when the answer may wait for the server, and the work of its own thread. What a busy machine adds is
    not in it; the best of a few tries counts, as the first one warms things up.
    """
    wait, ends = Future.result, [0.0]
    me = threading.get_ident()

    def noted(future: Future[object], timeout: float | None = None) -> object:
        if threading.get_ident() == me:
            ends.append(math.inf if timeout is None else time.monotonic() + timeout)
        return wait(future, timeout)

    monkeypatch.setattr(Future, "result", noted)
    took = []
    for _ in range(5):
        client = hospital(folder, base, int(deadline * 1000))
        body = asking(DECIDED[key], base, others(key))
        ends[:] = [time.monotonic()]
        begun, worked = time.monotonic(), time.thread_time()
        response = client.post(f"/cds-services/bone-health-{DECIDED[key].hook}", json=body)
        assert time.monotonic() - begun < FAR_TOO_LATE / 2
        took.append(max(ends) - begun + time.thread_time() - worked)
        if took[-1] <= deadline + GRACE:
            break
    return response, min(took)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("key", KEYS)
def test_one_key_that_fails_is_answered_in_time_like_one_that_the_ehr_could_not_search(
    key: str,
    failure: str,
    server: tuple[str, Told],
    told: Told,
    closed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told.chart = DECIDED[key].chart
    base, fails = server[0], FAILURES[failure]
    if fails is None:
        base = closed
    else:
        told.failures[type_of(key)] = fails
    response, took = answered(tmp_path, base, key, DEADLINE, monkeypatch)
    assert response.status_code == 200
    assert reached(response) == said_without(key)
    assert took <= DEADLINE + GRACE


@pytest.mark.parametrize("deadline", [0.05, 0.4, 0.8])
@pytest.mark.parametrize("failure", HANGING)
def test_an_answer_comes_within_the_deadline_whatever_it_is(
    failure: str, deadline: float, server: tuple[str, Told], told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.chart = DECIDED["vitamin-d"].chart
    told.failures["Observation"] = HANGING[failure]
    response, took = answered(tmp_path, server[0], "vitamin-d", deadline, monkeypatch)
    assert response.status_code == 200
    assert took <= deadline + GRACE


def reached(response: TestResponse) -> frozenset[tuple[str, str, str, str]]:
    return frozenset(
        (f["ruleId"], f["outcome"], f["indicator"], f.get("orderId", ""))
        for card in response.json["cards"]
        for f in bench.findings(card)
    )


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
    vignette = load(next(p for p in OF_RULE["calcium-total-daily"] if bench.said(load(p))))
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


def test_a_service_fetches_from_the_server_that_is_registered(
    server: tuple[str, Told], told: Told, tmp_path: Path
) -> None:
    told.chart = DEFICIENT.chart
    body = asking(DEFICIENT, f"{server[0]}/")
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
    body = asking(DEFICIENT, named.format(base=server[0], host=host))
    answered = hospital(tmp_path, server[0]).post(f"/cds-services/bone-health-{DEFICIENT.hook}", json=body)
    assert answered.status_code in (400, 412)
    assert told.requests == []
