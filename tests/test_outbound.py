"""Where the service never goes: whatever a caller, a FHIR server or DNS says, only registered servers are asked."""

from __future__ import annotations

import contextlib
import datetime
import gc
import http.server
import itertools
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.config import Config
from cds_service.fhir.client import FetchFailed, FhirClient, FhirServers
from cds_service.fhir.server import FhirServer
from cds_service.web import create_app

from . import ehr as bench
from .ehr import Json
from .hostile_addresses import PAGES, PRIVATE, REFERENCES, SERVERS
from .hostile_tokens import ES
from .network import PUBLIC, PUBLIC_6, Network, Trap, watched
from .peers import fhir_server as peer
from .peers.fhir_server import TOKEN, Told, serving
from .protocol import ORDER_SIGN, zoledronic
from .tokens import call, guarded, key_set, known, service, written
from .vignettes import NOW, ZONE, load, paths

pytestmark = [pytest.mark.loopback, pytest.mark.enable_socket]

RULE = "iv-bisphosphonate-vitamin-d"
DEFICIENT = next(load(p) for p in paths() if p.parent.name == RULE and "deficient" in p.stem)
EHR = "https://ehr.example/fhir"


class Place(NamedTuple):
    """A service, a FHIR server that is registered with it, and a listener that is not."""

    caller: FlaskClient
    base: str
    told: Told
    trap: Trap
    clients: Path

    @property
    def port(self) -> int:
        return int(self.base.split(":")[2].split("/")[0])

    def named(self, address: str) -> str:
        return address.format(port=self.port, trap=self.trap.port)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    told, trap = Told(), Trap()
    with serving(told) as base:
        file = tmp_path_factory.mktemp("clients") / "clients.json"
        own = [{"url": EHR}, {"url": base, "privateNetwork": True}]
        others = [{"url": f"http://127.0.0.1:{trap.port}/other", "privateNetwork": True}]
        other = {"id": "b", "issuer": "https://b.example", "keys": {"url": "https://b.example"}, "fhirServers": others}
        document = {"clients": [{"id": "a", "anonymous": True, "fhirServers": own}, other]}
        file.write_text(json.dumps(document), "utf-8")
        yield Place(calling(file), base, told, trap, file)
        trap.close()


def calling(clients: Path) -> FlaskClient:
    """A service that has just started."""
    config = Config(timezone=ZONE, auth="off", clients=clients, deadline_ms=10_000)
    return create_app(config, bench.only(RULE), lambda: NOW).test_client()


@pytest.fixture
def place(built: Place) -> Place:
    """The FHIR server has the deficient patient's chart and behaves."""
    fresh = Told(chart=DEFICIENT.chart)
    for name in ("chart", "page_size", "includes"):
        setattr(built.told, name, getattr(fresh, name))
    built.told.failures.clear()
    built.told.requests.clear()
    built.told.tokens.clear()
    built.trap.visits = 0
    return built._replace(caller=calling(built.clients))


@pytest.fixture
def network() -> Iterator[Network]:
    with watched(pytest.MonkeyPatch()) as network:
        yield network
        assert network.bypassed == []


def ask(place: Place, server: str, without: tuple[str, ...] = (), **changed: Any) -> TestResponse:
    """The deficient patient's request naming a FHIR server, some keys not sent; ``without`` ("*",) sends none."""
    service = next(s for s in place.caller.get("/cds-services").get_json()["services"] if s["hook"] == DEFICIENT.hook)
    body = bench.request(service, DEFICIENT)
    body["prefetch"] = {k: v for k, v in body["prefetch"].items() if k not in without and "*" not in without}
    body["fhirServer"] = server
    body["fhirAuthorization"] = {"access_token": TOKEN, "token_type": "Bearer", "scope": "patient/*.read"}
    for key, value in changed.get("prefetch", {}).items():
        body["prefetch"][key] = value
    if "order" in changed:
        body["context"]["draftOrders"]["entry"] = [{"resource": changed["order"]}]
    return place.caller.post(f"/cds-services/{service['id']}", json=body)


def outcomes(answer: TestResponse) -> list[str]:
    return [f["outcome"] for card in answer.get_json()["cards"] for f in bench.findings(card)]


# -- the server that a request names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("named", SERVERS.values(), ids=SERVERS)
def test_a_server_that_is_not_registered_to_the_letter_is_never_asked(
    named: str, place: Place, network: Network
) -> None:
    answer = ask(place, place.named(named), ("*",))
    assert answer.status_code in (400, 412)
    assert network.silent
    assert place.trap.visits == 0
    assert place.told.requests == []


