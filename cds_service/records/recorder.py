"""Writes records behind the answers: a queue and a thread of each process. It never delays or changes an answer."""

from __future__ import annotations

import atexit
import math
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from ..metrics import metrics
from .entries import Recorded
from .errors import StoreDown

if TYPE_CHECKING:
    from sqlalchemy import Engine

_log = structlog.get_logger(__name__)

_CAPACITY = 10_000
_BATCH = 200
_PAUSE_SECONDS = 0.5
_GATHER_SECONDS = 0.1  # a record written alone costs six times what it costs among many
_IDLE_SECONDS = 0.2
_LAST_SECONDS = 5.0


class Recorder:
    """Takes records without waiting and writes them when it can; what it cannot keep is counted and logged.

    While the database does not take records they wait, ``capacity`` calls of them at most in each process.
    """

    def __init__(self, url: str, capacity: int = _CAPACITY) -> None:
        """``url`` is a database URL as SQLAlchemy has it; nothing is opened before the first record."""
        self._url = url
        self._capacity = capacity
        self._lock = threading.Lock()
        self._process = 0
        self._queue: queue.SimpleQueue[Recorded] = queue.SimpleQueue()
        self._end = math.inf
        self._thread: threading.Thread | None = None
        self.written = 0  # calls of this process that are in the database
        self.lost = 0  # calls of this process that never will be; both stand in the metrics too

    def take(self, make: Callable[[], Recorded]) -> None:
        """Takes what ``make`` makes of one call. Never raises: by then the answer has gone."""
        try:
            if self._process != os.getpid():
                self._start()
            if self._queue.qsize() >= self._capacity:
                self._lose(1, "the queue is full")
                return
            self._queue.put(make())
        except Exception as error:
            # The type says enough: a message may hold what was sent.
            self._lose(1, type(error).__name__)

    @property
    def waiting(self) -> int:
        """How many calls of this process wait to be written, those not counted that are being written."""
        return self._queue.qsize()

    def close(self) -> None:
        """Writes what waits, for a few seconds at most; what is left then is lost."""
        if self._thread is not None and self._process == os.getpid():
            self._end = time.monotonic() + _LAST_SECONDS
            self._thread.join(_LAST_SECONDS + 1)

    def _start(self) -> None:
        """Threads do not cross a fork: each process starts its own with its first record."""
        with self._lock:
            if self._process == os.getpid():
                return
            self._queue, self._end = queue.SimpleQueue(), math.inf
            self._thread = threading.Thread(target=self._run, name="records", daemon=True)
            self._thread.start()
            atexit.register(self.close)
            self._process = os.getpid()

    def _lose(self, calls: int, reason: str) -> None:
        with self._lock:
            before, self.lost = self.lost, self.lost + calls
            lost = self.lost
        metrics().records_lost.inc(calls)
        # At each doubling only: a database that is gone for a day must not fill the log as well.
        if lost.bit_length() > before.bit_length():
            _log.error("records lost", inAll=lost, reason=reason)

    def prepare(self) -> None:
        """Imports what the first record would else wait for."""
        from . import database  # noqa: F401  # to have it imported is all

    def _run(self) -> None:
        from .database import engine

        store = engine(self._url)
        try:
            while batch := self._next():
                self._write(store, batch)
        finally:
            store.dispose()

    def _next(self) -> list[Recorded]:
        """Some records, soon after there are any; none when it is time to stop."""
        batch: list[Recorded] = []
        while not batch:
            try:
                batch.append(self._queue.get(timeout=_IDLE_SECONDS))
            except queue.Empty:
                if self._end < math.inf:
                    return []
        if self._end == math.inf and self._queue.qsize() < _BATCH:
            time.sleep(_GATHER_SECONDS)
        while len(batch) < _BATCH and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        return batch

    def _write(self, store: Engine, batch: list[Recorded]) -> None:
        """Writes a batch, as late as it may be; a record that no database would take is lost alone."""
        from .database import write

        down = False
        while True:
            try:
                write(store, batch)
            except StoreDown as error:
                if time.monotonic() > self._end:
                    self._lose(len(batch), "the service stops")
                    return
                if not down:
                    _log.error("records wait", reason=str(error))
                down = True
                metrics().records_waiting.set(self._queue.qsize())
                time.sleep(_PAUSE_SECONDS)
                continue
            except Exception as error:
                if len(batch) == 1:
                    self._lose(1, type(error).__name__)
                else:
                    for one in batch:
                        self._write(store, [one])
                return
            if down:
                _log.info("records are written again", waiting=self._queue.qsize())
            with self._lock:
                self.written += len(batch)
            metrics().records_written.inc(len(batch))
            metrics().records_waiting.set(self._queue.qsize())
            return
