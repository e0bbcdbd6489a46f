"""Each token once: what was spent is remembered until it has expired, for all worker processes together."""

from __future__ import annotations

import math
import os
import sqlite3
import threading
import weakref
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

_REDIS = ("redis://", "rediss://", "unix://")
_PREFIX = b"cds-token:"
_PATIENCE_SECONDS = 1.0
_PRUNE_SECONDS = 60
# Machines that share a store need not agree on the time to the second.
_MARGIN_SECONDS = 60
_TABLE = "CREATE TABLE IF NOT EXISTS spent (token BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID"
_INDEX = "CREATE INDEX IF NOT EXISTS spent_until ON spent (until)"


class StoreDown(Exception):
    """Whether a token was spent before cannot be found out; the message says why, and holds no token."""


class SpentTokens(Protocol):
    """Where spent tokens are remembered."""

    def spend(self, token: bytes, until: float, now: float) -> bool:
        """Whether this is the first time that the token of this digest is used.

        It may be forgotten at ``until``; both times are seconds of the epoch. Of callers at the same moment, in any
        process, exactly one is told yes. Raises StoreDown.
        """


def spent_tokens(where: str) -> SpentTokens:
    """The store at a Redis URL or in an SQLite file. Raises StoreDown when it cannot be used."""
    if where.startswith(_REDIS):
        return _Redis(where)
    return _Sqlite(Path(where).absolute())


class _Sqlite:
    """A file of this machine. Each process opens it when it first needs it: a connection must not cross a fork."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._pruned = 0.0
        try:
            # Nobody else may take a spent token out again.
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
            with closing(self._open()) as connection:
                connection.execute(_TABLE)
                connection.execute(_INDEX)
        except (OSError, sqlite3.Error) as error:
            raise StoreDown(f"{file}: {error.strerror if isinstance(error, OSError) else error}") from error

    def spend(self, token: bytes, until: float, now: float) -> bool:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._open()
                    weakref.finalize(self, self._connection.close)
                if now - self._pruned > _PRUNE_SECONDS:
                    self._connection.execute("DELETE FROM spent WHERE until < ?", (now - _MARGIN_SECONDS,))
                    self._pruned = now
                statement = "INSERT INTO spent VALUES (?, ?) ON CONFLICT DO NOTHING"
                return self._connection.execute(statement, (token, until)).rowcount == 1
            except sqlite3.Error as error:
                raise StoreDown(str(error)) from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._file, timeout=_PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


class _Redis:
    """A server that several machines share."""

    def __init__(self, url: str) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise StoreDown("a Redis URL needs the redis package: pip install 'bone-health-cds[redis]'") from error
        self._errors = (redis.RedisError, OSError)
        # A command that was lost on the way is not sent again: its first try may have counted.
        try:
            self._redis: Any = redis.Redis.from_url(
                url,
                socket_timeout=_PATIENCE_SECONDS,
                socket_connect_timeout=_PATIENCE_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )
            self._redis.ping()
            self._redis.close()
        except (*self._errors, ValueError) as error:
            raise StoreDown(f"Redis: {type(error).__name__}") from error

    def spend(self, token: bytes, until: float, now: float) -> bool:
        seconds = max(1, math.ceil(until - now)) + _MARGIN_SECONDS
        try:
            return bool(self._redis.set(_PREFIX + token, b"", nx=True, ex=seconds))
        except self._errors as error:
            raise StoreDown(f"Redis: {type(error).__name__}") from error