def test_a_server_that_is_registered_is_asked_so_that_silence_means_something(place: Place, network: Network) -> None:
    answer = ask(place, f" {place.base}/ ", ("*",))
    assert "deficient" in outcomes(answer)
    assert set(network.connected) == {("127.0.0.1", place.port)}
    network.connected.clear()
    network.names["ehr.example"] = [[PUBLIC]]
    ask(place, EHR, ("*",))
    assert set(network.connected) == {(PUBLIC, 443)}
    place.trap.visits = 0
    socket.create_connection(("127.0.0.1", place.trap.port), timeout=5).close()
    for _ in range(100):
        time.sleep(0.02 if not place.trap.visits else 0)
    assert place.trap.visits == 1


def test_with_a_token_each_client_has_its_own_servers(tmp_path: Path, network: Network) -> None:
    """Of two clients, both known and both with a sound token, each may have its own server asked only."""
    with serving(Told(chart=DEFICIENT.chart)) as first, serving(Told(chart=DEFICIENT.chart)) as second:
        of = {"a": first, "b": second}
        members = [
            known(id=one, issuer=f"https://{one}.example", fhirServers=[{"url": base, "privateNetwork": True}])
            for one, base in of.items()
        ]
        caller = service(guarded(tmp_path, written(tmp_path, *members), deadline_ms=10_000))
        for one, base in itertools.product(of, of.values()):
            network.connected.clear()
            asking = {**zoledronic(), "fhirServer": base, "fhirAuthorization": {"access_token": TOKEN}}
            call(caller, ES.token(ORDER_SIGN, iss=f"https://{one}.example"), body=asking)
            assert {f"http://{host}:{port}/fhir" for host, port in network.connected} == {base} & {of[one]}


# -- links to a next page ----------------------------------------------------------------------------------------------


def assert_only_searched(place: Place, network: Network) -> None:
    """Nothing was asked but the first page of a search on the registered server."""
    assert [urlsplit(r).path for r in place.told.requests] == [f"{peer.PATH}/Observation"]
    assert "page" not in place.told.requests[0]
    assert set(network.connected) <= {("127.0.0.1", place.port)}
    assert network.looked_up == []
    assert place.trap.visits == 0


@pytest.mark.parametrize("link", PAGES.values(), ids=PAGES)
def test_a_next_page_that_lies_elsewhere_is_never_asked_for(link: str, place: Place, network: Network) -> None:
    place.told.failures["Observation"] = peer.elsewhere(place.named(link))
    answer = ask(place, place.base, ("vitamin-d",))
    assert_only_searched(place, network)
    assert "deficient" not in outcomes(answer)
    assert "data-unavailable" in outcomes(answer)


@pytest.mark.parametrize("link", PAGES.values(), ids=PAGES)
def test_a_next_page_that_the_caller_sends_is_asked_for_on_the_registered_server_alone(
    link: str, place: Place, network: Network
) -> None:
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": []}
    bundle["link"] = [{"relation": "next", "url": place.named(link)}]
    ask(place, place.base, prefetch={"conditions": bundle})
    assert network.silent
    assert place.told.requests == []
    assert place.trap.visits == 0


@pytest.mark.parametrize(
    "link", ["{base}/Condition?patient=pat-1&x=2", "{base}?_getpages=a|b&x=%C3%BC", "Condition?x=2", "?_getpages=1",
             "{base}/", "{base}/Condition/_search?x=2", "{base}/_page/1.2?x=a b"],
)  # fmt: skip
def test_a_next_page_below_the_registered_base_is_asked_for(link: str, place: Place, network: Network) -> None:
    place.told.failures["*"] = peer.status(404)
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": []}
    bundle["link"] = [{"relation": "next", "url": link.format(base=place.base)}]
    ask(place, place.base, prefetch={"conditions": bundle})
    assert len(place.told.requests) == 1
    assert place.told.requests[0].startswith(peer.PATH)
    assert set(network.connected) <= {("127.0.0.1", place.port)}


@pytest.mark.parametrize("name", ["self", "first", "previous", "last", "alternate", "Next"])
def test_no_other_link_and_no_address_of_an_entry_is_followed(name: str, place: Place, network: Network) -> None:
    trap = f"http://127.0.0.1:{place.trap.port}/fhir"

    def say(handler: peer.Handler) -> None:
        link = [{"relation": name, "url": f"{trap}/Observation?page=2"}]
        entry = {"fullUrl": f"{trap}/Observation/1", "link": link, "resource": {"resourceType": "Observation"}}
        handler.send(200, {"resourceType": "Bundle", "type": "searchset", "link": link, "entry": [entry]})

    place.told.failures["Observation"] = say
    assert ask(place, place.base, ("vitamin-d",)).status_code == 200
    assert_only_searched(place, network)


