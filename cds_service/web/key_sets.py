"""The public keys of clients that publish them at an address: fetched, kept, fetched again when they change."""

from __future__ import annotations

import http.client
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import structlog

from .. import keys
from ..clients import Client
from ..keys import Key
from ..metrics import metrics
from . import wire

_log = structlog.get_logger(__name__)

_LARGEST = 500_000


@dataclass(frozen=True, slots=True)
class Times:
    """When a key set is fetched again, in seconds.

    ``fresh``: not before that long, unless a token names a key that is not in it. ``pause``: never two tries within
    that long. ``stale``: so long after the last success it is used although its source is down. ``patience``: so long
    a caller waits whose key is not there. ``limit``: so long one try may take.
    """

    fresh: float = 600
    pause: float = 60
    stale: float = 24 * 3600
    patience: float = 2
    limit: float = 5


TIMES = Times()


class Keys(Protocol):
    """The public keys of one client."""

    def find(self, kid: str) -> Key | None:
        """The key with this id, if there is one."""


class _Local:
    def __init__(self, known: Mapping[str, Key]) -> None:
        self._known = known

    def find(self, kid: str) -> Key | None:
        return self._known.get(kid)


def keys_of(client: Client, times: Times, clock: Callable[[], float] = time.monotonic) -> Keys:
    """Where a client's keys are looked up; nothing is fetched before a token asks for one."""
    if client.keys.url:
        return Published(client.id, client.keys.url, times, clock)
    return _Local(client.keys.local)


class Published:
    """A key set at an address. Every process has its own; one thread fetches it, never the one that answers a call."""

    def __init__(self, client: str, url: str, times: Times, clock: Callable[[], float]) -> None:
        self._client = client
        self._url = url
        self._times = times
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Mapping[str, Key] = {}
        self._fetched = -math.inf
        self._tried = -math.inf
        self._fetching: threading.Event | None = None

    def find(self, kid: str) -> Key | None:
        """The key with this id. Waits for a fetch only if the key is not there."""
        with self._lock:
            key = self._current(kid)
            if (key is None or self._clock() - self._fetched > self._times.fresh) and self._may_try():
                self._start()
            fetching = self._fetching
        if key is None and fetching is not None:
            fetching.wait(self._times.patience)
            with self._lock:
                key = self._current(kid)
        return key

    def _current(self, kid: str) -> Key | None:
        return self._keys.get(kid) if self._clock() - self._fetched <= self._times.stale else None

    def _may_try(self) -> bool:
        return self._fetching is None and self._clock() - self._tried >= self._times.pause

    def _start(self) -> None:
        self._tried = self._clock()
        fetching = threading.Event()
        thread = threading.Thread(target=self._fetch, args=(fetching,), name=f"keys of {self._client}", daemon=True)
        with suppress(RuntimeError):  # no thread to be had: the next call after the pause tries again
            thread.start()
            self._fetching = fetching

    def _fetch(self, done: threading.Event) -> None:
        found = None
        try:
            found = keys.read(wire.parse(_get(self._url, self._times.limit)))
            if found.problems:
                _log.warning("keys not used", client=self._client, problems=list(found.problems))
        except Exception as error:  # nobody is above a thread; the keys there are stay
            # The type says enough: a message may quote what the other side sent.
            reason = str(error) if isinstance(error, _NotGiven) else type(error).__name__
            _log.error("key set not fetched", client=self._client, reason=reason)
        finally:
            metrics().key_sets.labels(self._client, "failed" if found is None else "fetched").inc()
            with self._lock:
                # A set in which nothing is usable is a fault of its source; one that is empty takes all keys back.
                if found is not None and (found.keys or not found.problems):
                    self._keys = found.keys
                    self._fetched = self._clock()
                self._fetching = None
            done.set()


class _NotGiven(Exception):
    pass


def _get(url: str, limit: float) -> bytes:
    """What an address gives: no redirect, no proxy, no more than is reasonable, within ``limit`` seconds."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=limit, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=limit)
    )
    try:
        connection.connect()
        # A timeout of a socket begins anew with each byte; this one does not.
        end = threading.Timer(limit, _hang_up, (connection.sock,))
        end.daemon = True
        end.start()
        try:
            connection.request("GET", parts.path or "/", headers={"Accept": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                raise _NotGiven(f"HTTP {response.status}")
            data = response.read(_LARGEST + 1)
        finally:
            end.cancel()
    finally:
        connection.close()
    if len(data) > _LARGEST:
        raise _NotGiven(f"larger than {_LARGEST} bytes")
    if response.length:
        raise _NotGiven("cut short")
    return data


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
