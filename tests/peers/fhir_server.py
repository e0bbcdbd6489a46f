"""A FHIR server on loopback: answers searches from a chart, with a token, pages, delays and failures as told."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from ..ehr import Json, search

TOKEN = "a-token-lent-for-one-request"
PATH = "/fhir"

Failure = Callable[["Handler"], None]


@dataclass
class Told:
    """How the server behaves; a test changes it between requests."""

    chart: tuple[Json, ...] = ()
    page_size: int = 1000
    delay: float = 0.0
    includes: bool = True
    token: str = TOKEN
    sorts: bool = True
    failures: dict[str, Failure] = field(default_factory=dict)  # by resource type, "*" for all
    requests: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    inside: int = 0  # requests under way, and the most of them at once
    most: int = 0
    first: str = ""  # the search whose pages are being read
    lock: threading.Lock = field(default_factory=threading.Lock)


class Handler(BaseHTTPRequestHandler):
    """One request to the FHIR server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: the second would wait for the first one's receipt
    told: Told
    base: str

    def do_GET(self) -> None:
        self._answer(self.path)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length).decode()
        self._answer(f"{self.path.removesuffix('/_search')}?{body}")

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def _answer(self, path: str) -> None:
        self.told.requests.append(path)
        self.told.tokens.append(self.headers.get("Authorization", ""))
        self.told.hosts.append(self.headers.get("Host", ""))
        with self.told.lock:
            self.told.inside += 1
            self.told.most = max(self.told.most, self.told.inside)
        try:
            time.sleep(self.told.delay)
            self._say(path)
        finally:
            with self.told.lock:
                self.told.inside -= 1

    def _say(self, path: str) -> None:
        query = path.removeprefix(PATH).lstrip("/")
        failure = self.told.failures.get(query.partition("?")[0].partition("/")[0]) or self.told.failures.get("*")
        if failure is not None:
            failure(self)
        elif self.headers.get("Authorization") != f"Bearer {self.told.token}":
            self.send(401, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "login"}]})
        else:
            self._page(query)

    def _page(self, query: str) -> None:
        query, _, offset = query.partition("&_page=")
        found = self.found(query)
        if found is None:
            self.send(404, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found"}]})
            return
        if found["resourceType"] == "Bundle":
            start = int(offset or 0)
            entries = found.get("entry", [])
            end = start + self.told.page_size
            if entries:
                found["entry"] = entries[start:end]
            found["link"] = (
                [{"relation": "next", "url": f"{self.base}/{query}&_page={end}"}] if end < len(entries) else []
            )
        self.send(200, found)

    def found(self, query: str) -> Json | None:
        """The whole answer to a query, on one page; None where there is no such resource."""
        kind, _, parameters = query.partition("?")
        if "/" in kind and not parameters:
            return search(query, self.told.chart, {})
        wanted = parse_qs(parameters)
        if "_count" in wanted:  # the server has pages of its own size
            query = "&".join(p for p in query.split("&") if not p.startswith("_count="))
        if not self.told.sorts:
            query = "&".join(p for p in query.split("&") if not p.startswith("_sort="))
        if not self.told.includes:
            query = "&".join(p for p in query.split("&") if not p.startswith("_include="))
        return search(query, self.told.chart, {})

    def send(self, status: int, document: Json, **headers: str) -> None:
        """An answer in FHIR JSON."""
        self.raw(status, json.dumps(document).encode(), "application/fhir+json", **headers)

    def raw(self, status: int, body: bytes, content_type: str, **headers: str) -> None:
        """Any answer."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", headers.pop("length", str(len(body))))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is no news here."""


@contextmanager
def serving(told: Told, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The server while the block runs; its base URL (http, whether or not it speaks TLS)."""
    handler: Any = type("Handler", (Handler,), {"told": told})
    with _Server(("127.0.0.1", port), handler) as server:
        base = f"http://127.0.0.1:{server.server_address[1]}{PATH}"
        handler.base = base
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield base
        finally:
            server.shutdown()
            thread.join(5)


# -- failures ---------------------------------------------------------------------------------------------------------


def altered(change: Callable[[Json], Json], **headers: str) -> Failure:
    """The right answer, on one page, and then something else about it."""

    def fail(handler: Handler) -> None:
        found = handler.found(handler.path.removeprefix(PATH).lstrip("/"))
        handler.raw(200, json.dumps(change(found or {})).encode(), "application/fhir+json", **headers)

    return fail


def says(body: str) -> Failure:
    """Just this, as if it were the answer."""
    return lambda handler: handler.raw(200, body.encode(), "application/fhir+json")


def pages(*then: Callable[[Json], Json], link: str = "{base}/{type}?_page={n}") -> Failure:
    """The right answer cut into its first entry, the pages that these functions make of it, and the rest.

    The total is that of the whole answer. ``link`` is how the pages are linked; ``{n}`` is the number of the next.
    """

    def fail(handler: Handler) -> None:
        first, _, number = handler.path.partition("_page=")
        if not number:
            handler.told.first = handler.path.removeprefix(PATH).lstrip("/")
        page = int(number or 0)
        found = handler.found(handler.told.first) or {}
        whole = found.get("entry", [])
        last = page > len(then)
        shown = whole[1:] if last else whole[:1] if page == 0 else []
        bundle = {**found, "entry": shown}
        if not last:
            address = link.format(base=handler.base, n=page + 1, type=handler.told.first.partition("?")[0])
            bundle["link"] = [{"relation": "self", "url": first}, {"relation": "next", "url": address}]
        handler.send(200, then[page - 1](bundle) if 0 < page <= len(then) else bundle)

    return fail


def gzipped(handler: Handler) -> None:
    """The right answer, compressed."""
    found = handler.found(handler.path.removeprefix(PATH).lstrip("/"))
    body = gzip.compress(json.dumps(found).encode())
    handler.raw(200, body, "application/fhir+json", **{"Content-Encoding": "gzip"})


def gzipped_bomb(handler: Handler) -> None:
    """A few kilobytes that become two hundred megabytes."""
    handler.raw(200, _bomb(), "application/fhir+json", **{"Content-Encoding": "gzip"})


@cache
def _bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(b" " * 1_000_000) for _ in range(200)), packer.flush()])


def chunked(handler: Handler) -> None:
    """The right answer in pieces whose number is not known before."""
    found = json.dumps(handler.found(handler.path.removeprefix(PATH).lstrip("/"))).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/fhir+json")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for start in range(0, len(found), 100):
        piece = found[start : start + 100]
        handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    handler.wfile.write(b"0\r\n\r\n")


def closes(handler: Handler) -> None:
    """The right answer, after which the connection is closed without a word."""
    found = handler.found(handler.path.removeprefix(PATH).lstrip("/"))
    handler.send(200, found or {})
    handler.close_connection = True


def status(code: int, **headers: str) -> Failure:
    """An error status with an OperationOutcome that repeats a name, as servers do."""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
    return lambda handler: handler.send(code, outcome, **headers)


def html(handler: Handler) -> None:
    """A login page where JSON should be."""
    handler.raw(200, b"<html><body>Please log in</body></html>", "text/html")


def truncated(handler: Handler) -> None:
    """A body that ends too early."""
    handler.raw(200, b'{"resourceType": "Bundle", "entry": [{"resource"', "application/fhir+json")


def cut_off(handler: Handler) -> None:
    """A connection that ends in the middle of a body whose length was promised."""
    handler.raw(200, b'{"resourceType": "Bundle"', "application/fhir+json", length="5000")
    handler.close_connection = True


def endless(handler: Handler) -> None:
    """Pages that lead to pages for ever."""
    number = len(handler.told.requests)
    resource = {"resourceType": "Basic", "id": f"b{number}"}
    link = {"relation": "next", "url": f"{handler.base}/Observation?_page={number}"}
    handler.send(
        200, {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource}], "link": [link]}
    )


def same_page(handler: Handler) -> None:
    """A page whose next page is itself."""
    link = {"relation": "next", "url": f"{handler.base}/Observation?_page=1"}
    handler.send(200, {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": {}}], "link": [link]})


def redirect(target: str, code: int = 302) -> Failure:
    """A redirect to another address."""
    return lambda handler: handler.raw(code, b"", "text/plain", Location=target)


def elsewhere(target: str) -> Failure:
    """A next page on another server."""

    def fail(handler: Handler) -> None:
        entry = {"resource": {"resourceType": "Basic", "id": "b"}}
        handler.send(200, {"resourceType": "Bundle", "entry": [entry], "link": [{"relation": "next", "url": target}]})

    return fail


def slow(seconds: float) -> Failure:
    """An answer that comes too late."""

    def fail(handler: Handler) -> None:
        time.sleep(seconds)
        handler.send(200, {"resourceType": "Bundle", "type": "searchset"})

    return fail


def dripping(handler: Handler) -> None:
    """A body that comes byte by byte, each in time for a timeout of its own."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/fhir+json")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(400):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.02)


def huge(handler: Handler) -> None:
    """More bytes than anybody needs."""
    handler.raw(200, b'{"resourceType": "Bundle", "x": "' + b"a" * 20_000_000 + b'"}', "application/fhir+json")
