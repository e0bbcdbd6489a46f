"""Every error's HTTP status and its OperationOutcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from .. import catalogue, cdshooks, schemas, service
from . import entries, log, refusals, shared_store, wire

_log = structlog.get_logger(__name__)

# What HTTP itself refuses: FHIR's issue type, and what the client can do about it.
_HTTP = MappingProxyType(
    {
        400: ("structure", "The request could not be read."),
        404: ("not-found", "There is nothing at this address. GET /cds-services lists the services there are."),
        405: ("not-supported", "This method is not offered here; the Allow header names those that are."),
        408: ("timeout", "The request did not arrive in time."),
        413: ("too-long", "The body is larger than this service accepts."),
        415: ("not-supported", "The body must be JSON, uncompressed, with Content-Type application/json."),
        431: ("too-long", "The headers are larger than this service accepts."),
        500: ("exception", "The service could not answer because of a fault of its own. Nothing was checked."),
        501: ("not-supported", "This transfer encoding is not understood; chunked is."),
        503: ("throttled", "The service is overloaded. Nothing was checked; try again."),
    }
)
_UNAUTHENTICATED = "Callers must show who they are: Authorization: Bearer, with a signed JWT made for this call."
_FORBIDDEN = "This client has not been given this service, or not for this tenant."
_TOO_MANY = "This client has called too often within a minute. Nothing was checked; Retry-After says when to try again."
_UNSURE = "The service cannot tell at the moment whether it may answer this call. Nothing was checked; try again."
_OUR_FAULT = _HTTP[500][1]
# In the WSGI environment: the status with which the server has refused this request before it came here.
REFUSED = "cds_service.refused"


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of an OperationOutcome: FHIR's issue type, words for a human, and where in the request."""

    code: str
    diagnostics: str
    expression: str = ""

    def to_json(self, severity: str) -> dict[str, Any]:
        """As FHIR R4 writes an issue."""
        where = {"expression": [self.expression]} if self.expression else {}
        return {"severity": severity, "code": self.code, "diagnostics": self.diagnostics, **where}


def outcome(status: int, issues: Sequence[Issue]) -> Response:
    """A response whose body is an OperationOutcome."""
    return wire.write(_body(status, issues), status)


def as_http(status: int) -> bytes:
    """The same as it goes over a connection that is closed after it, for the server itself."""
    body = wire.encode(_body(status, [Issue(*_HTTP[status])])).encode()
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\nCache-Control: no-store\r\n"
    return f"{head}Content-Type: {wire.JSON}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _body(status: int, issues: Sequence[Issue]) -> dict[str, Any]:
    severity = "fatal" if status >= 500 else "error"
    return {"resourceType": "OperationOutcome", "issue": [issue.to_json(severity) for issue in issues]}


def install(app: Flask) -> None:
    """Makes every error of ``app`` an OperationOutcome."""
    app.before_request(_refused)
    app.register_error_handler(refusals.Unauthenticated, lambda _: _unauthenticated())
    app.register_error_handler(refusals.Forbidden, lambda _: outcome(403, [Issue("forbidden", _FORBIDDEN)]))
    app.register_error_handler(refusals.TooManyCalls, _too_many_calls)
    app.register_error_handler(shared_store.StoreDown, _store_down)
    app.register_error_handler(wire.NotJson, lambda error: outcome(400, [Issue("structure", str(error))]))
    app.register_error_handler(schemas.Invalid, _invalid)
    app.register_error_handler(entries.TooMany, _too_many)
    app.register_error_handler(cdshooks.OtherPatient, _other_patient)
    app.register_error_handler(catalogue.UnknownService, lambda _: _http(404))
    app.register_error_handler(catalogue.HookMismatch, _hook_mismatch)
    app.register_error_handler(service.PreconditionFailed, _precondition_failed)
    app.register_error_handler(service.NothingEvaluated, lambda _: outcome(500, [Issue("exception", _OUR_FAULT)]))
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(Exception, _unexpected)


def _refused() -> Response | None:
    status = request.environ.get(REFUSED)
    return None if status is None else _http(status)


def _unauthenticated() -> Response:
    # The same for every cause: whoever tries tokens learns nothing from it.
    response = outcome(401, [Issue("login", _UNAUTHENTICATED)])
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _too_many_calls(error: refusals.TooManyCalls) -> Response:
    response = outcome(429, [Issue("throttled", _TOO_MANY)])
    response.headers["Retry-After"] = str(error.seconds)
    return response


def _store_down(error: shared_store.StoreDown) -> Response:
    _log.error("shared store not usable", reason=str(error))
    return outcome(503, [Issue("transient", _UNSURE)])


def _invalid(error: schemas.Invalid) -> Response:
    code = "required" if error.got_type == "nothing" else "invalid"
    return outcome(400, [Issue(code, f"{error}.", error.path)])


def _too_many(_: entries.TooMany) -> Response:
    words = f"The request has more than {entries.MOST_ENTRIES} entries in all; nothing was checked."
    return outcome(413, [Issue("too-long", words)])


def _other_patient(error: cdshooks.OtherPatient) -> Response:
    words = "The prefetched Patient is not the patient of the context; nothing was checked."
    return outcome(422, [Issue("conflict", words, f"prefetch.{error.key}")])


def _hook_mismatch(error: catalogue.HookMismatch) -> Response:
    words = "This service is not offered for that hook; GET /cds-services lists the hook of each service."
    return outcome(400, [Issue("not-supported", words, "hook")])


def _precondition_failed(error: service.PreconditionFailed) -> Response:
    words = "This prefetch key is needed; null says that nothing was found. Discovery has its query."
    issues = [
        Issue("required", f"{key}: {reason}. {words}", f"prefetch.{key}") for key, reason in error.reasons.items()
    ]
    return outcome(412, issues)


def _http(status: int) -> Response:
    code, words = _HTTP.get(status, ("processing", "The request was refused."))
    return outcome(status, [Issue(code, words)])


def _http_exception(error: HTTPException) -> Response:
    response = _http(error.code or 500)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    _log.error("unexpected exception", error=log.place(error))
    return outcome(500, [Issue("exception", _OUR_FAULT)])
