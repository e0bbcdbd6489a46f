"""Read and search on the EHR's FHIR server with the token it lent us: paging, retry, deadline, limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from circuitbreaker import CircuitBreaker
from requests.adapters import HTTPAdapter
from requests_hardened.client import HTTPSession
from requests_hardened.config import Config

from ..exact_json import NotJson, parse
from .retry import ONE_MORE
from .searchset import entries, matches, newest_first, next_page

Answer = TypeVar("Answer")

_ACCEPT = "application/fhir+json, application/json;q=0.9"
_FORM = "application/x-www-form-urlencoded"
_CHUNK = 65536
_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class FhirServer:
    """A FHIR server that may be asked: its base URL without a slash at the end, whether its address may lie in a
    private network, and whether searches go by POST.
    """

    url: str
    private_network: bool = False
    post_search: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may fetch: pages of a search, bytes in all, seconds for the whole."""

    pages: int = 40
    size: int = 8_000_000
    failures: int = 5  # in a row, after which a server is left alone
    rest_seconds: int = 10  # for so long


class FetchFailed(Exception):
    """A read or search that gave nothing usable; ``reason`` is for logs and whoever sets up the EHR, without data."""

    def __init__(self, reason: str, *, server_is_ill: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.server_is_ill = server_is_ill


class FhirServers:
    """The FHIR servers this process talks to: connections kept open, and a breaker for each that is ill.

    Made once per process; it keeps no token and no data. Threads start with the first search, so after a fork.
    """

    def __init__(self, servers: Iterable[FhirServer] = (), limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        # Made at start: what a first connection needs takes longer than a request may wait.
        self._known = {server: _Connection(server, self.limits) for server in servers}
        self._pools: tuple[ThreadPoolExecutor, ThreadPoolExecutor] | None = None

    def client(self, server: FhirServer, token: str, deadline: float) -> FhirClient:
        """A client for one request; ``deadline`` is an instant of ``time.monotonic``."""
        with self._lock:
            connection = self._known.get(server)
            if connection is None:
                connection = self._known[server] = _Connection(server, self.limits)
            if self._pools is None:
                # What a search has to read after it runs in a pool of its own, so that none waits for its own thread.
                self._pools = ThreadPoolExecutor(_CONNECTIONS, "fhir"), ThreadPoolExecutor(_CONNECTIONS, "fhir-read")
        return FhirClient(connection, token, deadline, self.limits, *self._pools)

    def state(self) -> Mapping[str, str]:
        """The breaker of each server: closed, open or half_open."""
        with self._lock:
            return {server.url: connection.breaker.state for server, connection in self._known.items()}


class _Connection:
    """The open connections to one server, and its breaker."""

    def __init__(self, server: FhirServer, limits: Limits) -> None:
        self.server = server
        self.breaker = CircuitBreaker(
            failure_threshold=limits.failures, recovery_timeout=limits.rest_seconds, expected_exception=_Ill
        )
        self.session = HTTPSession(
            Config(
                ip_filter_enable=not server.private_network,
                ip_filter_allow_loopback_ips=False,
                never_redirect=True,
                default_timeout=(1, 1),
                user_agent_override="bone-health-cds",
            )
        )
        self.session.trust_env = False  # no proxy, no .netrc of the machine
        if server.private_network:
            for scheme in ("http://", "https://"):
                self.session.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))
        for adapter in self.session.adapters.values():
            if isinstance(adapter, HTTPAdapter):
                adapter.max_retries = ONE_MORE
                adapter.init_poolmanager(_CONNECTIONS, _CONNECTIONS)

    def note(self, *, ill: bool) -> None:
        """Tells the breaker how a call ended; the error it keeps has nothing of the request in it."""
        with suppress(_Ill), self.breaker:
            if ill:
                raise _Ill


class _Ill(Exception):
    """A server that does not answer, or answers with its own fault."""


class FhirClient:
    """Reads and searches of one request, in threads of their own, all within one deadline."""

    def __init__(
        self,
        connection: _Connection,
        token: str,
        deadline: float,
        limits: Limits,
        searches: ThreadPoolExecutor,
        reads: ThreadPoolExecutor,
    ) -> None:
        self._connection = connection
        self._token = token
        self._deadline = deadline
        self._limits = limits
        self._searches = searches
        self._reads = reads
        self._received = 0

    @property
    def base(self) -> str:
        """The server's base URL, without a slash at its end."""
        return self._connection.server.url

    def start(self, work: Callable[[], Answer]) -> Future[Answer]:
        """Begins some work of this request in a thread."""
        return self._searches.submit(work)

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
        begun = [self._reads.submit(self.read, path) for path in paths]
        for future in begun:
            with suppress(FetchFailed):
                yield self.wait(future)

    def _page_url(self, address: str, kind: str) -> str:
        """Where a link to a page leads: on this server and below its base, every character alike, or FetchFailed."""
        try:
            url = urljoin(f"{self.base}/{kind if address.startswith('?') else ''}", address)
            target, base = urlsplit(url), urlsplit(self.base)
        except ValueError:
            raise FetchFailed("the next page's address cannot be read") from None
        same = (target.scheme, target.netloc) == (base.scheme, base.netloc)
        below = target.path in (base.path, f"{base.path}/") or target.path.startswith(f"{base.path}/")
        if not same or not below or ".." in target.path or "%2e" in target.path.lower() or target.fragment:
            raise FetchFailed("the next page lies on another server")
        return url

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _send(self, method: str, url: str, form: str = "") -> dict[str, Any]:
        """One exchange. Raises FetchFailed; what went wrong on the server's side is told to its breaker."""
        if self._connection.breaker.opened:
            raise FetchFailed("the FHIR server is left alone after several failures")
        left = self._left()
        if left <= 0:
            raise FetchFailed("not answered in time")
        try:
            document = self._exchange(method, url, form, left)
        except FetchFailed as failed:
            self._connection.note(ill=failed.server_is_ill)
            raise
        self._connection.note(ill=False)
        return document

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
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise FetchFailed("not answered in time", server_is_ill=True) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
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
