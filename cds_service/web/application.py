"""Flask as it is used here: a request carries what its line in the log will tell, and there are no sessions."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Request, request
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter

_PLAIN_HOST = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*(?::[0-9]{1,5})?")


class Asked(Request):
    """One request, since when it is here (in seconds of ``time.perf_counter``), and what the log will tell of it."""

    # The functions around a call are the application's; what would be asked for in each blueprint's name is not there.
    blueprints: list[str] = []  # noqa: RUF012  # a property of Flask's

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

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """For a request to an ordinary host only its path and method; no address of ours depends on the host."""
        environ = request.environ if request is not None else {}
        if request is None or "HTTP_UPGRADE" in environ or not _PLAIN_HOST.fullmatch(environ.get("HTTP_HOST", "")):
            return super().create_url_adapter(request)
        return self.url_map.bind("", path_info=request.path, default_method=request.method)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: none of ours is a coroutine, and to find that out again takes time at each call."""
        return func


def asked() -> Asked:
    """The request being answered, itself: each look at it through Flask's name for it takes ten times as long."""
    found: Asked = request._get_current_object()  # type: ignore[attr-defined]
    return found
