"""Each token once: what was spent is remembered until it has expired, for all worker processes together."""

from __future__ import annotations

import math
from typing import Any, Protocol

from . import shared_store
from .shared_store import StoreDown

_PREFIX = b"cds-token:"
_PRUNE_SECONDS = 60
# Machines that share a store need not agree on the time to the second.
_MARGIN_SECONDS = 60
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS spent (token BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS spent_until ON spent (until)",
)


class SpentTokens(Protocol):
    """Where spent tokens are remembered."""

    def spend(self, token: bytes, until: float, now: float) -> bool:
        """Whether this is the first time that the token of this digest is used.

        It may be forgotten at ``until``; both times are seconds of the epoch. Of callers at the same moment, in any
        process, exactly one is told yes. Raises StoreDown.
        """

    def check(self) -> None:
        """Raises StoreDown when it could not be found out whether a token was used."""


def spent_tokens(where: str) -> SpentTokens:
    """The store at a Redis URL or in an SQLite file. Raises StoreDown when it cannot be used."""
    return _Redis(where) if shared_store.is_redis(where) else _Sqlite(where)


class _Sqlite:
    def __init__(self, where: str) -> None:
        self._file = shared_store.File(where, _SCHEMA)
        self._pruned = 0.0

    def spend(self, token: bytes, until: float, now: float) -> bool:
        if now - self._pruned > _PRUNE_SECONDS:
            self._pruned = now
            self._file.run("DELETE FROM spent WHERE until < ?", (now - _MARGIN_SECONDS,))
        statement = "INSERT INTO spent VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING 1"
        return bool(self._file.run(statement, (token, until)))

    def check(self) -> None:
        self._file.run("SELECT 1 FROM spent LIMIT 1")


class _Redis:
    def __init__(self, url: str) -> None:
        options = shared_store.redis_options()
        import redis

        self._errors = (redis.RedisError, OSError)
        try:
            self._redis: Any = redis.Redis.from_url(url, **options)
            self._redis.ping()
            self._redis.close()
        except (*self._errors, ValueError) as error:
            raise StoreDown(f"Redis: {type(error).__name__}") from error

    def check(self) -> None:
        try:
            self._redis.ping()
        except self._errors as error:
            raise StoreDown(f"Redis: {type(error).__name__}") from error

    def spend(self, token: bytes, until: float, now: float) -> bool:
        seconds = max(1, math.ceil(until - now)) + _MARGIN_SECONDS
        try:
            return bool(self._redis.set(_PREFIX + token, b"", nx=True, ex=seconds))
        except self._errors as error:
            raise StoreDown(f"Redis: {type(error).__name__}") from error
