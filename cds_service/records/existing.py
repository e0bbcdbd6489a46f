"""Whether an SQLite file has the tables already, seen without SQLAlchemy: its import takes a quarter of a second."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

# The last migration: what the tables are. Where a database keeps which one it has, alembic says.
VERSION = "0001"
VERSION_TABLE, VERSION_COLUMN = "alembic_version", "version_num"

# A URL that says nothing but the file, in which no character means anything else.
_FILE = re.compile(r"sqlite:///([^?#%:]+)")


def is_current(url: str) -> bool:
    """Whether a URL names a file whose tables are certainly up to date; False says only that this must be looked at."""
    named = _FILE.fullmatch(url)
    if not named or not Path(named[1]).is_file():
        return False
    try:
        with closing(sqlite3.connect(named[1], timeout=0)) as connection:
            found = connection.execute(f"SELECT {VERSION_COLUMN} FROM {VERSION_TABLE}").fetchall()  # noqa: S608  # both names stand above
    except sqlite3.Error:
        return False
    return found == [(VERSION,)]
