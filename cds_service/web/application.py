"""Flask as it is used here: a request carries what its line in the log will tell, and there are no sessions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Request, request
from flask.sessions import NullSession, SessionInterface


class Asked(Request):
    """One request, since when it is here (in seconds of ``time.perf_counter``), and what the log will tell of it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.since = time.perf_counter()
        self.told: dict[str, Any] = {}
        super().__init__(*arguments, **named)


class _NoSession(SessionInterface):
    _none = NullSession()  # refuses to be written

    def open_session(self, *_: object) -> NullSession:
        return self._none


class Application(Flask):
    """Flask without what no request here needs.

    ``later`` is what the first requests would else wait for; they are answered without it too.
    """

    later: tuple[Callable[[], None], ...] = ()
    request_class = Asked
    session_interface = _NoSession()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: none of ours is a coroutine, and to find that out again takes time at each call."""
        return func


def asked() -> Asked:
    """The request being answered, itself: each look at it through Flask's name for it takes ten times as long."""
    found: Asked = request._get_current_object()  # type: ignore[attr-defined]
    return found
