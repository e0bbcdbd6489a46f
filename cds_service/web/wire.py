"""JSON in and out over HTTP: what a request's body must be, and how an answer is written."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Request, Response
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, UnsupportedMediaType

from ..exact_json import NotJson, parse

__all__ = ["JSON", "NotJson", "encode", "encoded", "parse", "read", "send", "write"]

JSON = "application/json"

_encoder = msgspec.json.Encoder(decimal_format="number")


def read(request: Request, limit: int) -> dict[str, Any]:
    """The JSON object in a request's body; raises NotJson, and what ``body`` raises."""
    return parse(body(request, limit))


def body(request: Request, limit: int) -> bytes:
    """A request's body of at most ``limit`` bytes, labelled as JSON.

    Raises the HTTP errors for one that is too large (413) or labelled as something else (415), and NotJson for one
    that does not come to its end.
    """
    _check_label(request)
    try:
        data = _all(request, limit + 1)
    except HTTPException:
        raise
    except Exception:  # whatever this server raises for a chunk it cannot read, or for a caller that went away
        raise NotJson("The body could not be read to its end.") from None
    if len(data) > limit:
        raise RequestEntityTooLarge
    return data


def _all(request: Request, most: int) -> bytes:
    """The body, or so much of a longer one that it shows.

    A body in chunks does not say its length, and werkzeug cuts it off at its limit without a word: one byte more than
    we accept shows that it was too long.
    """
    environ = request.environ
    if environ.get("wsgi.input_terminated"):  # as with our own server, which has all of it; werkzeug asks several times
        return bytes(environ["wsgi.input"].read(most))
    request.max_content_length = most
    return request.get_data(cache=False)


def encoded(document: object) -> bytes:
    """A document as it goes over the wire."""
    return _encoder.encode(document)


def write(document: object, status: int = 200) -> Response:
    """A JSON response; nobody but the caller may keep it, and nobody may take it for anything else."""
    return send(encoded(document), status)


def send(text: bytes, status: int = 200) -> Response:
    """The same of JSON that was encoded before."""
    response = Response(text, status=status, content_type=JSON)
    response.headers.add("Cache-Control", "no-store")
    return response


def encode(document: object) -> str:
    """A document as JSON text on several lines, for a terminal or a file."""
    return msgspec.json.format(_encoder.encode(document), indent=2).decode()


def _check_label(request: Request) -> None:
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType
    if request.content_type == JSON:
        return
    kind = request.mimetype
    # A client that does not label its body is let in; a form or a text, which any web page may post unasked, is not.
    if (
        kind
        and kind not in (JSON, "application/json+fhir")
        and not (kind.startswith("application/") and kind.endswith("+json"))
    ):
        raise UnsupportedMediaType
