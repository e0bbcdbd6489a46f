"""Connections: who is slow, silent, too large or too many holds nothing that others need."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from waitress import wasyncore

from cds_service.web.connections import Limits
from cds_service.web.listening import Dispatcher, Server
from cds_service.web.outcomes import REFUSED

from .running import everything

pytestmark = [pytest.mark.loopback, pytest.mark.enable_socket]

GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
Respond = Callable[[str, list[tuple[str, str]]], object]


class Echo:
    """An application that says what it was told, and can be held up."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.at_work: list[str] = []

    def __call__(self, environ: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        self.at_work.append(environ["PATH_INFO"])
        if environ["PATH_INFO"].startswith("/wait"):
            self.free.wait(20)
        status = environ.get(REFUSED, 200)
        told = {name: value for name, value in environ.items() if isinstance(value, str)}
        if "/large/" in environ["PATH_INFO"]:
            size = int(environ["PATH_INFO"].rpartition("/")[2])
            respond("200 x", [("Content-Length", str(size))])
            return [b"x" * size]
        body = json.dumps({**told, "read": len(environ["wsgi.input"].read())}).encode()
        respond(f"{status} x", [("Content-Length", str(len(body)))])
        return [body]


class Served:
    """A server of our own in this process, its loop in a thread."""

    def __init__(self, **limits: Any) -> None:
        self.app = Echo()
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.loop: dict[int, Any] = {}
        self.limits = Limits(**{"body": 1_000_000, **limits})
        dispatcher = Dispatcher(self.limits.large)
        dispatcher.set_thread_count(self.limits.threads)
        self.server = Server(self.app, listener, self.loop, dispatcher, self.limits)
        self.alive = True
        self.told_to_stop = False
        self.turns = 0
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while self.alive:
            wasyncore.poll2(0.05, self.loop)
            self.turns += 1
            self.server.look_after()
            if self.told_to_stop and not self.server.stopping:
                self.server.stop()
        self.server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self.loop)

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), 10)
        connection.sendall(sent)
        return connection

    def stop(self) -> None:
        self.app.free.set()
        self.alive = False
        self.thread.join()


@contextlib.contextmanager
def served(**limits: Any) -> Iterator[Served]:
    server = Served(**limits)
    try:
        yield server
    finally:
        server.stop()


def post(path: str, size: int) -> bytes:
    return b"POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path.encode(), size)


