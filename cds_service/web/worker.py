"""gunicorn's words about requests it cannot read and faults it meets: which and where, never what was sent."""

from __future__ import annotations

import contextlib
import http
import sys
from typing import Any

from gunicorn import glogging
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from . import log
from .outcomes import Issue, outcome

_STATUS = {
    errors.LimitRequestLine: http.HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.UnsupportedTransferCoding: http.HTTPStatus.NOT_IMPLEMENTED,
    errors.ExpectationFailed: http.HTTPStatus.EXPECTATION_FAILED,
}


class Worker(ThreadWorker):
    """Answers what is no HTTP with an OperationOutcome. gunicorn itself would quote the line it could not read, and
    that may be a token.
    """

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Tells caller and log that a request could not be read, or that we broke over it."""
        if isinstance(exc, errors.ParseException):
            status = _STATUS.get(type(exc), http.HTTPStatus.BAD_REQUEST)
            issue = Issue("structure", "The request could not be read.")
            self.log.warning("request not read: %s", type(exc).__name__)
        else:
            status = http.HTTPStatus.INTERNAL_SERVER_ERROR
            issue = Issue("exception", "The service could not answer because of a fault of its own.")
            self.log.error("request not answered: %s", log.place(exc))
        response = outcome(status, [issue])
        response.headers["Connection"] = "close"
        response.headers["X-Content-Type-Options"] = "nosniff"
        head = "".join(f"{name}: {value}\r\n" for name, value in response.headers)
        with contextlib.suppress(OSError):  # nobody is there any more
            client.sendall(f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode("latin-1"))
            client.sendall(response.get_data())


class Log(glogging.Logger):
    """gunicorn's log, with the place of an exception in place of its trace: an exception's text may hold anything."""

    def debug(self, *_: Any, **__: Any) -> None:
        """Nothing, however loud it is set: it would tell the address of every request."""

    def exception(self, msg: object, *args: object, **_: Any) -> None:
        """Type and place of the exception being handled. ``args`` would be method and address of the request."""
        self.error("%s: %s", str(msg).partition(" %")[0], log.place(sys.exc_info()[1]))
