"""Read and search on the EHR's FHIR server with the token it lent us: paging, retry, deadline, limits."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urljoin

import requests
import structlog
from circuitbreaker import STATE_OPEN, CircuitBreaker
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as TooLate

from ..exact_json import NotJson, parse
from ..metrics import metrics
from . import outbound
from .searchset import entries, matches, newest_first, next_page
from .server import FhirServer

Answer = TypeVar("Answer")

_log = structlog.get_logger(__name__)

_ACCEPT = "application/fhir+json, application/json;q=0.9"
_FORM = "application/x-www-form-urlencoded"
_CHUNK = 65536
_CONNECTIONS = 96  # a dozen searches of each of the requests that a process answers at once
_VISIBLE = re.compile(r"[\x20-\x7e]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# What may follow the base in the address of a page: names, none of them "..", nothing encoded, then a query.
_BELOW = re.compile(r"(/[A-Za-z0-9_$~-][A-Za-z0-9._$~-]*)*/?(\?[^#]*)?")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may fetch: pages of a search, bytes in all; and when a server is left alone."""

    pages: int = 40
    size: int = 8_000_000
    failures: int = 5  # requests in a row that found the server ill, after which it is left alone
    rest_seconds: int = 10  # for so long


class FetchFailed(Exception):
    """A read or search that gave nothing usable; ``reason`` is for logs and whoever sets up the EHR, without data."""

    def __init__(self, reason: str, *, server_is_ill: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.server_is_ill = server_is_ill


class FhirServers:
    """The FHIR servers this process talks to: connections kept open, and a breaker for each that is ill.

    It keeps no token and no data. Made before a fork; threads start with the first search, so after it.
    """

    def __init__(self, servers: Iterable[FhirServer] = (), limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        # Made at start: what a first connection needs takes longer than a request may wait.
        self._known = {server: _Connection(server, self.limits) for server in servers}

    def client(self, server: FhirServer, token: str, deadline: float) -> FhirClient:
        """A client for one request; ``deadline`` is an instant of ``time.monotonic``."""
        with self._lock:
            connection = self._known.get(server)
            if connection is None:
                connection = self._known[server] = _Connection(server, self.limits)
        return FhirClient(connection, token, deadline, self.limits)

    def state(self) -> Mapping[str, str]:
        """The breaker of each server: closed, open or half_open."""
        with self._lock:
            return {server.url: connection.breaker.state for server, connection in self._known.items()}


class _Connection:
    """The open connections to one server, the threads that wait for it, and its breaker.

    Threads of its own: while one server hangs, searches on another must not wait in line.
    """

    def __init__(self, server: FhirServer, limits: Limits) -> None:
        self.server = server
        self.searches = ThreadPoolExecutor(_CONNECTIONS, "fhir")
        # What a search has to read after it has other threads, so that none waits for its own.
        self.reads = ThreadPoolExecutor(_CONNECTIONS, "fhir-read")
        self.breaker = CircuitBreaker(
            failure_threshold=limits.failures, recovery_timeout=limits.rest_seconds, expected_exception=_Ill
        )
        self.session = outbound.session(private_network=server.private_network, connections=_CONNECTIONS)

    def note(self, *, ill: bool) -> None:
        """Tells the breaker how a call ended."""
        before = self.breaker.state
        try:
            with self.breaker:
                if ill:
                    raise _Ill
        except _Ill as kept:
            # The breaker keeps it; its trace would keep the call it came from alive, token and query included.
            kept.__traceback__ = kept.__context__ = None
        # A worker that does not ask again keeps its last word: an open breaker that nobody tries is no news.
        metrics().breaker_open.labels(self.server.url).set((after := self.breaker.state) == STATE_OPEN)
        if after != before:
            write = _log.warning if after == STATE_OPEN else _log.info
            write("breaker of a FHIR server", server=self.server.url, before=before, after=after)


class _Ill(Exception):
    """A server that does not answer, or answers with its own fault."""


class FhirClient:
    """Reads and searches of one request, in threads of their own, all within one deadline."""

    def __init__(self, connection: _Connection, token: str, deadline: float, limits: Limits) -> None:
        self._connection = connection
        self._token = token
        self._deadline = deadline
        self._limits = limits
        self._received = 0
        self._told_ill = False

    @property
    def base(self) -> str:
        """The server's base URL, without a slash at its end."""
        return self._connection.server.url

    def start(self, work: Callable[[], Answer]) -> Future[Answer]:
        """Begins some work of this request in a thread."""
        return self._connection.searches.submit(work)

    def wait(self, begun: Future[Answer]) -> Answer:
        """What some work came to, within the deadline. Raises FetchFailed."""
        try:
            return begun.result(timeout=max(0.0, self._left()))
        except TimeoutError:
            begun.cancel()
            raise FetchFailed("not answered in time") from None

    def read(self, path: str) -> dict[str, Any]:
        """One resource, by "Type/id". Raises FetchFailed."""
        resource = self._send("GET", f"{self.base}/{path}")
        _expect(resource, path.partition("/")[0])
        return resource

    def search(self, query: str, newest: int | None) -> dict[str, Any]:
        """Every page of a search, as one Bundle; with ``newest``, pages until there are so many matches, newest first.

        Where not every page could be had the Bundle keeps its link to the next one. Raises FetchFailed.
        """
        kind, _, parameters = query.partition("?")
        if self._connection.server.post_search:
            first = self._send("POST", f"{self.base}/{kind}/_search", parameters)
        else:
            first = self._send("GET", f"{self.base}/{query}")
        _expect(first, "Bundle")
        return self.rest(first, kind, newest)

    def rest(self, bundle: Mapping[str, Any], kind: str, newest: int | None) -> dict[str, Any]:
        """A Bundle of a search for ``kind`` with the pages that follow it. Raises FetchFailed."""
        found = _entries(bundle)
        address = next_page(bundle)
        seen: set[str] = set()
        for _ in range(self._limits.pages):
            if address is None or (newest is not None and matches(found, kind) >= newest and newest_first(found)):
                break
            url = self._page_url(address, kind)
            if url in seen:
                raise FetchFailed("paging does not come to an end")
            seen.add(url)
            page = self._send("GET", url)
            _expect(page, "Bundle")
            found += _entries(page)  # none at all is no end: some servers filter a page after they have cut it
            address = next_page(page)
        links = [{"relation": "next", "url": address}] if address else []
        return {**bundle, "entry": found, "link": links}

    def read_all(self, paths: list[str]) -> Iterator[dict[str, Any]]:
        """Several resources, read side by side; one that cannot be had is left out."""
        begun = [self._connection.reads.submit(self.read, path) for path in paths]
        for future in begun:
            with suppress(FetchFailed):
                yield self.wait(future)

    def _page_url(self, address: str, kind: str) -> str:
        """Where a link to a page leads: on this server and below its base, every character alike, or FetchFailed."""
        try:
            resolved = urljoin(f"{self.base}/{kind if address.startswith('?') else ''}", address)
        except ValueError:
            raise FetchFailed("the next page's address cannot be read") from None
        below = resolved.removeprefix(self.base)
        if _CONTROL.search(address) or not resolved.startswith(self.base) or not _BELOW.fullmatch(below):
            raise FetchFailed("the next page lies on another server, or not below this one's base")
        return resolved

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _send(self, method: str, url: str, form: str = "") -> dict[str, Any]:
        """One exchange. Raises FetchFailed; what went wrong on the server's side is told to its breaker."""
        if self._connection.breaker.opened:
            self._count("left-alone")
            raise FetchFailed("the FHIR server is left alone after several failures")
        if not _VISIBLE.fullmatch(self._token):  # the caller's fault, and none of the server's
            raise FetchFailed("the token lent has characters that no header may have")
        left = self._left()
        if left <= 0:
            raise FetchFailed("not answered in time")
        try:
            with metrics().fetch_seconds.labels(self._connection.server.url).time():
                document = self._exchange(method, url, form, left)
        except FetchFailed as failed:
            self._count("ill" if failed.server_is_ill else "failed")
            # A dozen searches that are late together are one bad moment, not a dozen.
            if not (failed.server_is_ill and self._told_ill):
                self._connection.note(ill=failed.server_is_ill)
            self._told_ill |= failed.server_is_ill
            raise
        self._count("answered")
        self._connection.note(ill=False)
        return document

    def _count(self, result: str) -> None:
        metrics().fetches.labels(self._connection.server.url, result).inc()

    def _exchange(self, method: str, url: str, form: str, left: float) -> dict[str, Any]:
        headers = {"Accept": _ACCEPT, "Cache-Control": "no-cache"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if form:
            headers["Content-Type"] = _FORM
        try:
            with self._connection.session.request(
                method, url, data=form or None, headers=headers, timeout=(left, left), stream=True
            ) as response:
                return self._document(response)
        except (requests.Timeout, TooLate):
            raise FetchFailed("not answered in time", server_is_ill=True) from None
        except (OSError, HTTPError, ValueError) as error:  # requests lets some of what lies below it through
            raise FetchFailed(f"no connection ({type(error).__name__})", server_is_ill=True) from None

    def _document(self, response: requests.Response) -> dict[str, Any]:
        status = response.status_code
        if status in (401, 403):
            raise FetchFailed(f"refused ({status})")
        if 300 <= status < 400:
            raise FetchFailed(f"answered with a redirect ({status}), which is not followed")
        if status != 200:
            raise FetchFailed(f"answered with status {status}", server_is_ill=status >= 500 or status == 429)
        data = bytearray()
        # What has come, as it comes: to wait for a whole chunk could take any time.
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            data += chunk
            self._received += len(chunk)
            if self._received > self._limits.size:
                raise FetchFailed("more bytes than one request may fetch")
            if self._left() <= 0:
                raise FetchFailed("not answered in time", server_is_ill=True)
        try:
            return parse(data)
        except NotJson:
            raise FetchFailed("not FHIR in JSON") from None


def _expect(document: Mapping[str, Any], kind: str) -> None:
    """Raises FetchFailed unless a document is a resource of a type: {} is not "none", nor is an OperationOutcome."""
    sent = document.get("resourceType")
    if sent == "OperationOutcome":
        raise FetchFailed("answered with an OperationOutcome")
    if sent != kind:
        raise FetchFailed(f"answered with something that is no {kind}")


def _entries(bundle: Mapping[str, Any]) -> list[Any]:
    try:
        return entries(bundle)
    except ValueError:
        raise FetchFailed("answered with entries that cannot be read") from None