# -- references --------------------------------------------------------------------------------------------------------


def order_of(reference: str) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": "d1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/pat-1"},
        "medicationReference": {"reference": reference},
    }


@pytest.mark.parametrize("reference", REFERENCES.values(), ids=REFERENCES)
def test_a_medication_that_lies_elsewhere_is_never_read(reference: str, place: Place, network: Network) -> None:
    """In a draft, in a prefetched order, and in one that the server itself gave."""
    order = order_of(place.named(reference))
    on_record = {**order, "id": "on-record", "status": "active", "intent": "order"}
    sent = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": on_record}]}
    ask(place, place.base, order=order, prefetch={"medications": sent})
    assert network.silent
    place.told.chart = (*DEFICIENT.chart, on_record)
    ask(place, place.base, ("*",))
    assert place.told.requests
    assert not [r for r in place.told.requests if r.startswith(f"{peer.PATH}/Medication/") or "m1" in r]
    assert all(r.startswith(f"{peer.PATH}/") and "/." not in r for r in place.told.requests)
    assert set(network.connected) <= {("127.0.0.1", place.port)}
    assert network.looked_up == []
    assert place.trap.visits == 0


@pytest.mark.parametrize("reference", ["Medication/m1", "{base}/Medication/m1", "Medication/m1/_history/2"])
def test_a_medication_on_the_registered_server_is_read_there(reference: str, place: Place, network: Network) -> None:
    ask(place, place.base, order=order_of(reference.format(base=place.base)))
    assert place.told.requests == [f"{peer.PATH}/Medication/m1"]
    assert set(network.connected) <= {("127.0.0.1", place.port)}


@pytest.mark.parametrize("patient", ["..", ".", "...", "a/b", "a?b", "a#b", "a%2fb", "a\\b", "a\nb", "http://x/y", "ä"])
def test_a_patient_s_id_never_changes_what_is_asked_for(patient: str, place: Place, network: Network) -> None:
    body = bench.request({"prefetch": {}}, DEFICIENT)
    body["context"]["patientId"] = patient
    body["fhirServer"] = place.base
    assert place.caller.post(f"/cds-services/bone-health-{DEFICIENT.hook}", json=body).status_code in (200, 412)
    assert network.silent


# -- redirects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:{trap}/fhir", "{base}/Observation?page=2", "/admin", "//evil.example"]
)
@pytest.mark.parametrize("code", [300, 301, 302, 303, 304, 305, 307, 308])
def test_a_redirect_is_never_followed_not_even_on_the_same_server(
    code: int, target: str, place: Place, network: Network
) -> None:
    target = target.format(trap=place.trap.port, base=place.base)

    def say(handler: peer.Handler) -> None:
        more = {"Location": target, "Refresh": f"0; url={target}", "Link": f'<{target}>; rel="next"'}
        handler.raw(code, b"", "text/html", **more)
        handler.close_connection = True

    place.told.failures["Observation"] = say
    answer = ask(place, place.base, ("vitamin-d",))
    assert_only_searched(place, network)
    assert "data-unavailable" in outcomes(answer)


def test_the_body_of_a_redirect_is_not_read_however_large(place: Place) -> None:
    """200 megabytes that nobody asked for; the listener says how many it got rid of."""
    given = [0]

    def say(handler: peer.Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "200000000")
        handler.end_headers()
        try:
            for _ in range(200):
                handler.wfile.write(b"a" * 1_000_000)
                given[0] += 1
        except OSError:
            pass
        handler.close_connection = True

    place.told.failures["Observation"] = say
    with pytest.raises(FetchFailed, match="redirect"):
        lent(place.base).read("Observation/1")
    assert given[0] < 50


# -- names and addresses -----------------------------------------------------------------------------------------------


def lent(url: str, token: str = TOKEN, *, private: bool = True, servers: FhirServers | None = None) -> FhirClient:
    server = FhirServer(url, private_network=private)
    return (servers or FhirServers()).client(server, token, time.monotonic() + 10)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_registered_name_with_an_address_that_is_not_public_is_not_connected_to(
    address: str, place: Place, network: Network
) -> None:
    network.names["ehr.example"] = [[address, PUBLIC]]
    answer = ask(place, EHR, ("vitamin-d",))
    assert network.connected == []
    assert answer.status_code == 200
    assert "data-unavailable" in outcomes(answer)
    # The same where no breaker stands before it, and for an address in place of a name.
    for url in ("https://ehr.example/fhir", f"http://{f'[{address}]' if ':' in address else address}/fhir"):
        with pytest.raises(FetchFailed):
            lent(url, private=False).read("Patient/1")
    assert network.connected == []


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6, "8.8.8.8", "2a00:1450:4001::1"])
def test_a_public_address_is_connected_to(address: str, network: Network) -> None:
    network.names["ehr.example"] = [[address]]
    with pytest.raises(FetchFailed, match="no connection"):
        lent(EHR, private=False).read("Patient/1")
    assert set(network.connected) == {(address, 443)}


