"""What can be wrong with the database of records."""

from __future__ import annotations


class StoreDown(Exception):
    """The database does not take records now; the message says why, and holds no record and no password."""


class WrongDatabase(Exception):
    """A URL that no database of records can have."""
