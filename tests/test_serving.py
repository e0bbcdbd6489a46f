"""The service as it is run: what HTTP allows is understood, what it forbids is refused, and nobody is left waiting."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from cds_service.examples import example

from .protocol import ORDER_SIGN, order_sign
from .running import Running, everything, running

pytestmark = [pytest.mark.loopback, pytest.mark.enable_socket]

CALL = example("zoledronic-acid-deficient", datetime.datetime.now(datetime.UTC).date())
BODY = json.dumps(CALL).encode()
HOST = b"Host: x\r\n"
JSON = b"Content-Type: application/json\r\n"
START = b"POST " + ORDER_SIGN.encode() + b" HTTP/1.1\r\n"
CANARY = b"canary19540517"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("serving")) as started:
        yield started


def length(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


def chunked(body: bytes, size: int, extension: bytes = b"", end: bytes = b"\r\n") -> bytes:
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces) + b"0\r\n" + end


CHUNKED = b"Transfer-Encoding: chunked\r\n"
FORBIDDEN = {
    "no HTTP": (b"\x16\x03\x01\x02\x00" + CANARY + b"\r\n\r\n", 400),
    "no version": (b"GET /" + CANARY + b"\r\n\r\n", 400),
    "another version": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 400),
    "a small method": (b"get / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a long address": (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a space before the colon": (START + HOST + b"Content-Length : 2\r\n\r\n{}", 400),
    "a folded header": (START + HOST + b"X-A: a\r\n " + CANARY + b"\r\n\r\n", 400),
    "a bare line feed": (START + HOST + b"X-A: a\n" + CANARY + b": b\r\n\r\n", 400),
    "a zero byte": (START + HOST + b"X-A: \x00" + CANARY + b"\r\n\r\n", 400),
    "two hosts": (START + HOST + b"Host: y\r\n\r\n", 400),
    "two lengths": (START + HOST + length(2) + length(2) + b"\r\n{}", 400),
    "two lengths in one": (START + HOST + b"Content-Length: 2, 2\r\n\r\n{}", 400),
    "a signed length": (START + HOST + b"Content-Length: +2\r\n\r\n{}", 400),
    "an endless length": (START + HOST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}", 400),
    "length and chunks": (START + HOST + length(2) + CHUNKED + b"\r\n0\r\n\r\n", 400),
    "chunks and length": (START + HOST + CHUNKED + length(2) + b"\r\n0\r\n\r\n", 400),
    "chunks twice": (START + HOST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n", 400),
    "chunks in chunks": (START + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "chunks in HTTP/1.0": (START.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n", 400),
    "another coding": (START + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    "a chunk without a size": (START + HOST + JSON + CHUNKED + b"\r\n" + CANARY + b"\r\n0\r\n\r\n", 400),
    "a negative chunk": (START + HOST + JSON + CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n", 400),
    "a chunk too long": (START + HOST + JSON + CHUNKED + b"\r\n2\r\n{}" + CANARY + b"\r\n0\r\n\r\n", 400),
    "chunks that are all frame": (
        START + HOST + JSON + CHUNKED + b"\r\n" + chunked(b"x" * 4000, 1, b";" + b"e" * 30) + b"\r\n", 400,
    ),
    "large headers": (START + HOST + b"X-A: " + CANARY * 3000 + b"\r\n\r\n", 431),
    "a body without end": (START + HOST + JSON + length(10**12) + b"\r\n", 413),
}  # fmt: skip


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_http_forbids_is_refused_and_the_connection_closed(service: Running, name: str) -> None:
    """SVC-087."""
    raw, status = FORBIDDEN[name]
    begun = time.monotonic()
    with service.connect(seconds=20) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        heard = everything(connection)
    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), heard[:200]
    assert json.loads(body)["resourceType"] == "OperationOutcome"
    assert b"\r\nConnection: close" in head
    assert b"\r\nServer:" not in head
    assert b"\r\nAccess-Control-Allow-Origin: *" in head
    assert CANARY not in heard
    assert time.monotonic() - begun < 15
    assert CANARY.decode() not in service.log.read_text("utf-8")


def test_spaces_without_end_in_a_header_cost_no_time(service: Running) -> None:
    begun = time.monotonic()
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"X-A: " + b" " * 30_000 + b"\x00\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert time.monotonic() - begun < 10


ALLOWED = {
    "with a length": START + HOST + JSON + length(len(BODY)) + b"\r\n" + BODY,
    "in HTTP/1.0": START.replace(b"1.1", b"1.0") + JSON + length(len(BODY)) + b"\r\n" + BODY,
    "in chunks": START + HOST + JSON + CHUNKED + b"\r\n" + chunked(BODY, 700),
    "in small chunks": START + HOST + JSON + CHUNKED + b"\r\n" + chunked(BODY, 10),
    "in chunks with extension and trailer": START
    + HOST
    + JSON
    + CHUNKED
    + b"\r\n"
    + chunked(BODY, 700, b";a=b", b"X-T: t\r\n\r\n"),
    "with an empty line before it": b"\r\n" + START + HOST + JSON + length(len(BODY)) + b"\r\n" + BODY,
    "with a slash too many": START.replace(b" /", b" //") + HOST + JSON + length(len(BODY)) + b"\r\n" + BODY,
}


@pytest.mark.parametrize("name", ALLOWED)
def test_a_call_is_answered_however_http_carries_it(service: Running, name: str) -> None:
    with service.connect() as connection:
        connection.sendall(ALLOWED[name])
        connection.shutdown(socket.SHUT_WR)
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert head.split()[1] == b"200"
    assert b"\r\nServer:" not in head
    assert len(json.loads(body)["cards"]) >= 1


def test_a_body_that_waits_to_be_asked_for_is_asked_for(service: Running) -> None:
    with service.connect() as connection:
        connection.sendall(START + HOST + JSON + length(len(BODY)) + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(BODY)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_head_and_options_bring_no_body_and_keep_the_connection(service: Running) -> None:
    with requests.Session() as session:
        for _ in range(3):
            head = session.head(f"{service.base}/cds-services", timeout=30)
            assert (head.status_code, head.content) == (200, b"")
            preflight = session.options(
                f"{service.base}{ORDER_SIGN}", headers={"Origin": "https://a.example"}, timeout=30
            )
            assert preflight.status_code == 200
            assert session.post(f"{service.base}{ORDER_SIGN}", json=order_sign(), timeout=30).status_code == 200


@pytest.mark.parametrize("size", [5_000_001, 6_000_000, 20_000_000])
@pytest.mark.parametrize("in_chunks", [False, True])
def test_who_sends_too_much_hears_so(service: Running, size: int, in_chunks: bool) -> None:
    """SVC-078."""
    body = b'"' + b"x" * (size - 2) + b'"'
    pieces = (body[at : at + 50_000] for at in range(0, size, 50_000))
    headers = {"Content-Type": "application/json"}
    answer = requests.post(
        f"{service.base}{ORDER_SIGN}", data=pieces if in_chunks else body, headers=headers, timeout=60
    )
    assert answer.status_code == 413
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_while_fifty_requests_never_come_to_their_end_a_caller_is_answered(service: Running) -> None:
    half = (b"", START, START + HOST + JSON + length(30_000) + b"\r\n{", START + HOST + CHUNKED + b"\r\n9\r\n{")
    with contextlib.ExitStack() as open_ones:
        for number in range(52):
            open_ones.enter_context(service.connect()).sendall(half[number % 4])
        for _ in range(6):
            begun = time.monotonic()
            answer = requests.post(f"{service.base}{ORDER_SIGN}", json=CALL, timeout=30)
            assert answer.status_code == 200
            assert answer.json()["cards"]
            assert time.monotonic() - begun < 10


def test_who_is_told_to_stop_answers_first(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As many calls as there are threads, and more that wait; none of them is lost."""
    observation = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "25-OH vitamin D"}}
    many = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": observation}] * 300}
    body = {**CALL, "prefetch": {**CALL["prefetch"], "vitamin-d": many}}
    answers: list[Any] = []

    def call(service: Running) -> None:
        try:
            answers.append(requests.post(f"{service.base}{ORDER_SIGN}", json=body, timeout=60).status_code)
        except requests.RequestException as error:
            answers.append(error)

    with running(tmp_path_factory.mktemp("stopping")) as service:
        with service.connect() as half:
            half.sendall(ALLOWED["with a length"][:-20])
            threads = [threading.Thread(target=call, args=(service,)) for _ in range(12)]
            for thread in threads:
                thread.start()
            time.sleep(0.5)
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            half.sendall(ALLOWED["with a length"][-20:])
            assert everything(half).startswith(b"HTTP/1.1 200 ")
            for thread in threads:
                thread.join()
        assert answers == [200] * 12
        assert service.process.wait(30) == 0
        assert not service.events("stopped before everybody was answered")


def test_a_worker_that_died_is_replaced_and_the_log_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("dying")) as service:
        before = service.workers()
        os.kill(before[0], signal.SIGKILL)
        end = time.monotonic() + 20
        while len(set(service.workers()) | set(before)) < 3 or len(service.workers()) < 2:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert requests.get(f"{service.base}/cds-services", timeout=30).status_code == 200
        said = [event["message"] for event in service.events("server")]
        assert any(str(before[0]) in message for message in said), said
