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
import structlog
from circuitbreaker import STATE_OPEN, CircuitBreaker
from requests.adapters import HTTPAdapter
from requests_hardened.client import HTTPSession
from requests_hardened.config import Config
from urllib3.util.retry import Retry

from ..exact_json import NotJson, parse
from ..metrics import metrics

Answer = TypeVar("Answer")

_log = structlog.get_logger(__name__)

_ACCEPT = "application/fhir+json, application/json;q=0.9"
_FORM = "application/x-www-form-urlencoded"
_CHUNK = 65536
_CONNECTIONS = 32
# One more try for what a second try can mend: a connection that was closed, a gateway that was busy.
_RETRY = Retry(
    total=1, redirect=0, status_forcelist=(502, 503, 504), backoff_factor=0, raise_on_status=False,
    allowed_methods=frozenset({"GET", "POST"}), respect_retry_after_header=False,
)  # fmt: skip


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
                adapter.max_retries = _RETRY
                adapter.init_poolmanager(_CONNECTIONS, _CONNECTIONS)

    def note(self, *, ill: bool) -> None:
        """Tells the breaker how a call ended; the error it keeps has nothing of the request in it."""
        before = self.breaker.state
        with suppress(_Ill), self.breaker:
            if ill:
                raise _Ill
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
        return self._send("GET", f"{self.base}/{path}")

    def search(self, query: str, newest: int | None) -> dict[str, Any]:
        """Every page of a search, as one Bundle; with ``newest``, pages until there are so many matches.

        Where not every page could be had the Bundle keeps its link to the next one. Raises FetchFailed.
        """
        kind, _, parameters = query.partition("?")
        if self._connection.server.post_search:
            first = self._send("POST", f"{self.base}/{kind}/_search", parameters)
        else:
            first = self._send("GET", f"{self.base}/{query}")
        return self.rest(first, newest)

    def rest(self, bundle: Mapping[str, Any], newest: int | None) -> dict[str, Any]:
        """A Bundle with the pages that follow it."""
        entries = list(_entries(bundle))
        address = next_page(bundle)
        if address is None:
            return {**bundle, "entry": entries}
        for _ in range(self._limits.pages):
            if address is None or (newest is not None and _matches(entries) >= newest):
                break
            if not self._is_ours(address):
                raise FetchFailed("the next page lies on another server")
            page = self._send("GET", urljoin(f"{self.base}/", address))
            more = list(_entries(page))
            following = next_page(page)
            if following == address or not more:
                raise FetchFailed("paging does not come to an end")
            entries += more
            address = following
        links = [{"relation": "next", "url": address}] if address else []
        return {**{name: value for name, value in bundle.items() if name != "total"}, "entry": entries, "link": links}

    def read_all(self, paths: list[str]) -> Iterator[dict[str, Any]]:
        """Several resources, read side by side; one that cannot be had is left out."""
        begun = [self._connection.reads.submit(self.read, path) for path in paths]
        for future in begun:
            with suppress(FetchFailed):
                yield self.wait(future)

    def _is_ours(self, address: str) -> bool:
        """Whether a link stays on this server and below its base; every character counts."""
        target, base = urlsplit(urljoin(f"{self.base}/", address)), urlsplit(self.base)
        same = (target.scheme, target.netloc) == (base.scheme, base.netloc)
        below = target.path in (base.path, f"{base.path}/") or target.path.startswith(f"{base.path}/")
        return same and below and ".." not in target.path and "%2e" not in target.path.lower() and not target.fragment

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _send(self, method: str, url: str, form: str = "") -> dict[str, Any]:
        """One exchange. Raises FetchFailed; what went wrong on the server's side is told to its breaker."""
        if self._connection.breaker.opened:
            self._count("left-alone")
            raise FetchFailed("the FHIR server is left alone after several failures")
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
        except requests.Timeout:
            raise FetchFailed("not answered in time", server_is_ill=True) from None
        except requests.RequestException as error:
            raise FetchFailed(f"no connection ({type(error).__name__})", server_is_ill=True) from None

    def _document(self, response: requests.Response) -> dict[str, Any]:
        status = response.status_code
        if status in (401, 403):
            raise FetchFailed(f"refused ({status})")
        if 300 <= status < 400:
            raise FetchFailed(f"answered with a redirect ({status}), which is not followed")
        if status != 200:
            raise FetchFailed(f"answered with status {status}", server_is_ill=status >= 500)
        data = bytearray()
        for chunk in response.iter_content(_CHUNK):
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


def next_page(bundle: Mapping[str, Any]) -> str | None:
    """The address of the page after this one, None where there is none."""
    links = bundle.get("link")
    for link in links if isinstance(links, list) else [links]:
        if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
            return str(link["url"])
    return None


def _entries(bundle: Mapping[str, Any]) -> Iterator[Any]:
    entries = bundle.get("entry")
    yield from entries if isinstance(entries, list) else [entries] if isinstance(entries, dict) else []


def _matches(entries: list[Any]) -> int:
    """How many entries are what was searched for, not sent along with it."""
    searched = (entry.get("search") if isinstance(entry, dict) else None for entry in entries)
    return sum((s.get("mode") if isinstance(s, dict) else None) in (None, "match") for s in searched)