@pytest.mark.parametrize("others", [["127.0.0.1"], ["10.0.0.1", "::1"], ["fe80::1", PUBLIC_6, "169.254.169.254"]])
def test_of_several_addresses_the_private_ones_are_never_connected_to(others: list[str], network: Network) -> None:
    network.names["ehr.example"] = [[PUBLIC, *others], [*others, PUBLIC]]
    for _ in range(2):
        with pytest.raises(FetchFailed):
            lent(EHR, private=False).read("Patient/1")
    assert {address for address, _ in network.connected} <= {PUBLIC, PUBLIC_6}


def test_a_name_that_changes_between_check_and_use_leads_to_the_address_that_was_checked(
    place: Place, network: Network
) -> None:
    """DNS rebinding: the second answer, and every other one, is loopback. The second try asks nobody again."""
    network.names["ehr.example"] = [[PUBLIC], ["127.0.0.1"]]
    with pytest.raises(FetchFailed):
        lent(f"http://ehr.example:{place.port}/fhir", private=False).read("Patient/1")
    assert network.connected == [(PUBLIC, place.port)] * 2
    assert network.looked_up == ["ehr.example"]
    assert place.told.requests == []


def test_a_name_that_changes_while_a_connection_is_open_is_checked_again(place: Place, network: Network) -> None:
    """An open connection goes where it went; a new answer of DNS is judged on its own."""
    servers = FhirServers()
    url = f"http://ehr.example:{place.port}/fhir"
    network.routes[PUBLIC] = ("127.0.0.1", place.port)
    network.names["ehr.example"] = [[PUBLIC], [PUBLIC], ["127.0.0.1"], ["::ffff:127.0.0.1"], [PUBLIC]]
    for reached in (True, True, False, False, True):
        before = len(place.told.requests)
        if reached:
            assert lent(url, private=False, servers=servers).read("Patient/pat-1")["resourceType"] == "Patient"
        else:
            with pytest.raises(FetchFailed):
                lent(url, private=False, servers=servers).read("Patient/pat-1")
        assert (len(place.told.requests) > before) is reached
    assert network.connected == [(PUBLIC, place.port)]


def test_a_busy_server_is_tried_once_more_at_the_address_that_was_checked(place: Place, network: Network) -> None:
    place.told.failures["Patient"] = peer.status(503)
    network.routes[PUBLIC] = ("127.0.0.1", place.port)
    network.names["ehr.example"] = [[PUBLIC], ["127.0.0.1"]]
    with pytest.raises(FetchFailed, match="503"):
        lent(f"http://ehr.example:{place.port}/fhir", private=False).read("Patient/1")
    assert len(place.told.requests) == 2
    assert {address for address, _ in network.connected} == {PUBLIC}


def test_a_private_server_is_asked_only_where_it_is_registered_as_private(place: Place, network: Network) -> None:
    with pytest.raises(FetchFailed):
        lent(place.base, private=False).read("Patient/pat-1")
    assert network.connected == []
    assert lent(place.base).read("Patient/pat-1")["id"] == "pat-1"


def test_proxies_and_passwords_of_the_machine_are_not_used(
    place: Place, network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{place.trap.port}")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n", "utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    assert lent(place.base).read("Patient/pat-1")["id"] == "pat-1"
    network.names["ehr.example"] = [[PUBLIC]]
    with pytest.raises(FetchFailed):
        lent(EHR, private=False).read("Patient/1")
    assert place.trap.visits == 0
    assert place.told.tokens == [f"Bearer {TOKEN}"]
    assert set(network.connected) == {("127.0.0.1", place.port), (PUBLIC, 443)}


# -- nothing of one caller goes along with the next --------------------------------------------------------------------


def test_a_cookie_set_for_one_caller_does_not_go_along_with_the_next(place: Place) -> None:
    seen: list[str | None] = []

    def say(handler: peer.Handler) -> None:
        seen.append(handler.headers.get("Cookie"))
        more = {"Set-Cookie": "session=of-the-first-caller; Path=/"}
        handler.raw(200, b'{"resourceType": "Patient", "id": "x"}', "application/fhir+json", **more)

    place.told.failures["Patient"] = say
    servers = FhirServers()
    for token in ("first", "second"):
        lent(place.base, token, servers=servers).read("Patient/1")
    assert seen == [None, None]


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "ä", "\u2028", "a\tb", "\ud800"])
def test_a_token_that_no_header_may_have_is_not_sent_and_is_not_held_against_the_server(
    token: str, place: Place, network: Network
) -> None:
    servers = FhirServers()
    for _ in range(servers.limits.failures + 1):
        with pytest.raises(FetchFailed, match="token"):
            lent(place.base, token, servers=servers).read("Patient/1")
    assert network.connected == []
    assert set(servers.state().values()) == {"closed"}


