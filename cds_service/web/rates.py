"""How often each client may call, counted for all worker processes together."""

from __future__ import annotations

import math
import time
from typing import Any

from limits import RateLimitItemPerMinute
from limits.errors import ConfigurationError
from limits.storage import RedisStorage, Storage
from limits.strategies import FixedWindowRateLimiter

from ..clients import Client
from . import shared_store
from .refusals import TooManyCalls
from .shared_store import StoreDown

_PREFIX = "cds-calls"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS calls (client TEXT PRIMARY KEY, until REAL NOT NULL, hits INTEGER NOT NULL) "
    "WITHOUT ROWID",
)
# One statement, so that of two processes each counts.
_COUNT = (
    "INSERT INTO calls VALUES (?1, ?2, ?4) ON CONFLICT (client) DO UPDATE SET "
    "hits = iif(until <= ?3, ?4, hits + ?4), until = iif(until <= ?3, ?2, until) RETURNING hits"
)


class Rates:
    """Counts the calls of each client in windows of a minute."""

    def __init__(self, where: str) -> None:
        """``where`` is an SQLite file or a Redis URL. Raises StoreDown when it cannot be used."""
        self._limiter = FixedWindowRateLimiter(_storage(where))
        self._errors = self._limiter.storage.base_exceptions

    def count(self, client: Client) -> None:
        """Counts one call. Raises TooManyCalls, or StoreDown when it is not known how many there were."""
        limit = RateLimitItemPerMinute(client.calls_per_minute, namespace=_PREFIX)
        try:
            if self._limiter.hit(limit, client.id):
                return
            until = self._limiter.get_window_stats(limit, client.id).reset_time
        except StoreDown:
            raise
        except self._errors as error:
            raise StoreDown(f"Redis: {type(error).__name__}") from error
        raise TooManyCalls(max(1, math.ceil(until - time.time())))


def _storage(where: str) -> Storage:
    if not shared_store.is_redis(where):
        return _Sqlite(where)
    try:
        return RedisStorage(where, key_prefix=_PREFIX, **shared_store.redis_options())
    except (ConfigurationError, ValueError) as error:
        raise StoreDown(f"Redis: {type(error).__name__}") from error


class _Sqlite(Storage):
    """The counts in an SQLite file, which the library has no storage for."""

    STORAGE_SCHEME = None

    def __init__(self, where: str) -> None:
        super().__init__()
        self._file = shared_store.File(where, _SCHEMA)

    @property
    def base_exceptions(self) -> type[Exception]:
        return StoreDown

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = time.time()
        return int(self._file.run(_COUNT, (key, now + expiry, now, amount))[0][0])

    def get(self, key: str) -> int:
        return int(self._row(key)[1])

    def get_expiry(self, key: str) -> float:
        return float(self._row(key)[0])

    def check(self) -> bool:
        self._file.run("SELECT 1")
        return True

    def reset(self) -> int:
        return len(self._file.run("DELETE FROM calls RETURNING 1"))

    def clear(self, key: str) -> None:
        self._file.run("DELETE FROM calls WHERE client = ?", (key,))

    def _row(self, key: str) -> tuple[Any, ...]:
        now = time.time()
        rows = self._file.run("SELECT until, hits FROM calls WHERE client = ? AND until > ?", (key, now))
        return rows[0] if rows else (now, 0)
