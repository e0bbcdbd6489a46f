"""What never leaks: no text of a request, a token or a FHIR answer is in a log, an error's body or the store."""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.catalogue import Catalogue
from cds_service.config import Config
from cds_service.web import create_app, replay

from . import ehr as bench
from .canaries import CANARY, leaves, marked, named, objects, renamed
from .ehr import Json
from .hostile_tokens import ES
from .peers import fhir_server as peer
from .peers.fhir_server import Told, serving
from .protocol import FEEDBACK, ORDER_SIGN, catalogue, order_sign, post, zoledronic
from .tokens import BASE, Signer, call, claims_for, guarded, key_set, known, written
from .tokens import NOW as THEN
from .vignettes import FIXTURES, NOW, ZONE, Vignette, load, paths

RULE = "iv-bisphosphonate-vitamin-d"
DEFICIENT = next(load(p) for p in paths() if p.parent.name == RULE and "deficient" in p.stem)
LENT = f"{CANARY}-lent-token"


class Sinks:
    """Everything the service writes to while a test runs, and the bodies of its errors."""

    def __init__(self, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
        self._capfd = capfd
        self._caplog = caplog
        self._errors: list[tuple[int, str]] = []
        self.written = ""
        self.statuses: set[int] = set()

    def answered(self, answer: TestResponse) -> TestResponse:
        """Notes an answer; what is not 200 must not repeat anything, its headers neither."""
        self.statuses.add(answer.status_code)
        if answer.status_code != 200:
            self._errors.append((answer.status_code, f"{answer.headers}{answer.get_data(as_text=True)}"))
        return answer

    def assert_clean(self, *more: str) -> None:
        """None of the canaries, and nothing of ``more``, came out anywhere."""
        told = self._capfd.readouterr()
        self.written += told.out + told.err + self._caplog.text
        assert '"event":"request"' in self.written
        for text in (CANARY, *more):
            assert text.lower() not in self.written.lower()
            assert not [(status, body) for status, body in self._errors if text.lower() in body.lower()]
        assert "Traceback" not in self.written


@pytest.fixture
def sinks(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Sinks:
    """With all of Python's logging at its loudest."""
    caplog.set_level(logging.DEBUG)
    return Sinks(capfd, caplog)


def service(found: Catalogue, **settings: Any) -> FlaskClient:
    config = dataclasses.replace(Config(timezone=ZONE, auth="off", log_level="debug"), **settings)
    return create_app(config, found, lambda: NOW).test_client()


def full(vignette: Vignette = DEFICIENT) -> Json:
    """A request with everything that CDS Hooks knows, and more."""
    services = {"prefetch": bench.only(RULE).entries[0].service.prefetch}
    body = bench.request(services, vignette)
    body["fhirAuthorization"] = {"access_token": "t", "token_type": "Bearer", "scope": "launch", "subject": "s"}
    body["extension"] = {"vendor": {"text": "x", "list": ["y", {"z": "z"}]}}
    body["unknown"] = {"member": "x"}
    body["context"]["vendor"] = {"name": "x"}
    body["prefetch"]["of-the-ehr"] = {"resourceType": "Basic", "id": "x"}
    body["prefetch"]["not-a-resource"] = "x"
    body["prefetch"]["failed"] = bench.failure("The search failed.")
    return body


BODIES: dict[str, Callable[[], Json]] = {
    "a vignette": full,
    "the sandbox": lambda: json.loads(
        (FIXTURES / "requests/sandbox/order-select.injected-zoledronic-acid.request.json").read_text("utf-8")
    ),
    "drug known by name": zoledronic,
}


@pytest.mark.parametrize("name", BODIES)
def test_no_text_of_a_request_comes_out_whatever_field_it_stands_in(name: str, sinks: Sinks) -> None:
    """Each text replaced or lengthened, in turn; hookInstance apart, which is logged so that calls can be found."""
    body = BODIES[name]()
    caller = service(bench.only(RULE))
    path = f"/cds-services/bone-health-{body['hook']}"
    places = [place for place in leaves(body) if place != ("hookInstance",)]
    assert len(places) > 10
    ways = itertools.cycle(("{canary}", "{text}{canary}", "{canary}", "{canary} {text}"))
    for place, how in zip(places, ways, strict=False):
        sinks.answered(post(caller, path, marked(body, place, how)))
    assert {200, 400} <= sinks.statuses <= {200, 400, 412, 422}
    sinks.assert_clean()


@pytest.mark.parametrize("name", BODIES)
def test_no_name_of_a_member_comes_out_either(name: str, sinks: Sinks) -> None:
    body = BODIES[name]()
    caller = service(bench.only(RULE))
    path = f"/cds-services/bone-health-{body['hook']}"
    changes = [change for place in objects(body) for change in (named(body, place), *renamed(body, place))]
    for changed in changes if len(changes) < 200 else changes[::2]:
        sinks.answered(post(caller, path, changed))
    assert {200, 400, 412} <= {412, *sinks.statuses} <= {200, 400, 412, 422}
    sinks.assert_clean()


def test_feedback_leaves_nothing_behind(sinks: Sinks) -> None:
    body = json.loads((FIXTURES / "requests/sandbox/feedback.overridden.request.json").read_text("utf-8"))
    caller = service(bench.only(RULE))
    for place in leaves(body):
        sinks.answered(post(caller, FEEDBACK, marked(body, place)))
    for place in objects(body):
        for changed in (named(body, place), *renamed(body, place)):
            sinks.answered(post(caller, FEEDBACK, changed))
    sinks.assert_clean()


def test_a_hook_instance_is_logged_and_cut(sinks: Sinks) -> None:
    caller = service(bench.only(RULE))
    body = {**full(), "hookInstance": "i" * 5000}
    assert sinks.answered(post(caller, f"/cds-services/bone-health-{body['hook']}", body)).status_code == 200
    sinks.assert_clean("i" * 101)
    assert "i" * 100 in sinks.written


# -- every kind of refusal ---------------------------------------------------------------------------------------------

HEADERS = {
    name: f"{CANARY}-{name}"
    for name in (
        "User-Agent", "Cookie", "Origin", "Referer", "X-Forwarded-For", "X-Request-Id", "X-Correlation-Id", "Accept",
        "Accept-Language", "Forwarded", "Via", "From", "If-None-Match", "Range", "Traceparent", "X-Unknown",
    )
}  # fmt: skip
BROKEN = (
    f'{{"hook": "{CANARY}"', f"{CANARY}", f'["{CANARY}"]', f'{{"{CANARY}": 1, "{CANARY}": 2}}', f'{{"a": {CANARY}}}',
    f'{{"a": "{CANARY}\\x"}}', f'{{"{CANARY}": NaN}}', f'{{"a": 1e99999, "{CANARY}": "{CANARY}"}}',
    "[" * 3000 + CANARY, f'"{CANARY}"', f'{{}} "{CANARY}"',
)  # fmt: skip


def test_no_refusal_repeats_what_it_refuses(
    sinks: Sinks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """400, 401, 403, 404, 405, 412, 413, 415, 422 and 503, with canaries in body, address, method and all headers."""
    file = written(tmp_path, known(tenants=["t1"]))
    caller = create_app(guarded(tmp_path, file, max_body=50_000), catalogue(), lambda: THEN).test_client()

    def send(body: Any, path: str = ORDER_SIGN, method: str = "POST", tenant: str = "t1", **headers: str) -> int:
        token = ES.token(path.partition("?")[0], tenant=tenant, sub=f"{CANARY}-sub")
        told = {**HEADERS, "Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
        data = body if isinstance(body, str) else json.dumps(body)
        return sinks.answered(caller.open(path, method=method, data=data, headers=told)).status_code

    fine = {**order_sign(), CANARY: CANARY}
    assert send(fine) == 200
    assert send(fine, f"{ORDER_SIGN}?{CANARY}={CANARY}") == 200
    assert [send(text) for text in BROKEN] == [400] * len(BROKEN)
    assert send({**fine, "hook": CANARY}) == 400
    assert send({**fine, "hook": "patient-view"}) == 400
    assert send(fine, Authorization=CANARY) == 401
    assert send(fine, Authorization=f"Bearer {CANARY}.{CANARY}.{CANARY}") == 401
    assert send(fine, tenant=CANARY) == 403
    assert send(fine, f"/cds-services/{CANARY}") == 404
    assert send(fine, f"/{CANARY}/%0a{CANARY}/..%2f{CANARY}?{CANARY}") == 404
    assert send(fine, f"{ORDER_SIGN}/{CANARY}") == 404
    assert send(fine, method=CANARY) == 405
    assert send(fine, method="DELETE") == 405
    assert send({**zoledronic(), CANARY: CANARY}) == 412
    assert send({**fine, "x": CANARY * 10_000}) == 413
    assert send(fine, **{"Content-Type": f"text/{CANARY}"}) == 415
    assert send(fine, **{"Content-Type": f"{CANARY}; charset={CANARY}"}) == 415
    assert send(fine, **{"Content-Encoding": CANARY}) == 415
    assert send({**zoledronic(), "prefetch": {"patient": {"resourceType": "Patient", "id": CANARY}}}) == 422

    def down(*_: object) -> bool:
        raise replay.StoreDown("disk full")

    monkeypatch.setattr(replay._Sqlite, "spend", down)
    assert send(fine) == 503
    sinks.assert_clean("disk full" if "disk full" in str(sinks._errors) else CANARY)
    assert sinks.statuses == {200, 400, 401, 403, 404, 405, 412, 413, 415, 422, 503}
    assert not recwarn.list
    for kept in tmp_path.glob("tokens.sqlite*"):
        assert CANARY.encode() not in kept.read_bytes()


class Breaks(Exception):
    """An exception that says all it knows."""


def exploding(depth: int) -> Callable[..., Any]:
    """Something that breaks over what it was given, with a cause and a context that tell of it too."""

    def explode(*given: Any, **_: Any) -> Any:
        if depth:
            return exploding(depth - 1)(*given)
        try:
            raise KeyError(f"{CANARY}-cause")
        except KeyError as cause:
            error = Breaks(f"{CANARY}-message {given}")
            error.add_note(f"{CANARY}-note")
            raise error from cause

    return explode


@pytest.mark.parametrize("where", ["a rule", "the reader", "the wording", "the log", "the writer"])
def test_a_fault_of_ours_is_told_by_type_and_place_alone(
    where: str, sinks: Sinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = bench.only(RULE)
    if where == "a rule":
        entries = tuple(
            dataclasses.replace(
                entry,
                rules=tuple(
                    dataclasses.replace(one, rule=dataclasses.replace(one.rule, function=exploding(3)))
                    for one in entry.rules
                ),
            )
            for entry in found.entries
        )
        found = dataclasses.replace(found, entries=entries)
    caller = service(found)
    broken = {
        "the reader": "cds_service.cdshooks.parse_request",
        "the wording": "cds_service.cards.Composer.cards",
        "the log": "cds_service.web.log.tell_results",
        "the writer": "cds_service.web.wire.msgspec.json.Encoder",
    }
    if where == "the writer":
        monkeypatch.setattr("cds_service.web.cds_services.answer", lambda *_: Unwritable())
    elif where in broken:
        monkeypatch.setattr(broken[where], exploding(3))
    body = marked(full(), ("context", "userId"))
    answer = sinks.answered(post(caller, f"/cds-services/bone-health-{body['hook']}", body))
    assert answer.status_code == 500
    sinks.assert_clean()
    assert "Breaks at " in sinks.written or where == "the writer"


class Unwritable:
    """An answer that no encoder can write."""

    results = ()

    def to_json(self) -> Json:
        """Something with a canary in its type."""
        return {"cards": [type(f"{CANARY}Type", (), {})()]}


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_no_part_of_a_token_comes_out_whatever_is_wrong_with_it(sinks: Sinks, tmp_path: Path) -> None:
    """Header, claims and signature, names and values; of good tokens too."""
    named_key = Signer(f"{CANARY}-kid", ES.algorithm, ES.private)
    own = {"id": "ehr", "tenants": [f"{CANARY}-own"]}
    file = written(tmp_path, known(**own), keys=key_set(named_key))
    caller = create_app(guarded(tmp_path, file, log_level="debug"), catalogue(), lambda: THEN).test_client()
    head = {"alg": ES.algorithm, "typ": "JWT", "kid": named_key.kid, "cty": "x", "vendor": {"a": "b"}}
    tokens: list[str] = []

    def claims() -> Json:
        """Sound, and new each time."""
        own = {"sub": "s", "tenant": f"{CANARY}-own", "vendor": {"a": ["b"]}, "jti": f"{CANARY}-jti-{len(tokens)}"}
        return {**claims_for(ORDER_SIGN), **own}

    for place in leaves(head):
        tokens.append(ES.signed(marked(head, place), claims()))
    for place in leaves(claims()):
        tokens.append(ES.signed(head, marked(claims(), place)))
    for place in objects(claims()):
        tokens.append(ES.signed(head, named(claims(), place)))
    tokens.append(ES.signed({**head, CANARY: CANARY}, claims()))
    tokens += [tokens[-1], f"{tokens[-1][:-4]}AAAA", f"{ES.signed(head, claims())}{CANARY}"]
    for token in tokens:
        sinks.answered(call(caller, token))
    assert sinks.statuses == {200, 401, 403}
    pieces = {piece for token in tokens for piece in token.split(".") if len(piece) > 20}
    sinks.assert_clean(BASE + ORDER_SIGN, *sorted(pieces))
    for kept in tmp_path.glob("tokens.sqlite*"):
        data = kept.read_bytes()
        assert CANARY.encode() not in data
        assert not [piece for piece in pieces if piece.encode() in data]


# -- the FHIR server's answers -----------------------------------------------------------------------------------------


def answer_with(code: int, body: str, kind: str = "application/fhir+json", **headers: str) -> peer.Failure:
    def say(handler: peer.Handler) -> None:
        handler.raw(code, body.encode(), kind, **headers)
        handler.close_connection = True

    return say


def raw(data: str) -> peer.Failure:
    """Bytes of one's own in place of an answer of HTTP; then the connection ends."""

    def say(handler: peer.Handler) -> None:
        handler.wfile.write(data.encode("latin-1"))
        handler.close_connection = True

    return say


OUTCOME = json.dumps(
    {
        "resourceType": "OperationOutcome",
        "text": {"status": "generated", "div": f"<div>{CANARY}-div</div>"},
        "issue": [
            {
                "severity": "error",
                "code": "exception",
                "diagnostics": f"{CANARY}-diagnostics",
                "details": {"text": f"{CANARY}-details"},
                "expression": [f"{CANARY}-expression"],
            }
        ],
    }
)
PAGE = f"<html><head><title>{CANARY}</title></head><body><pre>Traceback {CANARY}</pre></body></html>"
TELLING = {
    "Location": f"http://127.0.0.1:9/{CANARY}-location",
    "WWW-Authenticate": f'Bearer error="{CANARY}-www", error_description="{CANARY}"',
    "Set-Cookie": f"{CANARY}={CANARY}",
    "X-Unknown": f"{CANARY}-unknown",
    "Retry-After": CANARY,
    "ETag": f'W/"{CANARY}"',
    "Warning": f'199 - "{CANARY}"',
}
ANSWERS: dict[str, peer.Failure] = {
    **{f"an outcome with {code}": answer_with(code, OUTCOME, **TELLING) for code in (200, 400, 401, 403, 404, 422)},
    **{f"an error page with {code}": answer_with(code, PAGE, "text/html", **TELLING) for code in (200, 401, 404)},
    **{f"a fault with {code}": answer_with(code, PAGE, "text/html", **TELLING) for code in (500, 502, 503, 504)},
    **{f"a redirect with {code}": answer_with(code, PAGE, "text/html", **TELLING) for code in (301, 302, 303, 307)},
    "an odd status": answer_with(299, OUTCOME, **TELLING),
    "an odd label": answer_with(200, PAGE, f"application/{CANARY}; charset={CANARY}"),
    "cut JSON": answer_with(200, f'{{"resourceType": "{CANARY}", "entry": [{{"{CANARY}'),
    "no JSON": answer_with(200, f"{CANARY} {{"),
    "a name twice": answer_with(200, f'{{"{CANARY}": 1, "{CANARY}": 2}}'),
    "too short": answer_with(200, f'"{CANARY}"', length="500"),
    "broken compression": answer_with(200, CANARY, **{"Content-Encoding": "gzip"}),
    "unknown compression": answer_with(200, CANARY, **{"Content-Encoding": CANARY}),
    "a next page elsewhere": peer.elsewhere(f"http://{CANARY}.example/{CANARY}"),
    "a next page that cannot be": peer.elsewhere(f"http://[{CANARY}"),
    "nothing": raw(""),
    "no HTTP": raw(f"{CANARY} {CANARY}\r\n\r\n"),
    "a version that is none": raw(f"HTTP/{CANARY} 200 OK\r\n\r\n"),
    "a status that is none": raw(f"HTTP/1.1 {CANARY} OK\r\n\r\n"),
    "a reason": raw(f"HTTP/1.1 500 {CANARY}\r\nContent-Length: 0\r\n\r\n"),
    "headers without a colon": raw(f"HTTP/1.1 500 OK\r\n{CANARY}\r\n {CANARY}: {CANARY}\r\n\r\n{CANARY}"),
    "a length that is none": raw(f"HTTP/1.1 200 OK\r\nContent-Length: {CANARY}\r\n\r\n{CANARY}"),
    "two lengths": raw(f"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 9\r\n\r\n{CANARY}"),
    "a chunk that is none": raw(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{CANARY}\r\n{CANARY}"),
    "a long line": raw(f"HTTP/1.1 200 OK\r\nX: {CANARY * 20_000}\r\n\r\n"),
    "many headers": raw("HTTP/1.1 200 OK\r\n" + "".join(f"{CANARY}{n}: {CANARY}\r\n" for n in range(300)) + "\r\n"),
}  # fmt: skip


@pytest.fixture(scope="module")
def fhir_server() -> Iterator[tuple[str, Told]]:
    told = Told(token=LENT)
    with serving(told) as base:
        yield base, told


def fetching(tmp_path: Path, base: str) -> FlaskClient:
    file = tmp_path / "clients.json"
    own = [{"url": base, "privateNetwork": True}]
    file.write_text(json.dumps({"clients": [{"id": "a", "anonymous": True, "fhirServers": own}]}), "utf-8")
    return service(bench.only(RULE), clients=file, deadline_ms=10_000)


def asking(base: str, *withheld: str) -> Json:
    """The deficient patient, whose id is a canary, with a token that is one."""
    text = json.dumps(full()).replace("pat-1", f"{CANARY}-patient")
    body: Json = json.loads(text)
    body["fhirServer"] = base
    body["fhirAuthorization"] = {"access_token": LENT, "token_type": "Bearer"}
    body["prefetch"] = {k: v for k, v in body["prefetch"].items() if withheld and k not in withheld}
    return body


@pytest.mark.loopback
@pytest.mark.enable_socket
@pytest.mark.parametrize("name", ANSWERS)
def test_nothing_of_a_failed_fetch_comes_out(
    name: str, fhir_server: tuple[str, Told], sinks: Sinks, tmp_path: Path
) -> None:
    base, told = fhir_server
    told.requests.clear()
    told.failures = {"Observation": ANSWERS[name]}
    told.chart = ()
    caller = fetching(tmp_path, base)
    body = asking(base, "vitamin-d", "serum-calcium")
    sinks.answered(post(caller, f"/cds-services/bone-health-{body['hook']}", body))
    told.failures = {"*": ANSWERS[name]}
    sinks.answered(post(caller, f"/cds-services/bone-health-{body['hook']}", asking(base)))
    assert told.requests
    assert f"{CANARY}-patient" in told.requests[0]
    sinks.assert_clean()


@pytest.mark.loopback
@pytest.mark.enable_socket
def test_nothing_of_what_was_fetched_comes_out_whatever_field_it_stands_in(
    fhir_server: tuple[str, Told], sinks: Sinks, tmp_path: Path
) -> None:
    base, told = fhir_server
    told.failures = {}
    caller = fetching(tmp_path, base)
    chart = json.loads(json.dumps(DEFICIENT.chart).replace("pat-1", f"{CANARY}-patient"))
    path = f"/cds-services/bone-health-{DEFICIENT.hook}"
    changes = [marked(chart, place) for place in leaves(chart) if place[-1] != "resourceType"]
    changes += [named(chart, place) for place in objects(chart)]
    for changed in changes[::4]:
        told.chart = tuple(changed)
        sinks.answered(post(caller, path, asking(base)))
    sinks.assert_clean()


@pytest.mark.loopback
@pytest.mark.enable_socket
def test_nothing_comes_out_when_nobody_answers(sinks: Sinks, tmp_path: Path) -> None:
    with serving(Told()) as base:
        pass
    caller = fetching(tmp_path, base)
    body = asking(base)
    assert sinks.answered(post(caller, f"/cds-services/bone-health-{body['hook']}", body)).status_code == 200
    for token in (f"{CANARY}\r\nX: y", f"{CANARY}ä", f"{CANARY}\0"):
        body["fhirAuthorization"]["access_token"] = token
        sinks.answered(post(caller, f"/cds-services/bone-health-{body['hook']}", body))
    sinks.assert_clean()


# -- the process as it is run ------------------------------------------------------------------------------------------

_UNCAUGHT = """
import logging, sys, threading, time, warnings
from concurrent.futures import ThreadPoolExecutor
from cds_service.web import log
canary = sys.argv[1]
log.configure("debug")
log.take_over()
def fail(*_):
    raise ValueError(canary)
class Falls:
    def __del__(self):
        fail()
threads = [threading.Thread(target=fail, name=canary)]
for thread in threads:
    thread.start()
    thread.join()
with ThreadPoolExecutor(1) as pool:
    pool.submit(fail).add_done_callback(fail)
warnings.warn(canary)
Falls()
for name in ("urllib3.connectionpool", "requests_hardened.ip_filter", "somebody", ""):
    logging.getLogger(name).error("%s", canary, exc_info=ValueError(canary))
fail()
"""


def test_an_exception_that_nobody_caught_is_told_without_its_text() -> None:
    """In a thread, in a callback, in a finaliser, at the end of the program; and warnings and libraries' words."""
    ran = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", _UNCAUGHT, CANARY], capture_output=True, text=True, timeout=60,
        cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert CANARY not in ran.stdout + ran.stderr
    assert ran.stderr == ""
    assert ran.returncode == 1
    assert [line["event"] for line in lines].count("uncaught") == 3
    assert [line["event"] for line in lines].count("library") == 4
    assert all("at" in line or "error" in line for line in lines)
