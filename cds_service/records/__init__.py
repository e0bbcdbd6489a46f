"""What became of the cards: calls and feedback, written to a database behind the answers.

SQLAlchemy and alembic take half a second to import: who needs them, for records that are kept, imports them then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from .errors import StoreDown, WrongDatabase

if TYPE_CHECKING:
    from .recorder import Recorder

__all__ = ["StoreDown", "WrongDatabase", "open_recorder"]

_log = structlog.get_logger(__name__)


def open_recorder(url: str) -> Recorder:
    """A recorder for the database of a URL.

    The tables of an SQLite file are brought up to date; those of a server that several machines use are not, as the
    other machines may run other software. A database that is down now may be up later. Raises WrongDatabase.
    """
    from .database import engine, is_current, migrate
    from .recorder import Recorder

    store = engine(url)
    try:
        if store.dialect.name == "sqlite":
            migrate(store)
        elif not is_current(store):
            _log.error("records wait", reason="the tables are not up to date: cds-service records migrate")
    except StoreDown as error:
        _log.error("records wait", reason=str(error))
    finally:
        store.dispose()
    return Recorder(url)
