"""The file of clients: what is understood, and what stops the start with its place and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cds_service.clients import ALGORITHMS, ANONYMOUS, Client, ClientsError, is_loopback, load_clients
from cds_service.fhir.server import FhirServer

from .tokens import ISSUER, Json, key_set, known, signer, written

SERVICES = ("order-sign", "order-select")
SANDBOX = "https://sandbox.cds-hooks.org"


def problems(folder: Path, *members: Json, keys: Json | None = None, development: bool = False) -> list[str]:
    file = written(folder, *members, keys=keys)
    with pytest.raises(ClientsError) as caught:
        load_clients(file, SERVICES, development)
    return list(caught.value.problems)


def test_every_member_is_read(tmp_path: Path) -> None:
    member = known(
        algorithms=["ES384"],
        audiences=["https://cds.internal"],
        tenantClaim="org",
        tenants=["north"],
        services=["order-sign"],
        maxAgeSeconds=120,
        clockSkewSeconds=0,
        fhirServers=[
            {"url": "https://fhir.ehr.example/R4/"},
            {"url": "https://10.1.2.3:8443/fhir", "privateNetwork": True},
        ],
    )
    nobody = {"id": "gateway", "anonymous": True, "fhirServers": [{"url": "http://127.0.0.1:8080/fhir"}]}
    found = load_clients(written(tmp_path, member, nobody, protectDiscovery=True), SERVICES)
    (ehr,) = found.known
    assert (ehr.id, ehr.issuer, ehr.algorithms, ehr.audiences) == ("ehr", ISSUER, ("ES384",), ("https://cds.internal",))
    assert (ehr.tenant_claim, ehr.tenants, ehr.services) == ("org", {"north"}, {"order-sign"})
    assert (ehr.max_age, ehr.clock_skew) == (120, 0)
    assert list(ehr.keys.local) == ["key-ES384"]
    assert ehr.fhir_servers == (
        FhirServer("https://fhir.ehr.example/R4"),
        FhirServer("https://10.1.2.3:8443/fhir", private_network=True),
    )
    assert found.anonymous == Client("gateway", fhir_servers=(FhirServer("http://127.0.0.1:8080/fhir"),))
    assert found.protect_discovery


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    found = load_clients(written(tmp_path, known(keys={"url": "https://ehr.example/keys"})), SERVICES)
    (ehr,) = found.known
    assert ehr.algorithms == ALGORITHMS
    assert (ehr.max_age, ehr.clock_skew, ehr.tenant_claim) == (300, 60, "tenant")
    assert (ehr.audiences, ehr.tenants, ehr.services, ehr.fhir_servers) == ((), frozenset(), frozenset(), ())
    assert ehr.keys.url == ehr.keys.jku == "https://ehr.example/keys"
    assert found.anonymous == ANONYMOUS
    assert not found.protect_discovery


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"id": None}, "clients[0].id: expected a name for the log"),
        ({"id": "EHR 1"}, "clients[0].id: expected a name for the log"),
        ({"issuer": None}, "clients[0].issuer: expected what the client's tokens have as iss, got nothing"),
        ({"issuer": " x"}, "clients[0].issuer: expected a text without space around it"),
        ({"isuer": "x"}, "clients[0]: expected no members but id, anonymous, issuer"),
        ({"keys": None}, "clients[0].keys: expected the client's public keys"),
        ({"keys": {"file": "keys.json", "url": "https://a.example"}}, "either as file or as url"),
        ({"keys": {"jku": "https://a.example"}}, "either as file or as url"),
        (
            {"keys": {"url": "https://a.example", "jku": "https://a.example"}},
            "clients[0].keys.jku: the url is the only",
        ),
        ({"keys": {"url": "http://ehr.example/keys"}}, "clients[0].keys.url: expected https"),
        ({"keys": {"url": "ftp://ehr.example/keys"}}, "clients[0].keys.url: expected an address"),
        ({"keys": {"url": "file:///etc/passwd"}}, "clients[0].keys.url: expected an address"),
        ({"keys": {"url": "https://u:p@ehr.example/keys"}}, "clients[0].keys.url: expected an address"),
        ({"keys": {"url": "https://ehr.example/keys?a=b"}}, "clients[0].keys.url: expected an address"),
        ({"keys": {"url": "http://127.0.0.1.evil.example/keys"}}, "clients[0].keys.url: expected https"),
        ({"keys": {"file": "nowhere.json"}}, "nowhere.json: the key set cannot be read"),
        ({"algorithms": ["HS256"]}, "clients[0].algorithms[0]: expected one of ES384, RS384, ES256, RS256"),
        ({"algorithms": ["none"]}, "clients[0].algorithms[0]"),
        ({"algorithms": []}, "clients[0].algorithms: expected at least 1 items"),
        ({"algorithms": ["RS384"]}, "clients[0].algorithms: no key of keys.json is for one of these"),
        ({"tenants": "north"}, "clients[0].tenants: expected a list"),
        ({"services": ["order-sing"]}, "there is no service 'order-sing'; known: order-select, order-sign"),
        ({"maxAgeSeconds": 0}, "clients[0].maxAgeSeconds: expected a whole number of seconds from 1 to 3600"),
        ({"maxAgeSeconds": 3601}, "clients[0].maxAgeSeconds"),
        ({"clockSkewSeconds": 61}, "clients[0].clockSkewSeconds: expected a whole number of seconds from 0 to 60"),
        ({"clockSkewSeconds": -1}, "clients[0].clockSkewSeconds"),
        ({"anonymous": False}, "clients[0].anonymous: expected true, or no such member"),
        ({"anonymous": True}, "clients[0].issuer: an anonymous client shows no token; take this out"),
        ({"fhirServers": ["https://a.example"]}, "clients[0].fhirServers[0]: expected an object"),
        ({"fhirServers": [{"url": "http://fhir.example"}]}, "clients[0].fhirServers[0].url: expected https"),
        ({"fhirServers": [{"url": "https://a.example/?x"}]}, "clients[0].fhirServers[0].url: expected an address"),
        ({"fhirServers": [{"url": "https://a.example"}, {"url": "https://a.example/"}]}, "[1].url: stands twice"),
        (
            {"fhirServers": [{"url": "https://a.example", "private": True}]},
            "expected no members but url, privateNetwork",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_what_would_do(tmp_path: Path, changed: Json, said: str) -> None:
    found = problems(tmp_path, known(**changed))
    assert any(said in problem for problem in found), found
    assert all(problem.startswith(("clients.json, ", str(tmp_path))) for problem in found)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (known(), "clients[1].id: 'ehr' stands twice"),
        (known(id="b"), "clients[1].issuer: another client has the same; then each needs tenants"),
        (known(id="b", tenants=["x"]), "clients[1].issuer: another client has the same; then each needs tenants"),
    ],
)
def test_clients_that_could_not_be_told_apart_are_refused(tmp_path: Path, second: Json, said: str) -> None:
    assert any(said in problem for problem in problems(tmp_path, known(), second))


def test_one_issuer_with_tenants_that_overlap_is_refused_and_with_others_is_not(tmp_path: Path) -> None:
    first = known(tenants=["n", "m"])
    assert problems(tmp_path, first, known(id="b", tenants=["m"]))
    assert len(load_clients(written(tmp_path, first, known(id="b", tenants=["s"])), SERVICES).known) == 2


def test_there_is_one_anonymous_client_at_most(tmp_path: Path) -> None:
    two: list[Json] = [{"id": name, "anonymous": True} for name in "ab"]
    assert problems(tmp_path, *two) == ["clients.json, clients[1].anonymous: there can be one anonymous client only"]


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"keys": [signer("ES384").jwk(d="AAAA"), signer("RS384").jwk(alg="HS256")]}
    found = problems(tmp_path, known(services=["x"]), known(issuer=None, keys=None), keys=keys)
    assert len(found) == 6
    assert "clients.json, clients[0].keys.file: keys.json, keys[0]: has a private or secret part" in found[0]


def test_a_key_set_without_a_key_for_signatures_is_refused(tmp_path: Path) -> None:
    keys = {"keys": [signer("RS384").jwk(use="enc")]}
    assert problems(tmp_path, known(), keys=keys) == [
        "clients.json, clients[0].keys.file: keys.json has no key for signatures"
    ]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"clients": []}', '{"clients": [], "clients": []}', "\xff"])
def test_what_is_no_file_of_clients_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "clients.json"
    file.write_text(text, "latin-1")
    with pytest.raises(ClientsError, match=r"clients\.json"):
        load_clients(file, SERVICES)


@pytest.mark.parametrize(
    "member",
    [
        known(issuer=SANDBOX),
        known(issuer=SANDBOX + "/"),
        known(issuer="HTTPS://Sandbox.CDS-Hooks.org."),
        known(keys={"url": f"{SANDBOX}/.well-known/jwks.json"}),
        known(keys={"file": "keys.json", "jku": f"{SANDBOX}/.well-known/jwks.json"}),
    ],
)
def test_the_public_sandbox_is_let_in_for_development_alone(tmp_path: Path, member: Json) -> None:
    assert "CDS_DEVELOPMENT=1" in problems(tmp_path, member)[0]
    assert load_clients(tmp_path / "clients.json", SERVICES, development=True).known


def test_a_key_of_the_public_sandbox_is_known_under_any_issuer(tmp_path: Path) -> None:
    keys = key_set(signer("ES384", "44823f3d-0b01-4a6c-a80e-b9d3e8a7226f"))
    assert "CDS_DEVELOPMENT=1" in problems(tmp_path, known(), keys=keys)[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "::1", "[::1]"])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "localhost.evil.example", "127.0.0.1.nip.io"])  # noqa: S104  # not bound
def test_every_other_address_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_the_file_of_the_documentation_is_sound(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "docs/connecting.md").read_text("utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```json\n")[1:]]
    files = [document for document in map(json.loads, blocks) if "clients" in document]
    assert len(files) == 3
    services = ("bone-health-order-select", "bone-health-order-sign", "bone-health-patient-view")
    for document in files:
        file = tmp_path / "clients.json"
        file.write_text(json.dumps(document), "utf-8")
        assert load_clients(file, services, development=True).known
