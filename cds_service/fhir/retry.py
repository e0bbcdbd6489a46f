"""One more try of a request, for what a second try can mend."""

from __future__ import annotations

from types import TracebackType

from urllib3 import BaseHTTPResponse
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.exceptions import TimeoutError as TooLate
from urllib3.util.retry import Retry


class _OneMore(Retry):
    """A connection that was closed, a gateway that was busy; not an answer that was waited for in vain."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> _OneMore:
        # A connection that was refused counts as a late one in urllib3, and is none.
        if isinstance(error, TooLate) and not isinstance(error, NewConnectionError):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


ONE_MORE = _OneMore(
    total=1, redirect=0, status_forcelist=(502, 503, 504), backoff_factor=0, raise_on_status=False,
    allowed_methods=frozenset({"GET", "POST"}), respect_retry_after_header=False,
)  # fmt: skip