def answer(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """One answer: its status and its JSON."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError("closed without an answer")
        heard += piece
    head, _, body = heard.partition(b"\r\n\r\n")
    size = next(int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: "))
    while len(body) < size:
        body += connection.recv(65_536)
    return int(head.split()[1]), json.loads(body)


def eventually(true: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("sent", [b"POST / HTTP/1.1\r\nX: ", post("", 100) + b"{"], ids=["head", "body"])
def test_a_request_that_drips_has_so_long_and_no_longer(sent: bytes) -> None:
    with served(arrival_seconds=1) as server, server.connect(sent) as connection:
        begun = time.monotonic()
        connection.settimeout(0.1)
        heard = b""
        while time.monotonic() - begun < 10:
            with contextlib.suppress(TimeoutError):
                heard += connection.recv(1000)
                break
            connection.sendall(b" ")
        assert time.monotonic() - begun > 0.9
        heard += everything(connection)
        head, _, body = heard.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert json.loads(body)["resourceType"] == "OperationOutcome"
        assert not server.app.at_work


def test_a_request_that_arrives_just_in_time_is_answered() -> None:
    with served(arrival_seconds=3) as server, server.connect(post("", 4)) as connection:
        for _ in range(4):
            time.sleep(0.2)
            connection.sendall(b"x")
        assert answer(connection)[1]["read"] == 4


def test_a_large_request_that_keeps_arriving_has_longer() -> None:
    limits = {"arrival_seconds": 0.5, "arrival_rate": 50_000}
    with served(**limits) as server, server.connect(post("", 100_000) + b"x" * 99_000) as connection:
        time.sleep(1.3)
        connection.sendall(b"x" * 1000)
        assert answer(connection)[1]["read"] == 100_000


def test_a_silent_connection_is_closed_and_one_between_two_requests_is_kept_longer() -> None:
    limits = {"arrival_seconds": 0.5, "idle_seconds": 60}
    with served(**limits) as server, server.connect() as silent, server.connect(GET % b"a") as kept:
        assert answer(kept)[0] == 200
        assert silent.recv(10) == b""
        time.sleep(1)
        kept.sendall(GET % b"b")
        assert answer(kept)[0] == 200
    with served(idle_seconds=0.5) as server, server.connect(GET % b"a") as idle:
        assert answer(idle)[0] == 200
        assert idle.recv(10) == b""


def test_a_request_in_work_is_never_late() -> None:
    limits = {"arrival_seconds": 0.3, "idle_seconds": 0.3, "reading_seconds": 0.3}
    with served(**limits) as server, server.connect(GET % b"wait") as connection:
        time.sleep(1.5)
        server.app.free.set()
        assert answer(connection)[0] == 200


def test_however_many_hold_connections_the_next_caller_gets_in() -> None:
    with served(connections=64) as server, contextlib.ExitStack() as open_ones:
        for number in range(300):
            open_ones.enter_context(server.connect((b"", post("", 9), b"GET / HT")[number % 3]))
            if number % 30 == 0:
                with server.connect(GET % b"a") as caller:
                    assert answer(caller)[0] == 200
        eventually(lambda: len(server.server.active_channels) <= 64)


def test_who_is_being_answered_is_not_closed_to_make_room() -> None:
    with served(connections=64) as server, server.connect(GET % b"wait") as first, contextlib.ExitStack() as others:
        eventually(lambda: server.app.at_work)
        for _ in range(200):
            others.enter_context(server.connect())
        server.app.free.set()
        assert answer(first)[0] == 200


def test_bodies_that_wait_hold_so_much_memory_and_the_small_ones_stay() -> None:
    with served(body=1_000_000, held=3_000_000) as server, contextlib.ExitStack() as open_ones:
        small = open_ones.enter_context(server.connect(post("small", 1000) + b"x" * 900))
        large = [open_ones.enter_context(server.connect(post("large", 900_000))) for _ in range(10)]
        for connection in large:
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"x" * 800_000)

        def held() -> int:
            return sum(one.request.size for one in list(server.server.active_channels.values()) if one.request)

        eventually(lambda: len(server.server.active_channels) < 8)
        assert held() <= 3_000_000 + 40_000
        small.sendall(b"x" * 100)
        assert answer(small)[1]["read"] == 1000


def test_of_large_requests_one_is_answered_at_a_time_and_small_ones_pass() -> None:
    with served(large=1000) as server, contextlib.ExitStack() as open_ones:
        large = [open_ones.enter_context(server.connect(post(f"wait{n}", 1000) + b"x" * 1000)) for n in range(6)]
        eventually(lambda: server.app.at_work)
        with server.connect(post("small", 999) + b"x" * 999) as small:
            assert answer(small)[0] == 200
        assert len([path for path in server.app.at_work if path.startswith("/wait")]) == 1
        server.app.free.set()
        assert [answer(connection)[0] for connection in large] == [200] * 6


def test_who_waited_too_long_for_a_thread_is_told_to_try_again() -> None:
    with served(threads=1, queue_seconds=0.5) as server, server.connect(GET % b"wait") as first:
        eventually(lambda: server.app.at_work)
        with server.connect(GET % b"a") as second:
            time.sleep(1)
            server.app.free.set()
            assert answer(first)[0] == 200
            assert answer(second)[0] == 503
        with server.connect(GET % b"a") as third:
            assert answer(third)[0] == 200


def test_requests_in_one_packet_are_answered_in_their_order() -> None:
    with served() as server, server.connect((GET % b"1") + post("2", 3) + b"abc" + (GET % b"3")) as connection:
        heard = b""
        while heard.count(b'"read"') < 3:
            heard += connection.recv(65_536)
        places = [heard.index(b'"PATH_INFO": "/%d"' % number) for number in (1, 2, 3)]
        assert places == sorted(places)


def test_who_says_he_is_somebody_else_s_gateway_is_not_believed() -> None:
    forwarded = b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nForwarded: for=203.0.113.9\r\n"
    with served() as server, server.connect(b"GET / HTTP/1.1\r\nHost: x\r\n" + forwarded + b"\r\n") as connection:
        told = json.dumps(answer(connection)[1])
        assert "203.0.113.9" not in told
        assert "https" not in told


def test_when_it_stops_it_answers_who_was_already_knocking() -> None:
    with served() as server, server.connect(GET % b"wait") as first:
        eventually(lambda: server.app.at_work)
        with server.connect(post("", 10) + b"12345") as half:
            eventually(lambda: server.server.busy == 2)
            server.told_to_stop = True
            eventually(lambda: server.server.socket.fileno() < 0)
            with pytest.raises(ConnectionError):
                server.connect()
            half.sendall(b"67890")
            assert answer(half)[1]["read"] == 10
            assert half.recv(10) == b""
        server.app.free.set()
        assert answer(first)[0] == 200
        eventually(lambda: not server.server.busy)


# -- the loop and the threads ------------------------------------------------------------------------------------------


def test_the_loop_waits_while_a_thread_sends_its_answer() -> None:
    """Else it takes the interpreter from it at each turn: a hundred turns for an answer instead of three."""
    with served() as server, server.connect(GET % b"wait"):
        eventually(lambda: server.app.at_work)
        (connection,) = server.server.active_channels.values()
        with connection.outbuf_lock:  # as a thread does that sends
            connection.total_outbufs_len += 1
            before = server.turns
            time.sleep(0.5)
            turns = server.turns - before
            connection.total_outbufs_len -= 1
    assert turns < 30


def test_what_a_caller_does_not_take_at_once_is_sent_by_the_loop() -> None:
    size = 8_000_000
    with served() as server, server.connect(GET % f"large/{size}".encode()) as connection:
        time.sleep(0.3)  # until nothing more goes through
        received = 0
        while received < size:
            received += len(connection.recv(1_000_000))
        assert received > size