def test_a_failure_that_is_remembered_keeps_nothing_of_its_call_alive(place: Place) -> None:
    place.told.failures["*"] = peer.status(500)
    servers = FhirServers()

    class Lent(str):
        """A token that can be found among what is alive."""

    with contextlib.suppress(FetchFailed):
        lent(place.base, Lent("secret"), servers=servers).read("Patient/1")
    gc.collect()
    alive = (thing for thing in gc.get_objects() if type(thing) is FhirClient)
    assert not any(type(client._token) is Lent for client in alive)


# -- where keys come from ----------------------------------------------------------------------------------------------


class KeySource(NamedTuple):
    """A service whose client publishes its keys, the address of the keys, and what was asked of it."""

    caller: FlaskClient
    url: str
    asked: list[str]


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeySource]:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps(key_set(ES)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/keys"
        yield KeySource(service(guarded(tmp_path, written(tmp_path, known(keys={"url": url})))), url, asked)
        server.shutdown()


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "iss", "kid"])
def test_no_address_in_a_token_is_ever_asked(name: str, keys: KeySource, network: Network) -> None:
    """Every address of the tables above, where a token may hold one; the client's own keys are fetched as ever."""
    trap = Trap()
    port = int(keys.url.split(":")[2].split("/")[0])
    try:
        for address in dict.fromkeys(
            (*SERVERS.values(), *PAGES.values(), "{url}#", "{url}?x", "{url}/", "{url}/../keys")
        ):
            named = address.format(port=port, trap=trap.port, url=keys.url)
            where: Json = {"iss": named} if name == "iss" else {"head": {name: named}}
            assert call(keys.caller, ES.token(ORDER_SIGN, **where)).status_code == 401
        assert call(keys.caller, ES.token(ORDER_SIGN, head={"jku": keys.url})).status_code == 200
    finally:
        trap.close()
    assert keys.asked == ["/keys"]
    assert set(network.connected) == {("127.0.0.1", port)}
    assert network.looked_up == []
    assert trap.visits == 0


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_from_the_address_of_the_keys_is_not_followed(code: int, network: Network, tmp_path: Path) -> None:
    trap, told = Trap(), Told()
    told.failures["*"] = peer.redirect(f"http://127.0.0.1:{trap.port}/keys", code)
    with serving(told) as base:
        caller = service(guarded(tmp_path, written(tmp_path, known(keys={"url": f"{base}/keys"}))))
        assert call(caller, ES.token(ORDER_SIGN)).status_code == 401
        assert told.requests == [f"{peer.PATH}/keys"]
        assert len(network.connected) == 1
    trap.close()
    assert trap.visits == 0


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("on_the_certificate", "answered"), [("ehr.example", True), ("evil.example", False)])
def test_a_certificate_must_be_for_the_name_although_an_address_is_connected_to(
    on_the_certificate: str,
    answered: bool,
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    file = certificate(tmp_path, on_the_certificate)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(file))  # the machine's own list
    told, named = Told(chart=DEFICIENT.chart), []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    with serving(told, tls=context) as base:
        network.names["ehr.example"] = [[PUBLIC], ["127.0.0.1"]]
        network.routes[PUBLIC] = ("127.0.0.1", int(base.split(":")[2].split("/")[0]))
        client = lent(EHR, private=False)
        if answered:
            assert client.read("Patient/pat-1")["id"] == "pat-1"
            assert told.hosts == ["ehr.example"]
        else:
            with pytest.raises(FetchFailed, match="SSLError"):
                client.read("Patient/pat-1")
            assert told.requests == []
    assert set(named) == {"ehr.example"}
    assert {address for address, _ in network.connected} == {PUBLIC}


def certificate(folder: Path, name: str) -> Path:
    """A certificate for a name, signed by itself, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "certificate.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file
