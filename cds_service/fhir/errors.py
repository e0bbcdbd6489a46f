"""Data that could not be had, and why: each reason is a kind of gap of its own."""

from __future__ import annotations


class DataUnavailable(Exception):
    """Data under ``key`` cannot be had. ``kind`` is "withheld", "failed", "unreadable" or
    "not-offered".

    ``reason`` is for logs and for the person who sets up the EHR; it never holds patient data.
    """

    kind = "unreadable"

    def __init__(self, key: str, reason: str = "") -> None:
        super().__init__(f"{key}: {reason}" if reason else key)
        self.key = key
        self.reason = reason


class OutOfTime(Exception):
    """The time for answering the request is used up; whatever was being read stays unread."""


class DataWithheld(DataUnavailable):
    """The client neither sent the key nor lets us fetch it."""

    kind = "withheld"

    def __init__(self, key: str, reason: str = "not sent in prefetch") -> None:
        super().__init__(key, reason)


class DataNotOffered(DataUnavailable):
    """The site has said that its EHR does not have these data; it is known, and not told on every card."""

    kind = "not-offered"


class DataFailed(DataUnavailable):
    """The client asked for the data and was answered with an error."""

    kind = "failed"


class DataUnreadable(DataUnavailable):
    """The data came and cannot be used as what was asked for."""

    kind = "unreadable"
