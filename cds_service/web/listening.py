"""All connections of one process: who may come in, who has to go, and which thread answers whom."""

from __future__ import annotations

import socket
import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import structlog
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from .connections import Connection, Limits

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_log = structlog.get_logger(__name__)

_KEPT_FREE = 16  # one part in so many of all connections, for callers that come next
_LOOK_SECONDS = 0.5
_TELL_SECONDS = 10


class Dispatcher(ThreadedTaskDispatcher):
    """The threads. Of large requests only one is answered at a time, so that small ones need not wait for them."""

    def __init__(self, large: int) -> None:
        super().__init__()
        self._from = large
        self._waiting: deque[Connection] = deque()
        self._is_busy = False

    def add_task(self, task: Connection) -> None:
        if task.requests[0].size >= self._from:
            with self.lock:
                if self._is_busy:
                    self._waiting.append(task)
                    return
                self._is_busy = True
        super().add_task(task)

    def large_done(self) -> None:
        """Lets the next large request in."""
        with self.lock:
            following = self._waiting.popleft() if self._waiting else None
            self._is_busy = following is not None
        if following is not None:
            super().add_task(following)


class Server(TcpWSGIServer):
    """The connections that came in by one listening socket. All but ``pull_trigger`` is for the thread of the loop."""

    channel_class = Connection
    active_channels: dict[int, Connection]

    def __init__(
        self,
        app: WSGIApplication,
        listener: socket.socket,
        loop: dict[int, Any],
        dispatcher: Dispatcher,
        limits: Limits,
    ) -> None:
        self.limits = limits
        self.dispatcher = dispatcher
        self.stopping = False
        self._held = 0
        self._closed: Counter[str] = Counter()
        self._next_look = self._next_word = 0.0
        adjustments = Adjustments(
            sockets=[listener],
            threads=limits.threads,
            ident="",
            backlog=2048,
            recv_bytes=32_768,
            connection_limit=limits.connections + len(loop) + 64,  # never reached: room is made before
            max_request_header_size=limits.head,
            # Chunks have some bytes of their own; what is too long for the application it refuses itself.
            max_request_body_size=limits.body + limits.body // 4 + 65_536,
            inbuf_overflow=2 * limits.body + 200_000,  # what is sent about a patient is never written to a file
            outbuf_overflow=100_000_000,
            log_socket_errors=False,
        )
        where = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            app, loop, _sock=listener, dispatcher=dispatcher, adj=adjustments, sockinfo=where, bind_socket=False
        )

    def handle_accept(self) -> None:
        # One at a time while there are few, so that the processes share them; many at a time in a flood.
        for _ in range(1 + len(self.active_channels) // 32):
            before = len(self.active_channels)
            if before < self.limits.connections:
                super().handle_accept()
            if len(self.active_channels) == before:
                return

    def maintenance(self, now: float) -> None:
        """Nothing: ``look_after`` does more."""

    def look_after(self) -> None:
        """Closes what is late, and what has to go so that others find room; to be called between two turns."""
        now = time.monotonic()
        room = self.limits.connections // _KEPT_FREE
        if len(self.active_channels) > self.limits.connections - room:
            self._drop(list(self._longest_owing())[: 2 * room], "room")
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            late = [one for one in self.active_channels.values() if one.is_late(now, self.limits)]
            self._drop([one for one in late if one.begun is None and not one.total_outbufs_len], "idle")
            self._drop([one for one in late if one.socket is not None], "slow", 408)
        if self._closed and now >= self._next_word:
            self._next_word = now + _TELL_SECONDS
            _log.warning("connections closed", **self._closed)
            self._closed.clear()

    def _longest_owing(self) -> Iterator[Connection]:
        """Connections whose request has not arrived, the longest waited for first; then those between requests."""
        free = [one for one in self.active_channels.values() if not one.is_served and not one.total_outbufs_len]
        yield from sorted((one for one in free if one.begun is not None), key=lambda one: one.begun or 0)
        yield from sorted((one for one in free if one.begun is None), key=lambda one: one.owed_since)

    def note_arrival(self, size: int) -> None:
        """Counts what has arrived; when it may be too much, looks who holds it and drops the largest."""
        self._held += size
        if self._held <= self.limits.held:
            return
        everyone = list(self.active_channels.values())
        self._held = sum(request.size for one in everyone for request in [*one.requests, one.request] if request)
        arriving = sorted(
            (one for one in everyone if one.request and not one.requests), key=lambda one: one.request.size
        )
        while self._held > self.limits.held and arriving and arriving[-1].request.size > self.limits.small:
            largest = arriving.pop()
            self._held -= largest.request.size
            self._drop([largest], "memory", 503)

    def _drop(self, connections: list[Connection], why: str, status: int = 0) -> None:
        for connection in connections:
            connection.drop(status)
        if connections and why != "idle":
            self._closed[why] += len(connections)

    def stop(self) -> None:
        """Takes in who is already knocking, and nobody after."""
        self.stopping = True
        before = -1
        while before != len(self.active_channels) < self.limits.connections:
            before = len(self.active_channels)
            super().handle_accept()
        self.accepting = False
        self.del_channel()
        self.socket.close()

    @property
    def busy(self) -> int:
        """How many connections have a request arriving, in work, or an answer leaving."""
        return sum(one.is_busy for one in self.active_channels.values())
