"""What several worker processes must know together: a file of this machine, or a Redis server for several machines."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 1.0

_REDIS = ("redis://", "rediss://", "unix://")


class StoreDown(Exception):
    """What was remembered cannot be found out; the message says why, and holds nothing of what was asked."""


def is_redis(where: str) -> bool:
    """Whether a setting names a Redis server; else it names a file."""
    return where.startswith(_REDIS)


class File:
    """An SQLite file. Each process opens it when it first needs it: a connection must not cross a fork."""

    def __init__(self, where: str, schema: Sequence[str]) -> None:
        """``schema`` are the statements that make what is not there yet. Raises StoreDown when the file is no use."""
        self._file = Path(where).absolute()
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        try:
            # Nobody else may change what is remembered.
            os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
            with closing(self._open()) as connection:
                for statement in schema:
                    connection.execute(statement)
        except (OSError, sqlite3.Error) as error:
            raise StoreDown(f"{self._file}: {error.strerror if isinstance(error, OSError) else error}") from error

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that one statement returns; it has happened whole, or not at all. Raises StoreDown."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._open()
                    weakref.finalize(self, self._connection.close)
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise StoreDown(str(error)) from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._file, timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


def redis_options() -> dict[str, Any]:
    """How every Redis server is asked: with little patience, and once.

    A command that was lost on the way is not sent again, as its first try may have counted. Raises StoreDown when the
    package is missing.
    """
    try:
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise StoreDown("a Redis URL needs the redis package: pip install 'bone-health-cds[redis]'") from error
    return {
        "socket_timeout": PATIENCE_SECONDS,
        "socket_connect_timeout": PATIENCE_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
