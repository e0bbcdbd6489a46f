"""Published key sets, served on loopback: rotation, outage, and a source that misbehaves."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cds_service.clients import Client, KeySource
from cds_service.web import log
from cds_service.web.key_sets import Published, Times, keys_of

from .hostile_tokens import FOREIGN
from .protocol import ORDER_SIGN
from .tokens import Json, call, guarded, key_set, known, service, signer, written

pytestmark = [pytest.mark.loopback, pytest.mark.enable_socket]

SECRET = {"keys": [{"kty": "oct", "k": "AAAA", "kid": "old"}]}
OLD, NEW = signer("ES384", "old"), signer("ES384", "new")
TIMES = Times(fresh=600, pause=60, stale=3600, patience=5, limit=1)


class Source:
    """A web server with a key set, whose answers a test decides."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[http.server.BaseHTTPRequestHandler], None] = self.keys(OLD)
        source = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                source.asked.append(self.path)
                source.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # a client that hangs up is what some tests are about

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/keys"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def keys(self, *signers: Any) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
        return self.body(json.dumps(key_set(*signers)).encode())

    @staticmethod
    def body(data: bytes, status: int = 200, **headers: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(data)

        return answer

    @staticmethod
    def raw(data: bytes) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.wfile.write(data)

        return answer

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def log_lines() -> None:
    log.configure("info")


@pytest.fixture
def source() -> Iterator[Source]:
    one = Source()
    yield one
    one.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def published(source: Source, clock: Clock, times: Times = TIMES) -> Published:
    found = keys_of(Client("ehr", "x", KeySource(url=source.url)), times, clock)
    assert isinstance(found, Published)
    return found


def settled(found: Published) -> None:
    """Waits until nothing is being fetched."""
    end = time.monotonic() + 10
    while found._fetching is not None and time.monotonic() < end:
        time.sleep(0.005)


def test_a_set_is_fetched_once_and_kept(source: Source, clock: Clock) -> None:
    found = published(source, clock)
    assert source.asked == []
    for _ in range(5):
        assert found.find("old") is not None
    assert source.asked == ["/keys"]


def test_an_unknown_key_makes_it_fetch_again_so_that_a_new_key_works_at_once(source: Source, clock: Clock) -> None:
    found = published(source, clock)
    assert found.find("old")
    source.answer = source.keys(OLD, NEW)
    clock.now += TIMES.pause
    assert found.find("new")
    assert found.find("old")
    assert len(source.asked) == 2


def test_unknown_keys_do_not_make_it_fetch_more_than_once_in_a_pause(source: Source, clock: Clock) -> None:
    found = published(source, clock)
    for number in range(50):
        assert found.find(f"made up {number}") is None
    assert len(source.asked) == 1
    clock.now += TIMES.pause
    for number in range(50):
        assert found.find(f"made up {number}") is None
    assert len(source.asked) == 2


def test_a_set_is_fetched_again_in_time_so_that_a_key_taken_back_stops_working(source: Source, clock: Clock) -> None:
    found = published(source, clock)
    assert found.find("old")
    source.answer = source.keys(NEW)
    clock.now += TIMES.fresh + 1
    found.find("old")  # the old set answers while the new one is on its way
    settled(found)
    assert found.find("old") is None
    assert found.find("new")
    assert len(source.asked) == 2


def test_an_empty_set_takes_all_keys_back(source: Source, clock: Clock) -> None:
    found = published(source, clock)
    assert found.find("old")
    source.answer = source.keys()
    clock.now += TIMES.fresh + 1
    found.find("old")
    settled(found)
    assert found.find("old") is None


def test_while_its_source_is_down_a_set_serves_for_a_bounded_time(source: Source, clock: Clock) -> None:
    """CLI-023."""
    found = published(source, clock)
    assert found.find("old")
    source.stop()
    for seconds in (TIMES.fresh + 1, 1000, 1000, 900):
        clock.now += seconds
        assert found.find("old")
        settled(found)
    clock.now += TIMES.stale
    assert found.find("old") is None


BAD: dict[str, Callable[[http.server.BaseHTTPRequestHandler], None]] = {
    "an error": Source.body(b"{}", 500),
    "nothing there": Source.body(b"{}", 404),
    "not JSON": Source.body(b"<html>"),
    "not a key set": Source.body(b'{"a": 1}'),
    "a list": Source.body(b"[]"),
    "only keys that cannot be used": Source.body(
        json.dumps({"keys": [{"kty": "oct", "k": "AAAA", "kid": "old"}]}).encode()
    ),
    "too large": Source.raw(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(key_set(NEW)).encode() + b" " * 600_000),
    "cut short": Source.body(b'{"keys": []}', **{"Content-Length": "5000"}),
    "no HTTP": Source.raw(b"\x00" * 100),
    "no answer": lambda handler: time.sleep(1.5),
    "a redirect": Source.body(json.dumps(key_set(NEW)).encode(), 302, Location="/elsewhere"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_source_that_misbehaves_leaves_the_keys_that_are_there(
    source: Source, clock: Clock, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = published(source, clock)
    assert found.find("old")
    source.answer = BAD[name]
    clock.now += TIMES.pause
    assert found.find("new") is None
    assert found.find("old")
    settled(found)
    assert set(source.asked) == {"/keys"}
    assert '"client":"ehr"' in capsys.readouterr().out
    source.answer = source.keys(NEW)
    clock.now += TIMES.pause
    assert found.find("new")


def test_a_source_that_drips_is_left_after_the_limit(source: Source, clock: Clock) -> None:
    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        for _ in range(100):
            handler.wfile.write(b"H")
            time.sleep(0.1)

    source.answer = drip
    found = published(source, clock)
    started = time.monotonic()
    assert found.find("old") is None
    settled(found)
    assert time.monotonic() - started < 5


def test_a_caller_waits_for_his_patience_and_no_longer(source: Source, clock: Clock) -> None:
    source.answer = lambda handler: time.sleep(1)
    found = published(source, clock, Times(pause=60, patience=0.1, limit=1))
    started = time.monotonic()
    assert found.find("old") is None
    assert time.monotonic() - started < 0.8
    settled(found)


def test_many_callers_at_once_cause_one_fetch(source: Source, clock: Clock) -> None:
    found = published(source, clock)
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda: answers.append(found.find("old") is not None)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 20
    assert len(source.asked) == 1


def test_a_token_is_checked_with_the_published_key_and_its_jku_may_name_that_address_alone(
    source: Source, tmp_path: Path
) -> None:
    """SVC-186: whatever a token names, nothing else is asked."""
    caller = service(guarded(tmp_path, written(tmp_path, known(keys={"url": source.url}))))
    assert call(caller, OLD.token(ORDER_SIGN)).status_code == 200
    assert call(caller, OLD.token(ORDER_SIGN, head={"jku": source.url})).status_code == 200
    foreign = source.url.replace("/keys", "/foreign")
    for head in ({"jku": foreign}, {"jku": source.url + "#"}, {"x5u": foreign}, {"jku": [source.url]}):
        hostile: Json = {**head}
        assert call(caller, OLD.token(ORDER_SIGN, head=hostile)).status_code == 401
        assert call(caller, FOREIGN.token(ORDER_SIGN, head=hostile)).status_code == 401
    assert set(source.asked) == {"/keys"}


def test_nobody_is_let_in_while_the_keys_were_never_fetched(source: Source, tmp_path: Path) -> None:
    source.stop()
    caller = service(guarded(tmp_path, written(tmp_path, known(keys={"url": source.url}))))
    assert call(caller, OLD.token(ORDER_SIGN)).status_code == 401
