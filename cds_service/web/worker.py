"""The worker process under gunicorn: one loop that collects requests, a few threads that answer them."""

from __future__ import annotations

import os
import time
from types import FrameType
from typing import Any

import structlog
from gunicorn.workers.base import Worker
from waitress import wasyncore

from .connections import Limits
from .listening import Dispatcher, Server

_log = structlog.get_logger(__name__)

_TURN_SECONDS = 1.0
_NOTIFY_SECONDS = 1.0  # the master waits half a minute for a sign of life, and a sign costs a fifth of a small request
_LAST_CALL_SECONDS = 0.3  # for requests that were on their way when we were told to stop
_BEFORE_KILL_SECONDS = 1.0


class BufferingWorker(Worker):
    """Collects whole requests before a thread sees them; ``app.limits`` says how much there may be."""

    _next_notice = 0.0

    def run(self) -> None:
        """Serves until told to stop, then answers what has arrived."""
        app: Any = self.app
        limits: Limits = app.limits
        loop: dict[int, Any] = {}
        dispatcher = Dispatcher(limits.large)
        dispatcher.set_thread_count(limits.threads)
        listeners: list[Any] = self.sockets
        self._servers = [Server(app.wsgi(), one.sock, loop, dispatcher, limits) for one in listeners]
        while self.alive and os.getppid() == self.ppid:
            self._turn(loop, _TURN_SECONDS)
        for server in self._servers:
            server.stop()
        begun = time.monotonic()
        until = begun + self.cfg.graceful_timeout - _BEFORE_KILL_SECONDS
        while (self._busy() and time.monotonic() < until) or time.monotonic() < begun + _LAST_CALL_SECONDS:
            self._turn(loop, 0.05)
        if lost := self._busy():
            _log.warning("stopped before everybody was answered", connections=lost)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Told to stop: the loop must not wait for its turn to end."""
        super().handle_exit(sig, frame)
        for server in getattr(self, "_servers", ()):
            server.pull_trigger()

    def _turn(self, loop: dict[int, Any], seconds: float) -> None:
        wasyncore.poll2(seconds, loop)
        for server in self._servers:
            server.look_after()
        if (now := time.monotonic()) >= self._next_notice:
            self._next_notice = now + _NOTIFY_SECONDS
            self.notify()

    def _busy(self) -> int:
        return sum(server.busy for server in self._servers)
