"""What became of the cards: calls and feedback, written to a database behind the answers.

SQLAlchemy and alembic take half a second to import: who needs them, for records that are kept, imports them then;
the service not before it listens, if the tables of its SQLite file are up to date.
"""

from __future__ import annotations

import structlog

from .errors import StoreDown, WrongDatabase
from .existing import is_current
from .recorder import Recorder

__all__ = ["StoreDown", "WrongDatabase", "open_recorder"]

_log = structlog.get_logger(__name__)


def open_recorder(url: str) -> Recorder:
    """A recorder for the database of a URL.

    The tables of an SQLite file are brought up to date; those of a server that several machines use are not, as the
    other machines may run other software. A database that is down now may be up later. Raises WrongDatabase.
    """
    if not is_current(url):
        _bring_up_to_date(url)
    return Recorder(url)


def _bring_up_to_date(url: str) -> None:
    from . import database

    store = database.engine(url)
    try:
        if store.dialect.name == "sqlite":
            database.migrate(store)
        elif not database.is_current(store):
            _log.error("records wait", reason="the tables are not up to date: cds-service records migrate")
    except StoreDown as error:
        _log.error("records wait", reason=str(error))
    finally:
        store.dispose()
