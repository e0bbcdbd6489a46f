"""One caller's connection: its requests are collected whole before a thread sees them, each within its time."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.task import WSGITask

from .outcomes import REFUSED, as_http
from .parser import Parser

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from .listening import Server

_MISSING = {"command": "GET", "path": "/-", "query": "", "request_uri": "", "url_scheme": "http"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What the callers of one process may use of it. Sizes are in bytes."""

    body: int
    connections: int = 2000
    threads: int = 8
    head: int = 32_768
    arrival_seconds: float = 10  # from a request's first byte, or the connection's begin, to its last byte,
    arrival_rate: int = 250_000  # and a second more for each so many bytes that did arrive
    reading_seconds: float = 30  # for the caller to take its answer
    idle_seconds: float = 75  # between two requests on one connection
    queue_seconds: float = 10  # a caller that has waited so long for a thread has gone
    large: int = 500_000  # bodies from here on are answered one at a time
    small: int = 65_536  # bodies up to here are never dropped for memory
    held: int = 128_000_000  # of all bodies that wait
    drained: int = 50_000_000  # of a refused body, so that its sender comes to read the refusal


class _Task(WSGITask):
    """A request for the application; one that waited too long is refused by it."""

    def start(self) -> None:
        super().start()
        if self.channel.server.stopping:
            self.set_close_on_finish()

    def get_environment(self) -> WSGIEnvironment:
        environ: WSGIEnvironment = super().get_environment()
        if time.monotonic() - self.request.completed_at > self.channel.server.limits.queue_seconds:
            environ[REFUSED] = 503
        return environ


class _Refusal(_Task):
    """A request that HTTP itself forbids; the application words and logs it, its body is left alone."""

    def __init__(self, channel: HTTPChannel, request: Parser) -> None:
        request.version = "1.1"
        for name, value in _MISSING.items():
            if not hasattr(request, name):
                setattr(request, name, value)
        super().__init__(channel, request)

    def execute(self) -> None:
        self.channel.refused = True
        self.set_close_on_finish()
        WSGITask.execute(self)

    def get_environment(self) -> WSGIEnvironment:
        environ: WSGIEnvironment = super().get_environment()
        environ[REFUSED] = self.request.error.code
        return environ


class Connection(HTTPChannel):
    """One caller's connection."""

    parser_class = Parser
    task_class = _Task
    error_task_class = _Refusal
    server: Server
    close_when_flushed: bool

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.owed_since = time.monotonic()  # since when the caller is to send, or to take an answer
        self.begun: float | None = self.owed_since  # since when a request is arriving; None between two requests
        self.draining = 0  # bytes that may still be thrown away before it is closed
        self.refused = False
        super().__init__(*arguments, **named)

    def received(self, data: bytes) -> bool:
        """Takes what has arrived."""
        if self.begun is None:
            self.begun = time.monotonic()
        taken: bool = super().received(data)
        if self.request is None and self.requests:
            self.begun = None
        self.server.note_arrival(len(data))
        return taken

    def service(self) -> None:
        """Answers one request, in a thread."""
        large = self.requests[0].size >= self.server.limits.large
        self._on_time()
        try:
            super().service()
        finally:
            self._on_time()
            if large:
                self.server.dispatcher.large_done()

    # -- while a thread sends its answer, the loop leaves it alone -----------------------------------------------------

    def writable(self) -> bool:
        """Whether the loop has something to send.

        What a thread is just sending could be sent on at once, so the loop would not wait but turn, and the thread
        would not come to go on: a turn takes the interpreter from it each time.
        """
        if self.requests and self.total_outbufs_len:
            if not self.outbuf_lock.acquire(blocking=False):
                return False
            self.outbuf_lock.release()
        return bool(super().writable())

    def write_soon(self, data: bytes) -> int:
        """Sends a part of an answer, in a thread; what the caller does not take at once is left to the loop."""
        written: int = super().write_soon(data)
        if self.total_outbufs_len:
            self.server.pull_trigger()  # it may have looked while the thread was sending
        return written

    def _on_time(self) -> None:
        self.owed_since = time.monotonic()
        if self.begun is not None:
            self.begun = self.owed_since

    # -- a refusal reaches its caller although the body was not read to its end ---------------------------------------

    def readable(self) -> bool:
        return self.draining > 0 or bool(super().readable())

    def handle_read(self) -> None:
        if not self.draining:
            super().handle_read()
            return
        try:
            self.draining -= len(self.socket.recv(self.adj.recv_bytes)) or self.draining
        except BlockingIOError:
            return
        except OSError:
            self.draining = 0
        if self.draining <= 0:
            self.handle_close()

    def handle_write(self) -> None:
        if self.refused and self.close_when_flushed:
            self._flush_exception(self._flush_some)
        if self.refused and self.close_when_flushed and not self.total_outbufs_len:
            self.refused = self.close_when_flushed = False
            self.begun = time.monotonic()
            self.draining = self.server.limits.drained
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.handle_close()
            return
        super().handle_write()

    # -- what the server asks -----------------------------------------------------------------------------------------

    @property
    def is_served(self) -> bool:
        """Whether a request of it has arrived and is not answered yet."""
        return bool(self.requests)

    @property
    def is_busy(self) -> bool:
        """Whether closing it now would lose a request or an answer."""
        return bool(self.requests or self.request or self.total_outbufs_len or self.close_when_flushed)

    def is_late(self, now: float, limits: Limits) -> bool:
        """Whether the caller has had its time."""
        if self.requests:
            return False
        if self.total_outbufs_len:
            return now - self.owed_since > limits.reading_seconds
        if self.begun is not None:
            arrived = self.request.size if self.request is not None else 0
            return now - self.begun > limits.arrival_seconds + arrived / limits.arrival_rate
        return now - self.owed_since > limits.idle_seconds

    def drop(self, status: int = 0) -> None:
        """Closes it; with a status the caller is told, if it takes it at once."""
        if status and self.request is not None and not self.total_outbufs_len and not self.draining:
            with suppress(OSError):
                self.socket.send(as_http(status))
        self.handle_close()
