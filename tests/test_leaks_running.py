"""What never leaks, in the process as it is run: gunicorn's own words, at its loudest, and its answers to no HTTP."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from .canaries import CANARY
from .hostile_tokens import ES
from .peers import fhir_server as peer
from .peers.fhir_server import Told, serving
from .protocol import ORDER_SIGN, order_sign, zoledronic
from .tokens import BASE, known, written

pytestmark = [pytest.mark.loopback, pytest.mark.enable_socket]

# The command line as it is, with gunicorn and Python's logging as loud as they can be.
_LOUD = """
import logging, sys, warnings
logging.basicConfig(level=logging.DEBUG)
from cds_service.web import server
class Loud(server._Server):
    def load_config(self):
        super().load_config()
        self.cfg.set("loglevel", "debug")
server._Server = Loud
from cds_service.__main__ import main
main()
"""
LINE = f"POST {ORDER_SIGN} HTTP/1.1"
CHUNKED = f"{LINE}\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
NO_HTTP: dict[str, str] = {
    "no request line": f"{CANARY}\r\n\r\n",
    "a method in small letters": f"{CANARY.lower()}{CANARY} / HTTP/1.1\r\n\r\n",
    "a method with odd characters": f"{CANARY}({CANARY}) / HTTP/1.1\r\n\r\n",
    "another version": f"GET /{CANARY} HTTP/{CANARY}\r\n\r\n",
    "a version there is not": f"GET /{CANARY} HTTP/7.9\r\n\r\n",
    "a header without a colon": f"{LINE}\r\nHost: x\r\n{CANARY}\r\n\r\n",
    "a header with an odd name": f"{LINE}\r\nHost: x\r\n{CANARY} (a): {CANARY}\r\n\r\n",
    "a header with a null": f"{LINE}\r\nHost: x\r\nAuthorization: Bearer {CANARY}\0{CANARY}\r\n\r\n",
    "a header folded": f"{LINE}\r\nHost: x\r\nAuthorization: Bearer\r\n {CANARY}\r\n\r\n",
    "a length that is none": f"{LINE}\r\nHost: x\r\nContent-Length: {CANARY}\r\n\r\n",
    "two lengths": f"{LINE}\r\nHost: {CANARY}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a coding that is none": f"{LINE}\r\nHost: x\r\nTransfer-Encoding: {CANARY}\r\n\r\n",
    "an expectation": f"{LINE}\r\nHost: x\r\nExpect: {CANARY}\r\nContent-Length: 2\r\n\r\n{{}}",
    "a long line": f"GET /{CANARY * 2000} HTTP/1.1\r\n\r\n",
    "a long header": f"{LINE}\r\nHost: x\r\nX: {CANARY * 20_000}\r\n\r\n",
    "many headers": f"{LINE}\r\n" + "".join(f"{CANARY}{n}: {CANARY}\r\n" for n in range(300)) + "\r\n",
    "an absolute address": f"GET http://{CANARY}.example/{CANARY} HTTP/1.1\r\nHost: {CANARY}\r\n\r\n",
    "a host that is none": f"GET /cds-services/{CANARY} HTTP/1.1\r\nHost: {CANARY}@{CANARY}\r\n\r\n",
    "a chunk that is none": f"{CHUNKED}{CANARY}\r\n{CANARY}\r\n0\r\n\r\n",
    "a proxy's line": f"PROXY TCP4 {CANARY} 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\n\r\n",
    "a scheme of two minds": f"{LINE}\r\nHost: x\r\nX-Forwarded-Proto: {CANARY}\r\nX-Forwarded-Ssl: on\r\n\r\n",
    "the start of HTTP/2": f"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{CANARY}",
    "TLS": f"\x16\x03\x01\x02\0{CANARY}\r\n\r\n",
}


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, told: Told) -> Iterator[tuple[str, Path]]:
    """The service in a process of its own: its base URL, and the folder with all that it writes."""
    folder = tmp_path_factory.mktemp("leaks")
    with serving(told) as fhir, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        written(folder, known(fhirServers=[{"url": fhir, "privateNetwork": True}]))
        (folder / "fhir").write_text(fhir, "utf-8")
        settings = {
            "CDS_CLIENTS": str(folder / "clients.json"),
            "CDS_BASE_URL": BASE,
            "CDS_SHARED_STORE": str(folder / "tokens.sqlite"),
            "CDS_RECORDS": f"sqlite:///{folder / 'records.sqlite'}",
            "CDS_LOG_LEVEL": "debug",
            "CDS_DEADLINE_MS": "10000",
            "PYTHONWARNINGS": "default",
            "PYTHONUNBUFFERED": "1",
        }
        with (folder / "log").open("wb") as out:
            process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, "-c", _LOUD, "run", "--port", str(port), "--workers", "1"],
                cwd=Path(__file__).parent.parent, stdout=out, stderr=out, env={**os.environ, **settings},
            )  # fmt: skip
        base = f"http://127.0.0.1:{port}"
        try:
            for _ in range(300):
                with contextlib.suppress(requests.ConnectionError):
                    requests.get(f"{base}/cds-services", timeout=5)
                    break
                time.sleep(0.1)
            yield base, folder
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def spoken(base: str, data: str) -> bytes:
    """What the service answers to some bytes, until it hangs up or says no more."""
    host, port = base.removeprefix("http://").split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=2) as connection, contextlib.suppress(OSError):
        connection.sendall(data.encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(65536):
            answer += more
    return answer


def assert_clean(folder: Path) -> None:
    """No canary in the log, nor in the store of used tokens."""
    log = (folder / "log").read_text("utf-8")
    assert '"event":"request"' in log
    assert CANARY.lower() not in log.lower()
    assert "Traceback" not in log
    for kept in folder.glob("tokens.sqlite*"):
        assert CANARY.lower().encode() not in kept.read_bytes().lower()


@pytest.mark.parametrize("name", NO_HTTP)
def test_what_is_no_http_is_refused_without_being_quoted(name: str, running: tuple[str, Path]) -> None:
    base, folder = running
    answer = spoken(base, NO_HTTP[name])
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5", b"HTTP/1.0 4"))
    assert not answer.startswith(b"HTTP/1.1 500")
    assert CANARY.lower().encode() not in answer.lower()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/json" in head
    assert json.JSONDecoder().raw_decode(body.decode())[0]["resourceType"] == "OperationOutcome"
    assert_clean(folder)


def test_calls_good_and_bad_leave_nothing_in_the_log(running: tuple[str, Path], told: Told) -> None:
    base, folder = running
    fhir = (folder / "fhir").read_text("utf-8")
    statuses = []

    def send(body: object, path: str = ORDER_SIGN, method: str = "POST", **headers: str) -> None:
        token = ES.token(path, now=datetime.datetime.now(datetime.UTC), sub=CANARY, vendor={CANARY: CANARY})
        sent = {"Authorization": f"Bearer {token}", "User-Agent": CANARY, "Cookie": CANARY, **headers}
        answer = requests.request(method, f"{base}{path}?{CANARY}={CANARY}", json=body, headers=sent, timeout=30)
        statuses.append(answer.status_code)
        assert answer.status_code == 200 or CANARY.lower() not in answer.text.lower()

    asking = json.loads(json.dumps(zoledronic()).replace("p1", f"{CANARY}-patient"))
    asking |= {"fhirServer": fhir, "fhirAuthorization": {"access_token": f"{CANARY}-lent"}}
    send({**order_sign(), CANARY: CANARY})
    send({**order_sign(), "hook": CANARY})
    send(order_sign(), f"/cds-services/{CANARY}")
    send(order_sign(), method=CANARY.upper())
    send(order_sign(), Authorization=f"Bearer {CANARY}.{CANARY}.{CANARY}")
    send(order_sign(), **{"Content-Type": f"text/{CANARY}"})
    send(zoledronic())
    send({**zoledronic(), "prefetch": {"patient": {"resourceType": "Patient", "id": CANARY}}})
    send({"x": CANARY * 1_000_000})
    assert statuses == [200, 400, 404, 405, 401, 415, 412, 422, 413]
    for failure in (peer.status(500), peer.html, peer.cut_off, peer.redirect(f"http://{CANARY}.example"), broken):
        told.failures["*"] = failure
        send(asking)
        assert statuses[-1] == 200
    assert any(f"{CANARY}-patient" in request for request in told.requests)
    time.sleep(0.2)
    assert_clean(folder)


def broken(handler: peer.Handler) -> None:
    """A connection that ends without an answer, twice: the second try is one too."""
    handler.close_connection = True


def test_a_caller_that_goes_away_leaves_nothing_in_the_log(running: tuple[str, Path]) -> None:
    base, folder = running
    host, port = base.removeprefix("http://").split(":")
    token = ES.token(ORDER_SIGN, now=datetime.datetime.now(datetime.UTC), sub=CANARY)
    for sent in ("Content-Length: 5000\r\n\r\n{" + CANARY, "Content-Length: 50", f"X-{CANARY}: "):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            head = f"{LINE}\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{sent}"
            connection.sendall(head.encode())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    time.sleep(0.5)
    assert requests.get(f"{base}/cds-services", timeout=30).status_code == 200
    assert_clean(folder)
