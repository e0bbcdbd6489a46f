"""create_app: the one place where the parts are put together."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Response

from ..catalogue import Catalogue
from ..config import Config
from ..manifest import load_catalogue
from . import cds_services, cors, log, operation, outcomes, recording, trust, wire
from .application import Application
from .current import Current

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SLASHES = re.compile(r"/{2,}")


def create_app(
    config: Config,
    catalogue: Catalogue | None = None,
    now: Callable[[], datetime.datetime] | None = None,
) -> Application:
    """The WSGI application.

    ``catalogue`` is loaded from the manifest of ``config`` when none is given (ManifestError when that is not sound);
    ``now`` gives the instant at which a call is answered, and is the clock unless a test says otherwise.
    Callers are authenticated unless ``config.auth`` is "off". Raises ClientsError for an unsound file of clients, and
    ConfigError when it is not said who may call.
    """
    log.configure(config.log_level)
    catalogue = catalogue or load_catalogue(config.manifest, config.rxnorm)
    now = now or _now
    gate = trust.gate(config, [service.id for service in catalogue.services], now)
    record = recording.recording(config)
    current = Current(catalogue, config.manifest, partial(load_catalogue, config.manifest, config.rxnorm))
    app = Application(__name__, static_folder=None)
    app.later = (catalogue.fhir.warm, record.prepare)
    # What is registered first sees the answer last: the log, then CORS, each with everything on it.
    log.install(app)
    operation.install(app)
    cors.install(app, config)
    outcomes.install(app)
    app.register_blueprint(operation.pages(current, gate))
    app.register_blueprint(cds_services.endpoints(current, config, gate, record, now))

    @app.get("/")
    def home() -> Response:
        return wire.write({"service": "CDS Hooks", "discovery": "/cds-services"})

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.add("X-Content-Type-Options", "nosniff")
        return response

    app.wsgi_app = _plain_paths(app.wsgi_app)  # type: ignore[method-assign, assignment]  # Flask's way of wrapping
    return app


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _plain_paths(app: WSGIApplication) -> WSGIApplication:
    """Serves ``//cds-services`` and ``/cds-services/`` as meant: a browser's preflight cannot follow a redirect."""

    def plain(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path: Any = environ.get("PATH_INFO", "")
        environ["PATH_INFO"] = _SLASHES.sub("/", path).rstrip("/") or "/"
        return app(environ, start_response)

    return plain
