"""Which web pages may read our answers: CORS on every answer, errors and preflights included."""

from __future__ import annotations

from flask import Flask, Response
from flask_cors import CORS

from ..config import Config
from .application import asked

_METHODS = ["GET", "POST"]
# Named one by one: a wildcard does not cover Authorization, and every browser client sends it.
_HEADERS = ["authorization", "content-type"]
_PREFLIGHT_SECONDS = 600


def install(app: Flask, config: Config) -> None:
    """Adds CORS headers for the origins of ``config``; credentials are never allowed."""
    origins = list(config.allowed_origins)

    # Registered first, so that it sees the answer last, with flask-cors' headers on it.
    @app.after_request
    def complete(response: Response) -> Response:
        if not config.any_origin:
            response.vary.add("Origin")
        if asked().method == "OPTIONS" and "Access-Control-Allow-Origin" in response.headers:
            # Said in full whatever was asked for: some clients look for both names, and the answer is the same.
            response.headers["Access-Control-Allow-Headers"] = ", ".join(_HEADERS)
            response.headers["Access-Control-Allow-Methods"] = ", ".join(_METHODS)
        return response

    CORS(
        app,
        origins=origins,
        methods=_METHODS,
        allow_headers=_HEADERS,
        max_age=_PREFLIGHT_SECONDS,
        supports_credentials=False,
        send_wildcard=config.any_origin,
        always_send=config.any_origin,  # without an Origin header there is no one origin to name
        vary_header=False,  # flask-cors leaves it out for a single origin
    )

    # Sees the answer before flask-cors, which takes its time and leaves alone what has the header already.
    if config.any_origin:

        @app.after_request
        def allow_everybody(response: Response) -> Response:
            if asked().method != "OPTIONS":
                response.headers["Access-Control-Allow-Origin"] = "*"
            return response
