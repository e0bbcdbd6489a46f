"""The database of records: opened, brought up to date, written and purged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Table, create_engine, delete, event, func, inspect, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, NoSuchModuleError

from . import tables
from .entries import Recorded, Row
from .errors import StoreDown, WrongDatabase
from .existing import VERSION

_PATIENCE_SECONDS = 5
_SUPPORTED = ("sqlite", "postgresql")


def engine(url: str) -> Engine:
    """The database of a URL; nothing is opened yet. Raises WrongDatabase."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in _SUPPORTED:
            raise WrongDatabase(f"{parsed.get_backend_name()} is not supported; sqlite and postgresql are")
        if parsed.get_backend_name() == "sqlite":
            made = create_engine(parsed, json_serializer=_json, connect_args={"timeout": _PATIENCE_SECONDS})
            event.listen(made, "connect", _prepare_sqlite)
            return made
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=1,
            max_overflow=1,
            pool_pre_ping=True,
            json_serializer=_json,
            connect_args={
                "connect_timeout": _PATIENCE_SECONDS,
                "options": f"-c statement_timeout={_PATIENCE_SECONDS}s",
            },
        )
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise WrongDatabase(f"{type(error).__name__}: a database URL such as sqlite:///file.sqlite") from error


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _prepare_sqlite(connection: Any, _: Any) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def migrate(store: Engine) -> tuple[str, str]:
    """Brings the tables up to date; the version before ("" for none) and after. Raises StoreDown."""
    with _passing(), store.begin() as connection:
        before = _version(connection)
        if before == VERSION:
            return before, before
        # A quarter of a second, for the few starts that find another version.
        from alembic import command
        from alembic.config import Config

        settings = Config()
        settings.set_main_option("script_location", "cds_service.records:migrations")
        settings.set_main_option("path_separator", "os")
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")
        return before, _version(connection)


def is_current(store: Engine) -> bool:
    """Whether the tables are as this software expects them. Raises StoreDown."""
    with _passing(), store.connect() as connection:
        return _version(connection) == VERSION


def write(store: Engine, batch: Sequence[Recorded]) -> None:
    """Writes records, all or none; a record that is there already stays as it is. Raises StoreDown."""
    made = [one for recorded in batch for one in recorded.invocations]
    configurations = {one.configuration["digest"]: one.configuration for one in made}
    with _passing(), store.begin() as connection:
        _insert(connection, tables.configuration, configurations.values())
        _insert(connection, tables.invocation, [one.row for one in made])
        _insert(connection, tables.card, [row for one in made for row in one.cards])
        _insert(connection, tables.feedback, [row for recorded in batch for row in recorded.feedback])
        _insert(connection, tables.comment, [row for recorded in batch for row in recorded.comments])


def older(store: Engine, before: int) -> tuple[int, int]:
    """How many calls and how much feedback ``purge`` would delete. Raises StoreDown."""
    with reading(store) as connection:
        calls = select(func.count()).where(tables.invocation.c.at < before)
        said = select(func.count()).where(tables.feedback.c.received < before)
        return connection.execute(calls).scalar_one(), connection.execute(said).scalar_one()


@contextmanager
def reading(store: Engine) -> Iterator[Connection]:
    """A connection that reads one state, whatever is written meanwhile. Raises StoreDown."""
    with _passing(), store.connect() as connection:
        if connection.dialect.name == "sqlite":
            # The driver itself begins with the first change only.
            connection.exec_driver_sql("BEGIN")
        else:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        yield connection


def is_there(store: Engine) -> bool:
    """Whether there is anything to open: an SQLite file that is not there would be made."""
    return store.dialect.name != "sqlite" or Path(store.url.database or "").is_file()


def purge(store: Engine, before: int) -> tuple[int, int]:
    """Deletes calls and feedback older than an instant; how many of each. Raises StoreDown."""
    with _passing(), store.begin() as connection:
        old = select(tables.invocation.c.id).where(tables.invocation.c.at < before)
        connection.execute(delete(tables.card).where(tables.card.c.invocation.in_(old)))
        calls = connection.execute(delete(tables.invocation).where(tables.invocation.c.at < before)).rowcount
        stale = select(tables.feedback.c.digest).where(tables.feedback.c.received < before)
        connection.execute(delete(tables.comment).where(tables.comment.c.feedback.in_(stale)))
        said = connection.execute(delete(tables.feedback).where(tables.feedback.c.received < before)).rowcount
        used = select(tables.invocation.c.configuration)
        connection.execute(delete(tables.configuration).where(tables.configuration.c.digest.not_in(used)))
        return calls, said


@contextmanager
def _passing() -> Iterator[None]:
    """A database that is gone, full, locked or has other tables is down, which can pass; a bad record cannot."""
    try:
        yield
    except (DataError, IntegrityError):
        raise
    except DBAPIError as error:
        raise StoreDown(_reason(error)) from error


def _insert(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    values = [dict(row) for row in rows]
    if values:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(insert(table).on_conflict_do_nothing(), values)


def _version(connection: Connection) -> str:
    if not inspect(connection).has_table(tables.version.name):
        return ""
    return connection.execute(select(tables.version.c.version_num)).scalar() or ""


def _reason(error: DBAPIError) -> str:
    """What the driver says in its first line: never the statement, nor the values that went with it."""
    return str(error.orig).splitlines()[0][:200] if str(error.orig) else type(error).__name__
